package connection_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/quota"
	"github.com/troupe-io/troupe/actorsystem"
)

// handClock is a clock that the test moves. Each look at it may take a while, too.
type handClock struct {
	mu     sync.Mutex
	now    time.Time
	step   time.Duration
	timers []*handTimer
}

type handTimer struct {
	clock *handClock
	at    time.Time
	f     func()
}

func newHandClock() *handClock { return &handClock{now: time.UnixMilli(1_700_000_000_000)} }

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(c.step)
	return c.now
}

func (c *handClock) AfterFunc(d time.Duration, f func()) actorsystem.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &handTimer{c, c.now.Add(d), f}
	c.timers = append(c.timers, t)
	return t
}

func (t *handTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	at := slices.Index(t.clock.timers, t)
	if at >= 0 {
		t.clock.timers = slices.Delete(t.clock.timers, at, at+1)
	}
	return at >= 0
}

// advance moves the time and runs the timers that it passes.
func (c *handClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*handTimer
	c.timers = slices.DeleteFunc(c.timers, func(t *handTimer) bool {
		if t.at.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mu.Unlock()
	for _, t := range due {
		t.f()
	}
}

// waitsFor says whether somebody waits for about d more.
func (c *handClock) waitsFor(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.timers, func(t *handTimer) bool { return (t.at.Sub(c.now) - d).Abs() < 10*time.Millisecond })
}

// quotaDoor is a door whose clients, all with the id "test", have quotas.
func quotaDoor(t *testing.T, limits connection.Limits, values quota.Values) (*door, *handClock) {
	clock := newHandClock()
	if limits.SilentAfterMs == 0 {
		limits.SilentAfterMs = 1 << 40
	}
	d := openDoor(t, limits, 8<<20, func(b *api.Broker) {
		b.System.Shutdown()
		b.System = actorsystem.New(actorsystem.Config{Clock: clock})
		b.Quotas = quota.NewMeters(quota.DefaultWindows(), nil)
		id := uint64(0)
		b.Fetch = api.NewFetchSessions(10, func() uint64 { id++; return id })
	})
	d.stage("t")
	id := "test"
	of := quota.Entity{ClientID: quota.Named(&id)}
	if values[quota.Connection] != 0 {
		of = quota.Entity{IP: quota.Named(nil)}
	}
	d.broker.Metadata.StageQuotas(quota.NewRules(map[quota.Entity]quota.Values{of: values}))
	return d, clock
}

// muted asks for something on c and checks that it is read only when ms are over; meanwhile it holds no memory.
func (d *door) muted(c *client, clock *handClock, ms int32) {
	d.t.Helper()
	c.send(versionsRequest(), 3, 99)
	left := time.Duration(ms) * time.Millisecond
	d.eventually("the reader sits it out", func() bool { return clock.waitsFor(left) })
	if d.budget.Used() != 0 {
		d.t.Errorf("a muted connection holds %d bytes", d.budget.Used())
	}
	clock.advance(left - 5*time.Millisecond)
	if !clock.waitsFor(5 * time.Millisecond) {
		d.t.Error("it no longer waits although the time is not over")
	}
	clock.advance(5 * time.Millisecond)
	c.receive(versionsRequest(), 3, 99)
}

func TestAProducerOverItsQuotaIsAnsweredAtOnceAndThenNotRead(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Produce: 1000})
	for v := int16(0); v <= 13; v++ {
		c := d.dial()
		req := produceRequest(-1, "t", batch(t, strings.Repeat("x", 12_000)))
		req.Topics[0].TopicID = [16]byte{1, 0}
		if v < 3 {
			continue // older batches; the answer is the same code
		}
		resp := c.ask(req, v).(*kmsg.ProduceResponse)
		if resp.ThrottleMillis < 1000 || resp.ThrottleMillis > 2500 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
			t.Fatalf("v%d: throttled for %d ms: %+v", v, resp.ThrottleMillis, resp.Topics[0])
		}
		d.muted(c, clock, resp.ThrottleMillis)
		if resp := c.ask(produceRequest(-1, "nowhere", batch(t, "x")), 9).(*kmsg.ProduceResponse); resp.ThrottleMillis == 0 {
			t.Errorf("v%d: a refused produce does not count", v)
		}
		clock.advance(time.Hour)
	}
}

func TestAProducerWithoutAcknowledgementsIsNotReadEither(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Produce: 1000})
	c := d.dial()
	size := len(frameOf(produceRequest(0, "t", batch(t, strings.Repeat("x", 12_000))), 9, 1)) - 4
	c.send(produceRequest(0, "t", batch(t, strings.Repeat("x", 12_000))), 9, 1)
	d.muted(c, clock, int32(size-10_000))
}

func TestConnectionsOfOneClientShareItsQuota(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Produce: 1000})
	first := d.dial().ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 9_000))), 9).(*kmsg.ProduceResponse)
	c := d.dial()
	second := c.ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 9_000))), 9).(*kmsg.ProduceResponse)
	if first.ThrottleMillis != 0 || second.ThrottleMillis < 8000 {
		t.Errorf("%d and %d ms", first.ThrottleMillis, second.ThrottleMillis)
	}
	d.muted(c, clock, second.ThrottleMillis)
}

func TestASilentClientThatIsMutedIsSoWhenItSpeaksAgain(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{TickMs: 1, SilentAfterMs: 1}, quota.Values{quota.Produce: 1000})
	c := d.dial()
	ms := c.ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 14_000))), 9).(*kmsg.ProduceResponse).ThrottleMillis
	passed := time.Duration(0)
	d.eventually("the client's silence is seen", func() bool {
		if d.listener.Silent() == 1 {
			return true
		}
		clock.advance(time.Millisecond)
		passed += time.Millisecond
		return false
	})
	d.muted(c, clock, ms-int32(passed.Milliseconds()))
}

func TestDrainDoesNotWaitForAMutedClient(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Produce: 1})
	c := d.dial()
	c.ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 1000))), 9)
	c.send(versionsRequest(), 3, 2)
	d.eventually("the reader sits it out", func() bool { return d.sitsOut(clock) })
	if err := d.listener.Drain(d.broker.System, patience); err != nil {
		t.Fatal(err)
	}
	c.closed()
}

// sitsOut says whether somebody waits for long.
func (d *door) sitsOut(clock *handClock) bool {
	clock.mu.Lock()
	defer clock.mu.Unlock()
	return slices.ContainsFunc(clock.timers, func(t *handTimer) bool { return t.at.Sub(clock.now) > time.Minute })
}

func TestAConsumerOverItsQuotaGetsNothingAndKeepsItsSession(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Fetch: 1000})
	writer := d.dial()
	for range 4 {
		writer.ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 6_000))), 9)
	}
	c := d.dial()
	req := fetchRequest(0, "t")
	req.SessionEpoch, req.Topics[0].Partitions[0].PartitionMaxBytes = 0, 6_100
	first := c.ask(req, 12).(*kmsg.FetchResponse)
	if first.ThrottleMillis != 0 || first.SessionID == 0 || len(first.Topics) != 1 {
		t.Fatalf("%+v", first)
	}
	next := fetchRequest(1, "t")
	next.SessionID, next.SessionEpoch, next.Topics[0].Partitions[0].PartitionMaxBytes = first.SessionID, 1, 6_100
	second := c.ask(next, 12).(*kmsg.FetchResponse)
	if second.ThrottleMillis < 2000 || second.ThrottleMillis > 3000 || second.SessionID != first.SessionID || len(second.Topics) != 0 || second.ErrorCode != 0 {
		t.Fatalf("%+v", second)
	}
	d.muted(c, clock, second.ThrottleMillis)
	clock.advance(11 * time.Second)
	next.SessionEpoch = 2 // the throttled one counted
	next.Topics = nil
	third := c.ask(next, 12).(*kmsg.FetchResponse)
	if third.ThrottleMillis != 0 || len(third.Topics) != 1 || len(third.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Fatalf("%+v", third)
	}
	// A session that a throttled request was to make is not made.
	other := d.dial()
	if full := other.ask(req, 12).(*kmsg.FetchResponse); full.ThrottleMillis == 0 || full.SessionID != 0 || d.broker.Fetch.Len() != 1 {
		t.Errorf("%+v, %d sessions", full, d.broker.Fetch.Len())
	}
}

func TestConnectionsFromAnAddressOverItsQuotaAreHeldAndClosed(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Connection: 1})
	for range 10 {
		d.dial().ask(versionsRequest(), 3)
	}
	c := d.dial()
	d.eventually("it is held", func() bool { return clock.waitsFor(time.Second) })
	clock.advance(time.Second)
	c.closed()
	clock.advance(11 * time.Second)
	d.dial().ask(versionsRequest(), 3)
}

func TestTheTimeThatRequestsTakeCounts(t *testing.T) {
	d, clock := quotaDoor(t, connection.Limits{}, quota.Values{quota.Request: 1})
	c := d.dial()
	c.ask(versionsRequest(), 3)
	clock.mu.Lock()
	clock.step = 500 * time.Millisecond // each look at the clock takes that long
	clock.mu.Unlock()
	resp := c.ask(versionsRequest(), 3).(*kmsg.ApiVersionsResponse)
	clock.mu.Lock()
	clock.step = 0
	clock.mu.Unlock()
	if resp.ThrottleMillis <= 0 || resp.ThrottleMillis > 1000 {
		t.Errorf("throttled for %d ms", resp.ThrottleMillis)
	}
}

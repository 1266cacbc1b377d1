package groupload

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/troupe-io/troupe/test/harness"
)

// Commits come at a fixed rate whatever the answers do: latency counts from the moment at which each should have been sent. The
// floor runs before, and at full size after it, too: what the machine alone gives in the same minute.
func TestOffsetCommitsAtAFixedRate(t *testing.T) {
	l := commitLoad{clients: size(t, "GROUPLOAD_CLIENTS", 10), rate: size(t, "GROUPLOAD_RATE", 500),
		warm: size(t, "GROUPLOAD_WARM", 0), seconds: size(t, "GROUPLOAD_SECONDS", 1)}
	floorOfCommits(t, l)
	if atFullSize() {
		defer floorOfCommits(t, l)
	}
	b := harness.Start(t)
	topic := b.CreateTopic("commits", 3, nil)
	b.CreateGroupTopic()
	members := dialAll(t, b.Addr, topic, l.clients)
	if err := joinAll(members, l.clients); err != nil {
		t.Fatal(err)
	}
	p99 := l.run(t, "troupe", b.PID(), members)
	within(t, "p99, ms", p99, 10)
	b.MustNotHavePanicked()
}

func floorOfCommits(t *testing.T, l commitLoad) {
	t.Helper()
	f := startFloor(t)
	defer f.stop()
	l.run(t, "floor", f.pid, dialAll(t, f.addr, "commits", l.clients))
}

func dialAll(t *testing.T, addr, topic string, clients int) []*member {
	t.Helper()
	members := make([]*member, clients)
	for i := range members {
		var err error
		if members[i], err = dial(addr, fmt.Sprintf("group-%d", i), topic); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { members[i].conn.Close() })
	}
	return members
}

// commitLoad is how many commits a second come from how many clients, for how many seconds after how many that are not counted.
type commitLoad struct{ clients, rate, warm, seconds int }

// run sends the commits to the server, a process of this machine, prints what came of them and returns the p99, ms.
func (l commitLoad) run(t *testing.T, server string, pid int, members []*member) float64 {
	t.Helper()
	// client i sends its commit n at began + (n·clients + i)/rate: the loads of all clients are spread evenly.
	total := l.rate * (l.warm + l.seconds) / l.clients
	gap := time.Second / time.Duration(l.rate)
	began := time.Now().Add(100 * time.Millisecond)
	due := func(i, n int) time.Time { return began.Add(gap * time.Duration(n*l.clients+i)) }
	histograms := make([]*hdrhistogram.Histogram, l.clients)
	late := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3) // the load's own delay, of the first sender
	var bad atomic.Int64
	var answers, senders sync.WaitGroup
	for i, m := range members {
		h := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
		histograms[i] = h
		answers.Go(func() {
			_ = m.conn.SetReadDeadline(began.Add(time.Duration(l.warm+l.seconds)*time.Second + time.Minute))
			for n := range total {
				raw, err := m.read()
				if err != nil {
					bad.Add(int64(total - n))
					return
				}
				at := due(i, n)
				if at.Sub(began) >= time.Duration(l.warm)*time.Second {
					_ = h.RecordValue(max(1, time.Since(at).Microseconds()))
				}
				// The partition's error is the last field of version 7.
				if code := binary.BigEndian.Uint16(raw[len(raw)-2:]); code != 0 {
					bad.Add(1)
				}
			}
		})
	}
	// Few goroutines send for all, so that the load costs little of the machine that it shares with the broker.
	const perSender = 25
	for from := 0; from < l.clients; from += perSender {
		list := members[from:min(from+perSender, l.clients)]
		senders.Go(func() {
			for n := range total {
				for k, m := range list {
					if wait := time.Until(due(from+k, n)); wait > 0 {
						time.Sleep(wait)
					}
					if from == 0 {
						_ = late.RecordValue(max(1, time.Since(due(k, n)).Microseconds()))
					}
					if _, err := m.conn.Write(m.commit(int32(n%3), int64(n))); err != nil {
						return
					}
				}
			}
		})
	}
	time.Sleep(time.Until(began.Add(time.Duration(l.warm) * time.Second)))
	before, own, stolen := cpu(t, pid), cpu(t, os.Getpid()), stolenTicks(t)
	senders.Wait()
	used, own, stolen := cpu(t, pid)-before, cpu(t, os.Getpid())-own, stolenTicks(t)-stolen
	answers.Wait()
	all := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	for _, h := range histograms {
		all.Merge(h)
	}
	ms := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1000 }
	share := func(d time.Duration) float64 { return 100 * d.Seconds() / float64(l.seconds) }
	fmt.Printf("%s: %d commits/s of %d clients: p50 %.2f ms, p95 %.2f, p99 %.2f, p99.9 %.2f, max %.2f (%d commits, sent %.2f late at p99); CPU %.1f %% of a core, the load's %.1f %%; stolen from the machine %.1f %% of a core; %.0f MiB\n",
		server, l.rate, l.clients, ms(50), ms(95), ms(99), ms(99.9), float64(all.Max())/1000, all.TotalCount(), float64(late.ValueAtQuantile(99))/1000,
		share(used), share(own), float64(stolen)*tickMs/10/float64(l.seconds), rss(t, pid))
	if n := bad.Load(); n > 0 {
		t.Errorf("%s: %d commits failed", server, n)
	}
	return ms(99)
}

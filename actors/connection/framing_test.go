package connection_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/connection"
)

func TestApiVersionsAreAnsweredAtEachVersion(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	for v := int16(0); v <= 4; v++ {
		resp := c.ask(versionsRequest(), v).(*kmsg.ApiVersionsResponse)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) == 0 || resp.ApiKeys[0].ApiKey != 0 || resp.ApiKeys[0].MinVersion != 0 {
			t.Fatalf("v%d: %+v", v, resp)
		}
		if want := map[bool]int{false: 1, true: 3}[v >= 4]; v >= 3 && len(resp.SupportedFeatures) != want {
			t.Fatalf("v%d: features %+v", v, resp.SupportedFeatures)
		}
	}
}

func TestApiVersionsOfTheFutureGetAVersionZeroAnswerThatListsOnlyItself(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	c.write([]byte{0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 5, 1, 2, 3, 4})
	resp := c.receive(kmsg.NewPtrApiVersionsRequest(), 0, 5).(*kmsg.ApiVersionsResponse)
	if resp.ErrorCode != 35 || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].ApiKey != 18 {
		t.Fatalf("%+v", resp)
	}
	c.ask(versionsRequest(), 3)
}

func TestAnUnknownKeyOrVersionClosesTheConnectionWithOneLine(t *testing.T) {
	for name, b := range map[string][]byte{
		"key":     {0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff},
		"version": {0, 0, 0, 10, 0, 0, 0, 99, 0, 0, 0, 5, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDoor(t, connection.Limits{}, 1<<20)
			c := d.dial()
			c.write(b)
			c.closed()
			d.eventually("the actor ends", func() bool { return d.kinds("connection") == 0 })
			if n := strings.Count(d.log.String(), "connection closed"); n != 1 {
				t.Fatalf("%d lines:\n%s", n, d.log)
			}
		})
	}
}

func TestALengthOutsideTheLimitsClosesTheConnectionBeforeMemoryIsTaken(t *testing.T) {
	d := openDoor(t, connection.Limits{RequestBytesMax: 1 << 20}, 64<<20)
	for _, size := range []int32{-1, 0, 7, 1<<20 + 1, 1<<31 - 1} {
		c := d.dial()
		c.write(binary.BigEndian.AppendUint32(nil, uint32(size)))
		c.closed()
	}
	d.dial().ask(versionsRequest(), 3)
}

func TestHalfFramesHoldNoMoreThanWhatTheySent(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<30)
	head := []byte{0x05, 0xf0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1} // a Produce of 99 MB that never comes
	for range 50 {
		d.dial().write(head)
	}
	d.eventually("50 half frames are begun", func() bool { return d.budget.Used() >= 50*(16<<10) })
	if used := d.frames.InUse(); used > 50*(20<<10) {
		t.Fatalf("%d bytes are held for 50 half frames of 12 bytes", used)
	}
	d.dial().ask(versionsRequest(), 3)
}

func TestARequestThatComesByteByByteIsAnswered(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	for _, b := range frameOf(versionsRequest(), 3, 9) {
		c.write([]byte{b})
	}
	c.receive(versionsRequest(), 3, 9)
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	d := openDoor(t, connection.Limits{RequestsInFlightMax: 16}, 1<<20)
	c := d.dial()
	var all []byte
	const n = 2000
	for i := range int32(n) {
		all = append(all, frameOf(versionsRequest(), int16(i%5), i)...)
	}
	go c.conn.Write(all)
	for i := range int32(n) {
		c.receive(versionsRequest(), int16(i%5), i)
	}
}

func TestRandomGarbageNeverHurtsOthers(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	d := openDoor(t, connection.Limits{}, 8<<20)
	good := d.dial()
	for range 50 {
		c := d.dial()
		b := make([]byte, 1+r.IntN(5000))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 { // a sound length and a known key before it
			b = append([]byte{0, 0, byte(len(b) >> 8), byte(len(b)), 0, byte(r.IntN(30)), 0, byte(r.IntN(4))}, b...)
		}
		_, _ = c.conn.Write(b)
		_ = c.conn.Close()
		good.ask(versionsRequest(), 3)
	}
	d.eventually("only the good one is left", func() bool { return d.kinds("connection") == 1 })
}

func TestAClientThatNeverReadsIsStoppedAndThenClosed(t *testing.T) {
	d := openDoor(t, connection.Limits{WriteStallMs: 300, BytesInFlightMax: 64 << 10}, 1<<20)
	c := d.dial()
	one := frameOf(versionsRequest(), 3, 1)
	flood := bytes.Repeat(one, 1000)
	var wrote int
	for {
		n, err := c.conn.Write(flood)
		wrote += n
		if err != nil {
			break
		}
		if wrote > 256<<20 {
			t.Fatal("the broker reads on and on, though nobody takes its answers")
		}
	}
	d.eventually("the connection is closed", func() bool { return d.kinds("connection") == 0 })
	if !strings.Contains(d.log.String(), "slow_reader") {
		t.Fatalf("the log does not say why:\n%s", d.log)
	}
}

func TestASlowReaderGetsEverything(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	const n = 20000
	one := frameOf(versionsRequest(), 3, 1)
	go c.conn.Write(bytes.Repeat(one, n))
	d.eventually("the writer has to wait", func() bool { return d.budget.Used() > 1000 })
	for i := range n {
		if _, err := c.frame(); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}

func TestAClientThatClosesItsSideStillGetsItsAnswers(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	c.send(versionsRequest(), 3, 1)
	c.send(versionsRequest(), 3, 2)
	if err := c.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.receive(versionsRequest(), 3, 1)
	c.receive(versionsRequest(), 3, 2)
	if _, err := c.frame(); err != io.EOF {
		t.Fatalf("want the end, got %v", err)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	d := openDoor(t, connection.Limits{IdleMs: 50}, 1<<20)
	c := d.dial()
	c.closed()
	if !strings.Contains(d.log.String(), "idle") {
		t.Fatal(d.log)
	}
}

func TestConnectionsOverTheLimitAreRefused(t *testing.T) {
	d := openDoor(t, connection.Limits{ConnectionsMax: 2}, 1<<20)
	a, b := d.dial(), d.dial()
	a.ask(versionsRequest(), 3)
	b.ask(versionsRequest(), 3)
	d.dial().closed()
	a.conn.Close()
	d.eventually("the place is free again", func() bool { return d.kinds("connection") == 1 })
	d.dial().ask(versionsRequest(), 3)
}

func TestDrainClosesIdleConnectionsAndReturns(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 1<<20)
	c := d.dial()
	c.ask(versionsRequest(), 3)
	if err := d.listener.Drain(d.broker.System, patience); err != nil {
		t.Fatal(err)
	}
	c.closed()
}

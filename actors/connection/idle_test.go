package connection_test

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/connection"
)

// silence opens a door whose connections are given to the attendant almost at once.
func silence(t *testing.T, limits connection.Limits) *door {
	limits.TickMs, limits.SilentAfterMs = 1, 1
	return openDoor(t, limits, 8<<20)
}

func (d *door) allSilent(n int) {
	d.t.Helper()
	d.eventually("the clients' silence is seen", func() bool { return d.listener.Silent() == n })
}

// large is a request that does not fit the attendant's buffer.
func large() *kmsg.ApiVersionsRequest {
	req := versionsRequest()
	req.ClientSoftwareName = string(make([]byte, 10_000))
	return req
}

func TestASilentClientIsServedWhateverItSendsNext(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	d := silence(t, connection.Limits{RequestsInFlightMax: 32})
	c := d.dial()
	correlation := int32(0)
	next := func(req *kmsg.ApiVersionsRequest) []byte {
		correlation++
		return frameOf(req, 3, correlation)
	}
	for range 200 {
		if rnd.IntN(2) == 0 {
			d.allSilent(1)
		}
		from := correlation
		switch rnd.IntN(4) {
		case 0: // one whole
			c.write(next(versionsRequest()))
		case 1: // one in pieces
			b := next(versionsRequest())
			cut := 1 + rnd.IntN(len(b)-1)
			c.write(b[:cut])
			if rnd.IntN(2) == 0 {
				d.eventually("the first piece is read", func() bool { return d.listener.Silent() == 0 })
			}
			c.write(b[cut:])
		case 2: // more than the buffer holds
			c.write(next(large()))
		case 3: // many at once, some whole and some not
			var all []byte
			for range rnd.IntN(100) {
				all = append(all, next(versionsRequest())...)
			}
			c.write(all)
		}
		for i := from + 1; i <= correlation; i++ {
			c.receive(versionsRequest(), 3, i)
		}
	}
}

func TestASilentConnectionEndsAsAnyOther(t *testing.T) {
	gone := func(d *door) {
		t.Helper()
		d.eventually("its actor is gone", func() bool { return d.kinds("connection") == 0 && d.listener.Silent() == 0 })
	}
	t.Run("when the client leaves", func(t *testing.T) {
		d := silence(t, connection.Limits{})
		c := d.dial()
		c.ask(versionsRequest(), 3)
		d.allSilent(1)
		c.conn.Close()
		gone(d)
	})
	t.Run("when nothing comes for too long", func(t *testing.T) {
		d := silence(t, connection.Limits{IdleMs: 100})
		c := d.dial()
		d.allSilent(1)
		c.closed()
		gone(d)
	})
	t.Run("when what comes is garbage", func(t *testing.T) {
		for _, b := range [][]byte{{0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 9, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0}, append([]byte{0, 0, 0, 12, 0, 18, 0, 3, 0, 0, 0, 1}, 0, 1, 0xff, 0xff)} {
			d := silence(t, connection.Limits{})
			c := d.dial()
			d.allSilent(1)
			c.write(b)
			c.closed()
			gone(d)
		}
	})
	t.Run("when the broker drains", func(t *testing.T) {
		d := silence(t, connection.Limits{})
		for range 20 {
			d.dial().ask(versionsRequest(), 3)
		}
		d.allSilent(20)
		if err := d.listener.Drain(d.broker.System, patience); err != nil {
			t.Fatal(err)
		}
		gone(d)
	})
}

func TestSilentClientsHaveNoGoroutines(t *testing.T) {
	d := silence(t, connection.Limits{})
	d.dial()
	d.allSilent(1)
	before := runtime.NumGoroutine()
	for range 200 {
		d.dial().ask(versionsRequest(), 3)
	}
	d.allSilent(201)
	if n := runtime.NumGoroutine() - before; n > 20 {
		t.Errorf("200 silent clients cost %d goroutines", n)
	}
}

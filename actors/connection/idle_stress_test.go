package connection_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/connection"
)

func heartbeatRequest() *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID = "g", "m"
	return req
}

// Clients come and go between silence and haste: requests of both attendants, whole, in pieces, many at once, too large for the
// attendant's buffer, garbage; half-closes, closes with requests under way. Each client that keeps to the protocol gets all its
// answers in order; at the end nothing is held. It is for the race detector.
func TestClientsThatAreSilentNowAndThenLoseNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	clients, rounds := 24, 60
	if testing.Short() {
		clients, rounds = 8, 20
	}
	d := silence(t, connection.Limits{RequestsInFlightMax: 16})
	var all sync.WaitGroup
	for i := range clients {
		all.Add(1)
		go func() {
			defer all.Done()
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			for range 4 {
				if err := wander(d.listener.Addr().String(), rnd, rounds/4); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		}()
	}
	all.Wait()
	for range 5 { // some that are silent, some that are not, when the broker drains
		d.dial().ask(heartbeatRequest(), 4)
		d.dial().ask(versionsRequest(), 3)
	}
	if err := d.listener.Drain(d.broker.System, patience); err != nil {
		t.Fatal(err)
	}
	d.eventually("all are gone", func() bool { return d.kinds("connection") == 0 && d.listener.Silent() == 0 })
}

// wander is one connection's life.
func wander(addr string, rnd *rand.Rand, rounds int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	correlation, answered := int32(0), int32(0)
	next := func() []byte {
		correlation++
		switch rnd.IntN(8) {
		case 0:
			return frameOf(large(), 3, correlation)
		case 1, 2, 3:
			return frameOf(versionsRequest(), 3, correlation)
		}
		return frameOf(heartbeatRequest(), 4, correlation)
	}
	collect := func() error {
		for answered < correlation {
			var head [8]byte
			if _, err := io.ReadFull(conn, head[:]); err != nil {
				return err
			}
			if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:]))-4); err != nil {
				return err
			}
			answered++
			if got := int32(binary.BigEndian.Uint32(head[4:])); got != answered {
				return &net.ParseError{Type: "answer", Text: "out of order"}
			}
		}
		return nil
	}
	for range rounds {
		if rnd.IntN(2) == 0 {
			time.Sleep(time.Duration(rnd.IntN(4)) * time.Millisecond) // silence, not synchronisation
		}
		var b []byte
		for range 1 + rnd.IntN(5)*rnd.IntN(5) {
			b = append(b, next()...)
		}
		for len(b) > 0 {
			n := len(b)
			if rnd.IntN(2) == 0 {
				n = 1 + rnd.IntN(len(b))
			}
			if _, err := conn.Write(b[:n]); err != nil {
				return err
			}
			if b = b[n:]; rnd.IntN(3) == 0 {
				time.Sleep(time.Duration(rnd.IntN(3)) * time.Millisecond)
			}
		}
		if err := collect(); err != nil {
			return err
		}
	}
	switch rnd.IntN(4) {
	case 0: // requests under way when it leaves
		_, _ = conn.Write(next())
	case 1: // it says that nothing more comes, and gets its answers
		if _, err := conn.Write(next()); err != nil {
			return err
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return err
		}
		if err := collect(); err != nil {
			return err
		}
	case 2:
		_, _ = conn.Write([]byte{0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	}
	return nil
}

// Heartbeats of many clients are served in rounds; what others ask does not wait for the next round.
func TestWhatIsNoHeartbeatDoesNotWaitForTheRoundsOfHeartbeats(t *testing.T) {
	d := silence(t, connection.Limits{})
	const beating, beats = 40, 14
	ask := func(c *client, req kmsg.Request, version int16) time.Duration {
		time.Sleep(time.Duration(110+rand.IntN(60)) * time.Millisecond) // silence: its next request is the attendant's
		began := time.Now()
		c.ask(req, version)
		return time.Since(began)
	}
	var all sync.WaitGroup
	took := make([][]time.Duration, beating)
	for i := range beating {
		c := d.dial()
		c.ask(heartbeatRequest(), 4)
		all.Add(1)
		go func() {
			defer all.Done()
			for range beats {
				took[i] = append(took[i], ask(c, heartbeatRequest(), 4))
			}
		}()
	}
	other := d.dial()
	var others []time.Duration
	for range beats {
		others = append(others, ask(other, versionsRequest(), 3))
	}
	all.Wait()
	var late []time.Duration
	for i := range took {
		late = append(late, took[i][beats/2:]...)
	}
	slices.Sort(late)
	slices.Sort(others)
	paced, free := late[len(late)/2], others[len(others)/2]
	t.Logf("heartbeats took %s (median), others %s", paced, free)
	if free > max(paced/2, 2*time.Millisecond) {
		t.Errorf("others took %s, heartbeats %s", free, paced)
	}
}

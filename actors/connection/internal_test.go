package connection

import (
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-io/troupe/actorsystem"
)

func testSystem(t *testing.T) *actorsystem.System {
	t.Helper()
	s := actorsystem.New(actorsystem.Config{})
	t.Cleanup(s.Shutdown)
	return s
}

func TestTheBudgetServesWaitersInOrder(t *testing.T) {
	b := NewBudget(1 << 20)
	quit := make(chan struct{})
	if !b.acquire(1<<20, false, quit) {
		t.Fatal("an empty budget refused")
	}
	got := make(chan int64, 3)
	for i, n := range []int64{900_000, 10} {
		go func() {
			if b.acquire(n, false, quit) {
				got <- n
			}
		}()
		for b.Waiting() != int64(i+1) {
		}
	}
	b.release(500_000) // not enough for the first; the second must not overtake it
	if len(got) != 0 {
		t.Fatal("a small request overtook a large one")
	}
	b.release(1<<20 - 500_000)
	if first, second := <-got, <-got; first+second != 900_010 {
		t.Fatal(first, second)
	}
	if b.Used() != 900_010 || b.Waiting() != 0 {
		t.Fatalf("used %d, waiting %d", b.Used(), b.Waiting())
	}
	if !b.acquire(100_000, false, quit) {
		t.Fatal("it fits")
	}
	gone := make(chan struct{})
	close(gone)
	if b.acquire(1<<20, false, gone) {
		t.Fatal("it does not fit, and the waiter had gone")
	}
	b.release(1_000_010)
	if b.Used() != 0 {
		t.Fatal(b.Used())
	}
}

func TestAWaiterThatLeavesIsForgottenAtOnce(t *testing.T) {
	b := NewBudget(1 << 20)
	never, gone := make(chan struct{}), make(chan struct{})
	if !b.acquire(1<<20, false, never) {
		t.Fatal("an empty budget refused")
	}
	got := make(chan bool)
	go func() { got <- b.acquire(1<<20, false, never) }()
	for b.Waiting() != 1 {
	}
	close(gone)
	for range 100 {
		if b.acquire(1, false, gone) {
			t.Fatal("it does not fit")
		}
	}
	if b.Waiting() != 1 || len(b.queue) != 1 {
		t.Fatalf("%d wait, the queue has %d; one is there", b.Waiting(), len(b.queue))
	}
	b.release(1 << 20)
	if !<-got {
		t.Fatal("the first waiter was not served")
	}
}

func TestOnlyClientsThatDoNothingButHeartbeatWaitForRounds(t *testing.T) {
	const commit int16 = 8
	for _, c := range []struct {
		requests []int16
		want     int
	}{
		{nil, prompt},
		{[]int16{commit}, prompt},
		{[]int16{keyHeartbeat}, prompt},
		{[]int16{keyHeartbeat, commit, keyHeartbeat}, prompt},
		{[]int16{keyHeartbeat, keyHeartbeat, commit}, prompt},
		{[]int16{commit, keyHeartbeat, keyHeartbeat}, patient},
		{[]int16{keyConsumerGroupHeartbeat, keyConsumerGroupHeartbeat}, patient},
	} {
		r := &reader{}
		for _, key := range c.requests {
			r.noteRequest(key)
		}
		if got := r.attendantFor(); got != c.want {
			t.Errorf("after requests %v attendant %d waits for the client, want %d", c.requests, got, c.want)
		}
	}
}

func TestAnAnswerThatIsWrittenIsNotPinnedByASilentConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWire(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	c := &connection{s: &socket{wire: w, metrics: NewMetrics(prometheus.NewRegistry())}, scratch: [][]byte{make([]byte, 2048)}}
	if n, err := c.tryWrite(); n != 2048 || err != nil {
		t.Fatalf("%d bytes written, %v", n, err)
	}
	if c.scratch[0] != nil {
		t.Error("the connection still refers to the buffer")
	}
}

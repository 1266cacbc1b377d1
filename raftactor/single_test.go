package raftactor

import (
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestASingleVoterCommitsWhatItHasOnDisk(t *testing.T) {
	w := newWorld(t, 1, 1)
	defer w.close()
	w.startAll()
	n := w.nodes[1]
	o := n.open(5, 1)
	w.run()
	if !n.leads(5) || o.leader.Leader != 1 {
		t.Fatal("the only voter did not elect itself")
	}
	n.wal.manual = true
	n.propose(5, "a", "b")
	n.propose(5, "c")
	w.run()
	if len(o.applied) != 0 {
		t.Fatal("committed before it was durable")
	}
	if len(n.wal.queue) != 1 {
		t.Fatalf("%d appends for one drain", len(n.wal.queue))
	}
	n.wal.complete(1)
	w.run()
	if !slices.Equal(o.payloads(), []string{"a", "b", "c"}) || !slices.Equal(o.committed, o.payloads()) {
		t.Fatal(o.applied, o.committed)
	}
	if w.unreleased() != 0 {
		t.Fatalf("%d frames were not released", w.unreleased())
	}
	if len(w.clock.timers) != 0 {
		t.Fatal("an idle single voter keeps a timer")
	}
}

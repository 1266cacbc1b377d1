package partition

import (
	"sync/atomic"
	"testing"

	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Whoever sees that the replica leads reads its log at once: a coordinator loads its groups, ListOffsets answers.
func TestAReplicaThatSaysItLeadsHasPublishedAllFromBefore(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	var n, short, seen atomic.Int64
	look := func(r *Replica) {
		if r.Leadership().Self {
			seen.Add(1)
			if missing := n.Load() - r.Reader().Bounds().HighWatermark; missing > short.Load() {
				short.Store(missing)
			}
		}
	}
	h.setup.look = look
	for seed := range uint64(10) { // with the commit index of the last entries, and without
		h = h.crash(seed)
		h.quiet()
		h.mustProduce(plain("v"))
		n.Add(1)
		h.kill.partition.Store(1) // and in one piece, to a new incarnation of the partition alone
		h.sys.Send(h.replica.PID, housekeeping{})
		h.awaitServing()
	}
	if seen.Load() == 0 || short.Load() > 0 {
		t.Errorf("seen to lead %d times, once without %d records that were acknowledged before", seen.Load(), short.Load())
	}
}

// Who has missed that a leadership ended can tell the next one from it.
func TestEachStayInLeadershipHasANumberOfItsOwn(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	last := h.replica.Leadership()
	for _, kill := range []*atomic.Int64{&h.kill.partition, &h.kill.raft, &h.kill.partition} {
		kill.Store(1)
		h.sys.Send(h.replica.PID, housekeeping{})
		h.sys.Send(h.raft, &raftactor.Applied{})
		h.awaitServing()
		l := h.replica.Leadership()
		if !l.Self || l.Stay <= last.Stay {
			t.Errorf("after %+v: %+v", last, l)
		}
		last = l
	}
}

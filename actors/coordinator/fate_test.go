package coordinator

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

// The tests here are about batches that fail, in part or to the eye only.

// all is the committed offsets of a group's one topic, by partition.
func (s *stage) all(id string) (offsets []int64) {
	s.t.Helper()
	r := s.ask(group.Fetch{Group: id, MemberEpoch: -1, Stable: true}).(*kmsg.OffsetFetchResponseGroup)
	if r.ErrorCode != 0 || len(r.Topics) != 1 {
		s.t.Fatalf("%v, %d topics", protocol.ErrorCode(r.ErrorCode), len(r.Topics))
	}
	for i := range r.Topics[0].Partitions {
		offsets = append(offsets, r.Topics[0].Partitions[i].Offset)
	}
	return offsets
}

// A raft actor or a partition that fails tells its producers NOT_LEADER of batches that are in the log all the same.
func TestAfterABatchWhoseFateIsNotKnownTheLogDecides(t *testing.T) {
	s := newStage(t)
	s.commit("g", 5)
	s.part.lose.Store(1)
	if err := s.commit("g", 6); err != protocol.ErrNotCoordinator {
		t.Errorf("answered %v", err)
	}
	s.ready()
	if at, err := s.fetch("g"); at != 6 || err != 0 {
		t.Errorf("the log has offset 6, the coordinator %d, %v", at, err)
	}
}

func TestALeadershipThatIsBackBeforeItsEndIsSeenIsANewTerm(t *testing.T) {
	s := newStage(t)
	s.commit("g", 5)
	// Somebody else leads for a moment, and appends.
	other := newStage(t)
	other.commit("g", 6)
	s.part.mu.Lock()
	s.part.batches, s.part.end = other.part.batches, other.part.end
	s.part.mu.Unlock()
	s.part.stay.Add(1)
	for at, err := s.fetch("g"); at != 6 || err != 0; at, err = s.fetch("g") {
		if err == protocol.ErrNone {
			t.Fatalf("offset %d was given out", at)
		}
	}
}

func TestOfAnAppendInSeveralBatchesThatCameThroughInPartTheLogDecides(t *testing.T) {
	const partitions = 40_000
	for _, refused := range []int32{1, 2} {
		s := newStage(t)
		s.ask(commit("big", 7, partitions))
		s.part.nth.Store(refused)
		if err := commitCode(s.ask(commit("big", 8, partitions))); err == protocol.ErrNone {
			t.Errorf("answered OK")
		}
		s.ready()
		before := s.all("big")
		s.ask(hostile{})
		s.ready()
		after := s.all("big")
		eights := 0
		for i := range before {
			if before[i] != after[i] {
				t.Fatalf("refused batch %d: partition %d is at %d, and at %d after a restart", refused, i, before[i], after[i])
			}
			if after[i] == 8 {
				eights++
			}
		}
		if len(before) != partitions || eights == 0 || eights == partitions {
			t.Errorf("%d partitions, %d of them in a batch that came through", len(before), eights)
		}
	}
}

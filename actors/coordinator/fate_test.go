package coordinator

import (
	"fmt"
	"math/rand/v2"
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

// Commits overlap, batches of theirs are refused or lost, in any order. Of each group what the coordinator shows is the last commit
// that was answered OK, or one after it whose answer left it open; and a restart finds the same.
func TestWhateverBecomesOfBatchesTheLastAcknowledgedCommitIsNotLost(t *testing.T) {
	for seed := range uint64(30) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		s := newStage(t)
		s.system.Send(s.partID, fates{rand.New(rand.NewPCG(seed, 5))})
		const groups = 4
		at := [groups]int64{}    // the newest that was sent; offsets count up
		acked := [groups]int64{} // the newest that was answered OK
		for range 40 {
			type sent struct {
				group  int
				offset int64
				answer chan any
			}
			var list []sent
			s.system.Send(s.partID, hold{true})
			for range 1 + rnd.IntN(20) {
				g := rnd.IntN(groups)
				at[g]++
				list = append(list, sent{g, at[g], s.send(commit(fmt.Sprint("g", g), at[g], 1))})
				if rnd.IntN(4) == 0 {
					s.ask(group.Describe{Group: "nobody", Version: 6}) // what has been sent is in a batch now
				}
			}
			s.system.Send(s.partID, hold{false})
			for _, c := range list {
				if err := commitCode(s.await(c.answer)); err == protocol.ErrNone {
					acked[c.group] = max(acked[c.group], c.offset)
				}
			}
			// A batch of a former term may come through when the next one has been loaded: until the coordinator hears of it, which is
			// before whatever it is asked from now on, it shows what came before.
			all := told{make(chan struct{})}
			s.system.Send(s.partID, all)
			<-all.done
			before := s.offsets(groups)
			for g := range groups {
				if before[g] < acked[g] || before[g] > at[g] {
					t.Fatalf("seed %d: g%d shows %d, %d is acknowledged", seed, g, before[g], acked[g])
				}
			}
			if rnd.IntN(3) == 0 {
				s.part.stay.Add(1)
				s.ready()
				if after := s.offsets(groups); before != after {
					t.Fatalf("seed %d: offsets %v, after a restart %v; acknowledged %v", seed, before, after, acked)
				}
			}
		}
	}
}

// offsets asks until the coordinator is there; 0 is none.
func (s *stage) offsets(groups int) (offsets [4]int64) {
	for g := 0; g < groups; {
		if at, err := s.fetch(fmt.Sprint("g", g)); err == protocol.ErrNone {
			offsets[g] = max(at, 0)
			g++
		}
	}
	return offsets
}

package partition

import (
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/segment"
)

// A checkpoint makes the segments durable up to what is applied and tells the WAL, so that older WAL files can be recycled
// and a restart need not apply those entries again. It is taken when the WAL asks, and CheckpointAfter after the first
// entry that has none.

// checkpointDue is the timer's message.
type checkpointDue struct{}

type checkpoints struct {
	checkpointed    uint64 // index of the last one handed to the raft actor
	checkpointTimer actorsystem.Timer
	taking          *taking
	recording       uint64 // index of the one that is on its way into the WAL, 0: none
	wantedAgain     bool
}

// taking is a checkpoint whose segment bytes are being written.
type taking struct {
	index uint64
	state snapshot // the log's part comes with segment.Checkpointed
	token uint64
}

func (p *partition) noteApplied() {
	if p.checkpointTimer == nil && p.taking == nil && p.recording == 0 && p.Options.CheckpointAfter > 0 {
		p.checkpointTimer = p.System.SendAfter(p.Options.CheckpointAfter, p.self, checkpointDue{})
	}
}

func (p *partition) wantCheckpoint() {
	if p.log == nil {
		return
	}
	// Asking the log for the next one lets it delete the files that only older ones need: not before the last is in the WAL, where a
	// restart will find it.
	if p.taking != nil || p.recording != 0 {
		p.wantedAgain = true
		return
	}
	if p.applied == p.checkpointed {
		return
	}
	// The producers are copied now: the checkpoint must be of exactly this index.
	state := snapshot{epochs: p.epochs, producers: p.producers.clone()}
	p.taking = &taking{index: p.applied, state: state, token: p.applied}
	p.log.Checkpoint(p.applied)
}

func (p *partition) checkpointWritten(done *segment.Checkpointed) {
	t := p.taking
	if t == nil || t.token != done.Token {
		return
	}
	p.taking = nil
	t.state.log = done.State
	p.checkpointed, p.recording = t.index, t.index
	p.send(p.Raft, &raftactor.Checkpoint{Group: p.Replica.Group, Index: t.index, Data: t.state.encode()})
}

func (p *partition) checkpointDurable(m *raftactor.CheckpointDurable) {
	if p.recording == 0 || m.Index < p.recording {
		return // of a former incarnation
	}
	p.recording = 0
	if p.wantedAgain {
		p.wantedAgain = false
		p.wantCheckpoint()
	} else if p.applied != p.checkpointed {
		p.noteApplied()
	}
}

func (p *partition) stopCheckpoints() {
	if p.checkpointTimer != nil {
		p.checkpointTimer.Stop()
	}
	p.checkpoints = checkpoints{}
}

func (s *producers) clone() producers {
	c := producers{}
	if len(s.byID) > 0 {
		c.byID = make(map[int64]*producer, len(s.byID))
		for id, p := range s.byID {
			copied := *p
			c.byID[id] = &copied
		}
	}
	return c
}

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
	checkpointed    uint64 // index of the last one that is durable
	checkpointTimer actorsystem.Timer
	taking          *taking
	wantedAgain     bool
	askedFor        uint64 // the supervisor waits until this index is checkpointed; 0: it does not
}

// taking is a checkpoint under way: first its segment bytes are written, then it goes to the WAL. The next one begins only
// when the WAL has it: segment.Log deletes what only an older checkpoint still needed.
type taking struct {
	index uint64
	state snapshot // the log's part comes with segment.Checkpointed
	sent  bool     // to the WAL; a CheckpointDurable before that is a former incarnation's
}

func (p *partition) noteApplied() {
	if p.checkpointTimer == nil && p.taking == nil && p.Options.CheckpointAfter > 0 {
		p.checkpointTimer = p.System.SendAfter(p.Options.CheckpointAfter, p.self, checkpointDue{})
	}
}

func (p *partition) wantCheckpoint() {
	if p.log == nil {
		return
	}
	if p.taking != nil {
		p.wantedAgain = true
		return
	}
	if p.applied == p.checkpointed && !p.log.NeedsCheckpoint() {
		return
	}
	if len(p.backlog.batches) > 0 { // in the middle of a batch: the raft actor must know before it takes the checkpoint
		p.send(p.Raft, &raftactor.Applied{Group: p.Replica.Group, Index: p.applied})
	}
	// The producers are copied now: the checkpoint must be of exactly this index.
	p.taking = &taking{index: p.applied, state: snapshot{epochs: p.epochs, producers: p.producers.clone()}}
	p.log.Checkpoint(p.applied)
}

// checkpointNow takes a checkpoint that the supervisor waits for. A replica that is not open yet has nothing to write: its records
// are in the WAL.
func (p *partition) checkpointNow() {
	if p.log == nil || p.applied == p.checkpointed {
		p.send(p.Replica.supervisor, checkpointCurrent{p.Replica})
		return
	}
	p.askedFor = p.applied
	p.wantCheckpoint()
}

// checkpointWritten hands a checkpoint whose segments are durable to the WAL.
func (p *partition) checkpointWritten(done *segment.Checkpointed) {
	t := p.taking
	if t == nil || t.index != done.Token {
		return
	}
	t.state.log, t.sent = done.State, true
	p.send(p.Raft, &raftactor.Checkpoint{Group: p.Replica.Group, Index: t.index, Data: t.state.encode()})
}

func (p *partition) checkpointDurable(m *raftactor.CheckpointDurable) {
	t := p.taking
	if t == nil || !t.sent || m.Index < t.index {
		return
	}
	p.taking = nil
	p.checkpointed = t.index
	p.log.Recorded()
	if p.askedFor != 0 && p.checkpointed >= p.askedFor {
		p.askedFor = 0
		p.send(p.Replica.supervisor, checkpointCurrent{p.Replica})
	}
	if p.wantedAgain {
		p.wantedAgain = false
		p.wantCheckpoint()
	} else if p.applied != p.checkpointed || p.log.NeedsCheckpoint() {
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

package partition

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/segment"
)

// Config is what a partition actor is made of.
type Config struct {
	System   *actorsystem.System
	Raft     *actor.PID // the raft actor of the partition's group
	Segments *segment.Shared
	Dir      string // of the segment files
	Replica  *Replica
	NodeID   raftactor.NodeID
	Voters   []raftactor.NodeID // first configuration of the group
	Options  Options
	Log      zerolog.Logger
}

// Options are the broker's settings that partitions share.
type Options struct {
	// CheckpointAfter is how long applied data may wait for a checkpoint when nothing else asks for one.
	CheckpointAfter time.Duration
	// ProducerExpiry gives producer.id.expiration.ms as it is now, 0: never; nil is never.
	ProducerExpiry func() time.Duration
}

// partition is the state machine of one partition replica (Core lane; nothing here blocks).
//
// Invariants:
//   - applied is the index of the last entry applied; it grows without gap or repeat, by what each Committed says.
//   - log, producers, epochs are functions of exactly the entries up to applied, also in the middle of a Committed.
//   - readers see a batch only after the entry that holds it was committed and appended (Publish).
//   - every Produce taken in is answered once: from apply, from Dropped, or by Undelivered if this actor dies of it.
type partition struct {
	Config
	self *actor.PID
	log  *segment.Log // nil until Opened

	applied   uint64
	appliedAt uint64 // term of the entry at applied
	nextOff   int64
	producers producers
	epochs    []EpochStart

	term    uint64
	known   uint64 // index up to which a former incarnation may have acknowledged
	leading bool   // by the raft group's word

	proposals []raftactor.Proposal // collected from this batch of messages, proposed on Drained
	backlog   backlog
	answers   answers
	waits     waits
	reported  bool // the supervisor knows that the replica serves
	checkpoints
}

// NewActor returns what makes a partition's incarnations, for actorsystem.Spec.New.
func NewActor(cfg Config) func() actor.Actor {
	return func() actor.Actor { return &partition{Config: cfg} }
}

// Messages between a partition and its supervisor.

// serving tells the supervisor that the replica can be used: it leads and is current, or it knows who leads.
type serving struct{ key Key }

// configChanged says that Replica.Config is new.
type configChanged struct{}

// remove deletes the replica: its raft group, its files, then its actor.
type remove struct{}

// checkpointNow asks for checkpointCurrent as soon as all that is applied now is in the segment files.
type checkpointNow struct{}

// checkpointCurrent answers checkpointNow, to the supervisor.
type checkpointCurrent struct{ replica *Replica }

// housekeeping asks for retention, rolling by age and expiry of producers.
type housekeeping struct{}

func (p *partition) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *Produce:
		p.produce(m)
	case actorsystem.Drained:
		p.propose()
	case *raftactor.Committed:
		p.committed(m)
	case segment.Completion:
		p.segmentCompleted(ctx, m)
	case *Wait:
		p.wait(m)
	case *Cancel:
		p.waits.cancel(m.Reply, m.Token)
	case *raftactor.Dropped:
		p.dropped(m)
	case *raftactor.LeaderChanged:
		p.leaderChanged(m)
	case *raftactor.CheckpointWanted:
		p.wantCheckpoint()
	case checkpointDue:
		p.checkpointTimer = nil
		p.wantCheckpoint()
	case checkpointNow:
		p.checkpointNow()
	case *raftactor.CheckpointDurable:
		p.checkpointDurable(m)
	case *DeleteRecords:
		p.deleteRecords(m)
	case *DescribeProducers:
		p.send(m.Reply, &ProducersDescribed{Token: m.Token, Index: m.Index, Producers: p.producers.describe()})
	case *BeginClean:
		p.beginClean(m)
	case *SwapCleaned:
		p.swapCleaned(m)
	case housekeeping:
		p.housekeep()
	case configChanged:
		if p.log != nil {
			p.log.SetOptions(p.segmentOptions())
		}
	case *raftactor.Opened:
		p.opened(m)
	case *raftactor.Restarted:
		p.reopen()
	case remove:
		p.remove(ctx)
	case *actor.Started:
		p.self = ctx.Self()
		p.reopen()
	case *actor.Restarting, *actor.Stopping:
		p.release()
	}
}

func (p *partition) send(to *actor.PID, m any) { p.System.Send(to, m) }

func (p *partition) nowMs() int64 { return p.System.Clock().Now().UnixMilli() }

// reopen (re)attaches to the raft group; everything above the last checkpoint is handed over again.
func (p *partition) reopen() {
	p.release()
	*p = partition{Config: p.Config, self: p.self}
	p.send(p.Raft, &raftactor.OpenGroup{Group: p.Replica.Group, Owner: p.self, Voters: p.Voters})
}

// release gives up what an incarnation holds outside the actor, and tells whoever waits.
func (p *partition) release() {
	p.Replica.leader.Store(nil)
	for i := range p.proposals {
		if f := p.proposals[i].Frame; f != nil {
			f.Release()
		}
		p.refuse(p.proposals[i].Waiter, protocol.ErrNotLeaderForPartition)
	}
	p.proposals = nil
	p.backlog.refuse(p)
	p.answers.flush(p.send)
	p.stopCheckpoints()
	if p.log != nil {
		p.log.Close(false)
		p.log = nil
	}
	p.wakeAll()
}

func (p *partition) remove(ctx actor.Context) {
	p.send(p.Raft, &raftactor.CloseGroup{Group: p.Replica.Group, Remove: true})
	if p.log != nil {
		p.log.Close(true)
		p.log = nil
	}
	p.release()
	ctx.Stop(ctx.Self())
}

func (p *partition) opened(m *raftactor.Opened) {
	state := &snapshot{}
	if len(m.Checkpoint.Data) > 0 {
		var err error
		if state, err = decodeSnapshot(m.Checkpoint.Data, p.nowMs()); err != nil {
			panic(fmt.Errorf("partition %s-%d at index %d: %w", p.Replica.Topic, p.Replica.Partition, m.Checkpoint.Index, err))
		}
	}
	p.applied, p.appliedAt = m.Checkpoint.Index, m.Checkpoint.Term
	p.checkpointed = m.Checkpoint.Index
	p.nextOff = state.log.LogEndOffset
	p.producers, p.epochs = state.producers, state.epochs
	p.publishEpochs()
	p.log = segment.Open(p.Segments, p.Dir, p.self, p.segmentOptions(), state.log)
	p.log.Publish(p.nextOff, p.nextOff)
	p.Replica.reader.Store(p.log.Reader())
	p.send(p.Raft, &raftactor.Resume{Group: p.Replica.Group, Applied: p.applied})
}

func (p *partition) segmentOptions() segment.Options {
	return segmentOptions(p.Replica.Config())
}

func segmentOptions(c *topicconfig.Config) segment.Options {
	opt := segment.Options{
		SegmentBytes: c.SegmentBytes, SegmentMs: c.SegmentMs, RetentionBytes: -1, RetentionMs: -1, Compact: c.CleanupCompact,
		IndexInterval: c.IndexIntervalBytes, DeleteDelayMs: c.FileDeleteDelayMs,
	}
	if c.CleanupDelete {
		opt.RetentionBytes, opt.RetentionMs = c.RetentionBytes, c.RetentionMs
	}
	if c.CleanupCompact && c.MaxCompactionLagMs > 0 { // a record can be compacted only when its segment is closed
		opt.SegmentMs = min(opt.SegmentMs, c.MaxCompactionLagMs)
	}
	return opt
}

func (p *partition) leaderChanged(m *raftactor.LeaderChanged) {
	p.term, p.known = m.Term, m.Committed
	p.leading = m.Leader == p.NodeID
	l := &Leadership{Leader: int32(m.Leader), Epoch: leaderEpoch(m.Term)}
	if m.Leader == 0 {
		l.Leader = -1
	}
	p.Replica.leader.Store(l)
	p.current() // at once if this incarnation began at a checkpoint of this term: there may be nothing more to apply
	p.wakeAll()
	if m.Leader != 0 && !p.leading {
		p.report()
	}
}

// current marks the leadership as current once an entry of its own term is applied, and all that raft had handed to a former
// incarnation: everything acknowledged before is then in this replica's log (Raft thesis, section 6.4).
func (p *partition) current() {
	l := p.Replica.leader.Load()
	if !p.leading || l == nil || l.Self || p.appliedAt != p.term || p.applied < p.known {
		return
	}
	p.Replica.leader.Store(&Leadership{Leader: l.Leader, Epoch: l.Epoch, Self: true, Stay: p.Replica.stays.Add(1)})
	p.report()
}

func (p *partition) report() {
	if !p.reported {
		p.reported = true
		p.send(p.Replica.supervisor, serving{Key{p.Replica.TopicID, p.Replica.Partition}})
	}
}

func (p *partition) publishEpochs() {
	epochs := p.epochs[:len(p.epochs):len(p.epochs)]
	p.Replica.epochs.Store(&epochs)
}

func (p *partition) wait(m *Wait) {
	if p.log == nil || p.nextOff > m.Offset || p.Replica.Leadership().Leader != int32(p.NodeID) {
		p.send(m.Reply, &Woken{Token: m.Token})
		return
	}
	p.waits.add(*m)
}

func (p *partition) wakeAll() { p.waits.wake(p.send, func(*Wait) bool { return true }) }

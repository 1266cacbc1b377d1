package partition

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/wal"
)

// SupervisorConfig is what the supervisor of all partition replicas of a broker is made of.
type SupervisorConfig struct {
	System     *actorsystem.System
	Raft       func(wal.GroupID) *actor.PID // the raft actor that a group hashes to
	Controller *actor.PID
	Directory  *Directory
	Segments   *segment.Shared
	Dir        string   // the partitions' directories are made in it
	Found      []string // the names in Dir when the broker started; those that no partition is left for are removed
	NodeID     int32
	Options    Options
	// Housekeeping is the interval of retention and rolling by age (log.retention.check.interval.ms).
	Housekeeping time.Duration
	Log          zerolog.Logger
	// Observer, if not nil, gets Settled.
	Observer *actor.PID
}

// Settled says that every partition of the image with that Index serves on this broker (or has been given up).
type Settled struct{ Index uint64 }

// CheckpointAll asks the supervisor for a checkpoint of every replica, before an orderly stop: whoever reads the segment files then
// finds all records in them, and the next start has nothing to apply again.
type CheckpointAll struct {
	// Done is called once, on the supervisor's goroutine, when all that had been applied is in the segment files. A replica
	// that cannot write keeps it from being called: wait with a bound.
	Done func()
}

// supervisor starts and stops the partition actors that the metadata image places on this broker, and tells the controller
// when an image is in force here (ImageApplied).
//
// Invariant: replicas holds exactly the partitions of the last image seen that are placed here, plus those being removed.
type supervisor struct {
	SupervisorConfig
	self     *actor.PID
	image    *controller.Image
	replicas map[Key]*entry
	byPID    map[string]Key
	pending  int // replicas that do not serve yet, or are not yet removed
	timer    actorsystem.Timer
	ending   bool // this incarnation is being stopped, its children with it

	checkpointing  map[*Replica]bool // those that CheckpointAll still waits for
	checkpointDone func()
}

type entry struct {
	replica           *Replica
	serving, removing bool
	dead              bool // given up: its actor is gone
}

// NewSupervisor returns what makes the supervisor's incarnations, for actorsystem.Spec.New.
func NewSupervisor(cfg SupervisorConfig) func() actor.Actor {
	return func() actor.Actor {
		return &supervisor{SupervisorConfig: cfg, replicas: map[Key]*entry{}, byPID: map[string]Key{}}
	}
}

// Supervision is the strategy for the partitions: each is restarted alone; one that fails ten times in ten seconds is
// given up and shown as offline.
func Supervision() actor.SupervisorStrategy { return actorsystem.Restart(10, 10*time.Second) }

func (s *supervisor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.self = ctx.Self()
		s.System.Send(s.Controller, controller.Subscribe{Subscriber: s.self})
		s.schedule()
	case controller.ImageChanged:
		s.follow(ctx, m)
	case serving:
		if e := s.replicas[m.key]; e != nil && !e.serving && !e.removing {
			e.serving = true
			s.settled()
		}
	case CheckpointAll:
		s.checkpointAll(m)
	case checkpointCurrent:
		delete(s.checkpointing, m.replica)
		s.checkpointed()
	case *actor.Terminated:
		if !s.ending { // otherwise it ends with its supervisor
			s.ended(m.Who)
		}
	case housekeeping:
		for _, e := range s.replicas {
			s.System.Send(e.replica.PID, housekeeping{})
		}
		s.schedule()
	case *actor.Stopping, *actor.Restarting:
		s.ending = true
		if s.timer != nil {
			s.timer.Stop()
		}
	}
}

func (s *supervisor) checkpointAll(m CheckpointAll) {
	s.checkpointing, s.checkpointDone = make(map[*Replica]bool, len(s.replicas)), m.Done
	for _, e := range s.replicas {
		if !e.dead && !e.removing {
			s.checkpointing[e.replica] = true
			s.System.Send(e.replica.PID, checkpointNow{})
		}
	}
	s.checkpointed()
}

// checkpointed ends CheckpointAll when nobody is waited for.
func (s *supervisor) checkpointed() {
	if done := s.checkpointDone; done != nil && len(s.checkpointing) == 0 {
		s.checkpointDone = nil
		done()
	}
}

func (s *supervisor) schedule() {
	if s.Housekeeping > 0 {
		s.timer = s.System.SendAfter(s.Housekeeping, s.self, housekeeping{})
	}
}

// follow makes the replicas those of the image.
func (s *supervisor) follow(ctx actor.Context, m controller.ImageChanged) {
	s.image = m.Image
	added := map[Key]*Replica{}
	if m.Full {
		s.compare(ctx, added)
	}
	for _, r := range m.Created {
		s.startRange(ctx, r.Topic, r.First, r.End, added)
	}
	for _, t := range m.Reconfigured {
		s.reconfigure(t)
	}
	removed := false
	for _, t := range m.Deleted {
		for i := range t.Partitions {
			removed = s.remove(Key{t.ID, int32(i)}) || removed
		}
	}
	if len(added) > 0 || removed || m.Full {
		s.list(added)
	}
	s.settle()
}

// compare is follow without knowing what changed.
func (s *supervisor) compare(ctx actor.Context, added map[Key]*Replica) {
	s.image.Topics(func(t *controller.Topic) {
		s.startRange(ctx, t, 0, int32(len(t.Partitions)), added)
		s.reconfigure(t)
	})
	s.removeStrays()
	for key := range s.replicas {
		if t := s.image.TopicByID(key.TopicID); t == nil || int(key.Partition) >= len(t.Partitions) {
			s.remove(key)
		}
	}
}

// removeStrays clears away the directories of partitions that were deleted just before a crash. Only names found at the start are
// looked at, and each removal queues before whatever a later partition of that name does there.
func (s *supervisor) removeStrays() {
	wanted := make(map[string]bool, len(s.replicas))
	for _, e := range s.replicas {
		wanted[dirName(e.replica.Topic, e.replica.Partition)] = true
	}
	for _, name := range s.Found {
		if !wanted[name] {
			segment.RemoveStray(s.Segments, path.Join(s.Dir, name))
		}
	}
	s.Found = nil
}

func dirName(topic string, partition int32) string { return fmt.Sprintf("%s-%d", topic, partition) }

func (s *supervisor) startRange(ctx actor.Context, t *controller.Topic, first, end int32, added map[Key]*Replica) {
	for i := first; i < end; i++ {
		key := Key{t.ID, i}
		if s.replicas[key] == nil && slices.Contains(t.Partitions[i].Replicas, s.NodeID) {
			added[key] = s.start(ctx, t, i)
		}
	}
}

func (s *supervisor) reconfigure(t *controller.Topic) {
	for i := range t.Partitions {
		if e := s.replicas[Key{t.ID, int32(i)}]; e != nil && e.replica.config.Swap(t.Config) != t.Config {
			s.System.Send(e.replica.PID, configChanged{})
		}
	}
}

// remove begins to delete a replica, if there is one.
func (s *supervisor) remove(key Key) bool {
	e := s.replicas[key]
	if e == nil || e.removing {
		return false
	}
	if e.dead {
		// There is no actor to do it. Its files are strays that the next start clears away.
		delete(s.replicas, key)
		s.System.Send(s.Raft(e.replica.Group), &raftactor.CloseGroup{Group: e.replica.Group, Remove: true})
		return true
	}
	if e.serving {
		s.pending++
	}
	e.removing = true
	s.System.Send(e.replica.PID, remove{})
	return true
}

// list publishes the directory: what it held, plus added, less what is being removed.
func (s *supervisor) list(added map[Key]*Replica) {
	next := make(map[Key]*Replica, len(s.replicas))
	maps.Copy(next, added)
	for key, e := range s.replicas {
		if !e.removing {
			next[key] = e.replica
		}
	}
	s.Directory.byKey.Store(&next)
}

func (s *supervisor) start(ctx actor.Context, t *controller.Topic, number int32) *Replica {
	placed := t.Partitions[number]
	voters := make([]raftactor.NodeID, len(placed.Replicas))
	for i, id := range placed.Replicas {
		voters[i] = raftactor.NodeID(id)
	}
	key := Key{t.ID, number}
	r := s.Directory.Lookup(t.ID, number) // of a former incarnation of this supervisor: readers hold on to it
	if r == nil {
		r = &Replica{Topic: t.Name, TopicID: t.ID, Partition: number, Group: placed.Group, supervisor: s.self}
	}
	r.config.Store(t.Config)
	r.fault.Store(nil) // a new start, a new chance
	name := dirName(t.Name, number)
	cfg := Config{System: s.System, Raft: s.Raft(placed.Group), Segments: s.Segments, Dir: path.Join(s.Dir, name), Replica: r,
		NodeID: raftactor.NodeID(s.NodeID), Voters: voters, Options: s.Options, Log: s.Log}
	pid, err := s.System.Spawn(ctx, actorsystem.Spec{Kind: "partition", Name: name,
		ID: fmt.Sprintf("%s.%d", name, placed.Group), New: NewActor(cfg), WantsDrained: true})
	if err != nil {
		panic(err)
	}
	if r.PID == nil { // else it is the same: the supervisor's own name does not change, and readers look at it
		r.PID = pid
	}
	ctx.Watch(pid)
	s.replicas[key] = &entry{replica: r}
	s.byPID[pid.Id] = key
	s.pending++
	return r
}

// ended handles a partition actor that is gone: removed as asked, or given up after too many failures.
func (s *supervisor) ended(pid *actor.PID) {
	key, known := s.byPID[pid.Id]
	if !known {
		return
	}
	delete(s.byPID, pid.Id)
	e := s.replicas[key]
	delete(s.checkpointing, e.replica)
	s.checkpointed()
	if e.removing {
		delete(s.replicas, key)
		s.settled()
		return
	}
	e.dead = true
	why := "its actor failed too often and was stopped; the log has each failure with its stack"
	if !e.replica.fault.CompareAndSwap(nil, &why) {
		why = e.replica.Offline()
	}
	e.replica.leader.Store(nil)
	s.Log.Error().Str("topic", e.replica.Topic).Int32("partition", e.replica.Partition).Msg("replica is offline: " + why)
	if !e.serving {
		e.serving = true
		s.settled()
	}
}

func (s *supervisor) settled() {
	s.pending--
	s.settle()
}

func (s *supervisor) settle() {
	if s.pending == 0 && s.image != nil {
		s.System.Send(s.Controller, controller.ImageApplied{Index: s.image.Index, Subscriber: s.self})
		if s.Observer != nil {
			s.System.Send(s.Observer, Settled{Index: s.image.Index})
		}
	}
}

package controller

import (
	"container/list"
	"encoding/base64"
	"io"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/raftactor"
)

// This file owns the controller's actor: it owns raft group 1, applies what is committed, and publishes images.
//
// Invariants:
//   - applied is the index of the last entry in state, and rises without a gap.
//   - nothing is published before the state is current: it then holds every entry of earlier terms, so a restart never shows
//     a topic that was deleted long ago.
//   - every request is answered once (Ask), whoever fails.

// Config is what the controller's actor is made of.
type Config struct {
	System *actorsystem.System
	Raft   *actor.PID // the raft actor that has Group
	Voters []raftactor.NodeID
	// Self is registered as a broker at the start of each term this node leads.
	Self   Broker
	Holder *Holder
	// Static are this broker's configured defaults, by Kafka's broker names, only those that were set.
	Static map[string]string
	// Started is what this broker was started with of the settings that can be changed while it runs.
	Started brokerconfig.Config
	// Random draws topic ids and the cluster's id.
	Random  io.Reader
	Log     zerolog.Logger
	Metrics *Metrics // may be nil
	// ClusterID names a new cluster; "" draws one.
	ClusterID string
	// CheckpointEntries is after how many applied entries a checkpoint is made; 0 is checkpointEntries.
	CheckpointEntries int
}

const (
	checkpointEntries = 1_000
	// commandBytesMax bounds one proposal.
	commandBytesMax = 4 << 20
	// earlyMax bounds the requests that wait for the controller to be ready, and those that wait for a producer id block.
	earlyMax = 4_096
	// alterTimeoutMs is how long AlterConfigs, which has no timeout of its own on the wire, waits for partitions.
	alterTimeoutMs = 5_000
	registerRetry  = 100 * time.Millisecond
)

// Spec describes the controller's actor.
func Spec(cfg Config) actorsystem.Spec {
	if cfg.CheckpointEntries == 0 {
		cfg.CheckpointEntries = checkpointEntries
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	d := &desk{waiting: list.New()}
	return actorsystem.Spec{Kind: "controller", Name: "1", Lane: actorsystem.Core,
		New: func() actor.Actor { return &controller{cfg: &cfg, desk: d} }}
}

// controller is one incarnation.
type controller struct {
	cfg  *Config
	desk *desk // outlives incarnations
	self *actor.PID

	state   state
	opened  bool
	applied uint64
	term    uint64
	leader  raftactor.NodeID
	known   uint64 // index up to which a former incarnation may have answered
	current bool

	events          events // since the last publication
	sinceCheckpoint int
	checkpointing   uint64 // index of the checkpoint under way, 0: none

	early []*request // came before the state was current

	idNext, idEnd int64 // the producer id block in hand
	idAsked       bool
	idWaiting     []*request
}

func (c *controller) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.self = ctx.Self()
		c.state = newState(c.local())
		c.start()
	case *actor.Stopping:
		c.failAll(kerr.NotController, "the controller is stopping")
	case *CreateTopics:
		topics := m.Topics
		for i := range topics {
			topics[i].ID = c.randomID()
		}
		c.request(&request{ask: &m.Ask, command: &createTopics{topics}, validateOnly: m.ValidateOnly, waits: true})
	case *DeleteTopics:
		c.request(&request{ask: &m.Ask, command: &deleteTopics{m.IDs}, waits: true})
	case *CreatePartitions:
		c.request(&request{ask: &m.Ask, command: &createPartitions{m.Topics}, validateOnly: m.ValidateOnly, waits: true})
	case *AlterConfigs:
		if m.TimeoutMs == 0 {
			m.TimeoutMs = alterTimeoutMs
		}
		c.request(&request{ask: &m.Ask, command: &alterConfigs{m.Resources}, validateOnly: m.ValidateOnly, waits: true, lateIsDone: true})
	case *NextProducerID:
		m.TimeoutMs = producerIDTimeoutMs
		c.request(&request{ask: &m.Ask})
	case Subscribe:
		c.subscribe(m.Subscriber)
	case Unsubscribe:
		c.desk.remove(m.Subscriber)
		c.release()
	case ImageApplied:
		c.imageApplied(m)
	case timedOut:
		c.timedOut(m.r)
	case registerAgain:
		if m.term == c.term && !c.current {
			c.register()
		}
	case *raftactor.Opened:
		c.open(m)
	case *raftactor.Restarted:
		c.start()
	default:
		if c.opened { // else it was meant for a former incarnation, and Opened comes first for this one
			c.fromRaft(m)
		}
	}
}

func (c *controller) fromRaft(m any) {
	switch m := m.(type) {
	case *raftactor.LeaderChanged:
		c.leaderChanged(m)
	case *raftactor.Committed:
		c.commit(m)
	case *raftactor.Dropped:
		c.dropped(m)
	case *raftactor.CheckpointDurable:
		if m.Index >= c.checkpointing {
			c.checkpointing = 0
		}
	case *raftactor.CheckpointWanted:
		if c.applied > 0 && c.checkpointing != c.applied {
			c.checkpoint()
		}
	}
}

func (c *controller) local() local {
	return local{node: c.cfg.Self.ID, static: c.cfg.Static, started: c.cfg.Started}
}

// start opens the group, at the start of an incarnation and after the raft actor restarted. What waits has an unknown
// outcome.
func (c *controller) start() {
	c.opened, c.current, c.checkpointing, c.idAsked = false, false, 0, false
	c.failAll(kerr.RequestTimedOut, "the controller restarted; whether the change was made is not known, look before trying again")
	for _, s := range c.desk.subscribers {
		s.full = true
	}
	c.cfg.System.Send(c.cfg.Raft, &raftactor.OpenGroup{Group: Group, Owner: c.self, Voters: c.cfg.Voters})
}

func (c *controller) open(m *raftactor.Opened) {
	s, err := restore(m.Checkpoint.Data, c.local())
	if err != nil {
		invariant.Fail("the controller's checkpoint at index %d cannot be read: %v", m.Checkpoint.Index, err)
	}
	c.state, c.applied, c.opened, c.events = s, m.Checkpoint.Index, true, events{}
	c.sinceCheckpoint = 0
	c.cfg.System.Send(c.cfg.Raft, &raftactor.Resume{Group: Group, Applied: c.applied})
}

func (c *controller) leads() bool { return c.leader == raftactor.NodeID(c.cfg.Self.ID) }

func (c *controller) leaderChanged(m *raftactor.LeaderChanged) {
	c.term, c.leader, c.known, c.current = m.Term, m.Leader, m.Committed, false
	c.idNext, c.idEnd = 0, 0
	switch {
	case c.leads():
		c.register()
	case c.leader != 0:
		c.failEarly(kerr.NotController, "another broker is the controller")
	}
}

// register proposes what a new leader has to say: the cluster's name if it has none, and its own addresses. The latter is
// the entry of this term whose commit makes the state current.
func (c *controller) register() {
	var list []raftactor.Proposal
	if c.state.clusterID == "" {
		id := c.cfg.ClusterID
		if id == "" {
			drawn := c.randomID()
			id = base64.RawURLEncoding.EncodeToString(drawn[:])
		}
		const name = "min.insync.replicas" // shown as a dynamic default, as Kafka shows it since ELR (KIP-966)
		value := topicconfig.Lookup(name).Default
		if v, ok := c.cfg.Static[name]; ok {
			value = v
		}
		list = append(list, raftactor.Proposal{Data: encodeCommand(&createCluster{id: id, defaults: map[string]string{name: value}})})
	}
	list = append(list, raftactor.Proposal{Data: encodeCommand(&registerBroker{c.cfg.Self}), Waiter: &request{own: kindRegisterBroker, term: c.term}})
	c.cfg.System.Send(c.cfg.Raft, &raftactor.Propose{Group: Group, Proposals: list})
}

// commit applies a committed batch once.
func (c *controller) commit(m *raftactor.Committed) {
	invariant.Check(m.First == c.applied+1, "controller: entries %d..%d committed where %d is next", m.First, m.Last, c.applied+1)
	var done []*request
	changed, becameCurrent := false, false
	for _, e := range m.Take() {
		cmd, err := decodeCommand(e.Data)
		if err != nil {
			invariant.Fail("controller: entry %d: %v", e.Index, err)
		}
		next, out := c.state.apply(cmd)
		c.state = next
		changed = changed || out.changed
		c.events.add(&out)
		c.cfg.Metrics.applied(cmd.kind())
		if e.Term == c.term && e.Index > c.known && !c.current {
			c.current, becameCurrent = true, true
		}
		if r, ok := e.Waiter.(*request); ok {
			r.index, r.outcome = e.Index, out
			done = append(done, r)
		}
		c.sinceCheckpoint++
	}
	c.applied = m.Last
	c.cfg.System.Send(c.cfg.Raft, &raftactor.Applied{Group: Group, Index: c.applied})
	if c.current && (changed || becameCurrent) {
		c.publish()
	}
	for _, r := range done {
		c.done(r)
	}
	if becameCurrent {
		c.cfg.Log.Info().Str("cluster_id", c.state.clusterID).Uint64("applied_index", c.applied).Int("topics", c.state.topics.len()).
			Int("partitions", c.state.partitions).Bool("leader", c.leads()).Msg("cluster metadata is current")
		early := c.early
		c.early = nil
		for _, r := range early {
			c.submit(r)
		}
	}
	if c.sinceCheckpoint >= c.cfg.CheckpointEntries && c.checkpointing == 0 {
		c.checkpoint()
	}
}

// checkpoint gives raft the state as the point of restart.
func (c *controller) checkpoint() {
	data := c.state.snapshot()
	c.checkpointing, c.sinceCheckpoint = c.applied, 0
	c.cfg.Metrics.checkpointed(len(data))
	c.cfg.System.Send(c.cfg.Raft, &raftactor.Checkpoint{Group: Group, Index: c.applied, Data: data})
}

// randomID draws a version 4 UUID that Kafka would draw too: not one of the reserved ones, and its base64 form does not
// begin with '-', which command lines would take for a flag.
func (c *controller) randomID() (id TopicID) {
	for {
		if _, err := io.ReadFull(c.cfg.Random, id[:]); err != nil {
			invariant.Fail("controller: no randomness for an id: %v", err)
		}
		id[6] = id[6]&0x0f | 0x40
		id[8] = id[8]&0x3f | 0x80
		if base64.RawURLEncoding.EncodeToString(id[:1])[0] != '-' {
			return id
		}
	}
}

package raftactor

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/wal"
)

// Raft is one incarnation of the raft actor: the owner of this broker's raft groups.
//
// It only takes note while messages come in, and works when its mailbox is drained: per group that has something to do, one
// proposal with all that was asked, then one Ready; one append to the WAL for all groups together; one parcel for each peer. It
// reads no clock, waits for nothing, and touches the disk only to read entries that left memory long ago (logview.go).
type Raft struct {
	cfg         Config
	reg         *registry
	incarnation uint64
	self        *actor.PID
	former      *Raft // until its waiters have been told

	groups map[wal.GroupID]*group
	dirty  []*group // have something to do when the mailbox is drained, each once

	// Opening (open.go).
	known      map[wal.GroupID]*wal.GroupState // what the WAL has of groups not opened yet; nil until it has answered
	closed     map[wal.GroupID]struct{}        // closed in this incarnation: known is out of date for them
	recoveries []*recovery                     // not answered, oldest first

	// To the WAL (append.go).
	seq      uint64
	job      *job
	jobs     []*job // in flight, oldest first
	jobsHead int
	free     []*job
	fenced   error // the WAL failed, for good

	post      postbox
	viewBytes int64 // of all groups' windows

	// Ticks (tick.go).
	tickers []*group
	timer   actorsystem.Timer
	random  uint64

	scratch []raftpb.Entry
}

func newRaft(cfg Config, reg *registry) *Raft {
	return &Raft{cfg: cfg, reg: reg, incarnation: reg.incarnation, groups: map[wal.GroupID]*group{},
		closed: map[wal.GroupID]struct{}{}, post: postbox{peers: cfg.Peers},
		random: cfg.Seed ^ cfg.NodeID<<32 ^ reg.incarnation<<48}
}

// Receive handles one message.
func (a *Raft) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		a.started(ctx.Self())
	case *actor.Stopping, *actor.Restarting:
		if a.timer != nil {
			a.timer.Stop()
		}
	case *Propose:
		a.onPropose(m)
	case *Applied:
		a.onApplied(m)
	case *wal.Appended:
		a.appended(m)
	case *Received:
		a.onReceived(m)
	case actorsystem.Drained:
		a.drained()
	case tick:
		a.onTick(m)
	case *OpenGroup:
		a.onOpen(m)
	case *Resume:
		a.onResume(m)
	case *Checkpoint:
		a.onCheckpoint(m)
	case *CloseGroup:
		a.onClose(m)
	case *ProposeConfChange:
		a.onProposeConfChange(m)
	case *TransferLeadership:
		if g := a.groups[m.Group]; g != nil && g.node.Leads() {
			g.node.TransferLeader(m.To)
			a.mark(g)
		}
	case *wal.Recovered:
		a.onRecovered(m)
	case *wal.Pressure:
		a.onPressure(m)
	case *wal.Moved:
		a.onMoved(m)
	}
}

func (a *Raft) started(self *actor.PID) {
	a.self = self
	if a.former != nil {
		a.former.abandon()
		a.former = nil
	}
	if a.incarnation > 1 {
		for _, id := range a.reg.groups() {
			a.cfg.System.Send(a.reg.owners[id], &Restarted{Group: id})
		}
	}
	a.recover(0, nil)
}

// mark puts g on the list of groups that have something to do.
func (a *Raft) mark(g *group) {
	if !g.dirty {
		g.dirty = true
		a.dirty = append(a.dirty, g)
	}
}

// onReceived steps a message from a peer. The election timer starts anew when it came from the leader or won our vote.
func (a *Raft) onReceived(m *Received) {
	g := a.groups[m.Group]
	if g == nil || a.fenced != nil || m.Message.To != a.cfg.NodeID || raft.IsLocalMsg(m.Message.Type) {
		if m.Frame != nil {
			m.Frame.Release()
		}
		return
	}
	if m.Message.Type == raftpb.MsgSnap {
		// Installing one means copying segments first. A broker that cannot must not let raft believe it did.
		a.cfg.Metrics.snapshotsRefused.Inc()
		a.cfg.Log.Warn().Uint64("group", uint64(g.id)).Uint64("leader", m.Message.From).
			Msg("refused a raft snapshot: this broker is too far behind its leader's log and cannot copy segments")
		if m.Frame != nil {
			m.Frame.Release()
		}
		return
	}
	if m.Frame != nil {
		g.received = append(g.received, m)
	}
	a.step(g, m.Message)
	st := g.node.Status()
	switch m.Message.Type {
	case raftpb.MsgApp, raftpb.MsgHeartbeat:
		if st.Lead == m.Message.From {
			g.countdown = a.electionTicks()
		}
	case raftpb.MsgVote:
		if st.Vote == m.Message.From && st.Term == m.Message.Term {
			g.countdown = a.electionTicks()
		}
	}
	a.mark(g)
}

// step hands raft a message. Errors other than those below would be ours.
func (a *Raft) step(g *group, m raftpb.Message) {
	err := g.node.Step(m)
	if err != nil && !errors.Is(err, raft.ErrStepPeerNotFound) && !errors.Is(err, raft.ErrProposalDropped) {
		invariant.Fail("group %d: step %s from %d: %v", g.id, m.Type, m.From, err)
	}
}

// drained does what the messages of one batch have asked for.
func (a *Raft) drained() {
	for i := 0; i < len(a.dirty); i++ {
		g := a.dirty[i]
		a.dirty[i] = nil
		g.dirty = false
		if g.closed {
			continue
		}
		if a.fenced != nil {
			a.dropPending(g, a.fenced)
			continue
		}
		a.ready(g)
	}
	a.dirty = a.dirty[:0]
	if a.fenced == nil {
		a.flush()
		a.post.flush()
	}
	a.cfg.Metrics.viewBytes.Set(float64(a.viewBytes))
}

// ready proposes what g was asked to and does what raft wants done.
func (a *Raft) ready(g *group) {
	a.propose(g)
	for g.node.HasReady() {
		rd := g.node.Ready()
		for i := range rd.Messages {
			m := &rd.Messages[i]
			switch m.To {
			case raft.LocalAppendThread:
				a.storageAppend(g, m)
			case raft.LocalApplyThread:
				a.storageApply(g, m)
			default:
				a.post.post(g, *m)
			}
		}
		if rd.LeaderChanged {
			a.leaderChanged(g, rd.Leader, rd.Term)
		}
	}
	if g.boot != nil { // a new group that has nothing to say yet
		ga, _ := a.partOf(g)
		ga.Checkpoint, ga.HardState, g.boot = g.boot, g.hard, nil
	}
	for _, r := range g.received {
		g.frames.discard(r.Frame, g.inflight.newest())
	}
	clear(g.received)
	g.received = g.received[:0]
	a.release(g)
}

// leaderChanged tells the owner, and gives back the proposals of a leadership that is over: their outcome is for the next leader to say.
func (a *Raft) leaderChanged(g *group, leader, term uint64) {
	g.leader, g.leaderTerm = leader, term
	a.cfg.Metrics.leaderChanges.Inc()
	if g.resumed {
		a.cfg.System.Send(g.owner, &LeaderChanged{Group: g.id, Term: term, Leader: leader, Committed: g.committed})
	}
	keep := uint64(0)
	if g.node.Leads() {
		keep = term
	}
	var waiters []any
	g.waiters.drain(keep, &waiters)
	a.drop(g, waiters, ErrNotLeader)
	a.watch(g)
}

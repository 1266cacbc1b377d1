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

func (a *Raft) onPropose(m *Propose) {
	g := a.groups[m.Group]
	if g == nil || !g.resumed || a.fenced != nil {
		waiters := make([]any, 0, len(m.Proposals))
		for i := range m.Proposals {
			waiters = append(waiters, m.Proposals[i].Waiter)
			if f := m.Proposals[i].Frame; f != nil {
				f.Release()
			}
		}
		err := a.fenced
		if err == nil && a.incarnation > 1 {
			err = ErrRestarted
		} else if err == nil {
			err = ErrClosed
		}
		a.dropTo(a.reg.owners[m.Group], m.Group, waiters, err)
		return
	}
	if len(g.pending) == 0 {
		g.pending = m.Proposals
	} else {
		g.pending = append(g.pending, m.Proposals...)
	}
	a.mark(g)
}

func (a *Raft) onProposeConfChange(m *ProposeConfChange) {
	g := a.groups[m.Group]
	if g == nil || !g.resumed || a.fenced != nil {
		err := a.fenced
		if err == nil {
			err = ErrClosed
		}
		a.dropTo(a.reg.owners[m.Group], m.Group, []any{m.Waiter}, err)
		return
	}
	g.pendingConf = append(g.pendingConf, m)
	a.mark(g)
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
	invariant.Check(err == nil || errors.Is(err, raft.ErrStepPeerNotFound) || errors.Is(err, raft.ErrProposalDropped),
		"group %d: step %s from %d: %v", g.id, m.Type, m.From, err)
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

// propose appends everything asked for in this drain with one message.
func (a *Raft) propose(g *group) {
	if len(g.pending) == 0 && len(g.pendingConf) == 0 {
		return
	}
	if !g.node.Leads() {
		a.dropPending(g, ErrNotLeader)
		return
	}
	if n := len(g.pending); n > 0 {
		entries := a.scratch[:0]
		size := uint64(0)
		for i := range g.pending {
			s := uint64(len(g.pending[i].Data))
			if !g.node.Room(size, s) {
				break
			}
			size += s
			entries = append(entries, raftpb.Entry{Data: g.pending[i].Data})
		}
		var err error = ErrTooMuch
		taken := 0
		if len(entries) > 0 {
			if e := g.node.Propose(entries); e == nil {
				taken = len(entries)
			} else {
				err = ErrNotLeader // leadership is on its way to another node
			}
		}
		for i := range taken {
			e, p := &entries[i], &g.pending[i]
			g.waiters.push(e.Index, e.Term, p.Waiter)
			g.frames.hold(e.Index, e.Index, p.Frame)
		}
		a.cfg.Metrics.proposals.Add(float64(taken))
		clear(entries)
		const scratchKept = 4096
		if cap(entries) <= scratchKept {
			a.scratch = entries[:0]
		}
		if taken < n {
			g.pending = g.pending[taken:]
			g.dropPendingNormal(a, err)
		}
		g.pending = nil
	}
	for _, c := range g.pendingConf {
		a.proposeConf(g, c)
	}
	g.pendingConf = nil
}

func (a *Raft) proposeConf(g *group, c *ProposeConfChange) {
	data, err := c.Change.Marshal()
	if err != nil {
		a.drop(g, []any{c.Waiter}, ErrConfChange)
		return
	}
	entries := []raftpb.Entry{{Type: raftpb.EntryConfChangeV2, Data: data}}
	switch err := g.node.Propose(entries); {
	case err != nil:
		a.drop(g, []any{c.Waiter}, ErrNotLeader)
	case entries[0].Type == raftpb.EntryNormal: // raft put an empty entry in its place
		a.drop(g, []any{c.Waiter}, ErrConfChange)
	default:
		a.cfg.Metrics.proposals.Inc()
		g.waiters.push(entries[0].Index, entries[0].Term, c.Waiter)
	}
}

// leaderChanged tells the owner, and gives back the proposals of a leadership that is over: their outcome is for the next leader to say.
func (a *Raft) leaderChanged(g *group, leader, term uint64) {
	g.leader, g.leaderTerm = leader, term
	a.cfg.Metrics.leaderChanges.Inc()
	if g.resumed {
		a.cfg.System.Send(g.owner, &LeaderChanged{Group: g.id, Term: term, Leader: leader})
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

func (a *Raft) drop(g *group, waiters []any, err error) { a.dropTo(g.owner, g.id, waiters, err) }

func (a *Raft) dropTo(owner *actor.PID, group wal.GroupID, waiters []any, err error) {
	n := 0
	for _, w := range waiters {
		if w != nil {
			waiters[n] = w
			n++
		}
	}
	a.cfg.Metrics.dropped.Add(float64(len(waiters)))
	if n > 0 && owner != nil {
		a.cfg.System.Send(owner, &Dropped{Group: group, Waiters: waiters[:n], Err: err})
	}
}

// dropPending gives back what was proposed in this drain.
func (a *Raft) dropPending(g *group, err error) {
	g.dropPendingNormal(a, err)
	var waiters []any
	for _, c := range g.pendingConf {
		waiters = append(waiters, c.Waiter)
	}
	g.pendingConf = nil
	a.drop(g, waiters, err)
}

func (g *group) dropPendingNormal(a *Raft, err error) {
	if len(g.pending) == 0 {
		return
	}
	waiters := make([]any, 0, len(g.pending))
	for i := range g.pending {
		waiters = append(waiters, g.pending[i].Waiter)
	}
	g.releasePending()
	a.drop(g, waiters, err)
}

// releasePending forgets what was proposed in this drain; no entry was made of it.
func (g *group) releasePending() {
	for i := range g.pending {
		if f := g.pending[i].Frame; f != nil {
			f.Release()
		}
	}
	g.pending, g.pendingConf = nil, nil
}

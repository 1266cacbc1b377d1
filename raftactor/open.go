package raftactor

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/raftactor/internal/rawnode"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file brings groups to life and ends them. What the WAL knows comes by one Recover at the start, which queues behind every
// append that a former incarnation sent; until its answer, OpenGroup waits.

// bootIndex and bootTerm are where the log of every new group begins: its first configuration is that of a checkpoint there,
// so all members start alike without an entry (the bootstrap that etcd raft recommends).
const (
	bootIndex = 1
	bootTerm  = 1
)

// recovery is one Recover that the WAL has not answered.
type recovery struct {
	group wal.GroupID // 0: all
	opens []*OpenGroup
}

func (a *Raft) recover(group wal.GroupID, open *OpenGroup) {
	for _, r := range a.recoveries {
		if r.group == group {
			r.opens = append(r.opens, open)
			return
		}
	}
	r := &recovery{group: group}
	if open != nil {
		r.opens = append(r.opens, open)
	}
	a.recoveries = append(a.recoveries, r)
	ask := &wal.Recover{Reply: a.self, Incarnation: a.incarnation}
	if group != 0 {
		ask.Wants = func(id wal.GroupID) bool { return id == group }
	}
	a.flush() // behind everything this incarnation wants written
	a.cfg.System.Send(a.cfg.WAL, ask)
}

func (a *Raft) onRecovered(m *wal.Recovered) {
	if m.Incarnation != a.incarnation || a.fenced != nil {
		return // for a former self
	}
	invariant.Check(len(a.recoveries) > 0, "the WAL answered a Recover that was not asked")
	r := a.recoveries[0]
	a.recoveries = a.recoveries[1:]
	if m.Err != nil {
		a.fence(fmt.Errorf("recover the raft groups: %w", m.Err))
		return
	}
	if r.group == 0 {
		a.known = m.Groups
		if a.known == nil {
			a.known = map[wal.GroupID]*wal.GroupState{}
		}
	} else {
		delete(a.closed, r.group)
		if st := m.Groups[r.group]; st != nil {
			a.known[r.group] = st
		}
	}
	for _, o := range r.opens {
		a.onOpen(o)
	}
}

func (a *Raft) onOpen(m *OpenGroup) {
	a.reg.owners[m.Group] = m.Owner
	if a.fenced != nil {
		return
	}
	if a.known == nil {
		a.recover(0, m)
		return
	}
	if g := a.groups[m.Group]; g != nil {
		a.reopen(g, m)
		return
	}
	if _, was := a.closed[m.Group]; was {
		a.recover(m.Group, m)
		return
	}
	st := a.known[m.Group]
	delete(a.known, m.Group)
	g := a.start(m, st)
	a.groups[m.Group] = g
	a.cfg.Metrics.groups.Set(float64(len(a.groups)))
	a.cfg.System.Send(g.owner, &Opened{Group: g.id, Checkpoint: g.view.checkpoint})
	a.mark(g)
}

// reopen gives a running group to a new owner, or to the old one that lost its state: it starts over at the checkpoint, once that is in
// the WAL: an owner may delete what only older checkpoints need, and a restart of this actor would find those.
func (a *Raft) reopen(g *group, m *OpenGroup) {
	if !g.owner.Equal(m.Owner) {
		g.frames.abandonTo(g.delivered) // the former owner may still read them
	}
	g.owner = m.Owner
	g.resumed = false
	g.applied, g.delivered = g.view.checkpoint.Index, g.view.checkpoint.Index
	var waiters []any // the owner's, before it lost its state
	g.waiters.drain(0, &waiters)
	a.drop(g, waiters, ErrRestarted)
	a.dropPending(g, ErrRestarted)
	g.reopening = true
	a.opened(g)
}

// opened answers a reopen that waits, if it need not wait any more.
func (a *Raft) opened(g *group) {
	if g.reopening && !g.inflight.holdsCheckpoint() {
		g.reopening = false
		a.cfg.System.Send(g.owner, &Opened{Group: g.id, Checkpoint: g.view.checkpoint})
	}
}

// start makes the group from what the WAL has of it (st), or from nothing.
func (a *Raft) start(m *OpenGroup, st *wal.GroupState) *group {
	g := &group{id: m.Group, owner: m.Owner, logger: raftLogger{&a.cfg.Log, m.Group}}
	g.view.group, g.view.reader, g.view.snapshots = g.id, a.cfg.Reader, a.cfg.Snapshots
	if st == nil || st.Checkpoint.Index == 0 {
		if st != nil {
			// A first append that was torn before its checkpoint: nothing of it was ever acknowledged.
			a.forget(g.id)
		}
		conf := raftpb.ConfState{Voters: slices.Clone(m.Voters)}
		slices.Sort(conf.Voters)
		g.boot = &wal.Checkpoint{Index: bootIndex, Term: bootTerm, ConfState: conf}
		g.view.reset(*g.boot)
		g.hard = raftpb.HardState{Term: bootTerm, Commit: bootIndex}
	} else {
		g.view.reset(st.Checkpoint)
		g.view.load(st.Entries)
		g.hard = st.HardState
	}
	checkpoint := g.view.checkpoint.Index
	g.hard.Commit = max(g.hard.Commit, checkpoint)
	if g.hard.Commit > g.view.last {
		// A commit index that ran ahead of the entries it came with, when the last append was torn.
		g.hard.Commit = g.view.last
	}
	lastTerm := g.view.mustTerm(g.view.last)
	invariant.Check(g.hard.Term >= lastTerm, "group %d: the WAL has term %d but an entry of term %d", g.id, g.hard.Term, lastTerm)
	// A sole voter need not apply what is committed before it campaigns, unless that changes the configuration: what it
	// has on disk is committed as soon as it leads.
	alone := slices.Equal(g.view.checkpoint.ConfState.Voters, []uint64{a.cfg.NodeID}) && len(g.view.checkpoint.ConfState.VotersOutgoing) == 0
	if alone && (len(g.view.special) == 0 || g.view.special[0].index > g.hard.Commit) {
		g.hard.Commit = checkpoint
	}
	g.view.initial.hard, g.view.initial.conf = g.hard, g.view.checkpoint.ConfState
	g.handed = g.view.last
	g.committed, g.delivered, g.applied, g.responded = checkpoint, checkpoint, checkpoint, checkpoint
	g.confs = append(make([]confAt, 0, 1), confAt{checkpoint, g.view.checkpoint.ConfState})
	var err error
	g.node, err = rawnode.New(raft.Config{
		ID:                        a.cfg.NodeID,
		ElectionTick:              a.cfg.ElectionTicks,
		HeartbeatTick:             a.cfg.HeartbeatTicks,
		Storage:                   &g.view,
		Applied:                   checkpoint,
		MaxSizePerMsg:             a.cfg.MaxSizePerMsg,
		MaxCommittedSizePerReady:  a.cfg.MaxCommittedSize,
		MaxUncommittedEntriesSize: a.cfg.MaxUncommittedSize,
		MaxInflightMsgs:           a.cfg.MaxInflightMsgs,
		MaxInflightBytes:          a.cfg.MaxInflightBytes,
		CheckQuorum:               true,
		PreVote:                   true,
		DisableProposalForwarding: true,
		StepDownOnRemoval:         true,
		Logger:                    &g.logger,
	})
	invariant.Check(err == nil, "group %d: start its raft node: %v", g.id, err)
	if alone {
		g.node.CampaignAlone()
	}
	g.leaderTerm = g.node.Term()
	a.watch(g)
	return g
}

// forget makes the WAL drop a group that is not open.
func (a *Raft) forget(id wal.GroupID) {
	ga := a.current().add(nil)
	ga.Group, ga.Remove = id, true
}

func (a *Raft) onClose(m *CloseGroup) {
	delete(a.reg.owners, m.Group)
	for _, r := range a.recoveries {
		r.opens = slices.DeleteFunc(r.opens, func(o *OpenGroup) bool { return o.Group == m.Group })
	}
	if g := a.groups[m.Group]; g != nil {
		a.end(g)
		if !m.Remove {
			a.closed[m.Group] = struct{}{}
		}
	}
	if m.Remove && a.fenced == nil {
		a.forget(m.Group)
		delete(a.known, m.Group)
		delete(a.closed, m.Group)
	}
	if m.Reply != nil {
		a.cfg.System.Send(m.Reply, &Closed{Group: m.Group})
	}
}

// end takes a group out of the actor. Its appends in flight are answered later.
func (a *Raft) end(g *group) {
	if a.job != nil && g.partSeq == a.seq {
		a.flush() // with what raft wanted written, in its place before what follows
	}
	g.closed, g.resumed = true, false
	delete(a.groups, g.id)
	a.cfg.Metrics.groups.Set(float64(len(a.groups)))
	var waiters []any
	g.waiters.drain(0, &waiters)
	a.dropPending(g, ErrClosed)
	a.drop(g, waiters, ErrClosed)
	a.viewBytes -= g.view.winBytes
	newest := g.inflight.newest()
	g.frames.abandonTo(g.delivered) // the owner may still read them
	g.frames.truncate(0, newest)
	for _, r := range g.received {
		g.frames.discard(r.Frame, newest)
	}
	g.received = nil
	g.frames.settle(g.inflight.settled())
	g.ticking = false
}

// openGroups lists the open groups in ascending order.
func (a *Raft) openGroups() []wal.GroupID {
	ids := make([]wal.GroupID, 0, len(a.groups))
	for id := range a.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

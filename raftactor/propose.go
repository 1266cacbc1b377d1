package raftactor

import (
	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/wal"
)

// This file is the way in: what owners propose, and what comes back to them when it is not to be.
//
// Invariants:
//   - Every proposal's waiter comes back exactly once, with its committed entry or in Dropped, unless the owner or this actor restarts.
//   - A proposal of which no entry was made gives its frame back at once; otherwise the frame is held under the entry's index.

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
	proposals := m.Proposals
	if a.cfg.MaxEntryBytes > 0 {
		proposals = a.refuseLarge(g, proposals)
	}
	if len(g.pending) == 0 {
		g.pending = proposals
	} else {
		g.pending = append(g.pending, proposals...)
	}
	a.mark(g)
}

// refuseLarge gives back the proposals that no record of the WAL could hold.
func (a *Raft) refuseLarge(g *group, proposals []Proposal) []Proposal {
	var refused []any
	keep := proposals[:0]
	for _, p := range proposals {
		if len(p.Data) <= a.cfg.MaxEntryBytes {
			keep = append(keep, p)
			continue
		}
		refused = append(refused, p.Waiter)
		if p.Frame != nil {
			p.Frame.Release()
		}
	}
	if len(refused) > 0 {
		a.drop(g, refused, ErrTooLarge)
	}
	return keep
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

package raftactor

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
)

// This file is the way to the owner: what is committed is walked once, in index order, by one loop.
//
// Invariants:
//   - applied <= delivered <= committed; each moves in steps without gap or repeat, save that an owner that opens the group again
//     starts over at its checkpoint.
//   - A configuration change is applied to the RawNode when raft hands it over, and never again, however often its entry
//     is delivered to an owner.
//   - Raft hears that entries are applied only when the owner has said so: at most MaxCommittedSize bytes are with the owner.

// storageApply takes what raft wants applied. The entries alias the view until the response has been stepped.
func (a *Raft) storageApply(g *group, m *raftpb.Message) {
	direct := g.resumed && g.delivered == g.committed
	last := m.Entries[len(m.Entries)-1].Index
	a.walk(g, m.Entries, direct)
	if g.committed != last {
		invariant.Fail("group %d: walked to %d of entries up to %d", g.id, g.committed, last)
	}
	if len(m.Responses) != 1 || len(m.Responses[0].Entries) != len(m.Entries) {
		invariant.Fail("group %d: raft wants %d responses to what it has applied", g.id, len(m.Responses))
	}
	g.applies = append(g.applies, m.Responses)
}

// walk is the one loop over committed entries. With deliver it hands them to the owner as one batch.
func (a *Raft) walk(g *group, entries []raftpb.Entry, deliver bool) {
	first, last := entries[0].Index, entries[len(entries)-1].Index
	var out *Committed
	var dropped []any
	var changed []*ConfChanged
	normal := 0
	if deliver {
		if first != g.delivered+1 {
			invariant.Fail("group %d: entries from %d are to be delivered after %d", g.id, first, g.delivered)
		}
		out = &Committed{Group: g.id, First: first, Last: last, Term: entries[len(entries)-1].Term}
		if n := countPayloads(entries); n == 1 {
			out.entries = out.one[:0]
		} else if n > 1 {
			out.entries = make([]Entry, 0, n)
		}
	} else {
		if first != g.committed+1 {
			invariant.Fail("group %d: entries from %d are committed after %d", g.id, first, g.committed)
		}
	}
	for i := range entries {
		e := &entries[i]
		if e.Index != first+uint64(i) {
			invariant.Fail("group %d: entry %d stands where %d belongs", g.id, e.Index, first+uint64(i))
		}
		if e.Index > g.committed {
			if e.Index != g.committed+1 {
				invariant.Fail("group %d: entry %d is committed after %d", g.id, e.Index, g.committed)
			}
			g.committed = e.Index
			if e.Type != raftpb.EntryNormal {
				a.applyConf(g, e)
			} else {
				normal++
			}
		}
		if !deliver {
			continue
		}
		waiter := g.waiters.take(e.Index, e.Term, &dropped)
		switch {
		case e.Type != raftpb.EntryNormal:
			changed = append(changed, &ConfChanged{Group: g.id, Index: e.Index, ConfState: g.confStateAt(e.Index), Waiter: waiter})
		case len(e.Data) > 0:
			out.entries = append(out.entries, Entry{Index: e.Index, Term: e.Term, Data: e.Data, Waiter: waiter})
		}
	}
	a.cfg.Metrics.appliedNormal.Add(float64(normal))
	if !deliver {
		return
	}
	g.delivered = last
	a.cfg.System.Send(g.owner, out)
	for _, c := range changed {
		a.cfg.System.Send(g.owner, c)
	}
	a.drop(g, dropped, ErrOverwritten)
}

func countPayloads(entries []raftpb.Entry) (n int) {
	for i := range entries {
		if len(entries[i].Data) > 0 && entries[i].Type == raftpb.EntryNormal {
			n++
		}
	}
	return n
}

// applyConf puts a committed configuration change in force. That it is committed is made durable with the next append, before
// anything that the new configuration may decide: a voter that came back with the old one might elect itself.
func (a *Raft) applyConf(g *group, e *raftpb.Entry) {
	var cc raftpb.ConfChangeI
	var err error
	if e.Type == raftpb.EntryConfChange {
		var v1 raftpb.ConfChange
		err = v1.Unmarshal(e.Data)
		cc = v1
	} else {
		var v2 raftpb.ConfChangeV2
		err = v2.Unmarshal(e.Data)
		cc = v2
	}
	invariant.Check(err == nil, "group %d: configuration change at %d: %v", g.id, e.Index, err)
	cs := g.node.ApplyConfChange(cc)
	g.confs = append(g.confs, confAt{e.Index, cs})
	a.cfg.Metrics.appliedConf.Inc()
	ga, _ := a.partOf(g)
	st := g.node.Status()
	g.hard = st.HardState
	ga.HardState = g.hard
	a.watch(g)
}

// pump delivers what the owner has not seen although raft handed it over before: after a restart of the owner. One batch at a
// time, read from the view.
func (a *Raft) pump(g *group) {
	if !g.resumed || g.delivered == g.committed || g.applied < g.delivered {
		return
	}
	entries, err := g.view.Entries(g.delivered+1, g.committed+1, a.cfg.MaxCommittedSize)
	if err != nil {
		invariant.Fail("group %d: committed entries from %d on: %v", g.id, g.delivered+1, err)
	}
	a.walk(g, entries, true)
}

func (a *Raft) onResume(m *Resume) {
	g := a.groups[m.Group]
	if g == nil || g.resumed || m.Applied != g.delivered {
		a.cfg.Log.Debug().Uint64("group", uint64(m.Group)).Uint64("applied", m.Applied).Msg("ignored a Resume that answers no Opened")
		return
	}
	g.resumed = true
	a.cfg.System.Send(g.owner, &LeaderChanged{Group: g.id, Term: g.leaderTerm, Leader: g.leader, Committed: g.committed})
	a.pump(g)
	a.mark(g)
}

func (a *Raft) onApplied(m *Applied) {
	g := a.groups[m.Group]
	if g == nil || !g.resumed || m.Index <= g.applied {
		return
	}
	if m.Index > g.delivered {
		invariant.Fail("group %d: its owner has applied %d, but only %d was delivered", g.id, m.Index, g.delivered)
	}
	g.applied = m.Index
	// The responses first: they alias the entries that are trimmed at the end of the drain.
	done := 0
	for done < len(g.applies) && g.responded < g.applied {
		response := &g.applies[done][0]
		last := response.Entries[len(response.Entries)-1].Index
		if last <= g.applied {
			done++
			g.responded = last
			a.step(g, *response)
			continue
		}
		part := *response // the owner has applied a part of the batch
		n := g.applied + 1 - part.Entries[0].Index
		part.Entries, response.Entries = part.Entries[:n:n], response.Entries[n:]
		g.responded = g.applied
		a.step(g, part)
	}
	if done > 0 {
		left := copy(g.applies, g.applies[done:])
		clear(g.applies[left:])
		g.applies = g.applies[:left]
	}
	a.pump(g)
	a.mark(g)
}

// release lets go of the payloads that nobody needs any more. It comes last in a group's drain: raft's messages are out.
func (a *Raft) release(g *group) {
	bound := min(g.applied, g.responded)
	if !g.sole && g.node.Leads() && a.viewBytes <= a.cfg.CacheBytes {
		bound = min(bound, g.node.SlowestMatch())
	}
	before := g.view.winBytes
	g.view.trim(bound)
	a.viewBytes += g.view.winBytes - before
	g.frames.releaseTo(bound)
	g.frames.settle(g.inflight.settled())
}

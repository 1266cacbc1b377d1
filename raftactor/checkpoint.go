package raftactor

import (
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file bounds the log: owners' checkpoints, and the WAL's wish for them.

func (a *Raft) onCheckpoint(m *Checkpoint) {
	g := a.groups[m.Group]
	if g == nil || !g.resumed || a.fenced != nil {
		return
	}
	invariant.Check(m.Index <= g.applied, "group %d: checkpoint at %d, but its owner has applied only %d", g.id, m.Index, g.applied)
	if m.Index < g.view.checkpoint.Index {
		return // an older one, overtaken
	}
	if a.cfg.MaxEntryBytes > 0 && len(m.Data) > a.cfg.MaxEntryBytes {
		a.cfg.Log.Error().Uint64("group", uint64(g.id)).Int("bytes", len(m.Data)).Int("limit", a.cfg.MaxEntryBytes).
			Msg("checkpoint refused: it is larger than the write-ahead log takes; the group keeps its former one")
		return
	}
	g.view.checkpoint = wal.Checkpoint{Index: m.Index, Term: g.view.mustTerm(m.Index), ConfState: g.confStateAt(m.Index), Data: m.Data}
	c := g.view.checkpoint
	ga, in := a.partOf(g)
	ga.Checkpoint, in.checkpoint = &c, m.Index
}

// checkpointDurable lets go of the entries below a checkpoint that a restart can begin at.
func (a *Raft) checkpointDurable(g *group, index uint64) {
	before := g.view.winBytes
	g.view.compact(index)
	a.viewBytes += g.view.winBytes - before
	for len(g.confs) > 1 && g.confs[1].index <= index {
		g.confs = g.confs[1:]
	}
	if g.resumed {
		a.cfg.System.Send(g.owner, &CheckpointDurable{Group: g.id, Index: index})
	}
	a.opened(g)
}

func (a *Raft) onPressure(m *wal.Pressure) {
	for _, id := range m.Groups {
		if g := a.groups[id]; g != nil && g.resumed {
			a.cfg.System.Send(g.owner, &CheckpointWanted{Group: id, Urgent: m.Urgent})
		}
	}
}

func (a *Raft) onMoved(m *wal.Moved) {
	if g := a.groups[m.Group]; g != nil {
		g.view.moved(m.Entries)
		return
	}
	if st := a.known[m.Group]; st != nil { // recovered, not yet open
		for i := range m.Entries {
			e := &m.Entries[i]
			if at := e.Index - st.Checkpoint.Index - 1; e.Index > st.Checkpoint.Index && at < uint64(len(st.Entries)) && st.Entries[at].Term == e.Term {
				st.Entries[at].Location = e.Location
			}
		}
	}
}

package raftactor

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file is the way to the WAL: one wal.Append for all groups of a drain, and its answer.
//
// Invariants:
//   - Answers come in the order of the appends. A group's responses are delivered in the order in which raft asked for them, each
//     after every append that raft had asked for before it is durable and shown by the view.
//   - Every append at index i replaces all entries at or above i.
//   - Votes, terms and entries are synced. A commit index alone is not written: raft finds it again. Except after a
//     configuration change, which must not be forgotten once it was in force: see applyConf.

// job is one wal.Append under construction or in flight.
type job struct {
	append wal.Append
	groups []*group // of append.Groups; nil: a group that was only removed
}

// jobsKept bounds the jobs kept for reuse.
const jobsKept = 4

// current is the append under construction.
func (a *Raft) current() *job {
	if a.job == nil {
		a.seq++
		if n := len(a.free); n > 0 {
			a.job = a.free[n-1]
			a.free = a.free[:n-1]
		} else {
			a.job = &job{}
		}
		a.job.append.Reply, a.job.append.Incarnation, a.job.append.Seq = a.self, a.incarnation, a.seq
		a.job.append.Sync = true
	}
	return a.job
}

// partOf is g's part of the append under construction. The pointers are good until the next call.
func (a *Raft) partOf(g *group) (*wal.GroupAppend, *inflight) {
	j := a.current()
	if g.partSeq != a.seq {
		g.partSeq, g.part = a.seq, len(j.groups)
		j.add(g).Group = g.id
		g.inflight.push(inflight{seq: a.seq})
	}
	return &j.append.Groups[g.part], g.inflight.last()
}

func (j *job) add(g *group) *wal.GroupAppend {
	n := len(j.append.Groups)
	if n < cap(j.append.Groups) {
		j.append.Groups = j.append.Groups[:n+1] // with the Locations of a former use
	} else {
		j.append.Groups = append(j.append.Groups, wal.GroupAppend{})
	}
	j.groups = append(j.groups, g)
	return &j.append.Groups[n]
}

// flush sends the append under construction to the WAL writer.
func (a *Raft) flush() {
	j := a.job
	if j == nil {
		return
	}
	a.job = nil
	a.jobs = append(a.jobs, j)
	a.cfg.Metrics.walAppends.Inc()
	a.cfg.System.Send(a.cfg.WAL, &j.append)
}

// storageAppend takes what raft wants durable.
func (a *Raft) storageAppend(g *group, m *raftpb.Message) {
	invariant.Check(m.Snapshot == nil, "group %d: raft wants a snapshot stored, but none was stepped", g.id)
	voted := false
	if m.Term != 0 {
		voted = m.Term != g.hard.Term || m.Vote != g.hard.Vote
		g.hard = raftpb.HardState{Term: m.Term, Vote: m.Vote, Commit: m.Commit}
	}
	if len(m.Entries) == 0 && !voted && g.boot == nil {
		// Nothing to write. The responses wait for what is in flight, if anything is.
		switch {
		case len(m.Responses) == 0:
		case g.inflight.empty():
			a.respond(g, m.Responses)
		default:
			last := g.inflight.last()
			last.responses = append(last.responses, m.Responses...)
		}
		return
	}
	if a.job != nil && g.partSeq == a.seq && len(m.Entries) > 0 && len(a.job.append.Groups[g.part].Entries) > 0 {
		a.flush() // one part has one run of entries
	}
	if len(m.Entries) > 0 {
		first, last := m.Entries[0].Index, m.Entries[len(m.Entries)-1].Index
		if first <= g.handed {
			a.overwrite(g, first)
		}
		invariant.Check(first <= g.handed+1 && first > g.view.base, "group %d: raft appends from %d after %d", g.id, first, g.handed)
		g.handed = last
		g.claimFrames(m.Entries)
	}
	ga, in := a.partOf(g)
	if voted || g.boot != nil {
		ga.HardState = g.hard
	}
	if g.boot != nil {
		ga.Checkpoint, g.boot = g.boot, nil
	}
	if len(m.Entries) > 0 {
		ga.Entries = m.Entries
		in.first = m.Entries[0].Index
	}
	in.responses = append(in.responses, m.Responses...)
}

// overwrite lets go of the entries at or above first, in whose place another leader's are about to be written.
func (a *Raft) overwrite(g *group, first uint64) {
	invariant.Check(first > g.committed, "group %d: raft overwrites entry %d, which is committed (up to %d)", g.id, first, g.committed)
	g.frames.truncate(first, g.inflight.newest())
	g.view.truncateWindow(first)
	var overwritten []any
	g.waiters.truncate(first, &overwritten)
	a.drop(g, overwritten, ErrOverwritten)
}

// claimFrames finds which of the entries alias the frames received in this drain, by the address of their bytes: raft takes
// over only those entries of a message that it did not have.
func (g *group) claimFrames(entries []raftpb.Entry) {
	if len(g.received) == 0 {
		return
	}
	base := entries[0].Index
	from := base
	for _, r := range g.received {
		if r.Frame == nil {
			continue
		}
		first, last := uint64(0), uint64(0)
		for i := range r.Message.Entries {
			e := &r.Message.Entries[i]
			if e.Index < from || e.Index-base >= uint64(len(entries)) || len(e.Data) == 0 {
				continue
			}
			if kept := &entries[e.Index-base]; len(kept.Data) > 0 && &kept.Data[0] == &e.Data[0] {
				if first == 0 {
					first = e.Index
				}
				last = e.Index
			}
		}
		if first != 0 {
			g.frames.hold(first, last, r.Frame)
			r.Frame = nil
			from = last + 1
		}
	}
}

// appended takes the WAL writer's answer to the oldest append in flight.
func (a *Raft) appended(m *wal.Appended) {
	if m.Append.Incarnation != a.incarnation || a.fenced != nil {
		return // for a former self; or after the log has failed
	}
	invariant.Check(a.jobsHead < len(a.jobs) && &a.jobs[a.jobsHead].append == m.Append,
		"the WAL answered append %d out of order", m.Append.Seq)
	j := a.jobs[a.jobsHead]
	a.jobs[a.jobsHead] = nil
	if a.jobsHead++; a.jobsHead == len(a.jobs) {
		a.jobs, a.jobsHead = a.jobs[:0], 0
	}
	if m.Err != nil {
		a.fence(m.Err)
		return
	}
	for i := range j.groups {
		if g := j.groups[i]; g != nil {
			a.durable(g, &j.append.Groups[i], m.Append.Seq)
		}
	}
	a.recycle(j)
}

// durable takes note that one append of g is on disk: first the view shows it, then its responses are delivered.
func (a *Raft) durable(g *group, ga *wal.GroupAppend, seq uint64) {
	in := g.inflight.pop()
	invariant.Check(in.seq == seq, "group %d: append %d was answered where %d is due", g.id, seq, in.seq)
	if g.closed {
		g.frames.settle(g.inflight.settled())
		return
	}
	before := g.view.winBytes
	g.view.append(ga.Entries, ga.Locations, g.inflight.overwrittenFrom())
	a.viewBytes += g.view.winBytes - before
	a.respond(g, in.responses)
	if in.checkpoint != 0 {
		a.checkpointDurable(g, in.checkpoint)
	}
	a.mark(g)
}

// respond delivers responses of local writes: to raft itself, or to the peers they are meant for.
func (a *Raft) respond(g *group, responses []raftpb.Message) {
	for i := range responses {
		if responses[i].To == a.cfg.NodeID {
			a.step(g, responses[i])
		} else {
			a.post.post(g, responses[i])
		}
	}
}

func (a *Raft) recycle(j *job) {
	const partsKept = 1024
	if len(a.free) >= jobsKept || cap(j.append.Groups) > partsKept {
		return
	}
	clear(j.groups)
	j.groups = j.groups[:0]
	for i := range j.append.Groups {
		j.append.Groups[i] = wal.GroupAppend{Locations: j.append.Groups[i].Locations[:0]}
	}
	j.append = wal.Append{Groups: j.append.Groups[:0]}
	a.free = append(a.free, j)
}

// fence stops all writing after the log has failed: nothing in flight may be acknowledged, and nothing more is proposed.
func (a *Raft) fence(err error) {
	a.fenced = fmt.Errorf("%w: %w", ErrStorage, err)
	a.cfg.Log.Error().Err(err).Msg("the write-ahead log failed; this broker takes no more writes")
	for _, id := range a.openGroups() {
		g := a.groups[id]
		var waiters []any
		g.waiters.drain(0, &waiters)
		a.dropPending(g, a.fenced)
		a.drop(g, waiters, a.fenced)
	}
	a.job = nil
	if a.timer != nil {
		a.timer.Stop()
	}
}

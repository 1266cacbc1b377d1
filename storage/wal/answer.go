package wal

import "slices"

// This file answers Recover.

// onRecover answers with the state of the groups, from the scan made at the start where that is still true.
func (w *writer) onRecover(r *Recover) {
	if r.Reply != nil {
		// What waits for room of this sender's former incarnation was never acknowledged and has nobody to answer to.
		if len(w.queue) > 0 && w.queue[0].Reply != nil && w.queue[0].Reply.Id == r.Reply.Id {
			w.cursor = cursor{}
		}
		w.queue = slices.DeleteFunc(w.queue, func(a *Append) bool { return a.Reply != nil && a.Reply.Id == r.Reply.Id })
		w.hoisted = 0
		w.met[r.Reply.Id] = r.Incarnation
		w.owners = slices.DeleteFunc(w.owners, func(o owner) bool { return o.reply.Id == r.Reply.Id })
		w.owners = append(w.owners, owner{r.Reply, r.Wants})
	}
	w.flush()
	out := &Recovered{Incarnation: r.Incarnation, Err: w.err}
	if w.err == nil {
		out.Groups, out.Err = w.states(r.Wants)
	}
	if r.Reply != nil {
		w.cfg.System.Send(r.Reply, out)
	}
}

// ownerOf is the position in owners of the last one that wants the group, -1 if nobody does.
func (w *writer) ownerOf(g GroupID) int {
	for i := len(w.owners) - 1; i >= 0; i-- {
		if o := w.owners[i]; o.wants == nil || o.wants(g) {
			return i
		}
	}
	return -1
}

func (w *writer) states(wants func(GroupID) bool) (map[GroupID]*GroupState, error) {
	out := map[GroupID]*GroupState{}
	current := true
	for id := range w.groups {
		if wants != nil && !wants(id) {
			continue
		}
		state := w.scan[id]
		if state == nil {
			current = false
			break
		}
		out[id] = state
	}
	if !current {
		rec, err := w.rescan()
		if err != nil {
			return nil, err
		}
		clear(out)
		for id, g := range rec.groups {
			if wants == nil || wants(id) {
				out[id] = g.state
			}
		}
	}
	for id := range out {
		delete(w.scan, id)
	}
	return out, nil
}

// rescan reads the files again, as far as they are written.
func (w *writer) rescan() (*recovered, error) {
	rec := &recovered{groups: map[GroupID]*recoveredGroup{}, nextWrite: 1}
	for _, f := range w.files {
		if !f.begun {
			continue
		}
		rec.files = append(rec.files, recoveredFile{fileStart: fileStart{name: w.path(f), begun: true, firstWrite: f.firstWrite,
			id: identity{dirID: w.cfg.DirID, seq: f.seq, size: f.size, filled: f.filled}}})
	}
	if err := rec.scanFiles(w.cfg, w.nextWrite); err != nil {
		return nil, err
	}
	for id, g := range rec.groups {
		if err := g.finish(id); err != nil {
			return nil, err
		}
	}
	return rec, nil
}

func (w *writer) forgetScan(id GroupID) {
	if len(w.scan) > 0 {
		delete(w.scan, id)
	}
}

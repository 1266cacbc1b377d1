package wal

import (
	"fmt"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/vfs"
)

// This file turns Appends into records in the open group's buffer, and keeps the index of what they pin. Nothing here is durable;
// flush.go makes it so.
//
// Room: a record goes into the open group if both file and buffer have room; else the group is flushed and, if it was the file,
// the next spare is taken. When there is no spare, the last part of the current file (one reserveShare-th) is kept for
// checkpoints, copies of old records and the controller's small appends: they are what makes room again.

const (
	reserveShare = 16
	// privilegedBytes bounds an append that may use the reserve.
	privilegedBytes = 64 << 10
	controllerGroup = GroupID(1)
)

// openGroup is the write being put together. Its buffer is what will be written at offset base of the current file.
type openGroup struct {
	open    bool
	buf     []byte // aligned
	base    int64
	at      int // offset in buf of the group's header
	used    int // bytes of buf in use
	records uint32
	seed    uint32
}

func entryTypeOf(h recordHeader) raftpb.EntryType { return raftpb.EntryType(h.entryType) }

// ready sees to it that the open group has room for a record of n bytes in all. It says false if there is none: the append waits.
func (w *writer) ready(n int64, privileged bool) bool {
	for w.err == nil {
		f := w.cur()
		if f == nil {
			if !w.roll() {
				return false
			}
			continue
		}
		g := &w.group
		if !g.open && f.begun && !f.filled && len(w.spares) > 0 && w.spares[0].filled {
			w.roll() // overwriting is quicker than first writes
			continue
		}
		used := int64(groupHeaderSize)
		if g.open {
			used = int64(g.used - g.at)
		}
		limit := f.size
		if len(w.spares) == 0 && !privileged {
			limit -= f.size / reserveShare
		}
		if f.end+vfs.AlignUp(used+n) > limit {
			if g.open {
				w.flush()
			} else if !w.roll() {
				return false
			}
			continue
		}
		if w.resumeDue {
			w.resumeDue = false
			w.begin(0)
			w.flush()
			continue
		}
		if g.open && int64(g.at)+vfs.AlignUp(used+n) > int64(len(g.buf)) {
			w.flush()
			continue
		}
		if !g.open && n > 0 {
			w.begin(n)
		}
		return true
	}
	return false
}

// begin opens a group that has room for n bytes of records.
func (w *writer) begin(n int64) {
	f, g := w.cur(), &w.group
	g.base, g.at = f.end, 0
	if !f.begun {
		g.base, g.at = 0, blockSize
	}
	if need := int64(g.at) + vfs.AlignUp(groupHeaderSize+n); need > int64(len(g.buf)) {
		g.buf = vfs.AlignedBuffer(int(max(need, int64(w.cfg.WriteBytes))))
	}
	g.open, g.used, g.records = true, g.at+groupHeaderSize, 0
	g.seed = seedOf(w.cfg.DirID, f.seq, uint32(w.nextWrite))
}

// put adds a record whose payload is a then b. It says where, or false if there is no room.
func (w *writer) put(h recordHeader, a, b []byte, privileged bool) (ref, bool) {
	length := len(a) + len(b)
	if !w.ready(recordHeaderSize+int64(length), privileged) {
		return ref{}, false
	}
	g := &w.group
	h.length, h.write = uint32(length), uint32(w.nextWrite)
	rec := g.buf[g.used : g.used+recordHeaderSize+length]
	copy(rec[recordHeaderSize:], a)
	copy(rec[recordHeaderSize+len(a):], b)
	h.encode(rec, g.seed)
	r := ref{off: uint32(g.base + int64(g.used)), size: uint32(length)}
	g.used += len(rec)
	g.records++
	return r, true
}

// stage puts an Append's records into the open group, going on where cursor stands. It says false if it has to wait for room.
func (w *writer) stage(a *Append) bool {
	privileged := w.privileged(a)
	for c := &w.cursor; c.group < len(a.Groups); c.group, c.step = c.group+1, 0 {
		ga := &a.Groups[c.group]
		g := w.groups[ga.Group]
		if g == nil {
			g = &groupInfo{id: ga.Group}
			w.groups[ga.Group] = g
		}
		w.forgetScan(ga.Group)
		for ; c.step < 4; c.step++ {
			ok := true
			switch {
			case c.step == 0 && ga.Remove:
				if ok = w.stageRemove(g); ok {
					g = &groupInfo{id: ga.Group}
					w.groups[ga.Group] = g
				}
			case c.step == 1 && ga.Checkpoint != nil:
				ok = w.stageCheckpoint(g, ga.Checkpoint, privileged)
			case c.step == 2 && len(ga.Entries) > 0:
				ok = w.stageEntries(g, ga, privileged)
			case c.step == 3 && ga.HardState != (raftpb.HardState{}):
				ok = w.stageHardState(g, ga.HardState, privileged)
			}
			if !ok {
				return false
			}
			// Noted at once: the group may be flushed before the whole Append is staged.
			w.needSync = w.needSync || (a.Sync && w.group.open)
		}
		if ga.Remove && g.hardFile == nil && g.checkpointFile == nil && len(g.spans) == 0 {
			delete(w.groups, ga.Group)
		}
	}
	w.cursor = cursor{}
	return true
}

// privileged says whether an Append may use the reserve.
func (w *writer) privileged(a *Append) bool {
	if len(w.spares) > 0 {
		return false // the reserve isn't in force
	}
	size := 0
	for i := range a.Groups {
		ga := &a.Groups[i]
		if len(ga.Entries) > 0 && ga.Group != controllerGroup {
			return false
		}
		for j := range ga.Entries {
			size += recordHeaderSize + len(ga.Entries[j].Data)
		}
	}
	return size <= privilegedBytes
}

func (w *writer) stageRemove(g *groupInfo) bool {
	if _, ok := w.put(recordHeader{typ: recordRemove, group: g.id}, nil, nil, true); !ok {
		return false
	}
	g.drop()
	return true
}

func (w *writer) stageHardState(g *groupInfo, hs raftpb.HardState, privileged bool) bool {
	w.scratch = le.AppendUint64(w.scratch[:0], hs.Vote)
	h := recordHeader{typ: recordHardState, group: g.id, index: hs.Commit, term: hs.Term}
	if _, ok := w.put(h, w.scratch, nil, privileged); !ok {
		return false
	}
	g.hard = hs
	pin(&g.hardFile, w.cur())
	return true
}

// stageCheckpoint skips a checkpoint older than one that was written ahead of it.
func (w *writer) stageCheckpoint(g *groupInfo, c *Checkpoint, privileged bool) bool {
	if g.checkpointFile != nil && c.Index < g.index {
		return true
	}
	h := recordHeader{typ: recordCheckpoint, group: g.id, index: c.Index, term: c.Term}
	reset := g.resets(c.Index, c.Term)
	if reset {
		h.flags |= flagReset
	}
	if size := len(c.Data) + c.ConfState.Size() + 4; int64(size) > w.cfg.maxPayload() {
		w.fail(fmt.Errorf("checkpoint of group %d at %d has %d bytes, a log file takes at most %d", g.id, c.Index, size, w.cfg.maxPayload()))
		return false
	}
	var err error
	if w.scratch, err = appendConfState(w.scratch[:0], c); err != nil {
		w.fail(err)
		return false
	}
	r, ok := w.put(h, w.scratch, c.Data, privileged)
	if !ok {
		return false
	}
	g.setCheckpoint(w.cur(), c.Index, c.Term, r, reset)
	return true
}

func (w *writer) stageEntries(g *groupInfo, ga *GroupAppend, privileged bool) bool {
	if w.cursor.entry == 0 {
		ga.Locations = ga.Locations[:0]
	}
	for ; w.cursor.entry < len(ga.Entries); w.cursor.entry++ {
		e := &ga.Entries[w.cursor.entry]
		if int64(len(e.Data)) > w.cfg.maxPayload() {
			w.fail(fmt.Errorf("entry %d of group %d has %d bytes, a log file takes at most %d", e.Index, g.id, len(e.Data), w.cfg.maxPayload()))
			return false
		}
		invariant.Check(e.Index > g.index && e.Index <= g.last+1,
			"wal: group %d appends entry %d, but its log ends at %d and its checkpoint is %d", g.id, e.Index, g.last, g.index)
		h := recordHeader{typ: recordEntry, entryType: uint8(e.Type), group: g.id, index: e.Index, term: e.Term}
		if w.cfg.SelfChecked != nil && len(e.Data) > selfCheckedPrefix && w.cfg.SelfChecked(e.Data) {
			h.flags = flagSelfChecked
		}
		r, ok := w.put(h, e.Data, nil, privileged)
		if !ok {
			return false
		}
		f := w.cur()
		g.append(f, e.Index, e.Term, r)
		ga.Locations = append(ga.Locations, Location{File: f.seq, Offset: r.off, Size: r.size})
	}
	w.cursor.entry = 0
	return true
}

// hoist writes the checkpoints of a waiting Append ahead of it. A checkpoint of what is already in the log does not depend on
// anything before it in the queue, and it is what frees files. It says false if there is no room even for that.
func (w *writer) hoist(a *Append) bool {
	for i := range a.Groups {
		c := a.Groups[i].Checkpoint
		g := w.groups[a.Groups[i].Group]
		if c == nil || g == nil || a.Groups[i].Remove || c.Index <= g.index || g.resets(c.Index, c.Term) {
			continue
		}
		if !w.stageCheckpoint(g, c, true) {
			w.overLimit = true
			w.wantSpare()
			return false
		}
		w.needSync = true
	}
	return true
}

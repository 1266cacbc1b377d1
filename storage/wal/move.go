package wal

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file decides how the oldest file is made free: the tiny state of idle groups is copied forward, owners of the others
// are asked to checkpoint. One pass over all groups a roll, whatever their number; the copies of thousands of groups
// share one write.

// collectBytes bounds what one collect reads back, bytes.
const collectBytes = 2 << 20

// moveItem is one live record to be copied forward.
type moveItem struct {
	group   GroupID
	was     ref
	index   uint64 // of an entry; 0: the checkpoint
	header  recordHeader
	payload []byte
}

// collect asks the preparer to read items back, which are sorted by offset.
type collect struct {
	file  *logFile
	items []moveItem
	send  func(*collected)
}

// Undelivered answers when the preparer has failed or stopped.
func (c *collect) Undelivered(reason error) { c.send(&collected{file: c.file, err: reason}) }

// collected answers collect.
type collected struct {
	file  *logFile
	items []moveItem
	err   error
}

// read fills the items. Neighbours share a read.
func (c *collect) read(cfg *Config) *collected {
	out := &collected{file: c.file, items: c.items}
	name := path.Join(cfg.Dir, fileName(c.file.seq))
	f, err := cfg.FS.Open(name, vfs.OpenOptions{ReadOnly: true})
	if err != nil {
		out.err = fmt.Errorf("open log file to move records out of it: %w", err)
		return out
	}
	defer f.Close()
	const gapMax, windowMax = 64 << 10, 1 << 20
	for from := 0; from < len(c.items); {
		start := int64(c.items[from].was.off)
		end, to := start, from
		for to < len(c.items) {
			next := c.items[to].was
			stop := int64(next.off) + recordHeaderSize + int64(next.size)
			if to > from && (int64(next.off)-end > gapMax || stop-start > windowMax) {
				break
			}
			end, to = stop, to+1
		}
		window := make([]byte, end-start)
		if _, err := f.ReadAt(window, start); err != nil {
			out.err = fmt.Errorf("read %s at offset %d: %w", name, start, err)
			return out
		}
		for i := range c.items[from:to] {
			it := &c.items[from+i]
			at := int64(it.was.off) - start
			b := window[at : at+recordHeaderSize+int64(it.was.size)]
			write := le.Uint32(b[12:])
			it.header, it.payload, err = decodeRecord(b, seedOf(cfg.DirID, c.file.seq, write), write, cfg.VerifySelfChecked)
			if err != nil {
				out.err = fmt.Errorf("%s at offset %d: %w: %w", name, it.was.off, ErrCorrupt, err)
				return out
			}
		}
		from = to
	}
	return out
}

// clean starts to free the oldest file, if the log is at half its limit, or the file is a small one (a fresh directory's first).
func (w *writer) clean(urgent bool) {
	if w.collecting {
		return // again when that is done
	}
	w.cleanDue, w.urgentDue = false, false
	if len(w.files) < 2 || w.files[0].pins == 0 {
		return
	}
	oldest := w.files[0]
	pressing := urgent || 2*w.liveBytes() >= w.cfg.LimitBytes
	if !pressing && oldest.size == w.cfg.FileBytes {
		return
	}
	var pinning []*groupInfo
	for _, g := range w.groups {
		if g.hardFile == oldest || g.checkpointFile == oldest || g.hasEntriesIn(oldest) {
			pinning = append(pinning, g)
		}
	}
	slices.SortFunc(pinning, func(a, b *groupInfo) int { return cmp.Compare(a.id, b.id) })
	var heavy []GroupID
	w.moves = w.moves[:0]
	budget := w.cfg.FileBytes / 4
	for _, g := range pinning {
		if g.hardFile == oldest {
			if !w.stageHardState(g, g.hard, true) {
				return
			}
			w.needSync = true
			w.cfg.Metrics.MovedRecords.Inc()
		}
		size, light := g.light(oldest)
		if g.checkpointFile == oldest {
			size += recordHeaderSize + int64(g.checkpoint.size)
		}
		if !light || size > budget {
			if g.checkpointFile == oldest || g.hasEntriesIn(oldest) {
				heavy = append(heavy, g.id)
			}
			continue
		}
		budget -= size
		if g.checkpointFile == oldest {
			w.moves = append(w.moves, moveItem{group: g.id, was: g.checkpoint})
		}
		for i := range g.spans {
			if s := &g.spans[i]; s.file == oldest {
				for n, r := range s.refs {
					w.moves = append(w.moves, moveItem{group: g.id, was: r, index: s.first + uint64(n)})
				}
			}
		}
	}
	slices.SortFunc(w.moves, func(a, b moveItem) int { return cmp.Compare(a.was.off, b.was.off) })
	w.collectNext(oldest)
	if pressing && len(heavy) > 0 {
		w.press(heavy, urgent)
	}
}

// collectNext sends the next part of w.moves to be read.
func (w *writer) collectNext(file *logFile) {
	if len(w.moves) == 0 {
		return
	}
	n, size := 0, 0
	for n < len(w.moves) && (n == 0 || size+int(w.moves[n].was.size) <= collectBytes) {
		size += recordHeaderSize + int(w.moves[n].was.size)
		n++
	}
	items := slices.Clone(w.moves[:n])
	w.moves = slices.Delete(w.moves, 0, n)
	w.collecting = true
	self, sys := w.self, w.cfg.System
	sys.Send(w.preparer, &collect{file: file, items: items, send: func(c *collected) { sys.Send(self, c) }})
}

// onCollected stages what is still live of the items read.
func (w *writer) onCollected(c *collected) {
	w.collecting = false
	if w.err != nil {
		return
	}
	if c.err != nil {
		w.cfg.Log.Error().Err(c.err).Msg("cannot copy live records out of the oldest log file; it stays until their groups checkpoint")
		w.moves = w.moves[:0]
		return
	}
	// Entries of one group are moved in the order of their indexes.
	slices.SortStableFunc(c.items, func(a, b moveItem) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.index, b.index))
	})
	for i := range c.items {
		if !w.stageMove(c.file, &c.items[i]) {
			w.moves = w.moves[:0] // no room: a later pass tries again
			return
		}
	}
	w.collectNext(c.file)
}

// stageMove stages a copy of one record. It says false if there is no room.
func (w *writer) stageMove(from *logFile, it *moveItem) bool {
	g := w.groups[it.group]
	if g == nil {
		return true
	}
	h := it.header
	if it.index == 0 {
		if g.checkpointFile != from || g.checkpoint != it.was {
			return true
		}
		h.flags &^= flagReset // what it discarded is gone; what followed it is not to be discarded
		r, ok := w.put(h, it.payload, nil, true)
		if !ok {
			return false
		}
		pin(&g.checkpointFile, w.cur())
		g.checkpoint = r
	} else {
		if !g.holds(from, it.index, it.was) {
			return true
		}
		h.typ = recordMoved
		r, ok := w.put(h, it.payload, nil, true)
		if !ok {
			return false
		}
		g.moveFront(from, w.cur(), it.index, r)
		e := EntryRef{Index: h.index, Term: h.term, Type: entryTypeOf(h), Location: Location{File: w.cur().seq, Offset: r.off, Size: r.size}}
		if n := len(w.moved); n > 0 && w.moved[n-1].Group == it.group {
			w.moved[n-1].Entries = append(w.moved[n-1].Entries, e)
		} else {
			w.moved = append(w.moved, &Moved{Group: it.group, Entries: []EntryRef{e}})
		}
	}
	w.forgetScan(it.group)
	w.needSync = true
	w.cfg.Metrics.MovedRecords.Inc()
	return true
}

// press asks the owners of groups to checkpoint.
func (w *writer) press(groups []GroupID, urgent bool) {
	w.cfg.Metrics.PressureTotal.Inc()
	if w.cfg.Pressure != nil {
		w.cfg.System.Send(w.cfg.Pressure, &Pressure{Groups: groups, Urgent: urgent})
		return
	}
	for i := range w.owners {
		var theirs []GroupID
		for _, g := range groups {
			if w.ownerOf(g) == i {
				theirs = append(theirs, g)
			}
		}
		if len(theirs) > 0 {
			w.cfg.System.Send(w.owners[i].reply, &Pressure{Groups: theirs, Urgent: urgent})
		}
	}
}

// tellMoved sends what was moved; the copies are durable.
func (w *writer) tellMoved() {
	for i, m := range w.moved {
		to := w.cfg.Pressure
		if to == nil {
			if at := w.ownerOf(m.Group); at >= 0 {
				to = w.owners[at].reply
			}
		}
		if to != nil {
			w.cfg.System.Send(to, m)
		}
		w.moved[i] = nil
	}
	w.moved = w.moved[:0]
}

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"
)

// writerSide is what a log's writer actor keeps of it between ops. Nobody else touches it.
type writerSide struct {
	prepared             bool
	dirtyDir, dirtyAbove bool   // directory entries (of the log's directory; of the one above) to be synced
	dirty                []*seg // with data or indexes to be synced
	failed               error  // final
}

// writeOp writes [from, to) of a chunk's segment, then the index entries that go with it.
type writeOp struct {
	opBase
	chunk            *chunk
	from, to         int64
	last             bool // the chunk gets no more data
	index, timeIndex []byte
}

func (o *writeOp) run(w *Writer) error {
	s, l := o.chunk.seg, o.log
	if s.deleted.Load() {
		return nil
	}
	if err := l.prepare(w); err != nil {
		return err
	}
	if o.from < o.to {
		if err := w.writeChunk(l, o.chunk, o.from, o.to); err != nil {
			return fmt.Errorf("write %s at %d: %w", fileName(l.reader.dir, s.base, logSuffix), o.from, err)
		}
		l.markDirty(s, true, false)
	}
	if err := w.appendIndexes(l, s, o.index, o.timeIndex); err != nil {
		return err
	}
	s.written.Store(o.to)
	return nil
}

func (o *writeOp) settle(err error) (first bool) {
	if first = o.opBase.settle(err); first {
		if o.last && err == nil {
			o.chunk.pool.written(o.chunk)
		}
		o.chunk.release()
	}
	return first
}

func (o *writeOp) Undelivered(reason error) { undelivered(o, reason) }

// writeChunk writes whole blocks where the file wants them: the first one completed with what the file has before the
// chunk, the last one padded with zeros.
func (w *Writer) writeChunk(l *Log, c *chunk, from, to int64) error {
	s := c.seg
	h, err := w.s.Files.acquire(w.s.FS, fileName(l.reader.dir, s.base, logSuffix), directMode, s.id)
	if err != nil {
		return err
	}
	defer h.release()
	if !s.onDisk {
		s.onDisk = true
		l.io.dirtyDir = true
	}
	if !h.direct {
		b := c.at(from, to)
		_, err := h.WriteAt(b, from)
		w.s.Metrics.wrote(len(b))
		return err
	}
	first := from &^ (blockBytes - 1)
	if first < c.start {
		if w.block == nil {
			w.block = newBuffer(blockBytes)
		}
		if n, err := h.ReadAt(w.block, first); n < int(c.start-first) {
			return fmt.Errorf("read back the block at %d: want %d bytes, found %d (%v): %w", first, c.start-first, n, err, ErrCorrupt)
		}
		copy(c.buf, w.block[:c.start-first])
	}
	b := c.buf[first-c.base : to-c.base]
	padding := int(-to & (blockBytes - 1))
	if padding > 0 { // the owner may be adding to the last block: write a copy
		if w.scratch == nil {
			w.scratch = newBuffer(chunkBytes)
		}
		n := copy(w.scratch, b)
		clear(w.scratch[n : n+padding])
		b = w.scratch[:n+padding]
	}
	s.padded = padding > 0
	_, err = h.WriteAt(b, first)
	w.s.Metrics.wrote(len(b))
	return err
}

// appendIndexes adds entries at the ends of s's index files. It may be run again: the counts move last.
func (w *Writer) appendIndexes(l *Log, s *seg, index, timeIndex []byte) error {
	timeIndex = s.timesAbove(timeIndex)
	if len(index) == 0 && len(timeIndex) == 0 {
		return nil
	}
	l.markDirty(s, false, true)
	if err := w.writeAt(s, fileName(l.reader.dir, s.base, indexSuffix), index, int64(s.idx.Load())*indexEntryBytes); err != nil {
		return err
	}
	if err := w.writeAt(s, fileName(l.reader.dir, s.base, timeIndexSuffix), timeIndex, int64(s.tidx.Load())*timeIndexEntryBytes); err != nil {
		return err
	}
	l.io.dirtyDir = l.io.dirtyDir || s.idx.Load() == 0 || s.tidx.Load() == 0
	s.idx.Add(int32(len(index) / indexEntryBytes))
	s.tidx.Add(int32(len(timeIndex) / timeIndexEntryBytes))
	return nil
}

// timesAbove drops the entries that a rebuilt time index has already.
func (s *seg) timesAbove(b []byte) []byte {
	for s.rebuiltTime >= 0 && len(b) > 0 {
		if ts, _ := timeIndexEntry(b); ts > s.rebuiltTime {
			break
		}
		b = b[timeIndexEntryBytes:]
	}
	return b
}

func (w *Writer) writeAt(s *seg, name string, b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	h, err := w.s.Files.acquire(w.s.FS, name, writeMode, s.id)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer h.release()
	if _, err := h.WriteAt(b, at); err != nil {
		return fmt.Errorf("write %s at %d: %w", name, at, err)
	}
	return nil
}

func (l *Log) markDirty(s *seg, log, index bool) {
	if !s.dirtyLog && !s.dirtyIndex {
		l.io.dirty = append(l.io.dirty, s)
	}
	s.dirtyLog = s.dirtyLog || log
	s.dirtyIndex = s.dirtyIndex || index
}

// sealOp ends a segment's files as Kafka does at a roll: final time index entry, no padding, both indexes there.
type sealOp struct {
	opBase
	seg       *seg
	size      int64
	timeIndex []byte
}

func (o *sealOp) run(w *Writer) error {
	s, l := o.seg, o.log
	if s.deleted.Load() {
		return nil
	}
	if err := l.prepare(w); err != nil {
		return err
	}
	if err := w.appendIndexes(l, s, nil, o.timeIndex); err != nil {
		return err
	}
	o.timeIndex = nil
	l.markDirty(s, s.padded, true)
	names := s.names(l.reader.dir)
	for i, name := range names {
		h, err := w.s.Files.acquire(w.s.FS, name, writeMode, s.id)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		if i == 0 && s.padded {
			err = h.Truncate(o.size)
		}
		h.release()
		if err != nil {
			return fmt.Errorf("truncate %s to %d: %w", name, o.size, err)
		}
	}
	l.io.dirtyDir = l.io.dirtyDir || s.idx.Load() == 0
	s.padded = false
	w.s.Files.forgetWriting(s.id, names...)
	return nil
}

func (o *sealOp) Undelivered(reason error) { undelivered(o, reason) }

// syncOp makes everything written so far durable and answers a Checkpoint.
type syncOp struct {
	opBase
	token uint64
	seg   *seg
	state State
}

func (o *syncOp) run(w *Writer) error {
	l := o.log
	if err := l.prepare(w); err != nil {
		return err
	}
	started := w.clock.Now()
	calls := 0
	var active *seg
	for _, s := range l.io.dirty {
		if s.deleted.Load() {
			continue
		}
		names := s.names(l.reader.dir)
		var files []string
		if s.dirtyLog {
			files = append(files, names[0])
		}
		if s.dirtyIndex && s.closed() && s != o.seg {
			files = append(files, names[1], names[2])
		}
		for _, name := range files {
			if err := w.sync(s, name); err != nil {
				return err
			}
			calls++
		}
		if s == o.seg {
			active = s // its indexes are synced when it closes; until then recovery checks or rebuilds them
		}
	}
	if l.io.dirtyAbove {
		if err := w.s.FS.SyncDir(parent(l.reader.dir)); err != nil {
			return fmt.Errorf("sync the directory above %s: %w", l.reader.dir, err)
		}
	}
	if l.io.dirtyDir {
		if err := w.s.FS.SyncDir(l.reader.dir); err != nil {
			return fmt.Errorf("sync directory %s: %w", l.reader.dir, err)
		}
	}
	for _, s := range l.io.dirty {
		s.dirtyLog = false
		s.dirtyIndex = s.dirtyIndex && s == active
	}
	clear(l.io.dirty)
	l.io.dirty = l.io.dirty[:0]
	if active != nil && active.dirtyIndex {
		l.io.dirty = append(l.io.dirty, active)
	}
	l.io.dirtyDir, l.io.dirtyAbove = false, false
	o.state.IndexEntries, o.state.TimeIndexEntries = o.seg.idx.Load(), o.seg.tidx.Load()
	if calls > 0 {
		w.s.Metrics.synced(calls, w.clock.Now().Sub(started).Seconds())
	}
	return nil
}

func (o *syncOp) Undelivered(reason error) { undelivered(o, reason) }

func (w *Writer) sync(s *seg, name string) error {
	h, err := w.s.Files.acquire(w.s.FS, name, writeMode, s.id)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer h.release()
	if err := h.DataSync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	return nil
}

// deleteOp takes segments out of the way at once (renamed to .deleted) and removes them delayMs later: those closed since Open as
// named, those from before Open as found below an offset. Segments hold open files as long as readers do.
type deleteOp struct {
	opBase
	recent  []*seg
	below   int64
	delayMs int64
}

func (o *deleteOp) urgent() bool { return true }

func (o *deleteOp) run(w *Writer) error {
	l := o.log
	gone, err := l.reader.cutOlder(o.below)
	if err != nil {
		return err
	}
	for _, s := range o.recent {
		if !slices.Contains(gone, s) {
			gone = append(gone, s)
		}
	}
	var aside []string
	for _, s := range gone {
		s.deleted.Store(true)
		names := s.names(l.reader.dir)
		for _, name := range names {
			err := w.s.FS.Rename(name, name+deletedSuffix)
			if err == nil {
				aside = append(aside, name+deletedSuffix)
			} else if !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("rename %s: %w", name, err)
			}
		}
		w.s.Files.forget(s.id, names...)
	}
	w.s.Metrics.deleted(len(gone))
	if len(aside) == 0 {
		return nil
	}
	w.removeLater(aside, o.delayMs)
	return nil
}

// removeLater deletes files in delayMs; a wait that is beyond what a timer can hold is as long as that.
func (w *Writer) removeLater(names []string, delayMs int64) {
	self := w.self
	delay := time.Duration(min(delayMs, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	w.clock.AfterFunc(delay, func() { w.s.Send(self, removeFiles{names}) })
}

func (o *deleteOp) Undelivered(reason error) { undelivered(o, reason) }

// listOp finds the segments from before Open and their largest timestamps, for retention.
type listOp struct{ opBase }

func (o *listOp) urgent() bool { return true }

func (o *listOp) run(*Writer) error {
	older, err := o.log.reader.older()
	if err != nil {
		return err
	}
	for _, s := range older {
		if _, err := o.log.reader.largestOf(s); err != nil {
			return err
		}
	}
	return nil
}

func (o *listOp) Undelivered(reason error) { undelivered(o, reason) }

// closeOp ends a log's files: the active one loses its padding.
type closeOp struct {
	opBase
	seg *seg
}

func (o *closeOp) run(w *Writer) error {
	s, l := o.seg, o.log
	names := s.names(l.reader.dir)
	defer w.s.Files.forgetDir(l.reader.dir) // those of segments that this log alone knew
	if !s.padded {
		return nil
	}
	h, err := w.s.Files.acquire(w.s.FS, names[0], writeMode, s.id)
	if err != nil {
		return fmt.Errorf("open %s: %w", names[0], err)
	}
	defer h.release()
	s.padded = false
	return h.Truncate(s.written.Load())
}

func (o *closeOp) Undelivered(reason error) { undelivered(o, reason) }

// removeOp deletes a log's directory, aside first so that a crash in between leaves a name that says what it is.
type removeOp struct{ opBase }

func (o *removeOp) urgent() bool { return true }

func (o *removeOp) run(w *Writer) error {
	dir := o.log.reader.dir
	aside := dir + deletedSuffix
	w.s.Files.forgetDir(dir)
	if err := w.s.FS.RemoveAll(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", aside, err)
	}
	if err := w.s.FS.Rename(dir, aside); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("rename %s: %w", dir, err)
	}
	o.log.io.failed = ErrClosed // writes still waiting for space must not bring it back
	if err := w.s.FS.SyncDir(parent(dir)); err != nil {
		return fmt.Errorf("sync the directory above %s: %w", dir, err)
	}
	if err := w.s.FS.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove %s: %w", aside, err)
	}
	return nil
}

func (o *removeOp) Undelivered(reason error) { undelivered(o, reason) }

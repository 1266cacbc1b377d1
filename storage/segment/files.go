package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file finds out what a log's directory holds: segments from before Open, leftovers of a crash, indexes that are
// missing or wrong. All of it happens at first need, under the reader's mutex, by whichever of readers and writer comes first.

func parent(dir string) string { return path.Dir(dir) }

// corrupt makes the error that stops a log.
func corrupt(format string, args ...any) error {
	return fmt.Errorf(format+": %w: restore the file, or remove the replica's directory so that it is copied again", append(args, ErrCorrupt)...)
}

// older lists the segments from before Open, oldest first. It may block.
func (r *Reader) older() ([]*seg, error) {
	if h, known := r.known(); known {
		return h, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.olderLocked()
}

// known is older without blocking; false if nobody has listed the directory yet.
func (r *Reader) known() ([]*seg, bool) {
	if h := r.history.Load(); h != nil {
		return *h, true
	}
	return nil, false
}

func (r *Reader) olderLocked() ([]*seg, error) {
	if h, known := r.known(); known {
		return h, nil
	}
	r.shared.Files.swaps.Lock()
	defer r.shared.Files.swaps.Unlock()
	names, err := r.listSwapped()
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, corrupt("list %s: the checkpoint says it holds %d closed segments, but there is no such directory", r.dir, r.from.ClosedSegments)
		}
		return nil, fmt.Errorf("list %s: %w", r.dir, err)
	}
	var all []*seg
	for _, name := range names {
		if base, ok := parseLogName(name); ok && base < r.from.ActiveBase {
			s := newSeg(base)
			s.checked.Store(false)
			all = append(all, s)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].base < all[j].base })
	kept := all[:0]
	for i, s := range all {
		next := r.from.ActiveBase
		if i+1 < len(all) {
			next = all[i+1].base
		}
		if next <= r.from.LogStartOffset {
			continue // deleted before the checkpoint; a crash brought it back
		}
		name := fileName(r.dir, s.base, logSuffix)
		size, err := r.shared.FS.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("stat %s: %w", name, err)
		}
		s.next.Store(next)
		s.size.Store(size)
		s.written.Store(size)
		kept = append(kept, s)
	}
	r.history.Store(&kept)
	return kept, nil
}

// cutOlder takes the segments that end at or below offset out of the list and returns them.
func (r *Reader) cutOlder(offset int64) ([]*seg, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, err := r.olderLocked()
	if err != nil {
		return nil, err
	}
	n := 0
	for n < len(h) && h[n].next.Load() <= offset {
		n++
	}
	kept := append([]*seg(nil), h[n:]...)
	r.history.Store(&kept)
	return append([]*seg(nil), h[:n]...), nil
}

// olderMayEndBelow says, without blocking, whether cutOlder may find something.
func (r *Reader) olderMayEndBelow(offset int64) bool {
	h, known := r.known()
	return !known || len(h) > 0 && h[0].next.Load() <= offset
}

// prepare makes the directory what State says, before the first write: created if missing, leftovers of a crash removed, the
// active file cut to its durable size. It is run by the log's writer and may be run again after an error.
func (l *Log) prepare(w *Writer) error {
	if l.io.prepared {
		return nil
	}
	r := &l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	dir, from, active := r.dir, &r.from, r.first
	names, err := w.s.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if from.ActiveSize > 0 || from.ClosedSegments > 0 {
			return corrupt("open %s: the checkpoint says it holds %d closed segments and %d bytes of an active one, but there is no such directory",
				dir, from.ClosedSegments, from.ActiveSize)
		}
		if err := w.s.FS.MkdirAll(dir); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
		l.io.dirtyAbove, l.io.dirtyDir = true, true
		l.io.prepared = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	older := map[string]bool{}
	if h, err := r.olderLocked(); err != nil {
		return err
	} else {
		for _, s := range h {
			for _, name := range s.names("") {
				older[name[1:]] = true
			}
		}
	}
	activeFound := false
	for _, name := range names {
		stem, suffix, _ := strings.Cut(name, ".")
		activeFile := stem == fmt.Sprintf("%020d", active.base)
		switch "." + suffix {
		case logSuffix, indexSuffix, timeIndexSuffix:
			if older[name] || activeFile && from.ActiveSize > 0 {
				activeFound = activeFound || activeFile && "."+suffix == logSuffix
				continue
			}
			// of a segment above the checkpoint, or of a deleted one
		case logSuffix + deletedSuffix, indexSuffix + deletedSuffix, timeIndexSuffix + deletedSuffix,
			indexSuffix + rebuiltSuffix, timeIndexSuffix + rebuiltSuffix,
			logSuffix + cleanedSuffix, indexSuffix + cleanedSuffix, timeIndexSuffix + cleanedSuffix:
		default:
			if _, _, ok := parseSwapName(name); !ok {
				continue // not ours
			}
		}
		if err := w.s.FS.Remove(dir + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove leftover %s/%s: %w", dir, name, err)
		}
		l.io.dirtyDir = true
	}
	if from.ActiveSize > 0 {
		if !activeFound {
			return corrupt("open %s: the checkpoint says it holds %d bytes, but it is missing", fileName(dir, active.base, logSuffix), from.ActiveSize)
		}
		if err := r.cutActive(active); err != nil {
			return err
		}
		l.markDirty(active, true, true) // the cuts must be durable before it counts as closed
		active.onDisk = true
	}
	l.io.prepared = true
	return nil
}

// cutActive cuts the active segment's files to what the checkpoint says.
func (r *Reader) cutActive(s *seg) error {
	names := s.names(r.dir)
	want := []int64{r.from.ActiveSize, 0, 0}
	for i, name := range names {
		if i == 1 { // the log is right now: check the indexes against it
			if err := r.checkIndexesLocked(s); err != nil {
				return err
			}
			want[1], want[2] = int64(s.idx.Load())*indexEntryBytes, int64(s.tidx.Load())*timeIndexEntryBytes
		}
		size, err := r.shared.FS.Stat(name)
		if errors.Is(err, fs.ErrNotExist) && want[i] == 0 {
			continue
		}
		if err != nil {
			return fmt.Errorf("stat %s: %w", name, err)
		}
		if size < want[i] {
			return corrupt("open %s: the checkpoint says it holds %d bytes, found %d", name, want[i], size)
		}
		if size == want[i] {
			continue
		}
		h, err := r.shared.Files.acquire(r.shared.FS, name, writeMode, s.id)
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		err = h.Truncate(want[i])
		h.release()
		if err != nil {
			return fmt.Errorf("truncate %s to %d: %w", name, want[i], err)
		}
	}
	return nil
}

// checkIndexes says whether s's index files can be used. It may block, and rebuild them if they cannot; if the disk is too
// full for that, readers do without.
func (r *Reader) checkIndexes(s *seg) (usable bool, err error) {
	if s.checked.Load() {
		return true, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err = r.checkIndexesLocked(s); err != nil && vfs.IsNoSpace(err) {
		return false, nil
	}
	return err == nil, err
}

func (r *Reader) checkIndexesLocked(s *seg) error {
	if s.checked.Load() {
		return nil
	}
	if err := r.tryIndexes(s); errors.Is(err, errReplaced) {
		return err
	} else if err != nil {
		return r.rebuildIndexes(s)
	}
	s.checked.Store(true)
	return nil
}

// tryIndexes reads both index files of s and says what is wrong with them. For a closed segment it learns the numbers of entries; for
// the active one the checkpoint told them.
func (r *Reader) tryIndexes(s *seg) error {
	names := s.names(r.dir)
	closed := s != r.first // the checkpoint told how much of the first one's to believe
	index, err := r.readIndex(s, indexSuffix, int64(s.idx.Load())*indexEntryBytes, closed)
	if err != nil {
		return err
	}
	if err := checkIndex(index, s.written.Load()); err != nil {
		return fmt.Errorf("%s: %w", names[1], err)
	}
	timeIndex, err := r.readIndex(s, timeIndexSuffix, int64(s.tidx.Load())*timeIndexEntryBytes, closed)
	if err != nil {
		return err
	}
	if err := checkTimeIndex(timeIndex); err != nil {
		return fmt.Errorf("%s: %w", names[2], err)
	}
	if !closed {
		if n := len(timeIndex); n > 0 {
			if last, _ := timeIndexEntry(timeIndex[n-timeIndexEntryBytes:]); last != r.from.IndexedTimestamp {
				return fmt.Errorf("%s ends with timestamp %d, want %d", names[2], last, r.from.IndexedTimestamp)
			}
		}
		return nil
	}
	if len(timeIndex) == 0 && s.written.Load() > 0 {
		return fmt.Errorf("%s is empty", names[2])
	}
	s.idx.Store(int32(len(index) / indexEntryBytes))
	s.tidx.Store(int32(len(timeIndex) / timeIndexEntryBytes))
	return nil
}

// readIndex reads the first want bytes of an index file; all of it if it is a closed segment's.
func (r *Reader) readIndex(s *seg, suffix string, want int64, all bool) ([]byte, error) {
	if !all && want == 0 {
		return nil, nil
	}
	h, err := r.acquire(s, suffix)
	if err != nil {
		return nil, err
	}
	defer h.release()
	if all {
		if want, err = h.Size(); err != nil {
			return nil, err
		}
	}
	if want > 2*indexBytesMax {
		return nil, fmt.Errorf("%s holds %d bytes, more than an index can", h.key.name, want)
	}
	b := make([]byte, want)
	return b, readFull(h, b, 0)
}

// rebuildIndexes writes s's index files anew from its log.
func (r *Reader) rebuildIndexes(s *seg) error {
	names := s.names(r.dir)
	x := newIndexer(s.base, r.interval.Load())
	h, err := r.acquire(s, logSuffix)
	if err != nil {
		return fmt.Errorf("rebuild the indexes of %s: %w", names[0], err)
	}
	defer h.release()
	written := s.written.Load()
	walk := walker{f: h, end: written, name: names[0], buf: make([]byte, 256<<10)}
	for pos := int64(0); pos < written; {
		b, err := walk.head(pos)
		if err != nil {
			return err
		}
		x.add(pos, b.size, b.lastOffset, b.indexedTimestamp())
		pos += b.size
	}
	if s != r.first { // else its own seal will do it
		x.addTime()
		s.largest.Store(&x.largest)
	}
	for i, b := range [][]byte{x.index, x.timeIndex} {
		if err := r.replaceFile(s, names[i+1], b); err != nil {
			return err
		}
	}
	s.idx.Store(x.n)
	s.tidx.Store(x.tn)
	s.rebuiltTime = x.indexed // the writer reads it only after prepare, which holds mu and comes to see checked
	s.checked.Store(true)
	r.shared.Metrics.rebuilt()
	return nil
}

func (r *Reader) replaceFile(s *seg, name string, b []byte) error {
	aside := name + rebuiltSuffix
	h, err := r.shared.Files.acquire(r.shared.FS, aside, writeMode, s.id)
	if err != nil {
		return fmt.Errorf("create %s: %w", aside, err)
	}
	if len(b) > 0 {
		_, err = h.WriteAt(b, 0)
	}
	if err == nil {
		err = h.Truncate(int64(len(b)))
	}
	if err == nil {
		err = h.DataSync()
	}
	h.release()
	r.shared.Files.forget(s.id, aside, name)
	if err != nil {
		return fmt.Errorf("write %s: %w", aside, err)
	}
	if err := r.shared.FS.Rename(aside, name); err != nil {
		return fmt.Errorf("rename %s: %w", aside, err)
	}
	r.shared.Files.forget(s.id, name) // whoever opened the old one meanwhile
	if err := r.shared.FS.SyncDir(r.dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", r.dir, err)
	}
	return nil
}

// largestOf is a segment's largest timestamp: known, or the last entry of its time index.
func (r *Reader) largestOf(s *seg) (stamp, error) {
	if t := s.largest.Load(); t != nil {
		return *t, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t, err := r.lastTime(s)
	if errors.Is(err, errReplaced) {
		return stamp{}, err
	}
	if err != nil {
		if err := r.rebuildIndexes(s); err != nil && !vfs.IsNoSpace(err) {
			return stamp{}, err
		}
		return *s.largest.Load(), nil
	}
	s.largest.Store(&t)
	return t, nil
}

func (r *Reader) lastTime(s *seg) (stamp, error) {
	name := s.names(r.dir)[2]
	h, err := r.acquire(s, timeIndexSuffix)
	if err != nil {
		return stamp{}, err
	}
	defer h.release()
	size, err := h.Size()
	if err != nil {
		return stamp{}, err
	}
	if size == 0 || size%timeIndexEntryBytes != 0 {
		return stamp{}, fmt.Errorf("%s holds %d bytes", name, size)
	}
	var b [timeIndexEntryBytes]byte
	if err := readFull(h, b[:], size-timeIndexEntryBytes); err != nil {
		return stamp{}, err
	}
	ts, rel := timeIndexEntry(b[:])
	if ts < 0 || rel < 0 || s.base+int64(rel) >= s.next.Load() {
		return stamp{}, fmt.Errorf("%s ends with (%d, +%d)", name, ts, rel)
	}
	return stamp{ts, s.base + int64(rel)}, nil
}

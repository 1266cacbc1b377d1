package segment

// This file owns the step from several segments to the one that compaction made of them. Invariants:
//
//   - a crash between any two steps leaves either the old segments or, once the directory is listed again, the new one: the commit is one
//     rename, which is durable before any old file goes;
//   - nobody reads old positions in new files: a segment is marked replaced before its names change, and who opens a file of it looks at
//     the mark afterwards (Reader.acquire); files that are open stay what they were;
//   - only segments that the log's list holds side by side are replaced, and only while the log is open.
//
// The steps, for segments with bases b0 < b1 < … and next the base of what follows them:
//
//  1. the cleaner writes b0.log.cleaned, b0.index.cleaned, b0.timeindex.cleaned and syncs each (output.go);
//  2. b0.log.cleaned is renamed to b0.log.<next>.swap and the directory synced: committed;
//  3. the files of b1, … are renamed to .deleted; the old indexes of b0 too, and .index.cleaned and .timeindex.cleaned take their names;
//  4. b0.log is renamed to .deleted, and the .swap file to b0.log; the directory is synced;
//  5. .deleted files are removed file.delete.delay.ms later.
//
// Whoever lists a directory in which a .swap file is left does steps 3 and 4 again: each finds what is done already.

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/troupe-io/troupe/storage/vfs"
)

// ErrSuperseded answers a Swap of segments that are not the log's any more: retention or DeleteRecords took one, or the log was
// opened anew.
var ErrSuperseded = errors.New("the segments are not the log's any more")

// swapName is the committed name of a cleaned .log file.
func swapName(dir string, base, next int64) string {
	return fmt.Sprintf("%s.%020d%s", fileName(dir, base, logSuffix), next, swapSuffix)
}

// parseSwapName reads a name (without directory) that swapName made.
func parseSwapName(name string) (base, next int64, ok bool) {
	stem, found := strings.CutSuffix(name, swapSuffix)
	if !found || len(stem) != 20+len(logSuffix)+1+20 || stem[20+len(logSuffix)] != '.' {
		return 0, 0, false
	}
	base, ok = parseLogName(stem[:20+len(logSuffix)])
	next, err := strconv.ParseInt(stem[20+len(logSuffix)+1:], 10, 64)
	return base, next, ok && err == nil && next > base
}

// swapOp puts a cleaned segment in the place of those it was made of.
type swapOp struct {
	opBase
	cleaned *Cleaned
	delayMs int64 // file.delete.delay.ms of the files it takes out
	reply   func(error)
	refused error
}

func (o *swapOp) settle(err error) (first bool) {
	if first = o.opBase.settle(err); first {
		o.reply(errors.Join(err, o.refused))
	}
	return first
}

func (o *swapOp) Undelivered(reason error) { undelivered(o, reason) }

func (o *swapOp) run(w *Writer) error {
	l, c := o.log, o.cleaned
	r := &l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shared.Files.swaps.Lock()
	defer r.shared.Files.swaps.Unlock()
	history, known := r.known()
	at := c.place(history)
	if r.view.Load().closed || !known || at < 0 {
		o.refused = fmt.Errorf("swap segments %d to %d of %s: %w", c.base, c.next, r.dir, ErrSuperseded)
		return nil
	}
	old := history[at : at+len(c.old)]
	swap := swapName(r.dir, c.base, c.next)
	if err := w.s.FS.Rename(fileName(r.dir, c.base, logSuffix)+cleanedSuffix, swap); err != nil && !errors.Is(err, fs.ErrNotExist) { // tried before
		return fmt.Errorf("rename to %s: %w", swap, err)
	}
	if _, err := w.s.FS.Stat(swap); errors.Is(err, fs.ErrNotExist) {
		o.refused = fmt.Errorf("swap segments %d to %d of %s: the cleaned file is gone: %w", c.base, c.next, r.dir, ErrSuperseded)
		return nil
	} else if err != nil {
		return fmt.Errorf("stat %s: %w", swap, err)
	}
	if err := w.s.FS.SyncDir(r.dir); err != nil {
		return fmt.Errorf("sync directory %s: %w", r.dir, err)
	}
	for _, s := range old {
		s.replaced.Store(true)
	}
	aside, err := finishSwap(w.s.FS, r.dir, c.base, c.next)
	if err != nil {
		return err
	}
	for _, s := range old {
		w.s.Files.forget(s.id, s.names(r.dir)...)
	}
	list := make([]*seg, 0, len(history)-len(old)+1)
	list = append(append(append(list, history[:at]...), c.seg()), history[at+len(old):]...)
	r.history.Store(&list)
	w.removeLater(aside, o.delayMs)
	return nil
}

// finishSwap does what comes after the commit and returns the names that can be removed.
func finishSwap(fsys vfs.FS, dir string, base, next int64) (aside []string, err error) {
	names, err := fsys.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	there := make(map[string]bool, len(names))
	for _, name := range names {
		there[name] = true
	}
	rename := func(from, to string) error {
		if err := fsys.Rename(dir+"/"+from, dir+"/"+to); err != nil {
			return fmt.Errorf("rename %s/%s to %s: %w", dir, from, to, err)
		}
		return nil
	}
	setAside := func(name string) error {
		aside = append(aside, dir+"/"+name+deletedSuffix)
		return rename(name, name+deletedSuffix)
	}
	for _, name := range names {
		stem, suffix, _ := strings.Cut(name, ".")
		b, ok := parseLogName(stem + logSuffix)
		suffix = "." + suffix
		if ok && b > base && b < next && (suffix == logSuffix || suffix == indexSuffix || suffix == timeIndexSuffix) {
			if err := setAside(name); err != nil {
				return nil, err
			}
		}
	}
	first := fmt.Sprintf("%020d", base)
	for _, suffix := range []string{indexSuffix, timeIndexSuffix} {
		if !there[first+suffix+cleanedSuffix] {
			continue // done before
		}
		if there[first+suffix] {
			if err := setAside(first + suffix); err != nil {
				return nil, err
			}
		}
		if err := rename(first+suffix+cleanedSuffix, first+suffix); err != nil {
			return nil, err
		}
	}
	if there[first+logSuffix] {
		if err := setAside(first + logSuffix); err != nil {
			return nil, err
		}
	}
	if err := rename(swapName("", base, next)[1:], first+logSuffix); err != nil {
		return nil, err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return aside, nil
}

// listSwapped lists the directory when every swap that a crash left in it is finished. The caller holds swaps.
func (r *Reader) listSwapped() ([]string, error) {
	names, err := r.shared.FS.List(r.dir)
	if err != nil {
		return nil, err
	}
	found := false
	for _, name := range names {
		// No swap reaches into the segment that a restart begins with.
		if base, next, ok := parseSwapName(name); ok && next <= r.from.ActiveBase {
			found = true
			if _, err := finishSwap(r.shared.FS, r.dir, base, next); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return names, nil
	}
	return r.shared.FS.List(r.dir)
}

// swapped brings the owner's side up to date after a swap.
func (l *Log) swapped() {
	tail := make([]*chunk, 0, len(l.tail)+1)
	for _, c := range l.tail {
		if c.seg.replaced.Load() {
			defer l.shared.Pool.drop(c) // after the view that has it is gone
		} else {
			tail = append(tail, c)
		}
	}
	l.tail = tail
	l.recount()
	l.republish()
}

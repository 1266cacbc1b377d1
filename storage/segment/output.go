package segment

import (
	"errors"
	"fmt"
	"math"

	"github.com/troupe-io/troupe/storage/vfs"
)

// Output writes the segment that compaction makes of several: .log.cleaned in aligned pieces past the page cache where the file
// system grants it, as the segment writer does, and both indexes at the end. It is for one goroutine. Memory: one piece and the
// indexes.
type Output struct {
	c        *Cleaning
	first, n int // segments of the cleaning
	name     string
	f        vfs.File
	direct   bool
	buf      []byte
	fill     int
	pos      int64 // bytes handed over, those in buf included
	written  int64 // bytes in the file
	x        indexer
}

// Cleaned is a finished Output, ready for Swap.
type Cleaned struct {
	log        *Log
	old        []*seg
	base, next int64
	bytes      int64
	x          indexer
}

// OutputBytesMax is what a cleaned segment may hold: positions are 31 bits.
const OutputBytesMax = math.MaxInt32

// NewOutput begins the segment that replaces n of the cleaning's, from the first on. buf is a buffer from OutputBuffer, lent until
// Finish or Abandon.
func (c *Cleaning) NewOutput(first, n int, buf []byte) (*Output, error) {
	r := &c.log.reader
	base := c.segs[first].base
	o := &Output{c: c, first: first, n: n, name: fileName(r.dir, base, logSuffix) + cleanedSuffix, buf: buf, x: newIndexer(base, c.opt.IndexInterval)}
	if err := r.shared.FS.Remove(o.name); err != nil && !errors.Is(err, vfs.ErrNotExist) { // of a round that was given up
		return nil, fmt.Errorf("remove %s: %w", o.name, err)
	}
	f, direct, err := openFile(r.shared.FS, o.name, directMode)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", o.name, err)
	}
	o.f, o.direct = f, direct
	return o, nil
}

// OutputBuffer makes the buffer that NewOutput wants.
func OutputBuffer() []byte { return newBuffer(outputBytes) }

// outputBytes are written at once: what a disk does in well under a millisecond, so that the write-ahead log need not wait for long.
const outputBytes = 256 << 10

// Bytes is the size of the segment so far.
func (o *Output) Bytes() int64 { return o.pos }

// Append adds one batch, which must lie behind all before it.
func (o *Output) Append(b []byte) error {
	h, ok := parseHead(b)
	if !ok || h.size != int64(len(b)) {
		return fmt.Errorf("compact %s: %d bytes are not one batch: %w", o.name, len(b), ErrCorrupt)
	}
	if o.pos+h.size > OutputBytesMax {
		return fmt.Errorf("compact %s: %d bytes more than %d do not fit a segment", o.name, h.size, o.pos)
	}
	o.x.add(o.pos, h.size, h.lastOffset, h.indexedTimestamp())
	o.pos += h.size
	for len(b) > 0 {
		n := copy(o.buf[o.fill:], b)
		o.fill += n
		b = b[n:]
		if o.fill == len(o.buf) {
			if err := o.write(len(o.buf)); err != nil {
				return err
			}
			o.fill = 0
		}
	}
	return nil
}

// write writes the first n bytes of the buffer behind what was written.
func (o *Output) write(n int) error {
	if _, err := o.f.WriteAt(o.buf[:n], o.written); err != nil {
		return fmt.Errorf("write %s at %d: %w", o.name, o.written, err)
	}
	o.written += int64(n)
	o.c.log.shared.Metrics.wrote(n)
	return nil
}

// Finish writes what is left, syncs all three files and closes them. The Output cannot be used any more, whatever the answer.
func (o *Output) Finish() (*Cleaned, error) {
	c, err := o.finish()
	if err != nil {
		o.Abandon()
		return nil, err
	}
	return c, nil
}

func (o *Output) finish() (*Cleaned, error) {
	if o.fill > 0 {
		n := o.fill
		if o.direct {
			n = (n + blockBytes - 1) &^ (blockBytes - 1)
			clear(o.buf[o.fill:n])
		}
		if err := o.write(n); err != nil {
			return nil, err
		}
	}
	if o.direct {
		if err := o.f.Truncate(o.pos); err != nil {
			return nil, fmt.Errorf("truncate %s to %d: %w", o.name, o.pos, err)
		}
	}
	if err := o.f.DataSync(); err != nil {
		return nil, fmt.Errorf("sync %s: %w", o.name, err)
	}
	err := o.f.Close()
	o.f = nil
	if err != nil {
		return nil, fmt.Errorf("close %s: %w", o.name, err)
	}
	o.x.addTime()
	r := &o.c.log.reader
	for _, file := range []struct {
		suffix string
		bytes  []byte
	}{{indexSuffix, o.x.index}, {timeIndexSuffix, o.x.timeIndex}} {
		if err := writeNew(r.shared.FS, fileName(r.dir, o.x.base, file.suffix)+cleanedSuffix, file.bytes); err != nil {
			return nil, err
		}
	}
	old := o.c.segs[o.first : o.first+o.n]
	return &Cleaned{log: o.c.log, old: old, base: o.x.base, next: old[len(old)-1].next.Load(), bytes: o.pos, x: o.x}, nil
}

// writeNew makes a file of b and syncs it.
func writeNew(fsys vfs.FS, name string, b []byte) error {
	f, err := fsys.Open(name, vfs.OpenOptions{Create: true})
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	if len(b) > 0 {
		_, err = f.WriteAt(b, 0)
	}
	if err == nil {
		err = f.Truncate(int64(len(b)))
	}
	if err == nil {
		err = f.DataSync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// Abandon gives up what was written; the files are removed as far as that can be done.
func (o *Output) Abandon() {
	if o.f != nil {
		o.f.Close()
		o.f = nil
	}
	o.c.removeCleaned(o.x.base)
}

// Abandon removes the files of a segment that was not swapped in.
func (c *Cleaned) Abandon() { (&Cleaning{log: c.log}).removeCleaned(c.base) }

func (c *Cleaning) removeCleaned(base int64) {
	r := &c.log.reader
	if r.view.Load().closed {
		return // the directory may be another log's by now; it removes leftovers itself
	}
	for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix} {
		r.shared.FS.Remove(fileName(r.dir, base, suffix) + cleanedSuffix) // a leftover is removed when the log is next opened
	}
}

// Bytes is the size of the cleaned segment.
func (c *Cleaned) Bytes() int64 { return c.bytes }

// place is where the segments that c was made of stand in list, -1 if they do not.
func (c *Cleaned) place(list []*seg) int {
	for i, s := range list {
		if s == c.old[0] {
			for k, s := range c.old {
				if i+k >= len(list) || list[i+k] != s || s.deleted.Load() {
					return -1
				}
			}
			return i
		}
	}
	return -1
}

// seg is the new segment as the log's list has it.
func (c *Cleaned) seg() *seg {
	s := newSeg(c.base)
	s.next.Store(c.next)
	s.size.Store(c.bytes)
	s.written.Store(c.bytes)
	s.idx.Store(c.x.n)
	s.tidx.Store(c.x.tn)
	largest := c.x.largest
	s.largest.Store(&largest)
	return s
}

package segment

// This file owns what compaction asks of a log: which closed segments there are, which of them it may work on, and the making of a
// cleaning. Invariants:
//
//   - a cleaning sees segments that are closed, synced, and below the active segment of the State that a restart begins with: so a
//     restart never finds a compacted segment where it expects the bytes of its checkpoint;
//   - segments closed since Open move to the reader's list of older ones before they are worked on: that list is the writer's to
//     change, the other the owner's.

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/troupe-io/troupe/storage/vfs"
)

// ClosedSegment describes one that can be compacted.
type ClosedSegment struct {
	Base, Next       int64 // offsets [Base, Next)
	Bytes            int64
	LargestTimestamp int64 // -1: no record has one
}

// Closed lists the segments that a cleaning could work on now, oldest first. It may block.
func (r *Reader) Closed() ([]ClosedSegment, error) {
	for tries := 0; ; tries++ {
		v := r.view.Load()
		out, err := r.closedOf(v)
		if err == nil {
			return out, nil
		}
		if again, err := r.again(v, v.start, err, tries); !again {
			return nil, err
		}
	}
}

func (r *Reader) closedOf(v *view) ([]ClosedSegment, error) {
	if v.closed {
		return nil, errStale
	}
	older, err := r.older()
	if err != nil {
		return nil, err
	}
	recorded := r.recorded.Load()
	var out []ClosedSegment
	for _, list := range [][]*seg{before(older, v.recent), v.recent} {
		for _, s := range list {
			if s.next.Load() > recorded {
				return out, nil
			}
			largest, err := r.largestOf(s)
			if err != nil {
				return nil, err
			}
			out = append(out, ClosedSegment{Base: s.base, Next: s.next.Load(), Bytes: s.size.Load(), LargestTimestamp: largest.timestamp})
		}
	}
	return out, nil
}

// Cleaning is the segments that one round of compaction works on. It is for one goroutine.
type Cleaning struct {
	log  *Log
	opt  Options
	segs []*seg
}

// BeginClean prepares a round of compaction. reply is called once, on any goroutine, with the segments or with why there are none.
// What the cleaning makes of them goes back through Swap.
func (l *Log) BeginClean(reply func(*Cleaning, error)) {
	if l.err != nil || l.closing {
		reply(nil, ErrClosed)
		return
	}
	var move []*seg
	for _, s := range l.recent {
		if s.next.Load() <= l.recordedBase {
			move = append(move, s)
		}
	}
	l.send(&beginCleanOp{opBase: opBase{log: l}, move: move, opt: l.opt, reply: reply})
}

// Swap puts a cleaned segment in the place of those it was made of. reply is called once, on any goroutine; ErrSuperseded says that the
// log went on without it.
func (l *Log) Swap(c *Cleaned, reply func(error)) {
	if l.err != nil || l.closing || c.log != l {
		reply(fmt.Errorf("swap segments %d to %d of %s: %w", c.base, c.next, l.reader.dir, ErrSuperseded))
		return
	}
	l.send(&swapOp{opBase: opBase{log: l}, cleaned: c, delayMs: l.opt.DeleteDelayMs, reply: reply})
}

// moved ends the move of segments to the reader's list.
func (l *Log) moved(segs []*seg) {
	kept := make([]*seg, 0, len(l.recent)) // readers share the array of the old one
	for _, s := range l.recent {
		if !slices.Contains(segs, s) {
			kept = append(kept, s)
		}
	}
	l.recent = kept
	l.recount()
	l.republish()
}

// beginCleanOp makes the directory ready, moves closed segments to the reader's list, and answers with that.
type beginCleanOp struct {
	opBase
	move  []*seg
	opt   Options
	reply func(*Cleaning, error)
	segs  []*seg
}

func (o *beginCleanOp) run(w *Writer) error {
	l := o.log
	if err := l.prepare(w); err != nil {
		return err
	}
	r := &l.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	history, err := r.olderLocked()
	if err != nil {
		return err
	}
	list := slices.Clone(history)
	for _, s := range o.move {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	r.history.Store(&list)
	o.segs = list
	return nil
}

func (o *beginCleanOp) settle(err error) (first bool) {
	if first = o.opBase.settle(err); first {
		if err != nil {
			o.reply(nil, err)
		} else {
			o.reply(&Cleaning{log: o.log, opt: o.opt, segs: o.segs}, nil)
		}
	}
	return first
}

func (o *beginCleanOp) Undelivered(reason error) { undelivered(o, reason) }

// Segments describes the segments of the cleaning; an index into it names one.
func (c *Cleaning) Segments() []ClosedSegment {
	out := make([]ClosedSegment, len(c.segs))
	for i, s := range c.segs {
		out[i] = ClosedSegment{Base: s.base, Next: s.next.Load(), Bytes: s.size.Load(), LargestTimestamp: -1}
	}
	return out
}

// Options are the log's settings when the cleaning began.
func (c *Cleaning) Options() Options { return c.opt }

// IndexBytes is the size of the i-th segment's offset index, as far as it is known.
func (c *Cleaning) IndexBytes(i int) int64 { return int64(c.segs[i].idx.Load()) * indexEntryBytes }

// Open opens the .log file of the i-th segment for reading; the caller closes it. ErrSuperseded: it is the log's no more. The kernel is told
// not to read ahead: it would do so in pieces of megabytes, behind which the write-ahead log's next sync would have to wait.
func (c *Cleaning) Open(i int) (vfs.File, error) {
	s, r := c.segs[i], &c.log.reader
	name := fileName(r.dir, s.base, logSuffix)
	f, err := r.shared.FS.Open(name, vfs.OpenOptions{ReadOnly: true})
	if s.replaced.Load() || s.deleted.Load() || r.view.Load().closed || errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			f.Close()
		}
		return nil, fmt.Errorf("open %s for compaction: %w", name, ErrSuperseded)
	}
	if err == nil {
		if fd, ok := f.Fd(); ok {
			atRandom(fd)
		}
	}
	return f, err
}

// FirstTimestamp is the largest timestamp of the first batch of the segment that begins at base, -1 if it has none: the age that
// max.compaction.lag.ms goes by. It may block.
func (r *Reader) FirstTimestamp(base int64) (int64, error) {
	s, err := r.Read(base, base+1, 1, true)
	if err != nil {
		return -1, err
	}
	defer s.Release()
	if s.Size == 0 {
		return -1, nil
	}
	var b [headBytes]byte
	n := 0
	for _, p := range s.Parts {
		if p.Bytes != nil {
			n += copy(b[n:], p.Bytes)
		} else {
			want := min(int64(headBytes-n), p.Length)
			if err := readFull(p.File, b[n:n+int(want)], p.Offset); err != nil {
				return -1, err
			}
			n += int(want)
		}
		if n == headBytes {
			break
		}
	}
	h, ok := parseHead(b[:])
	if !ok {
		return -1, nil
	}
	return h.indexedTimestamp(), nil
}

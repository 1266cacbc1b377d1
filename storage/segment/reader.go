package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"sync"
	"sync/atomic"
)

// Reader reads committed data through immutable views; safe for concurrent use, also while the owner restarts (then every
// Read answers ErrClosed: the restarted owner has a new Reader).
//
// How a reader stays right without a lock: it loads the view once. What the view shows is either in a chunk it can take a
// reference to, or was in the file before that chunk went. If neither holds, the view was replaced in between; it loads it again.
type Reader struct {
	shared *Shared
	dir    string
	from   State // what Open was given
	first  *seg  // the segment that was active at Open

	view     atomic.Pointer[view]
	history  atomic.Pointer[[]*seg] // segments from before Open that are left, oldest first; nil: not listed yet
	interval atomic.Int64           // index.interval.bytes, for rebuilding
	recorded atomic.Int64           // segments below this offset are durable and no restart begins in them: Log.recordedBase

	// mu is held while the directory is listed, cut or compacted and while an index is checked or rebuilt: seldom, and not by reads of
	// segments that have been read before.
	mu sync.Mutex
}

// view is one immutable picture of the log. Slices in it share arrays with later views, which only add behind their ends.
type view struct {
	start, end, lso int64
	seg             *seg  // holds the last published batch, or is empty
	pos             int64 // bytes of seg that are published
	largest         stamp // of seg
	tail            []*chunk
	recent          []*seg // closed since Open, before seg; oldest first
	olderBytes      int64  // of the segments before seg
	closed          bool
}

func (r *Reader) open(shared *Shared, dir string, first *seg, from State, interval int64) {
	r.shared, r.dir, r.first, r.from = shared, dir, first, from
	r.interval.Store(interval)
	if from.ClosedSegments == 0 {
		r.history.Store(&noSegments)
	}
}

var noSegments []*seg

// errStale says that a view shows bytes that are neither in its memory nor in the file: it has been replaced.
var errStale = errors.New("stale view")

// errReplaced says that compaction put another segment in the place of the one that was looked into.
var errReplaced = errors.New("segment replaced by compaction")

// acquire opens a file of s for reading.
func (r *Reader) acquire(s *seg, suffix string) (*handle, error) {
	h, err := r.shared.Files.acquire(r.shared.FS, fileName(r.dir, s.base, suffix), readMode, s.id)
	if s.replaced.Load() { // what was opened may be its successor's
		if err == nil {
			h.release()
		}
		return nil, errReplaced
	}
	return h, err
}

// before is the part of older that lies before recent: segments that move from one list to the other are in both for a while.
func before(older, recent []*seg) []*seg {
	if len(recent) == 0 {
		return older
	}
	return older[:sort.Search(len(older), func(i int) bool { return older[i].base >= recent[0].base })]
}

// Bounds returns the current offsets.
func (r *Reader) Bounds() Bounds {
	v := r.view.Load()
	return Bounds{Start: v.start, HighWatermark: v.end, LastStable: v.lso}
}

// SizeBytes is the log's size in bytes (DescribeLogDirs). Never blocks.
func (r *Reader) SizeBytes() int64 {
	v := r.view.Load()
	return v.olderBytes + v.pos
}

// Available estimates, without blocking, how many bytes a Read at offset could return now, up to limit. It is exact as long
// as offset stands in memory.
func (r *Reader) Available(offset int64, limit int64) int64 {
	v := r.view.Load()
	if v.closed || offset < v.start || offset >= v.end {
		return 0
	}
	if offset < v.seg.base { // all of what is in seg, and an unknown part of what is before
		return min(limit, v.pos+max(1, v.olderBytes))
	}
	c := newCursor(r, v, v.seg, v.pos)
	defer c.done()
	if i := c.chunkByKey(offset); i >= c.lo && c.alive(c.v.tail[i]) {
		if pos, _, err := c.find(offset); err == nil {
			return min(limit, v.pos-pos)
		}
	}
	share := float64(v.end-offset) / float64(v.end-v.seg.base)
	return min(limit, max(1, int64(share*float64(v.pos))))
}

// Read finds whole batches from the one that contains offset up to upTo (exclusive; the high watermark or the LSO), at most
// maxBytes; if the first batch alone is larger and minOneBatch is set, it is returned all the same. It may block on an index
// lookup. ErrOffsetOutOfRange if offset is not within [Start, HighWatermark]. A Slice never crosses a segment's end.
func (r *Reader) Read(offset, upTo, maxBytes int64, minOneBatch bool) (*Slice, error) {
	for tries := 0; ; tries++ {
		v := r.view.Load()
		s, err := r.readView(v, offset, upTo, maxBytes, minOneBatch)
		if err == nil {
			return s, nil
		}
		if again, err := r.again(v, offset, err, tries); !again {
			return nil, err
		}
	}
}

// TryRead is Read for callers that must not block: it reads memory only. ok is false if it would have to look at a file, or at a
// view that was just replaced; the caller then reads where it may block.
func (r *Reader) TryRead(offset, upTo, maxBytes int64, minOneBatch bool) (s *Slice, ok bool, err error) {
	v := r.view.Load()
	if v.closed || offset < v.start || offset > v.end {
		return nil, false, nil
	}
	if upTo = min(upTo, v.end); offset >= upTo {
		return &Slice{}, true, nil
	}
	if offset < v.seg.base {
		return nil, false, nil
	}
	s, err = r.readSegment(v, v.seg, v.pos, offset, upTo, maxBytes, minOneBatch, true)
	if err != nil {
		return nil, false, nil // whatever it is, Read will find it again
	}
	if s == nil {
		s = &Slice{}
	}
	return s, true, nil
}

// replacedTriesMax is how often a read looks again for the segment that compaction put in place of the one it wanted. Once is enough,
// unless the swap failed halfway: then the log is about to be closed.
const replacedTriesMax = 10

// again says whether a read that failed with err should be tried on the view that replaced v, and otherwise what to answer.
func (r *Reader) again(v *view, offset int64, err error, tries int) (bool, error) {
	now := r.view.Load()
	switch {
	case errors.Is(err, errReplaced) && !now.closed:
		if tries < replacedTriesMax {
			r.mu.Lock() // held by the swap until its list of segments is there
			r.mu.Unlock()
			return true, nil
		}
		return false, fmt.Errorf("read %s at %d: %w: %w", r.dir, offset, err, ErrClosed)
	case now.closed:
		return false, fmt.Errorf("read %s at %d: %w", r.dir, offset, ErrClosed)
	case errors.Is(err, errStale), errors.Is(err, fs.ErrNotExist):
		if now != v {
			return true, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = corrupt("read %s at %d: %w", r.dir, offset, err)
		} else {
			err = fmt.Errorf("read %s at %d: %w", r.dir, offset, ErrClosed)
		}
	}
	return false, err
}

func (r *Reader) readView(v *view, offset, upTo, maxBytes int64, minOneBatch bool) (*Slice, error) {
	if v.closed {
		return nil, errStale
	}
	if offset < v.start || offset > v.end {
		return nil, fmt.Errorf("read %s at %d, which holds [%d, %d): %w", r.dir, offset, v.start, v.end, ErrOffsetOutOfRange)
	}
	upTo = min(upTo, v.end)
	for offset < upTo {
		s, lim, err := r.segmentFor(v, offset)
		if err != nil {
			return nil, err
		}
		out, err := r.readSegment(v, s, lim, offset, upTo, maxBytes, minOneBatch, false)
		if out != nil || err != nil {
			return out, err
		}
		if s == v.seg {
			break
		}
		offset = s.next.Load() // nothing at or above offset in s: a gap
	}
	return &Slice{}, nil
}

// segmentFor finds the segment that holds offset, and where its published data ends.
func (r *Reader) segmentFor(v *view, offset int64) (s *seg, lim int64, err error) {
	if offset >= v.seg.base {
		return v.seg, v.pos, nil
	}
	pick := func(list []*seg) *seg {
		if i := sort.Search(len(list), func(i int) bool { return list[i].base > offset }); i > 0 {
			return list[i-1]
		}
		return nil
	}
	if s = pick(v.recent); s == nil {
		older, err := r.older()
		if err != nil {
			return nil, 0, err
		}
		if s = pick(older); s == nil { // the segment is gone: deleted after the last checkpoint, or just now
			switch {
			case len(older) > 0:
				s = older[0]
			case len(v.recent) > 0:
				s = v.recent[0]
			default:
				return v.seg, v.pos, nil
			}
		}
	}
	return s, s.size.Load(), nil
}

// readSegment is Read within one segment; nil, nil if it holds nothing at or above offset. With memoryOnly it answers errInFile
// where it would open a file.
func (r *Reader) readSegment(v *view, s *seg, lim, offset, upTo, maxBytes int64, minOneBatch, memoryOnly bool) (*Slice, error) {
	c := newCursor(r, v, s, lim)
	c.memoryOnly = memoryOnly
	defer c.done()
	from, first, err := c.find(offset)
	if err != nil {
		return nil, err
	}
	if from >= lim {
		return nil, nil
	}
	wholeSegment := s == v.seg && upTo == v.end || s != v.seg && s.next.Load() <= upTo
	if !wholeSegment {
		if lim, _, err = c.find(upTo); err != nil {
			return nil, err
		}
	}
	firstEnd := from + first.size
	if first.baseOffset >= upTo || firstEnd > lim {
		return &Slice{}, nil
	}
	to := lim
	if maxBytes < lim-from {
		to = from + maxBytes
		switch {
		case to >= firstEnd:
			if to, err = c.lastBoundary(firstEnd, to); err != nil {
				return nil, err
			}
		case minOneBatch:
			to = firstEnd
		default:
			return &Slice{}, nil
		}
	}
	return c.slice(from, to)
}

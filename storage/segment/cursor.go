package segment

import (
	"errors"
	"io"
	"sort"
	"sync"

	"github.com/troupe-io/troupe/storage/vfs"
)

// cursor looks around in the published part of one segment, in memory where chunks are, in the file elsewhere. It lives for
// one read, on one goroutine.
type cursor struct {
	r      *Reader
	v      *view
	s      *seg
	lim    int64 // end of the published part
	lo, hi int   // v.tail[lo:hi] are the chunks of s

	memoryOnly bool // no file may be opened

	held   []*chunk // references taken
	heldOf [4]*chunk
	file   *handle
	*scratch
}

// errInFile says that what is asked for is not in memory.
var errInFile = errors.New("not in memory")

// scratch is a cursor's buffers, kept between reads.
type scratch struct {
	block   [8 << 10]byte // bytes of the file at [blockAt, blockAt+blockLen)
	blockAt int64
	blockN  int
	window  [searchWindow]byte
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func newCursor(r *Reader, v *view, s *seg, lim int64) *cursor {
	c := &cursor{r: r, v: v, s: s, lim: lim}
	c.held = c.heldOf[:0]
	c.lo = sort.Search(len(v.tail), func(i int) bool { return v.tail[i].seg.base >= s.base })
	c.hi = len(v.tail)
	if c.lo < c.hi && v.tail[c.hi-1].seg != s {
		c.hi = c.lo + sort.Search(c.hi-c.lo, func(i int) bool { return v.tail[c.lo+i].seg.base > s.base })
		if v.tail[c.lo].seg != s { // of the segment that compaction put s in place of
			c.hi = c.lo
		}
	}
	return c
}

// done gives back what the cursor holds and no slice took over.
func (c *cursor) done() {
	for _, k := range c.held {
		k.release()
	}
	c.held = nil
	if c.file != nil {
		c.file.release()
		c.file = nil
	}
	if c.scratch != nil {
		scratches.Put(c.scratch)
		c.scratch = nil
	}
}

func (c *cursor) needScratch() {
	if c.scratch == nil {
		c.scratch = scratches.Get().(*scratch)
		c.blockN = 0
	}
}

// alive takes a reference to k, unless the cursor has one; false if k was evicted.
func (c *cursor) alive(k *chunk) bool {
	for _, h := range c.held {
		if h == k {
			return true
		}
	}
	if !k.acquire() {
		return false
	}
	c.held = append(c.held, k)
	return true
}

// chunkByKey is the index in tail of the last chunk whose key is at or below offset; c.lo-1 if there is none.
func (c *cursor) chunkByKey(offset int64) int {
	t := c.v.tail[c.lo:c.hi]
	return c.lo + sort.Search(len(t), func(i int) bool { return t[i].key > offset }) - 1
}

// chunkByPos is the index in tail of the last chunk that starts at or below pos; c.lo-1 if there is none.
func (c *cursor) chunkByPos(pos int64) int {
	t := c.v.tail[c.lo:c.hi]
	return c.lo + sort.Search(len(t), func(i int) bool { return t[i].start > pos }) - 1
}

// memory returns the bytes of a live chunk from pos up to at most end; nil if pos is not in memory.
func (c *cursor) memory(pos, end int64) []byte {
	i := c.chunkByPos(pos)
	if i < c.lo {
		return nil
	}
	k := c.v.tail[i]
	if stop := min(end, k.end.Load()); pos < stop && c.alive(k) {
		return k.at(pos, stop)
	}
	return nil
}

func (c *cursor) openFile() error {
	if c.file != nil {
		return nil
	}
	if c.memoryOnly {
		return errInFile
	}
	h, err := c.r.acquire(c.s, logSuffix)
	if err != nil {
		return err
	}
	c.file = h
	return nil
}

// fileBytes returns some bytes of the file from pos on, at most n, valid until the next call.
func (c *cursor) fileBytes(pos, n int64) ([]byte, error) {
	c.needScratch()
	if c.blockN == 0 || pos < c.blockAt || pos >= c.blockAt+int64(c.blockN) {
		written := min(c.s.written.Load(), c.lim)
		if pos >= written {
			return nil, errStale
		}
		if err := c.openFile(); err != nil {
			return nil, err
		}
		want := min(int64(len(c.block)), written-pos)
		c.blockN = 0
		got, err := c.file.ReadAt(c.block[:want], pos)
		if int64(got) < want {
			if err == nil || err == io.EOF {
				err = corrupt("read %s at %d: want %d bytes, found %d", c.file.key.name, pos, want, got)
			}
			return nil, err
		}
		c.blockAt, c.blockN = pos, got
	}
	b := c.block[pos-c.blockAt : c.blockN]
	return b[:min(n, int64(len(b)))], nil
}

// head reads the header of the batch at pos.
func (c *cursor) head(pos int64) (head, error) {
	end := pos + headBytes
	if end > c.lim {
		return head{}, corrupt("read %s at %d: a batch begins %d bytes before the end", fileName(c.r.dir, c.s.base, logSuffix), pos, c.lim-pos)
	}
	b := c.memory(pos, end)
	if len(b) < headBytes {
		var whole [headBytes]byte
		n := int64(copy(whole[:], b))
		for n < headBytes {
			part := c.memory(pos+n, end)
			if part == nil {
				var err error
				if part, err = c.fileBytes(pos+n, headBytes-n); err != nil {
					return head{}, err
				}
			}
			n += int64(copy(whole[n:], part))
		}
		b = whole[:]
	}
	h, ok := parseHead(b)
	if !ok || h.lastOffset < c.s.base || pos+h.size > c.lim {
		return head{}, corrupt("read %s at %d: no record batch there (found base offset %d, %d bytes, of %d left)",
			fileName(c.r.dir, c.s.base, logSuffix), pos, h.baseOffset, h.size, c.lim-pos)
	}
	return h, nil
}

// find is the first batch that ends at or above offset; pos is lim if there is none.
func (c *cursor) find(offset int64) (pos int64, h head, err error) {
	pos, err = c.floorByOffset(offset)
	for err == nil && pos < c.lim {
		if h, err = c.head(pos); err != nil || h.lastOffset >= offset {
			return pos, h, err
		}
		pos += h.size
	}
	return min(pos, c.lim), head{}, err
}

// floorByOffset is a batch's position from which walking forward meets the batch with offset.
func (c *cursor) floorByOffset(offset int64) (int64, error) {
	if i := c.chunkByKey(offset); i >= c.lo && c.alive(c.v.tail[i]) {
		pos, _ := c.v.tail[i].floorByOffset(offset)
		return pos, nil
	}
	for {
		e, err := c.searchIndex(func(e mark) bool { return c.s.base+int64(e.rel) <= offset })
		if err != nil || e == (mark{}) {
			return 0, err
		}
		if h, err := c.head(int64(e.pos)); err == nil && h.lastOffset == c.s.base+int64(e.rel) {
			return int64(e.pos), nil
		} else if errors.Is(err, errStale) || errors.Is(err, errReplaced) {
			return 0, err
		}
		// The index lies. A closed segment's is made anew; the active one's is the writer's: walk from the start.
		if !c.s.closed() || c.s == c.r.first || c.s.rebuilt.Swap(true) {
			return 0, nil
		}
		c.r.mu.Lock()
		err = c.r.rebuildIndexes(c.s)
		c.r.mu.Unlock()
		if err != nil && !vfs.IsNoSpace(err) {
			return 0, err
		}
	}
}

// searchIndex is the last entry of the offset index for which le holds; the zero mark (the segment's start) if there is none.
func (c *cursor) searchIndex(le func(mark) bool) (mark, error) {
	if c.memoryOnly {
		return mark{}, errInFile
	}
	if usable, err := c.r.checkIndexes(c.s); err != nil || !usable {
		return mark{}, err
	}
	n := int(c.s.idx.Load())
	if n == 0 {
		return mark{}, nil
	}
	c.needScratch()
	h, err := c.r.acquire(c.s, indexSuffix)
	if err != nil {
		return mark{}, err
	}
	defer h.release()
	b, i, err := searchFile(h, indexEntryBytes, n, &c.window, func(b []byte) bool { return le(indexEntry(b)) })
	if err != nil || i < 0 {
		return mark{}, err
	}
	return indexEntry(b), nil
}

// lastBoundary is a batch boundary in [from, to], from being one: the last of all in memory; in a file perhaps the last
// that the index knows, which saves reading there.
func (c *cursor) lastBoundary(from, to int64) (int64, error) {
	pos, exact := int64(-1), true
	for i := c.chunkByPos(to); i >= c.lo && pos < 0; i-- {
		k := c.v.tail[i]
		if !c.alive(k) {
			break
		}
		if p, ok := k.floorByPos(to); ok {
			pos = p
		}
	}
	if pos < 0 {
		e, err := c.searchIndex(func(e mark) bool { return int64(e.pos) <= to })
		if err != nil {
			return 0, err
		}
		pos, exact = int64(e.pos), int64(e.pos) <= from
	}
	pos = max(pos, from)
	for exact && pos+headBytes <= to {
		h, err := c.head(pos)
		if err != nil {
			return 0, err
		}
		if pos+h.size > to {
			break
		}
		pos += h.size
	}
	return pos, nil
}

// slice makes the parts for [from, to), both batch boundaries, and takes over the references they need.
func (c *cursor) slice(from, to int64) (*Slice, error) {
	out := &Slice{Size: to - from}
	out.Parts, out.chunks = out.partsOf[:0], out.heldOf[:0]
	var inMemory int64
	fail := func(err error) (*Slice, error) {
		out.Release()
		return nil, err
	}
	for pos := from; pos < to; {
		i := c.chunkByPos(pos)
		if i >= c.lo {
			k := c.v.tail[i]
			if stop := min(to, k.end.Load()); pos < stop && k.acquire() {
				out.chunks = append(out.chunks, k)
				out.Parts = append(out.Parts, Part{Bytes: k.at(pos, stop), Length: stop - pos})
				inMemory += stop - pos
				pos = stop
				continue
			}
		}
		stop := to
		for j := max(i+1, c.lo); j < c.hi && c.v.tail[j].start < to; j++ {
			if c.alive(c.v.tail[j]) {
				stop = c.v.tail[j].start
				break
			}
		}
		if c.s.written.Load() < stop {
			return fail(errStale)
		}
		if err := c.openFile(); err != nil {
			return fail(err)
		}
		if out.file == nil {
			c.file.retain()
			out.file = c.file
		}
		out.Parts = append(out.Parts, Part{File: vfs.File(c.file.File), Offset: pos, Length: stop - pos})
		c.s.readAhead(c.file.File, pos, stop)
		pos = stop
	}
	c.r.shared.Metrics.read(inMemory, out.Size-inMemory)
	return out, nil
}

// walker reads batch headers from a file front to back.
type walker struct {
	f    io.ReaderAt
	name string
	end  int64 // of what may be read
	buf  []byte
	at   int64
	n    int
}

func (w *walker) head(pos int64) (head, error) {
	if pos+headBytes > w.end {
		return head{}, corrupt("read %s at %d: a batch begins %d bytes before the end", w.name, pos, w.end-pos)
	}
	if pos < w.at || pos+headBytes > w.at+int64(w.n) {
		want := min(int64(len(w.buf)), w.end-pos)
		w.n = 0
		if err := readFull(w.f, w.buf[:want], pos); err != nil {
			return head{}, corrupt("read %s at %d: %w", w.name, pos, err)
		}
		w.at, w.n = pos, int(want)
	}
	h, ok := parseHead(w.buf[pos-w.at:])
	if !ok || pos+h.size > w.end {
		return head{}, corrupt("read %s at %d: no record batch there", w.name, pos)
	}
	return h, nil
}

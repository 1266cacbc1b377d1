package segment

import (
	"encoding/binary"
	"sort"
	"sync/atomic"
	"unsafe"
)

// chunk is a piece of a segment file in memory: file positions [start, end) stand in buf at [start-base, end-base).
//
// Who may touch what:
//   - the owner of the log alone writes bytes at and after end, adds marks, and moves end;
//   - the log's writer alone writes buf[:start-base] (the first block's older bytes, needed to write whole blocks);
//   - a reader that holds a reference reads [start, end) as end stood when it looked.
//
// refs counts the cache's own reference, those of readers and of queued writes. It never rises from 0; whoever brings it
// to 0 gives buf back to the pool.
type chunk struct {
	seg   *seg
	key   int64 // no batch that starts in this chunk has a lower base offset; every earlier batch ends below it
	base  int64 // position of buf[0], a multiple of blockBytes
	start int64 // position of the first byte held
	first int64 // position of the first batch that starts at or after start; may lie beyond the chunk
	buf   []byte
	marks []mark // batch starts, at least markInterval apart; only the first count are valid
	count atomic.Int32
	end   atomic.Int64
	refs  atomic.Int32

	pool       *ChunkPool
	prev, next *chunk // in the pool's list of evictable chunks
	listed     bool
	cached     bool // the cache's reference is still held
}

// mark says where a batch starts: base offset relative to the segment's, position in the file.
type mark struct{ rel, pos int32 }

// markInterval is how far apart marks are (bytes); a lookup walks the headers in between.
const markInterval = 4096

// boundary is the position where the chunk with its first block at base ends at the latest.
func boundary(base int64) int64 { return (base/chunkBytes + 1) * chunkBytes }

// capEnd is the position up to which buf has room.
func (c *chunk) capEnd() int64 { return min(c.base+int64(len(c.buf)), boundary(c.base)) }

// acquire takes a reference unless the chunk has been evicted.
func (c *chunk) acquire() bool {
	for {
		n := c.refs.Load()
		if n == 0 {
			return false
		}
		if c.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *chunk) release() {
	switch n := c.refs.Add(-1); {
	case n == 0:
		c.pool.recycle(c)
	case n < 0:
		panic("segment: chunk released twice")
	case n == 1 && c.pool.waiting.Load() > 0:
		c.pool.wake() // the last reader left a chunk that may be evictable
	}
}

// at returns the bytes at [pos, pos+n) as far as the chunk has them. The caller holds a reference.
func (c *chunk) at(pos, end int64) []byte { return c.buf[pos-c.base : end-c.base] }

func (c *chunk) addMark(offset, pos int64) {
	n := c.count.Load()
	if n > 0 && pos-int64(c.marks[n-1].pos) < markInterval || int(n) == len(c.marks) {
		return
	}
	c.marks[n] = mark{rel: int32(offset - c.seg.base), pos: int32(pos)}
	c.count.Store(n + 1)
}

// floorByOffset is the position of a batch start in this chunk from which walking forward finds offset. ok is false if no batch starts here.
func (c *chunk) floorByOffset(offset int64) (pos int64, ok bool) {
	m := c.marks[:c.count.Load()]
	i := sort.Search(len(m), func(i int) bool { return c.seg.base+int64(m[i].rel) > offset })
	if i > 0 {
		return int64(m[i-1].pos), true
	}
	return c.first, c.first < c.end.Load()
}

// floorByPos is the position of the last marked batch start at or below pos.
func (c *chunk) floorByPos(pos int64) (int64, bool) {
	m := c.marks[:c.count.Load()]
	i := sort.Search(len(m), func(i int) bool { return int64(m[i].pos) > pos })
	if i > 0 {
		return int64(m[i-1].pos), true
	}
	return c.first, c.first <= pos && c.first < c.end.Load()
}

// newBuffer makes a buffer whose address is a multiple of blockBytes. The runtime places power-of-two sizes of a page and
// more that way already; the second try is for the day it does not.
func newBuffer(n int) []byte {
	b := make([]byte, n)
	if uintptr(unsafe.Pointer(&b[0]))%blockBytes == 0 {
		return b
	}
	b = make([]byte, n+blockBytes)
	skip := int(blockBytes - uintptr(unsafe.Pointer(&b[0]))%blockBytes)
	return b[skip : skip+n : skip+n]
}

// head is what walking a log needs of a batch header (Kafka protocol guide, "Record Batch").
type head struct {
	baseOffset, lastOffset, maxTimestamp int64
	size                                 int64 // whole batch
	leaderEpoch                          int32
	attributes                           int16
	records                              int32
}

// indexedTimestamp is what the time index may say of the batch: one that compaction left without records holds no timestamp.
func (h *head) indexedTimestamp() int64 {
	if h.records == 0 {
		return -1
	}
	return h.maxTimestamp
}

// headBytes of a batch are enough for head.
const headBytes = 61

func parseHead(b []byte) (h head, ok bool) {
	if len(b) < headBytes || b[16] != 2 {
		return h, false
	}
	length := int32(binary.BigEndian.Uint32(b[8:]))
	delta := int32(binary.BigEndian.Uint32(b[23:]))
	h = head{
		baseOffset:   int64(binary.BigEndian.Uint64(b)),
		size:         int64(length) + 12,
		leaderEpoch:  int32(binary.BigEndian.Uint32(b[12:])),
		attributes:   int16(binary.BigEndian.Uint16(b[21:])),
		maxTimestamp: int64(binary.BigEndian.Uint64(b[35:])),
		records:      int32(binary.BigEndian.Uint32(b[57:])),
	}
	h.lastOffset = h.baseOffset + int64(delta)
	return h, h.size >= headBytes && delta >= 0 && h.baseOffset >= 0
}

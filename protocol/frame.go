package protocol

// This file owns request buffers: Frame and FramePool. Invariants:
//
//   - a frame's references are >= 1 from Get until the Release that brings them to 0, and a Retain or Release after that
//     panics. A Frame value is never used again for another request (only its buffer is), so a release too many is
//     always seen, even when the buffer has a new tenant;
//   - the pool keeps at most keptBytesMax bytes of free buffers, whatever sizes they are.
//
// The free lists have one small mutex per size class. A pool is shared by every connection's goroutine and by the actors
// that release frames; the lock is held for a slice push or pop only, and different sizes never meet.

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/troupe-io/troupe/invariant"
)

const (
	frameClassMinBits = 8 // the smallest class is 256 bytes
	// FrameClassMax is the largest size that NewFramePool pools, bytes; larger frames are plain allocations.
	FrameClassMax = 1 << 20
)

// Frame is one pooled, reference-counted request buffer: what a connection read from its socket in one piece. Slices of
// Bytes travel through partition, raft, WAL and links; whoever keeps one past the call that gave it holds a reference.
//
// A Frame that is never released is only garbage: the pool does not own it, so a crashed actor leaks nothing (but its
// bytes stay counted in FramePool.InUse).
type Frame struct {
	Bytes []byte

	pool  *FramePool
	buf   []byte // the whole buffer: len is the class's size, or len(Bytes) for a plain allocation
	class int32  // index into pool.classes, -1 for a plain allocation
	refs  atomic.Int32
}

// Releaser is what raftactor sees of a Frame.
type Releaser interface{ Release() }

// FramePool hands out Frames by size class: powers of two and three steps between them, so at most a fifth of a buffer
// is unused. Safe for concurrent use.
type FramePool struct {
	keptBytesMax int64
	classMax     int
	kept         atomic.Int64
	inUse        atomic.Int64
	victim       atomic.Uint32
	classes      []frameClass
}

type frameClass struct {
	size int
	free atomic.Int32 // len(stack), to look without the lock
	mu   sync.Mutex
	// stack is the free buffers, last in first out: the warmest is taken first.
	stack [][]byte
	_     [64]byte // classes do not share a cache line
}

// NewFramePool keeps at most keptBytesMax bytes of free frames and pools frames up to FrameClassMax.
func NewFramePool(keptBytesMax int64) *FramePool {
	return NewFramePoolSized(keptBytesMax, FrameClassMax)
}

// NewFramePoolSized is NewFramePool with its own limit for the size of pooled frames: frames of more than classMax bytes
// are plain allocations.
func NewFramePoolSized(keptBytesMax int64, classMax int) *FramePool {
	classMax = max(classMax, 1<<frameClassMinBits)
	n := frameClassOf(classMax) + 1
	p := &FramePool{keptBytesMax: keptBytesMax, classMax: classMax, classes: make([]frameClass, n)}
	for i := range p.classes {
		p.classes[i].size = frameClassSize(i)
	}
	return p
}

// frameClassOf is the smallest class that holds n bytes, n >= 0.
func frameClassOf(n int) int {
	if n <= 1<<frameClassMinBits {
		return 0
	}
	top := bits.Len(uint(n-1)) - 1 // 2^top <= n-1 < 2^(top+1)
	quarter := (n - 1) >> (top - 2) & 3
	return (top-frameClassMinBits)*4 + quarter + 1
}

// frameClassSize is the size of class i, bytes.
func frameClassSize(i int) int { return (4 + i&3) << (i>>2 + frameClassMinBits - 2) }

// Get returns a frame with len(Bytes) == n and one reference. Its content is undefined.
func (p *FramePool) Get(n int) *Frame {
	if n < 0 {
		invariant.Fail("frame of %d bytes asked for", n)
	}
	f := &Frame{pool: p, class: -1}
	f.refs.Store(1)
	if n > p.classMax {
		f.buf = make([]byte, n)
	} else {
		i := frameClassOf(n)
		f.class = int32(i)
		if f.buf = p.classes[i].pop(); f.buf != nil {
			p.kept.Add(-int64(len(f.buf)))
		} else {
			f.buf = make([]byte, p.classes[i].size)
		}
	}
	f.Bytes = f.buf[:n:n]
	p.inUse.Add(int64(len(f.buf)))
	return f
}

// Retain adds n references, n >= 1. The caller must hold one.
func (f *Frame) Retain(n int32) {
	if n < 1 {
		invariant.Fail("retain of %d references", n)
	}
	if f.refs.Add(n) <= n {
		f.refs.Add(-n) // stays dead, for the next misuse too
		invariant.Fail("retain of %d on a frame that has no reference left", n)
	}
}

// Release gives up one reference; the last one returns the buffer to its pool. One release too many panics.
func (f *Frame) Release() {
	switch refs := f.refs.Add(-1); {
	case refs > 0:
	case refs == 0:
		buf := f.buf
		f.buf, f.Bytes = nil, nil
		f.pool.inUse.Add(-int64(len(buf)))
		if f.class >= 0 {
			f.pool.keep(int(f.class), buf)
		}
	default:
		f.refs.Add(1)
		invariant.Fail("frame released once too often")
	}
}

// InUse is the bytes of the buffers of all frames that are not yet released, spare room of their size classes included.
func (p *FramePool) InUse() int64 { return p.inUse.Load() }

// Kept is the bytes of free buffers.
func (p *FramePool) Kept() int64 { return p.kept.Load() }

// Trim lets free buffers go until at most keptBytes of them are left: for a broker that has become idle.
func (p *FramePool) Trim(keptBytes int64) {
	for p.kept.Load() > keptBytes && p.evict(-1) {
	}
}

// keep puts a buffer back, at the expense of buffers of other sizes if the limit is reached, so that a burst of one size
// does not fill the pool for good.
func (p *FramePool) keep(class int, buf []byte) {
	size := int64(len(buf))
	for p.kept.Add(size) > p.keptBytesMax {
		p.kept.Add(-size)
		if !p.evict(class) {
			return
		}
	}
	p.classes[class].push(buf)
}

// evict drops one free buffer of a class other than except, in turn; false if there is none.
func (p *FramePool) evict(except int) bool {
	n := len(p.classes)
	start := int(p.victim.Add(1))
	for i := range n {
		at := (start + i) % n
		if at == except || p.classes[at].free.Load() == 0 {
			continue
		}
		if buf := p.classes[at].pop(); buf != nil {
			p.kept.Add(-int64(len(buf)))
			return true
		}
	}
	return false
}

func (c *frameClass) pop() []byte {
	if c.free.Load() == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.stack)
	if n == 0 {
		return nil
	}
	buf := c.stack[n-1]
	c.stack[n-1] = nil
	c.stack = c.stack[:n-1]
	c.free.Store(int32(n - 1))
	return buf
}

func (c *frameClass) push(buf []byte) {
	c.mu.Lock()
	c.stack = append(c.stack, buf)
	c.free.Store(int32(len(c.stack)))
	c.mu.Unlock()
}

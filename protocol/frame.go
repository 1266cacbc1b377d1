package protocol

// Frame is one pooled, reference-counted request buffer: what a connection read from its socket in one piece. Slices of
// Bytes travel through partition, raft, WAL and links; whoever keeps one past the call that gave it holds a reference.
//
// A Frame that is never released is only garbage: the pool does not own it, so a crashed actor leaks nothing.
type Frame struct {
	Bytes []byte
	// refs, size class, pool …
}

// Releaser is what raftactor sees of a Frame.
type Releaser interface{ Release() }

// FramePool hands out Frames by size class. Safe for concurrent use.
type FramePool struct{}

// NewFramePool keeps at most keptBytesMax bytes of free frames.
func NewFramePool(keptBytesMax int64) *FramePool { panic("contract") }

// Get returns a frame with len(Bytes) == n and one reference. Its content is undefined.
func (p *FramePool) Get(n int) *Frame { panic("contract") }

// Retain adds n references.
func (f *Frame) Retain(n int32) { panic("contract") }

// Release gives up one reference; the last one returns the buffer to its pool. One release too many panics.
func (f *Frame) Release() { panic("contract") }

package protocol

// This file owns the buffers that decompressed payloads live in while they are looked at. They are shared by all
// connections' goroutines, hence the pool and the gate (a channel used as a counting semaphore).

import (
	"runtime"
	"sync"
)

const (
	// scratchKeptBytes is the largest scratch buffer that is kept for the next user, bytes.
	scratchKeptBytes = 1 << 20
	// decompressLargeBytes is the size from which a decompression must pass the gate, bytes.
	decompressLargeBytes = 4 << 20
)

var (
	scratches = sync.Pool{New: func() any { return &scratch{pooled: true} }}
	largeGate = sync.OnceValue(func() chan struct{} { return make(chan struct{}, runtime.GOMAXPROCS(0)) })
)

// scratch is a buffer that grows.
type scratch struct {
	buf    []byte
	pooled bool // it came from getScratch, so it is counted at the gate
	gated  bool
}

func getScratch() *scratch { return scratches.Get().(*scratch) }

// release gives the buffer back; nothing may alias it any more.
func (s *scratch) release() {
	if s.gated {
		s.gated = false
		<-largeGate()
	}
	if cap(s.buf) > scratchKeptBytes {
		s.buf = nil
	}
	scratches.Put(s)
}

// grow makes the capacity at least n, keeping the content. It waits while GOMAXPROCS others have large buffers; whoever
// has passed the gate never waits again before release, so that ends.
func (s *scratch) grow(n int) {
	if s.pooled && !s.gated && n > decompressLargeBytes {
		largeGate() <- struct{}{}
		s.gated = true
	}
	b := make([]byte, len(s.buf), n)
	copy(b, s.buf)
	s.buf = b
}

package connection

// This file owns the broker-wide budget of request memory. Invariants: used <= limit, but for one request that is larger than the
// limit and alone; waiters are served first come, first served, so that a large request is not starved by small ones.
//
// The mutex is shared by the reader goroutines of all connections, which may wait, and by their actors, which only give back; it is
// held for a few instructions.

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Budget is a number of bytes that connections share. Safe for concurrent use.
type Budget struct {
	limit int64
	used  atomic.Int64
	// waiting is len(queue), to look without the lock.
	waiting atomic.Int64

	mu    sync.Mutex
	queue []*waiter
}

type waiter struct {
	n     int64
	ready chan struct{} // closed, with the bytes taken
}

// NewBudget makes a budget of limit bytes, at least 1 MiB.
func NewBudget(limit int64) *Budget { return &Budget{limit: max(limit, 1<<20)} }

// Limit is the budget's size, bytes.
func (b *Budget) Limit() int64 { return b.limit }

// Used is what is taken now, bytes.
func (b *Budget) Used() int64 { return b.used.Load() }

// Waiting counts the connections that wait.
func (b *Budget) Waiting() int64 { return b.waiting.Load() }

// take takes n bytes if nobody waits and they fit.
func (b *Budget) take(n int64) bool {
	if b.waiting.Load() > 0 {
		return false
	}
	return b.fit(n)
}

func (b *Budget) fit(n int64) bool {
	for {
		used := b.used.Load()
		if used > 0 && used+n > b.limit {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// acquire takes n bytes, waiting for them until quit is closed; it says whether it got them. Whoever asks urgently holds
// part of a frame already, and goes before those who hold nothing.
func (b *Budget) acquire(n int64, urgent bool, quit <-chan struct{}) bool {
	if b.take(n) || urgent && b.fit(n) {
		return true
	}
	w := &waiter{n: n, ready: make(chan struct{})}
	b.mu.Lock()
	if urgent {
		b.queue = slices.Insert(b.queue, 0, w)
	} else {
		b.queue = append(b.queue, w)
	}
	b.waiting.Add(1)
	b.serveLocked()
	b.mu.Unlock()
	select {
	case <-w.ready:
		return true
	case <-quit:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready:
		return true
	default:
	}
	at := slices.Index(b.queue, w)
	b.queue = slices.Delete(b.queue, at, at+1) // at once: clients that come and go behind a large request must not fill the queue
	b.waiting.Add(-1)
	b.serveLocked()
	return false
}

// release gives n bytes back.
func (b *Budget) release(n int64) {
	if n == 0 {
		return
	}
	b.used.Add(-n)
	if b.waiting.Load() > 0 {
		b.mu.Lock()
		b.serveLocked()
		b.mu.Unlock()
	}
}

func (b *Budget) serveLocked() {
	for len(b.queue) > 0 {
		w := b.queue[0]
		if !b.fit(w.n) {
			return
		}
		close(w.ready)
		b.queue[0] = nil
		b.queue = b.queue[1:]
		b.waiting.Add(-1)
	}
	b.queue = nil
}

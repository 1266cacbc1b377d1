package connection

// This file owns the connections whose clients are silent. Such a connection has no reader goroutine and no buffer: one attendant
// goroutine waits for all of them, and serves what is small and whole by itself; anything else it leaves to a reader goroutine,
// with what it has read. Thousands of clients that say "I am here" every few seconds cost a struct each, and are served many at a
// time: below attendPerSecond the attendant is at once there, above it goes round at that pace, since waking up costs
// more than the requests do. Invariants:
//
//   - a reader is with its goroutine or here, never both; here it is watched or being served, and only who takes it out goes on;
//   - a connection that ends or drains is taken out and its reader goroutine finishes it, as any other;
//   - the attendant waits for nothing but its clients and its pace: no credit, no other actor.
//
// The mutex is shared by reader goroutines, the attendant and whoever ends a connection; it is held for a map access and a system
// call that does not wait.

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actorsystem"
)

const (
	// busyGapMs is the time between two requests below which a connection is worth a goroutine.
	busyGapMs = 100
	// attendPerSecond and attendBurst pace the attendant's rounds.
	attendPerSecond = 100
	attendBurst     = 50
)

// Where a socket's reader is.
const (
	readerRuns int32 = iota
	readerAsked
	readerIdle
)

type idlers struct {
	clock actorsystem.Clock

	mu      sync.Mutex
	poll    *poller // nil before the first, and after the last
	readers map[uint64]*reader
	lastID  uint64
	closing bool

	next time.Time // when the attendant's credit is used up; its own
}

func newIdlers() *idlers { return &idlers{readers: map[uint64]*reader{}} }

// park takes over a reader that has nothing buffered; false: its goroutine must go on.
func (i *idlers) park(r *reader) bool {
	s := r.s
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closing || s.over() {
		return false
	}
	if i.poll == nil {
		p, err := newPoller()
		if err != nil {
			return false // out of descriptors
		}
		i.poll, i.clock = p, s.system.Clock()
		go i.attend(p)
	}
	if s.wire.detach() != nil {
		return false
	}
	i.lastID++
	if i.poll.add(s.wire, i.lastID) != nil {
		r.broken = s.wire.attach()
		return false
	}
	s.metrics.silent.Inc()
	r.id = i.lastID
	i.readers[r.id] = r
	s.parked = r
	s.reading.Store(readerIdle)
	return true
}

// rouse gives a connection's reader its goroutine back, if it is here and not being served (then whoever serves it sees why).
func (i *idlers) rouse(s *socket) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if r := s.parked; r != nil && !r.serving {
		i.release(r)
	}
}

// release takes a reader out, under the lock.
func (i *idlers) release(r *reader) {
	delete(i.readers, r.id)
	r.s.metrics.silent.Dec()
	r.s.parked = nil
	r.s.reading.Store(readerRuns)
	i.poll.remove(r.s.wire)
	if r.broken = r.s.wire.attach(); r.s.ending.Load() {
		r.s.wire.deadline(past) // what set it may have found the socket detached
	}
	go r.run()
	i.maybeClose()
}

// count is how many connections are here.
func (i *idlers) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.readers)
}

// close lets the attendant end when the last connection has gone; nothing is taken over any more.
func (i *idlers) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closing = true
	i.maybeClose()
}

func (i *idlers) maybeClose() {
	if i.closing && len(i.readers) == 0 && i.poll != nil {
		i.poll.close()
		i.poll = nil
	}
}

// attend is the attendant.
func (i *idlers) attend(p *poller) {
	buf := make([]byte, readBufferBytes)
	ids := make([]uint64, 0, pollEventsMax)
	for {
		var err error
		if ids, err = p.wait(ids[:0]); err != nil {
			return // closed
		}
		for _, id := range ids {
			i.visit(id, buf)
		}
		if len(ids) < pollEventsMax {
			i.pace()
		}
	}
}

// pace waits until the next round may begin.
func (i *idlers) pace() {
	const gap = time.Second / attendPerSecond
	now := i.clock.Now()
	if earliest := now.Add(-attendBurst * gap); i.next.Before(earliest) {
		i.next = earliest
	}
	i.next = i.next.Add(gap)
	if wait := i.next.Sub(now); wait > 0 {
		time.Sleep(wait)
	}
}

// visit serves a connection that has something to read.
func (i *idlers) visit(id uint64, buf []byte) {
	i.mu.Lock()
	r := i.readers[id]
	if r == nil {
		i.mu.Unlock()
		return
	}
	r.serving = true
	i.mu.Unlock()
	stay := r.serve(buf)
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.serving = false; !stay || r.s.over() {
		i.release(r)
	}
}

// over says that a reader has to come to its end: the connection is closed, or nothing more is to be read.
func (s *socket) over() bool {
	select {
	case <-s.quit:
		return true
	default:
		return s.ending.Load()
	}
}

// serve reads once, without waiting, and hands over what has come if it is small, whole and within its credit; stay says that the
// reader can go on without a goroutine. Otherwise it holds what was read.
func (r *reader) serve(buf []byte) (stay bool) {
	s, f := r.s, r.framer
	defer func() {
		if reason := recover(); reason != nil {
			f.drain()
			s.system.Send(s.pid, crashed{reason, debug.Stack()})
			stay = false
		}
	}()
	n, again := s.wire.readNow(buf)
	if n <= 0 {
		return again // what went wrong the goroutine will find too
	}
	since := r.now
	r.noteRead(n)
	f.buf, f.r, f.w = buf, 0, n
	for f.r < f.w && r.prepay(f.peek()) {
		frame, h, err := f.next()
		s.frameMs.Store(0)
		if err == nil {
			err = r.hand(frame, h)
		}
		if err != nil {
			s.budget.release(r.prepaid)
			r.prepaid = 0
			f.drain()
			r.failed(err)
			return false
		}
	}
	if f.r == f.w && r.now-since >= busyGapMs {
		f.drain()
		return true
	}
	f.own()
	return false
}

// prepay takes a whole buffered request's bytes of the budget, if it may be served at once.
func (r *reader) prepay(h frameHead, whole bool) bool {
	s := r.s
	route, known := api.Lookup(h.key)
	if !whole || !known || !route.Serves(h.version) || route.Read != nil || !r.allowed(h) || !s.budget.take(h.size) {
		return false
	}
	r.prepaid = h.size
	return true
}

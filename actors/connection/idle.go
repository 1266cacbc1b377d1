package connection

// This file owns the connections whose clients are silent. Such a connection has no reader goroutine and no buffer: an attendant
// goroutine waits for all of them, and serves what is small and whole by itself; anything else it leaves to a reader goroutine,
// with what it has read. There are two attendants. The patient one has the connections whose last requests were heartbeats: thousands of
// clients that say "I am here" every few seconds cost a struct each, and are served many at a time, below attendPerSecond at once,
// above it in rounds at that pace, since waking up costs more than the requests do. The prompt one has all others, such as producers
// that send now and then, and is at once there. Invariants:
//
//   - a reader is with its goroutine or here, never both; here it is watched or being served, and only who takes it out goes on;
//   - a connection that ends or drains is taken out and its reader goroutine finishes it, as any other;
//   - while a connection's writer has a job its socket is in the runtime's poller, where the writer waits: the reader is not taken over
//     then, and who gives the writer a job has the connection taken out before;
//   - the attendant waits for nothing but its clients and its pace: no credit, no other actor.
//
// The mutex is shared by reader goroutines, the attendant and whoever ends a connection; it is held for a map access and
// few system calls that do not wait.

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
	// patientAfterBeats is how many heartbeats in a row make a client one that only heartbeats: a consumer that commits now and then
	// is not to wait for a round with its commits.
	patientAfterBeats = 2
	// attendPerSecond and attendBurst pace the patient attendant's rounds: what a round costs beside the requests' system
	// calls is waking up and cold caches, and a heartbeat can wait for a tenth of a second.
	attendPerSecond = 10
	attendBurst     = 10
)

type idlers struct {
	mu      sync.Mutex
	polls   [2]*poller // of prompt and patient; nil before the first connection, and after the last
	readers map[uint64]*reader
	lastID  uint64
	closing bool
}

// The attendants.
const (
	prompt  = 0
	patient = 1
)

// noteRequest counts the heartbeats in a row.
func (r *reader) noteRequest(key int16) {
	if key == keyHeartbeat || key == keyConsumerGroupHeartbeat {
		r.beats++
	} else {
		r.beats = 0
	}
}

// attendantFor is who waits for a client's next request, by its last ones.
func (r *reader) attendantFor() int {
	if r.beats >= patientAfterBeats {
		return patient
	}
	return prompt
}

func newIdlers() *idlers { return &idlers{readers: map[uint64]*reader{}} }

// park takes over a reader that has nothing buffered; false: its goroutine must go on.
func (i *idlers) park(r *reader) bool {
	s := r.s
	i.mu.Lock()
	defer i.mu.Unlock()
	s.silent.Store(true) // before writing is looked at: whoever sets that looks here then
	if i.closing || s.over() || s.writing.Load() || s.wire.detach() != nil {
		s.silent.Store(false)
		return false
	}
	i.lastID++
	r.id = i.lastID
	if !i.watch(r) {
		r.broken = s.wire.attach()
		s.silent.Store(false)
		return false
	}
	s.metrics.silent.Inc()
	i.readers[r.id] = r
	s.parked = r
	return true
}

// watch has the attendant that fits a reader wait for its client; false: it cannot. Under the lock.
func (i *idlers) watch(r *reader) bool {
	at := r.attendantFor()
	p := i.polls[at]
	if p == nil {
		var err error
		if p, err = newPoller(); err != nil {
			return false // out of descriptors
		}
		i.polls[at] = p
		if at == patient {
			go i.attend(p, &pace{clock: r.s.system.Clock()})
		} else {
			go i.attend(p, nil)
		}
	}
	if p.add(r.s.wire, r.id) != nil {
		return false
	}
	r.attendant, r.watched = at, true
	return true
}

// unwatch gives a reader's socket back to the runtime's poller, under the lock.
func (i *idlers) unwatch(r *reader) {
	if !r.watched {
		return
	}
	r.watched = false
	i.polls[r.attendant].remove(r.s.wire)
	r.broken = r.s.wire.attach()
	if r.s.ending.Load() {
		r.s.wire.deadline(past) // what set it may have found the socket detached
	}
}

// rouse gives a connection's reader its goroutine back, if it is here; if it is being served, as soon as it is. Its socket is in the
// runtime's poller when rouse returns.
func (i *idlers) rouse(s *socket) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch r := s.parked; {
	case r == nil:
	case r.serving:
		i.unwatch(r)
	default:
		i.release(r)
	}
}

// release takes a reader out, under the lock.
func (i *idlers) release(r *reader) {
	i.unwatch(r)
	delete(i.readers, r.id)
	r.s.metrics.silent.Dec()
	r.s.parked = nil
	r.s.silent.Store(false)
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
	if !i.closing || len(i.readers) > 0 {
		return
	}
	for at, p := range i.polls {
		if p != nil {
			p.close()
			i.polls[at] = nil
		}
	}
}

// attend is an attendant; with a pace it is the patient one.
func (i *idlers) attend(p *poller, rounds *pace) {
	buf := make([]byte, readBufferBytes)
	ids := make([]uint64, 0, pollEventsMax)
	asked := make([]*socket, 0, pollEventsMax)
	for {
		var err error
		if ids, err = p.wait(ids[:0]); err != nil {
			return // closed
		}
		for _, id := range ids {
			if s := i.visit(id, buf); s != nil {
				asked = append(asked, s)
			}
		}
		// All at once: workers woken for each would be asleep again before the next.
		for _, s := range asked {
			s.nudge()
		}
		clear(asked)
		asked = asked[:0]
		if len(ids) < pollEventsMax && rounds != nil {
			rounds.wait()
		}
	}
}

// pace is the patient attendant's.
type pace struct {
	clock actorsystem.Clock
	next  time.Time // when the credit is used up
}

// wait waits until the next round may begin.
func (p *pace) wait() {
	const gap = time.Second / attendPerSecond
	now := p.clock.Now()
	if earliest := now.Add(-attendBurst * gap); p.next.Before(earliest) {
		p.next = earliest
	}
	p.next = p.next.Add(gap)
	if wait := p.next.Sub(now); wait > 0 {
		time.Sleep(wait)
	}
}

// visit serves a connection that has something to read. It returns the socket if its actor is to be told.
func (i *idlers) visit(id uint64, buf []byte) (asked *socket) {
	i.mu.Lock()
	r := i.readers[id]
	if r == nil || r.serving {
		i.mu.Unlock()
		return nil
	}
	r.serving = true
	i.mu.Unlock()
	handed, stay := r.serve(buf)
	if handed {
		asked = r.s
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if r.serving = false; !stay || !r.watched || r.s.over() {
		i.release(r)
		return asked
	}
	if r.attendant != r.attendantFor() {
		i.polls[r.attendant].remove(r.s.wire)
		if !i.watch(r) {
			i.release(r)
		}
	}
	return asked
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

// serve reads once, without waiting, and hands over what has come if it is small, whole and within its credit: handed says that it has,
// so the actor must be nudged, and stay that the reader can go on without a goroutine. Otherwise it holds what was read.
func (r *reader) serve(buf []byte) (handed, stay bool) {
	s, f := r.s, r.framer
	defer func() {
		if reason := recover(); reason != nil {
			r.abandon()
			s.system.Send(s.pid, crashed{reason, debug.Stack()})
			stay = false
		}
	}()
	n, again := s.wire.readNow(buf)
	if n <= 0 {
		return false, again // what went wrong the goroutine will find too
	}
	since := r.now
	r.noteRead(n)
	f.buf, f.r, f.w = buf, 0, n
	for f.r < f.w && r.prepay(f.peek()) {
		frame, h, err := f.next()
		s.frameMs.Store(0)
		published := false
		if err == nil {
			published, err = r.hand(frame, h)
		}
		if err != nil {
			r.abandon()
			r.failed(err)
			return handed, false
		}
		handed = handed || published
	}
	if f.r == f.w && r.now-since >= busyGapMs {
		f.drain()
		return handed, true
	}
	f.own()
	return handed, false
}

// abandon ends the reading: what was read and not handed over is lost, so nothing behind it has a meaning.
func (r *reader) abandon() {
	r.s.budget.release(r.prepaid)
	r.prepaid, r.abandoned = 0, true
	r.framer.drain()
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

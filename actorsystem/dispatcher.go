package actorsystem

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// CoreDispatcher runs the actors of the Core lane: one first-in first-out run queue and a fixed number of long-lived
// goroutines that take from it. An actor stands in the queue at most once (its mailbox sees to that), so the queue is
// bounded by the number of actors. An entry waits for a busy worker while another sleeps for at most about lookAfter.
type CoreDispatcher struct {
	mu      sync.Mutex
	wake    sync.Cond
	queue   ring
	workers int
	idle    int
	stopped bool
	done    sync.WaitGroup

	look  *time.Timer // fires look-outs
	looks bool        // look is set
}

// lookAfter is how long a lone entry may wait for a worker that is busy before a sleeping one is woken for it.
const lookAfter = time.Millisecond

var _ actor.Dispatcher = (*CoreDispatcher)(nil)

// NewCoreDispatcher starts workers goroutines. Stop ends them.
func NewCoreDispatcher(workers int) *CoreDispatcher {
	d := &CoreDispatcher{workers: workers}
	d.wake.L = &d.mu
	d.look = time.AfterFunc(time.Hour, d.lookOut)
	d.look.Stop()
	d.done.Add(workers)
	for range workers {
		go d.work()
	}
	return d
}

// Schedule queues run; it never blocks. After Stop it does nothing.
func (d *CoreDispatcher) Schedule(run func()) {
	d.mu.Lock()
	if !d.stopped {
		d.queue.push(run)
	}
	// A worker that runs will look into the queue in a moment: waking another for a lone entry costs more than it gains. Unless its
	// step takes long: the look-out sees to that.
	wake := d.idle > 0 && (d.idle == d.workers || d.queue.len() > 1)
	if !wake && d.idle > 0 && !d.looks && !d.stopped {
		d.looks = true
		d.look.Reset(lookAfter)
	}
	d.mu.Unlock()
	if wake {
		d.wake.Signal()
	}
}

// lookOut wakes a worker if there is something to do.
func (d *CoreDispatcher) lookOut() {
	d.mu.Lock()
	d.looks = false
	wake := d.idle > 0 && d.queue.len() > 0
	d.mu.Unlock()
	if wake {
		d.wake.Signal()
	}
}

// Throughput is unused: our mailbox gives way after each batch.
func (d *CoreDispatcher) Throughput() int { return 1 }

// Stop lets each worker finish the mailbox it is running and ends it; what is still queued never runs.
func (d *CoreDispatcher) Stop() {
	d.mu.Lock()
	d.stopped = true
	d.queue = ring{}
	d.look.Stop()
	d.mu.Unlock()
	d.wake.Broadcast()
	d.done.Wait()
}

func (d *CoreDispatcher) work() {
	defer d.done.Done()
	d.mu.Lock()
	for {
		for d.queue.len() == 0 && !d.stopped {
			d.idle++
			d.wake.Wait()
			d.idle--
		}
		if d.stopped {
			d.mu.Unlock()
			return
		}
		run := d.queue.pop()
		d.mu.Unlock()
		run()
		d.mu.Lock()
	}
}

// ring is a queue that reuses its space: a power-of-two circular buffer.
type ring struct {
	slots      []func()
	head, tail uint64 // head <= tail; tail-head entries
}

func (r *ring) len() int { return int(r.tail - r.head) }

func (r *ring) push(f func()) {
	if r.len() == len(r.slots) {
		grown := make([]func(), max(64, 2*len(r.slots)))
		n := uint64(r.len())
		for i := range n {
			grown[i] = r.slots[(r.head+i)&uint64(len(r.slots)-1)]
		}
		r.slots, r.head, r.tail = grown, 0, n
	}
	r.slots[r.tail&uint64(len(r.slots)-1)] = f
	r.tail++
}

func (r *ring) pop() func() {
	at := r.head & uint64(len(r.slots)-1)
	f := r.slots[at]
	r.slots[at] = nil
	r.head++
	return f
}

// ownDispatcher gives one actor a long-lived goroutine of its own, which may block.
type ownDispatcher struct {
	runs chan func() // capacity 1: a mailbox is scheduled at most once at a time
	stop chan struct{}
	once sync.Once
}

func newOwnDispatcher() *ownDispatcher {
	d := &ownDispatcher{runs: make(chan func(), 1), stop: make(chan struct{})}
	go d.work()
	return d
}

func (d *ownDispatcher) Schedule(run func()) {
	select {
	case d.runs <- run:
	case <-d.stop:
		// The actor has stopped; what is still posted to it is turned away on a goroutine of its own.
		go run()
	}
}

func (d *ownDispatcher) Throughput() int { return 1 }

func (d *ownDispatcher) close() { d.once.Do(func() { close(d.stop) }) }

func (d *ownDispatcher) work() {
	for {
		select {
		case run := <-d.runs:
			run()
		case <-d.stop:
			select {
			case run := <-d.runs:
				run()
			default:
			}
			return
		}
	}
}

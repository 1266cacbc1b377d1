package connection

// This file owns what the three parties of a connection share: the ring of calls, its credit, and how it ends. Invariants:
//
//   - ring[head-1 … tail] are the calls under way; the reader alone moves head, the actor alone moves tail, and head-tail never exceeds
//     the ring; the reader may replace the ring while no call is under way;
//   - bytes charged to the budget are returned by whoever of reader and actor leaves last;
//   - the first reason to end wins: it is logged and counted once.

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
)

// nudge states: whether the actor will look at the ring by itself.
const (
	asleep int32 = iota // a Reply must wake the actor with a message
	awake               // the actor is in a batch, and looks when it is drained
	again               // … and has been told that there is more
)

type socket struct {
	broker  *api.Broker
	system  *actorsystem.System
	frames  *protocol.FramePool
	budget  *Budget
	metrics *Metrics
	limits  Limits
	log     zerolog.Logger
	quiet   *quieter
	remote  string
	wire    *wire
	pid     *actor.PID // set before the reader starts
	sent    sent       // the writer's report, one at a time

	ring     []atomic.Pointer[call]
	ringFull bool // of the reader: more calls at a time would have been let in
	head     atomic.Uint64
	tail     atomic.Uint64
	silent   atomic.Bool // the reader is with an attendant
	writing  atomic.Bool // the writer has a job: the socket is to be in the runtime's poller
	askedMs  int64       // when the reader was last asked to go; of the listener
	idlers   *idlers
	parked   *reader // under idlers.mu
	at       int     // in the listener's list; of the listener

	control atomic.Int32 // calls under way that are not Produce
	bytes   atomic.Int64 // charged to the budget
	parties atomic.Int32 // reader and actor, while they are there

	credit  chan struct{} // one slot: the reader may look again
	wanting atomic.Bool   // the reader waits for credit
	state   atomic.Int32  // asleep, awake, again
	ending  atomic.Bool   // nothing more is read; what is in flight is answered

	software atomic.Pointer[[2]string]

	expiryMs   atomic.Int64 // when the first deadline of a call is over, or earlier; 0: there is none
	lastReadMs atomic.Int64 // when bytes last came in
	frameMs    atomic.Int64 // since when a frame is being read, 0 between frames
	writeMs    atomic.Int64 // since when the writer waits for the client to take a byte, 0 if it does not

	failing sync.Once
	quit    chan struct{} // closed when the connection is over
}

// ringFirst is the size of a connection's first ring: most clients have few requests under way.
const ringFirst = 8

func newSocket(cfg *Config, w *wire, remote string, quiet *quieter, idle *idlers) *socket {
	s := &socket{broker: cfg.Broker, system: cfg.Broker.System, frames: cfg.Broker.Frames, budget: cfg.Budget, metrics: cfg.Metrics,
		limits: cfg.Limits, log: cfg.Log, quiet: quiet, remote: remote, wire: w, idlers: idle,
		ring: make([]atomic.Pointer[call], min(ringFirst, ringSize(cfg.Limits.RequestsInFlightMax))), credit: make(chan struct{}, 1), quit: make(chan struct{})}
	s.parties.Store(2)
	s.lastReadMs.Store(s.nowMs())
	return s
}

// ringSize is the power of two that holds n calls.
func ringSize(n int) int {
	ring := 1
	for ring < n {
		ring *= 2
	}
	return ring
}

// growRing gives the connection its full ring if the first was too small; only while no call is under way, by the reader.
func (s *socket) growRing() {
	if s.ringFull {
		s.ringFull = false
		if full := ringSize(s.limits.RequestsInFlightMax); full > len(s.ring) {
			s.ring = make([]atomic.Pointer[call], full)
		}
	}
}

func (s *socket) now() time.Time { return s.system.Clock().Now() }
func (s *socket) nowMs() int64   { return s.now().UnixMilli() }

func (s *socket) slot(seq uint64) *atomic.Pointer[call] { return &s.ring[seq&uint64(len(s.ring)-1)] }

// publish puts the call into the ring; from then on its answer has a place. The reader calls it.
func (s *socket) publish(c *call) {
	if c.route.Read == nil {
		s.control.Add(1)
	}
	expires, expiryMs := c.expiry != nil, c.expiryMs
	seq := s.head.Load()
	s.slot(seq).Store(c)
	s.head.Store(seq + 1) // from here on the call is the actor's
	if expires {
		s.expireBy(expiryMs) // now that the actor can see the call
	}
}

// expireBy has the actor look at deadlines when ms is over, or earlier.
func (s *socket) expireBy(ms int64) {
	for {
		at := s.expiryMs.Load()
		if at != 0 && at <= ms || s.expiryMs.CompareAndSwap(at, max(ms, 1)) {
			return
		}
	}
}

// nudge makes the actor look at the ring soon. From any goroutine.
func (s *socket) nudge() {
	for {
		switch s.state.Load() {
		case asleep:
			if s.state.CompareAndSwap(asleep, again) {
				s.system.Send(s.pid, look{})
				return
			}
		case awake:
			if s.state.CompareAndSwap(awake, again) {
				return
			}
		case again:
			return
		}
	}
}

// grant lets a waiting reader look at its credit again.
func (s *socket) grant() {
	if s.wanting.Load() {
		select {
		case s.credit <- struct{}{}:
		default:
		}
	}
}

// end closes the socket, once, and has the actor stop.
func (s *socket) end(reason closeReason, level zerolog.Level, why string) {
	s.failing.Do(func() {
		s.metrics.closed[reason].Inc()
		if level != zerolog.NoLevel {
			if n, say := s.quiet.say(reason, s.nowMs()); say {
				line := s.log.WithLevel(level).Str("client", s.remote)
				if sw := s.software.Load(); sw != nil {
					line = line.Str("software", sw[0]+" "+sw[1])
				}
				if n > 0 {
					line = line.Int64("similar_not_shown", n)
				}
				line.Str("reason", closeReasonNames[reason]).Msg("connection closed: " + why)
			}
		}
		close(s.quit)
		s.wire.close()
		s.idlers.rouse(s)
		s.system.Send(s.pid, over{})
	})
}

// fail ends the connection for something that went wrong.
func (s *socket) fail(reason closeReason, why string) {
	level := zerolog.WarnLevel
	if reason == closedIdle || reason == closedIOError {
		level = zerolog.InfoLevel
	}
	s.end(reason, level, why)
}

// leave is called by reader and actor when they are done.
func (s *socket) leave() {
	if s.parties.Add(-1) == 0 {
		n := s.bytes.Swap(0)
		s.budget.release(n)
		s.metrics.inFlight.Sub(float64(n))
	}
}

// quieter keeps a flood of equal log lines down: so many of each reason in a window, and a count of the rest. All connections of a
// listener share it, from any goroutine, hence the mutex; it is taken only when a connection ends.
type quieter struct {
	mu      sync.Mutex
	since   [closeReasons]int64 // unix ms
	shown   [closeReasons]int
	skipped [closeReasons]int64
}

const (
	quietWindowMs = 10_000
	quietLines    = 5
)

// say tells whether a line may be written, and how many were not since the last.
func (q *quieter) say(reason closeReason, nowMs int64) (skipped int64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if nowMs-q.since[reason] >= quietWindowMs {
		q.since[reason], q.shown[reason] = nowMs, 0
	}
	if q.shown[reason] >= quietLines {
		q.skipped[reason]++
		return 0, false
	}
	q.shown[reason]++
	skipped, q.skipped[reason] = q.skipped[reason], 0
	return skipped, true
}

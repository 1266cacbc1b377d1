package connection

// This file owns the connection actor: it runs handlers, takes answers in order, and writes what is due once per drain. Invariants:
//
//   - a call's handler starts when all calls before it have been taken, or are of its API and that API overlaps, and while the writer
//     is not waiting for the client;
//   - while the writer has the socket (sending), the actor does not write;
//   - out holds whole answers that were taken and not yet given to the socket; it is below outBytesMax plus one answer.

import (
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/segment"
)

// Messages to a connection actor, all from its own shell and listener.
type (
	// look: there may be something to start or to write. The work is done when the batch is drained.
	look struct{}
	// tick: look at deadlines.
	tick struct{}
	// readEnded: the client sends no more (or the broker drains); answer what is in flight, then end.
	readEnded struct{}
	// drain: stop reading, then as readEnded.
	drain struct{}
	// over: the socket is closed.
	over struct{}
	// sent: the writer is done with its job.
	sent struct{ err error }
	// crashed: a goroutine of the connection panicked; the actor fails in its place, so that its supervisor sees it.
	crashed struct {
		reason any
		stack  []byte
	}
)

// past is a deadline that is over.
var past = time.Unix(1, 0)

const (
	outBytesMax  = 256 << 10
	outBytesKept = 64 << 10 // a larger buffer is not worth keeping
)

// outBuffers are the buffers in which answers are put together; a connection has one only while it has something to write.
var outBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

func freeOut(b *[]byte) {
	if b != nil && cap(*b) <= outBytesKept {
		*b = (*b)[:0]
		outBuffers.Put(b)
	}
}

type connection struct {
	s        *socket
	writer   *writer
	out      *[]byte // nil: nothing
	scratch  [][]byte
	special  *call // a taken call that follows out: its stream, or its blocking part
	sending  bool
	started  uint64 // calls before this one have been looked at by startBehind
	readDone bool
	drained  bool
	busy     bool // in a message; still set when the actor stops: the message panicked
}

// Receive implements actor.Actor.
func (c *connection) Receive(ctx actor.Context) {
	s := c.s
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.pid = ctx.Self()
		s.startReader()
		return
	case *actor.Stopped:
		c.close()
		return
	case *actor.Stopping, *actor.Restarting:
		return
	case actorsystem.Drained:
		c.busy = true
		c.work()
	default:
		c.busy = true
		s.state.Store(awake)
		c.handle(ctx, m)
	}
	c.busy = false
}

func (c *connection) handle(ctx actor.Context, message any) {
	s := c.s
	switch m := message.(type) {
	case look:
	case *sent:
		c.sending = false
		s.writing.Store(false)
		if m.err != nil {
			s.end(closedIOError, zerolog.DebugLevel, m.err.Error())
		}
	case tick:
		c.expire(s.nowMs(), false)
	case drain:
		c.drained = true
		s.ending.Store(true)
		s.wire.deadline(past)
		s.idlers.rouse(s)
		c.expire(s.nowMs(), true)
	case readEnded:
		c.readDone = true
		s.ending.Store(true)
		c.expire(s.nowMs(), true)
	case over:
		ctx.Stop(ctx.Self())
	case crashed:
		panic(fmt.Sprintf("%v\n%s", m.reason, m.stack))
	default:
		api.Resume(m)
	}
}

// work does what a batch of messages has made due, and goes on until nothing new has come meanwhile.
func (c *connection) work() {
	s := c.s
	for {
		s.state.Store(awake)
		c.flush()
		if s.state.CompareAndSwap(awake, asleep) {
			break
		}
	}
	if c.readDone && !c.sending && s.head.Load() == s.tail.Load() {
		reason := closedByClient
		if c.drained {
			reason = closedDrained
		}
		s.end(reason, zerolog.NoLevel, "")
	}
}

// flush writes what is due.
func (c *connection) flush() {
	s := c.s
	for !c.sending {
		c.gather()
		if c.special != nil {
			c.sendSpecial()
			continue
		}
		if c.out == nil {
			return
		}
		b := *c.out
		c.scratch = append(c.scratch[:0], b)
		n, err := c.tryWrite()
		switch {
		case err != nil:
			freeOut(c.out)
			c.out = nil
			s.end(closedIOError, zerolog.DebugLevel, err.Error())
			return
		case n < len(b):
			c.submit(job{parts: []segment.Part{{Bytes: b[n:]}}, out: c.out})
			c.out = nil
		default:
			freeOut(c.out)
			c.out = nil
		}
	}
}

// gather starts what may be started and takes the answers that are due into out, in order, up to the first that does not
// consist of memory.
func (c *connection) gather() {
	s := c.s
	var now time.Time
	for c.special == nil {
		seq := s.tail.Load()
		if seq == s.head.Load() || c.out != nil && len(*c.out) >= outBytesMax {
			return
		}
		at := s.slot(seq)
		call := at.Load()
		if !call.started {
			call.started = true
			call.route.Handle(&call.Call)
		}
		answered := call.answered.Load()
		if !answered && call.blocking == nil {
			if call.route.Overlaps {
				c.startBehind(call, seq)
			}
			return
		}
		if now.IsZero() {
			now = s.now()
		}
		s.metrics.answered(call.Key, now.Sub(call.began))
		switch {
		case !answered || call.streamed:
			c.special = call
		case call.silent:
		default:
			if c.out == nil {
				c.out = outBuffers.Get().(*[]byte)
			}
			b, err := call.appendAnswer(*c.out)
			*c.out = b
			if err != nil {
				s.fail(closedByHandler, err.Error())
			}
		}
		c.take(at, call, seq)
	}
}

// startBehind starts the calls right behind one that waits, as far as they are of its API. Their answers wait for their turn.
func (c *connection) startBehind(waits *call, seq uint64) {
	s := c.s
	for next, head := max(seq+1, c.started), s.head.Load(); next < head; next++ {
		call := s.slot(next).Load()
		if call.Key != waits.Key {
			return
		}
		if !call.started {
			call.started = true
			call.route.Handle(&call.Call)
		}
		c.started = next + 1
	}
}

// take frees the call's place and gives its credit back.
func (c *connection) take(at interface{ Store(*call) }, call *call, seq uint64) {
	s := c.s
	at.Store(nil)
	if call.route.Read == nil {
		s.control.Add(-1)
	}
	s.bytes.Add(-call.bytes)
	s.tail.Store(seq + 1)
	s.budget.release(call.bytes)
	s.metrics.inFlight.Sub(float64(call.bytes))
	s.grant()
}

// sendSpecial writes out and the special call's answer: here if it is memory that the socket takes at once, else in the writer.
func (c *connection) sendSpecial() {
	s, call := c.s, c.special
	c.special = nil
	j := job{out: c.out}
	c.out = nil
	if !call.streamed {
		j.call = call
		if j.out != nil {
			j.parts = []segment.Part{{Bytes: *j.out}}
		}
		call.inWriter.Store(true)
		c.submit(j)
		return
	}
	j.parts = call.stream.Parts
	if j.out != nil {
		j.parts = append([]segment.Part{{Bytes: *j.out}}, j.parts...)
	}
	j.release = call.release
	c.scratch = c.scratch[:0]
	for _, p := range j.parts {
		if p.Bytes == nil || len(c.scratch) == iovecsMax {
			break
		}
		c.scratch = append(c.scratch, p.Bytes)
	}
	if len(c.scratch) < len(j.parts) {
		clear(c.scratch)
		c.submit(j)
		return
	}
	n, err := c.tryWrite()
	if err != nil {
		j.free()
		s.end(closedIOError, zerolog.DebugLevel, err.Error())
		return
	}
	if j.parts = skip(j.parts, int64(n)); len(j.parts) > 0 {
		c.submit(j)
		return
	}
	j.free()
}

// tryWrite writes what the socket takes of scratch at once, and empties scratch: a client that is silent from now on must not pin the
// buffer of its last answer.
func (c *connection) tryWrite() (n int, err error) {
	n, err = c.s.wire.tryWrite(c.scratch)
	clear(c.scratch)
	c.s.metrics.bytesOut.Add(float64(n))
	return n, err
}

func (c *connection) submit(j job) {
	c.sending = true
	c.s.writing.Store(true)
	if c.s.silent.Load() {
		c.s.idlers.rouse(c.s)
	}
	c.writer.submit(j)
}

// expire tells the calls whose time is over; ending also those that only wait for something to happen.
func (c *connection) expire(nowMs int64, ending bool) {
	s := c.s
	s.expiryMs.Store(0)
	for seq, head := s.tail.Load(), s.head.Load(); seq < head; seq++ {
		call := s.slot(seq).Load()
		if call.expiry == nil || call.answered.Load() {
			continue
		}
		if nowMs < call.expiryMs && !(ending && call.expiryDrain) {
			s.expireBy(call.expiryMs)
			continue
		}
		e := call.expiry
		call.expiry = nil
		e.Expire()
	}
}

// close gives back what the connection holds. The reader and the writer give back what is theirs when they see it.
func (c *connection) close() {
	s := c.s
	if c.busy {
		s.end(closedPanic, zerolog.NoLevel, "") // the supervisor has logged it, with its stack
	} else {
		s.end(closedDrained, zerolog.NoLevel, "")
	}
	freeOut(c.out)
	if c.special != nil {
		c.special.release()
	}
	for seq, head := s.tail.Load(), s.head.Load(); seq < head; seq++ {
		call := s.slot(seq).Load()
		if call.answered.Load() {
			call.release()
		} else if call.gone != nil {
			call.gone()
		}
	}
	s.leave()
}

package segment

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Writer does all writing to segment files for the logs that hash to it, one I/O at a time, in the order asked: that is what
// paces segment writes against the WAL's. It is the state of an actor of kind "segment-writer" on the Own lane.
//
// A full disk is not an error: the write that met it waits at the head of stuck, everything after it behind it (deletions go
// on: they make room), and a timer tries again. Any other I/O error is final for the log and fences the broker's disk.
type Writer struct {
	s       *Shared
	clock   actorsystem.Clock
	self    *actor.PID
	scratch []byte // one chunk, aligned; made at the first partial write
	block   []byte // one block, aligned

	full  bool
	stuck []op // while full; bounded by the chunk pool and a few messages a log
}

// retryDelay is how long a full disk is left alone.
const retryDelay = 500 * time.Millisecond

// NewWriterActor makes the state of a segment-writer actor.
func NewWriterActor(s *Shared) actor.Actor { return NewWriter(s) }

// NewWriter is NewWriterActor for those who drive it by hand (tests, the simulator).
func NewWriter(s *Shared) *Writer {
	w := &Writer{s: s, clock: s.Clock}
	if w.clock == nil {
		w.clock = actorsystem.WallClock{}
	}
	return w
}

// Receive implements actor.Actor.
func (w *Writer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		w.self = ctx.Self()
	case *actor.Restarting:
		w.abandon(ErrInterrupted)
	case *actor.Stopping:
		w.abandon(ErrStopped)
	default:
		w.Handle(w.self, m)
	}
}

// op is a request to the writer, and then, with its error set, the answer to the log's owner.
type op interface {
	ownerMessage
	// run does the I/O. It is run again from the start after a full disk.
	run(w *Writer) error
	// settle gives back what the op holds, whatever became of it, and notes the error. It is done once: false if it was.
	settle(err error) bool
	// urgent ops overtake those that wait for space.
	urgent() bool
}

// ownerMessage is a Completion that knows its log.
type ownerMessage interface {
	Completion
	forLog() *Log
}

// opBase is embedded in every op and notice.
type opBase struct {
	log     *Log
	err     error
	settled bool
}

func (o *opBase) completion()   {}
func (o *opBase) Failed() error { return o.err }
func (o *opBase) forLog() *Log  { return o.log }
func (o *opBase) urgent() bool  { return false }

func (o *opBase) settle(err error) (first bool) {
	first = !o.settled
	if first {
		o.settled, o.err = true, err
	}
	return first
}

// retry is the timer's message to a writer that waits for space.
type retry struct{}

// Barrier asks a writer actor to call Done, on its own goroutine, when it has done all that was sent to it before (what waits for
// disk space excepted): the end of an orderly stop, after the logs were closed.
type Barrier struct{ Done func() }

// removeFiles is the timer's message that the delay of a deletion is over.
type removeFiles struct {
	names []string
}

// Handle does what one message asks. self is where timers send to.
func (w *Writer) Handle(self *actor.PID, message any) {
	w.self = self
	switch m := message.(type) {
	case op:
		if w.full && !m.urgent() {
			w.stuck = append(w.stuck, m)
			return
		}
		if !w.do(m) {
			w.full = true
			w.stuck = append(w.stuck, m)
			w.s.Disk.AddFull(1)
			w.later()
		}
	case retry:
		w.retry()
	case removeStray:
		w.removeStray(m.dir)
	case Barrier:
		m.Done()
	case removeFiles:
		for _, name := range m.names {
			w.s.FS.Remove(name) // a leftover is removed when the log is next opened
		}
	}
}

func (w *Writer) later() {
	self := w.self
	w.clock.AfterFunc(retryDelay, func() { w.s.Send(self, retry{}) })
}

func (w *Writer) retry() {
	for len(w.stuck) > 0 {
		if !w.do(w.stuck[0]) {
			w.later()
			return
		}
		w.stuck[0] = nil
		w.stuck = w.stuck[1:]
	}
	if w.full {
		w.stuck, w.full = nil, false
		w.s.Disk.AddFull(-1)
	}
}

// do runs one op and answers; false: the disk is full, try again later.
func (w *Writer) do(o op) bool {
	l := o.forLog()
	err := l.io.failed
	if _, remove := o.(*removeOp); err == nil || remove { // a replica that failed can still be removed
		err = o.run(w)
	}
	if isFull(err) {
		return false
	}
	if err != nil && l.io.failed == nil {
		l.io.failed = err
		if !errors.Is(err, ErrCorrupt) {
			w.s.Disk.Fail(err)
		}
	}
	w.answer(o, err)
	return true
}

func (w *Writer) answer(o op, err error) {
	o.settle(err)
	w.s.Send(o.forLog().owner, o)
}

// abandon answers what waits for space: this incarnation will not write it.
func (w *Writer) abandon(why error) {
	for _, o := range w.stuck {
		w.answer(o, fmt.Errorf("wait for disk space: %w", why))
	}
	w.stuck = nil
	if w.full {
		w.full = false
		w.s.Disk.AddFull(-1)
	}
}

// undelivered answers an op that killed the writer or came after its end. If it is the answer that found no owner, nothing is left to do.
func undelivered(o op, reason error) {
	l, kind := o.forLog(), ErrStopped
	var panicked actorsystem.PanicError
	if errors.As(reason, &panicked) {
		kind = ErrInterrupted
	}
	if o.settle(fmt.Errorf("write to %s: %w: %w", l.reader.dir, kind, reason)) {
		l.shared.Send(l.owner, o)
	}
}

func isFull(err error) bool { return err != nil && vfs.IsNoSpace(err) }

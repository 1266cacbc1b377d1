package actorsystem

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// Drained is sent to an actor whose Spec asks for it when it has handled every message of one batch taken from its
// mailbox. Group work (one Ready per raft group, one write per connection) is done then. It is a value, never queued.
type Drained struct{}

// Undeliverable is a message whose sender must hear of it when no actor will handle it: it panicked its receiver, or its
// receiver has stopped. Undelivered runs on whatever goroutine found out; it may only send messages and release buffers.
type Undeliverable interface {
	Undelivered(reason error)
}

// mailbox is the queue of one actor.
//
// Invariants:
//   - scheduled is true exactly while the mailbox stands in its dispatcher's queue or is being run, so it is run by one
//     goroutine at a time.
//   - batch[next:] are messages taken but not yet handled; only the running goroutine touches them. A panic consumes the
//     one message that caused it and no other.
//   - system messages overtake user messages; while suspended (between a failure and the supervisor's word) only system
//     messages are handled. An actor that was given up instead of restarted is no longer suspended: what is queued is turned away.
type mailbox struct {
	cell       *cell
	clock      Clock
	fault      FaultInjector
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher
	runFn      func()

	mu        sync.Mutex
	user      []any
	system    []any
	scheduled bool

	// systemWaiting lets the running goroutine see new system messages without the lock.
	systemWaiting atomic.Bool

	// Owned by the running goroutine.
	batch       []any
	next        int
	suspended   bool
	stopping    bool // told to stop
	wantDrained bool
	drainDue    bool
}

// batchCapacityKept bounds the queue space an idle mailbox keeps (slots).
const batchCapacityKept = 1024

var _ actor.Mailbox = (*mailbox)(nil)

func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher, m.runFn = invoker, dispatcher, m.run
}

func (m *mailbox) Start() {}

func (m *mailbox) UserMessageCount() int { return m.cell.depth() }

func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if len(m.user) == 0 {
		m.cell.queuedSince.Store(m.clock.Now().UnixNano())
	}
	m.user = append(m.user, message)
	m.cell.queued.Store(int64(len(m.user)))
	m.scheduleLocked()
}

func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	m.systemWaiting.Store(true)
	m.scheduleLocked()
}

// scheduleLocked gives up m.mu.
func (m *mailbox) scheduleLocked() {
	wake := !m.scheduled
	m.scheduled = true
	m.mu.Unlock()
	if wake {
		m.dispatcher.Schedule(m.runFn)
	}
}

// run handles the system messages and one batch of user messages, then gives way.
func (m *mailbox) run() {
	m.take()
	for !m.step() {
	}
	m.mu.Lock()
	again := len(m.system) > 0 || (!m.suspended && (len(m.user) > 0 || m.next < len(m.batch)))
	m.scheduled = again
	m.mu.Unlock()
	if again {
		m.dispatcher.Schedule(m.runFn)
	}
}

// take moves what is queued into the batch, if the last batch is done.
func (m *mailbox) take() {
	if m.suspended || m.next < len(m.batch) {
		return
	}
	m.mu.Lock()
	empty := m.batch[:0]
	if cap(empty) > batchCapacityKept {
		empty = nil
	}
	m.batch, m.user, m.next = m.user, empty, 0
	m.cell.queued.Store(0)
	m.cell.taken.Store(int64(len(m.batch)))
	m.cell.takenSince.Store(m.cell.queuedSince.Load())
	m.mu.Unlock()
}

// step runs until the batch is done or a message panics; it says whether there is nothing left to do in this run.
func (m *mailbox) step() (done bool) {
	var current any
	defer func() {
		if reason := recover(); reason != nil {
			m.cell.failed(reason, debug.Stack())
			m.turnAway(current, PanicError{Kind: m.cell.kind, Name: m.cell.name, Reason: reason})
			m.invoker.EscalateFailure(reason, current)
			done = false // the suspension just posted to ourselves ends this run
		}
	}()
	for {
		if m.systemWaiting.Load() {
			m.runSystem(&current)
		}
		if m.suspended {
			return true
		}
		if m.next == len(m.batch) {
			if m.drainDue {
				m.drainDue = false
				current = Drained{}
				m.invoker.InvokeUserMessage(Drained{})
			}
			m.cell.taken.Store(0)
			return !m.systemWaiting.Load()
		}
		current = m.batch[m.next]
		m.batch[m.next] = nil
		m.next++
		if m.cell.stopped.Load() {
			m.turnAway(current, StoppedError{Kind: m.cell.kind, Name: m.cell.name})
			continue
		}
		handled := m.cell.handled.Add(1)
		m.drainDue = m.wantDrained
		if m.fault != nil {
			m.fault.BeforeMessage(m.cell.kind, m.cell.name, handled, current)
		}
		m.invoker.InvokeUserMessage(current)
	}
}

func (m *mailbox) runSystem(current *any) {
	for {
		m.mu.Lock()
		if len(m.system) == 0 {
			m.systemWaiting.Store(false)
			m.mu.Unlock()
			return
		}
		message := m.system[0]
		m.system = m.system[1:]
		if len(m.system) == 0 {
			m.system = nil
		}
		m.mu.Unlock()
		switch message.(type) {
		case *actor.Stop:
			m.stopping = true
		case *actor.Restart:
			if m.stopping {
				continue // it failed on its way out: protoactor would bring it back, and whoever stops it would wait for ever
			}
		}
		switch message.(type) {
		case *actor.SuspendMailbox:
			m.suspended = true
			m.drainDue = false
		case *actor.ResumeMailbox:
			m.suspended = false
		default:
			*current = message
			m.invoker.InvokeSystemMessage(message)
			if m.suspended && m.cell.stopped.Load() { // given up after a failure: what is queued is to be turned away
				m.suspended = false
			}
		}
	}
}

func (m *mailbox) turnAway(message any, reason error) {
	if env, ok := message.(*actor.MessageEnvelope); ok {
		message = env.Message
	}
	if u, ok := message.(Undeliverable); ok {
		u.Undelivered(reason)
	}
}

package actorsystem

import (
	"fmt"
	"sync/atomic"
	"time"
)

// State is where an actor is in its life, as shown from outside.
type State string

// The states of an actor.
const (
	Starting   State = "starting"
	Running    State = "running"
	Restarting State = "restarting" // failed; its supervisor is bringing it back
	Stopped    State = "stopped"
)

// Info is what anyone may see of an actor (`troupe actors`, GET /v1/actors).
type Info struct {
	Kind            string `json:"kind"`
	Name            string `json:"name"`
	Parent          string `json:"parent"`
	State           State  `json:"state"`
	MailboxDepth    int    `json:"mailbox_depth"`
	MailboxOldestMs int64  `json:"mailbox_oldest_ms"`
	HandledTotal    uint64 `json:"handled_total"`
	RestartsTotal   uint64 `json:"restarts_total"`
	LastPanic       string `json:"last_panic"`
}

// PanicError tells the sender of a message that the message made its receiver panic.
type PanicError struct {
	Kind, Name string
	Reason     any
}

func (e PanicError) Error() string {
	return fmt.Sprintf("%s %s failed while handling the message: %v", e.Kind, e.Name, e.Reason)
}

// StoppedError tells the sender of a message that its receiver has stopped.
type StoppedError struct{ Kind, Name string }

func (e StoppedError) Error() string { return fmt.Sprintf("%s %s has stopped", e.Kind, e.Name) }

// cell is the public face of one actor: counters written by its mailbox, read by anyone. It outlives restarts.
type cell struct {
	kind, name, parent string

	handled     atomic.Uint64
	restarts    atomic.Uint64
	queued      atomic.Int64 // messages in the mailbox, not yet taken
	queuedSince atomic.Int64 // unix ns when the first of them came
	taken       atomic.Int64 // size of the batch being handled; 0 between batches
	takenSince  atomic.Int64 // unix ns when the first of that batch came
	stopped     atomic.Bool
	state       atomic.Value // State
	lastPanic   atomic.Pointer[Panic]
}

// Panic is one failure of an actor.
type Panic struct {
	Reason string
	Stack  string
}

func (c *cell) depth() int { return int(c.queued.Load() + c.taken.Load()) }

func (c *cell) failed(reason any, stack []byte) {
	c.lastPanic.Store(&Panic{Reason: fmt.Sprint(reason), Stack: string(stack)})
	c.state.Store(Restarting)
}

func (c *cell) info(now time.Time) Info {
	i := Info{Kind: c.kind, Name: c.name, Parent: c.parent, State: c.state.Load().(State),
		MailboxDepth: c.depth(), HandledTotal: c.handled.Load(), RestartsTotal: c.restarts.Load()}
	since := int64(0)
	switch {
	case c.taken.Load() > 0:
		since = c.takenSince.Load()
	case c.queued.Load() > 0:
		since = c.queuedSince.Load()
	}
	if since != 0 {
		i.MailboxOldestMs = max(0, (now.UnixNano()-since)/int64(time.Millisecond))
	}
	if p := c.lastPanic.Load(); p != nil {
		i.LastPanic = p.Reason
	}
	return i
}

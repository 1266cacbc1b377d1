package coordinator

// This file owns the messages to a coordinator.

import (
	"sync/atomic"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

// Request asks a coordinator; it is answered exactly once.
type Request struct {
	Client group.Client
	// Body is one of the requests of group.Machine.Handle. It belongs to the coordinator until the answer.
	Body any
	// Answer takes the answer, of the type that group.Machine gives for Body. It runs on the coordinator's goroutine (or on
	// that of who found the coordinator gone) and must not block.
	Answer func(response any)

	answered atomic.Bool
	// prev and next link the requests that a coordinator has not answered yet.
	prev, next *Request
}

// Undelivered answers a request that no coordinator will.
func (r *Request) Undelivered(error) { r.refuse(protocol.ErrCoordinatorNotAvailable) }

// answer answers r unless it has been: a request whose handling failed half-way has two who would.
func (r *Request) answer(response any) {
	if !r.answered.Swap(true) {
		r.Answer(response)
	}
}

func (r *Request) refuse(err protocol.ErrorCode) { r.answer(group.ErrorResponse(r.Body, err)) }

// TopicDeleted tells that a topic is gone, with the offsets that groups committed for it.
type TopicDeleted struct {
	Topic string
	ID    [16]byte // the deleted topic's; one that was made anew by that name has another
}

// LeadershipChanged tells a coordinator on standby that its replica may lead now.
type LeadershipChanged struct{}

// tick is the timer's message.
type tick struct{ term uint64 }

// load asks the loader for the log from offset on.
type load struct {
	log          LogReader
	offset, upTo int64
	reply        func(loaded)
}

// loaded is a piece of the log: whole batches.
type loaded struct {
	term    uint64
	batches []byte
	offset  int64 // where it was asked to begin
	err     error
}

// openRequests are the requests that a coordinator has taken and not answered, oldest first. The zero value is empty.
type openRequests struct{ first, last *Request }

func (o *openRequests) add(r *Request) {
	if r.prev = o.last; r.prev != nil {
		r.prev.next = r
	} else {
		o.first = r
	}
	o.last = r
}

func (o *openRequests) remove(r *Request) {
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		o.first = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	} else {
		o.last = r.prev
	}
	r.prev, r.next = nil, nil
}

// take empties the list.
func (o *openRequests) take() (list []*Request) {
	for r := o.first; r != nil; {
		list = append(list, r)
		next := r.next
		r.prev, r.next = nil, nil
		r = next
	}
	*o = openRequests{}
	return list
}

package controller

import (
	"container/list"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
)

// This file owns requests on their way: early → proposed → committed → (partitions ready) → answered. Each step may instead
// end in an error; the desk knows all that have not been answered, so that no failure leaves a client waiting.

// request is one Ask under way, or (own != 0) a proposal of the controller itself.
type request struct {
	ask          *Ask
	command      command // nil: NextProducerID
	validateOnly bool
	waits        bool // for ImageApplied
	lateIsDone   bool // a time-out after the commit is a success
	own          byte // kind of command
	term         uint64

	timer   actorsystem.Timer
	onDesk  *list.Element
	index   uint64 // of its entry, once committed
	outcome outcome
}

// desk is what outlives an incarnation of the actor: who waits and who listens. Only the actor's lane touches it.
type desk struct {
	waiting     *list.List // of *request, in the order they came
	subscribers []*subscriber
}

// producerIDTimeoutMs is how long NextProducerID, which has no timeout on the wire, waits for a block.
const producerIDTimeoutMs = 10_000

// request takes one in.
func (c *controller) request(r *request) {
	if c.current && c.leads() {
		c.submit(r)
		return
	}
	switch {
	case c.leader != 0 && !c.leads():
		r.ask.answer(failed(kerr.NotController, "another broker is the controller"))
	case len(c.early) >= earlyMax:
		r.ask.answer(failed(kerr.NotController, "the controller is starting and too many requests wait for it; try again"))
	default:
		c.early = append(c.early, r)
		c.await(r)
	}
}

// await puts r on the desk until it is answered, at most its timeout.
func (c *controller) await(r *request) {
	if r.onDesk != nil {
		return
	}
	r.onDesk = c.desk.waiting.PushBack(r)
	r.timer = c.cfg.System.SendAfter(time.Duration(max(r.ask.TimeoutMs, 1))*time.Millisecond, c.self, timedOut{r})
}

// answer ends r.
func (c *controller) answer(r *request, a Answer) {
	if r.onDesk != nil {
		c.desk.waiting.Remove(r.onDesk)
		r.onDesk = nil
		r.timer.Stop()
	}
	r.ask.answer(a)
}

// submit proposes r's command, unless it is plain that it would change nothing: then its answer is known at once.
func (c *controller) submit(r *request) {
	if r.ask.answered.Load() { // timed out while it was early
		return
	}
	if r.command == nil {
		c.nextProducerID(r)
		return
	}
	_, out := c.state.apply(r.command)
	if r.validateOnly || !out.changed {
		c.answer(r, Answer{Image: c.cfg.Holder.Load(), Results: out.results})
		return
	}
	data := encodeCommand(r.command)
	if len(data) > commandBytesMax {
		c.answer(r, failed(kerr.PolicyViolation, fmt.Sprintf("the request would take %d bytes of the metadata log; at most %d are allowed", len(data), commandBytesMax)))
		return
	}
	c.await(r)
	c.propose(data, r)
}

func (c *controller) propose(data []byte, r *request) {
	c.cfg.System.Send(c.cfg.Raft, &raftactor.Propose{Group: Group, Proposals: []raftactor.Proposal{{Data: data, Waiter: r}}})
}

// done takes a committed request; what was changed is published by now.
func (c *controller) done(r *request) {
	switch r.own {
	case kindRegisterBroker:
		return
	case kindAllocateProducerIDs:
		c.gotProducerIDs(r)
		return
	}
	if r.ask.answered.Load() {
		return
	}
	if r.outcome.changed && r.waits && r.index > c.appliedByAll() {
		return // release answers it
	}
	c.answer(r, c.success(r))
}

func (c *controller) success(r *request) Answer {
	return Answer{Image: c.cfg.Holder.Load(), Results: r.outcome.results}
}

// release answers the committed requests that every subscriber has applied.
func (c *controller) release() {
	upTo := c.appliedByAll()
	for e := c.desk.waiting.Front(); e != nil; {
		r := e.Value.(*request)
		e = e.Next()
		if r.index != 0 && r.index <= upTo {
			c.answer(r, c.success(r))
		}
	}
}

func (c *controller) timedOut(r *request) {
	if r.onDesk == nil {
		return
	}
	if r.lateIsDone && r.index != 0 {
		c.answer(r, c.success(r))
		return
	}
	if r.command == nil {
		c.answer(r, failed(kerr.CoordinatorLoadInProgress, "no block of producer ids came in time; try again"))
		return
	}
	c.answer(r, failed(kerr.RequestTimedOut, fmt.Sprintf("not finished within %d ms; it goes on", r.ask.TimeoutMs)))
}

// dropped takes proposals that raft did not append: nothing of them was done.
func (c *controller) dropped(m *raftactor.Dropped) {
	for _, w := range m.Waiters {
		r, ok := w.(*request)
		if !ok {
			continue
		}
		switch r.own {
		case kindRegisterBroker:
			c.cfg.System.SendAfter(registerRetry, c.self, registerAgain{r.term})
		case kindAllocateProducerIDs:
			c.idAsked = false
			c.failIDs(fmt.Sprintf("no block of producer ids could be taken: %v", m.Err))
		default:
			c.answer(r, failed(kerr.NotController, fmt.Sprintf("the change was not made: %v", m.Err)))
		}
	}
}

func (c *controller) failAll(e *kerr.Error, why string) {
	for c.desk.waiting.Len() > 0 {
		c.answer(c.desk.waiting.Front().Value.(*request), failed(e, why))
	}
	c.early, c.idWaiting = nil, nil
}

func (c *controller) failEarly(e *kerr.Error, why string) {
	for _, r := range c.early {
		c.answer(r, failed(e, why))
	}
	c.early = nil
}

// nextProducerID hands out an id of the block in hand. A new block is asked for when none is left, so ids that were in hand
// at a restart are never used: they are plenty.
func (c *controller) nextProducerID(r *request) {
	if c.idNext < c.idEnd {
		id := c.idNext
		c.idNext++
		c.answer(r, Answer{ProducerID: id})
		return
	}
	if len(c.idWaiting) >= earlyMax {
		c.answer(r, failed(kerr.CoordinatorLoadInProgress, "too many producers wait for an id; try again"))
		return
	}
	c.await(r)
	c.idWaiting = append(c.idWaiting, r)
	if !c.idAsked {
		c.idAsked = true
		c.propose(encodeCommand(&allocateProducerIDs{broker: c.cfg.Self.ID, count: ProducerIDBlock}), &request{own: kindAllocateProducerIDs})
	}
}

func (c *controller) gotProducerIDs(r *request) {
	c.idAsked = false
	if !r.outcome.changed {
		c.failIDs("the cluster has no producer ids left")
		return
	}
	c.idNext, c.idEnd = r.outcome.firstProducerID, r.outcome.firstProducerID+ProducerIDBlock
	waiting := c.idWaiting
	c.idWaiting = nil
	for _, w := range waiting {
		if !w.ask.answered.Load() {
			c.nextProducerID(w)
		}
	}
}

func (c *controller) failIDs(why string) {
	for _, r := range c.idWaiting { // answering twice does nothing
		c.answer(r, failed(kerr.CoordinatorLoadInProgress, why))
	}
	c.idWaiting = nil
}

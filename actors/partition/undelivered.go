package partition

// This file owns what happens to a message that no partition actor will handle: the actor panicked on it, or has stopped. Invariant:
// whoever sent one of these messages gets exactly one answer, and the frame of a Produce is released. A message that was
// handled (taken into the actor's own state without a panic in that very call) is never turned away here: answering for it is then
// the actor's own duty, also when it fails later.

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
)

// Sender delivers answers: *actorsystem.System is one. A message carries it so that it can be refused from whatever goroutine finds
// out that no actor takes it.
type Sender interface {
	Send(pid *actor.PID, message any)
}

var (
	_ Sender                    = (*actorsystem.System)(nil)
	_ actorsystem.Undeliverable = (*Produce)(nil)
	_ actorsystem.Undeliverable = (*Wait)(nil)
	_ actorsystem.Undeliverable = (*DeleteRecords)(nil)
	_ actorsystem.Undeliverable = (*DescribeProducers)(nil)
)

// Refused is the answer to a Produce that was not appended.
func (m *Produce) Refused(code protocol.ErrorCode, message string) ProduceResult {
	return ProduceResult{Token: m.Token, Index: m.Index, ErrorCode: int16(code), ErrorMessage: message,
		BaseOffset: -1, AppendTimeMs: -1, LogStartOffset: -1}
}

// Undelivered answers with NOT_LEADER_OR_FOLLOWER, which every producer retries, and releases the frame.
func (m *Produce) Undelivered(error) {
	m.Frame.Release()
	if m.Sender != nil && m.Reply != nil {
		m.Sender.Send(m.Reply, &Produced{Results: []ProduceResult{m.Refused(protocol.ErrNotLeaderForPartition, "")}})
	}
}

// Undelivered wakes the waiter: it looks again and sees what became of the replica.
func (m *Wait) Undelivered(error) {
	if m.Sender != nil && m.Reply != nil {
		m.Sender.Send(m.Reply, &Woken{Token: m.Token, Refused: true})
	}
}

// Undelivered answers with NOT_LEADER_OR_FOLLOWER.
func (m *DeleteRecords) Undelivered(error) {
	if m.Sender != nil && m.Reply != nil {
		m.Sender.Send(m.Reply, &RecordsDeleted{Token: m.Token, Index: m.Index,
			ErrorCode: int16(protocol.ErrNotLeaderForPartition), LowWatermark: -1})
	}
}

// Undelivered answers with NOT_LEADER_OR_FOLLOWER.
func (m *DescribeProducers) Undelivered(error) {
	if m.Sender != nil && m.Reply != nil {
		m.Sender.Send(m.Reply, &ProducersDescribed{Token: m.Token, Index: m.Index,
			ErrorCode: int16(protocol.ErrNotLeaderForPartition)})
	}
}

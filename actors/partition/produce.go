package partition

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
)

// The way in: Produce messages of one mailbox batch become one Propose; what cannot be proposed is refused.

func (p *partition) produce(m *Produce) {
	if !p.leading {
		m.Frame.Release()
		p.refuse(m, protocol.ErrNotLeaderForPartition)
		return
	}
	data := m.Frame.Bytes[m.Start-1 : m.Start+len(m.Batch)]
	data[0] = kindBatch
	p.proposals = append(p.proposals, raftactor.Proposal{Data: data, Frame: m.Frame, Waiter: m})
}

// command proposes one of the partition's own commands; waiter, which may be nil, comes back when it is applied.
func (p *partition) command(data []byte, waiter any) {
	p.proposals = append(p.proposals, raftactor.Proposal{Data: data, Waiter: waiter})
}

func (p *partition) propose() {
	if len(p.proposals) > 0 {
		p.send(p.Raft, &raftactor.Propose{Group: p.Replica.Group, Proposals: p.proposals})
		p.proposals = make([]raftactor.Proposal, 0, cap(p.proposals))
	}
}

func (p *partition) dropped(m *raftactor.Dropped) {
	code := protocol.ErrNotLeaderForPartition
	switch {
	case errors.Is(m.Err, raftactor.ErrStorage):
		code = protocol.ErrKafkaStorageError
	case errors.Is(m.Err, raftactor.ErrTooMuch):
		code = protocol.ErrRequestTimedOut
	}
	for _, w := range m.Waiters {
		p.refuse(w, code)
	}
}

// refuse answers a waiter of a proposal that did not make it.
func (p *partition) refuse(waiter any, code protocol.ErrorCode) {
	switch w := waiter.(type) {
	case *Produce:
		p.answers.add(w.Reply, w.Refused(code, ""))
		p.answers.flush(p.send)
	case *DeleteRecords:
		p.send(w.Reply, &RecordsDeleted{Token: w.Token, Index: w.Index, ErrorCode: int16(code), LowWatermark: -1})
	}
}

// answers gathers results so that a connection gets one message for all of a committed batch.
type answers struct {
	byReply map[*actor.PID]*Produced
}

func (a *answers) add(reply *actor.PID, r ProduceResult) {
	if reply == nil {
		return
	}
	if a.byReply == nil {
		a.byReply = map[*actor.PID]*Produced{}
	}
	m := a.byReply[reply]
	if m == nil {
		m = &Produced{}
		a.byReply[reply] = m
	}
	m.Results = append(m.Results, r)
}

func (a *answers) flush(send func(*actor.PID, any)) {
	for reply, m := range a.byReply {
		send(reply, m)
	}
	clear(a.byReply)
}

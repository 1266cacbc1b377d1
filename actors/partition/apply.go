package partition

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/segment"
)

// The way out: committed batches are applied in order, each entry once.
//
// A batch may have to stop in the middle when the log cannot take more (the chunk pool is at its limit): the rest waits in
// the backlog until the log says that there is room. The raft actor hands out no more than its own limit beyond what was
// Applied, which bounds the backlog.

// backlog holds what is committed and not yet applied, oldest first.
type backlog struct {
	batches []pending
}

// pending is a batch that has been taken; entries[0] is the next to apply.
type pending struct {
	entries    []raftactor.Entry
	last, term uint64
}

func (b *backlog) refuse(p *partition) {
	for _, batch := range b.batches {
		for _, e := range batch.entries {
			p.refuse(e.Waiter, protocol.ErrNotLeaderForPartition)
		}
	}
	b.batches = nil
}

func (p *partition) committed(m *raftactor.Committed) {
	if p.log == nil {
		m.Undelivered(raftactor.ErrRestarted) // for a former incarnation; the entries come again after Opened
		return
	}
	expect := p.applied + 1
	if n := len(p.backlog.batches); n > 0 {
		expect = p.backlog.batches[n-1].last + 1
	}
	if m.First != expect || m.Last < m.First {
		invariant.Fail("partition %s-%d was handed entries %d..%d, its next is %d", p.Replica.Topic, p.Replica.Partition, m.First, m.Last, expect)
	}
	p.backlog.batches = append(p.backlog.batches, pending{m.Take(), m.Last, m.Term})
	p.apply()
}

// apply works off the backlog as far as the log has room, then publishes and answers.
func (p *partition) apply() {
	defer p.answers.flush(p.send)
	before, from, nowMs := p.nextOff, p.applied, p.nowMs()
	for len(p.backlog.batches) > 0 {
		batch := &p.backlog.batches[0]
		for len(batch.entries) > 0 && p.applyEntry(&batch.entries[0], nowMs) {
			p.applied, p.appliedAt = batch.entries[0].Index, batch.entries[0].Term
			batch.entries[0] = raftactor.Entry{}
			batch.entries = batch.entries[1:]
		}
		if len(batch.entries) > 0 {
			break
		}
		p.applied, p.appliedAt = batch.last, batch.term
		p.backlog.batches[0] = pending{}
		p.backlog.batches = p.backlog.batches[1:]
	}
	if len(p.backlog.batches) == 0 {
		p.backlog.batches = nil
	}
	if p.nextOff != before {
		p.log.Publish(p.nextOff, p.nextOff)
		p.waits.wake(p.send, func(w *Wait) bool { return p.nextOff > w.Offset })
	}
	if p.applied != from {
		p.current() // what makes it so is published
		// Also in the middle of a batch: a checkpoint may be taken there, of which the raft actor must not hear first.
		p.send(p.Raft, &raftactor.Applied{Group: p.Replica.Group, Index: p.applied})
		p.noteApplied()
	}
}

// applyEntry says false if the log has no room for it now; nothing has changed then.
func (p *partition) applyEntry(e *raftactor.Entry, nowMs int64) bool {
	invariant.Check(len(e.Data) > 0, "entry %d is empty", e.Index)
	switch e.Data[0] {
	case kindBatch:
		return p.applyBatch(e, nowMs)
	case kindSetStart:
		offset, err := decodeSetStart(e.Data)
		invariant.Check(err == nil, "entry %d: %v", e.Index, err)
		p.applySetStart(offset, e.Waiter)
	case kindExpire:
		ids, err := decodeExpire(e.Data)
		invariant.Check(err == nil, "entry %d: %v", e.Index, err)
		for _, id := range ids {
			delete(p.producers.byID, id)
		}
	default:
		invariant.Fail("entry %d is of kind %d, which this broker does not know", e.Index, e.Data[0])
	}
	return true
}

func (p *partition) applyBatch(e *raftactor.Entry, nowMs int64) bool {
	batch := e.Data[1:]
	asked, _ := e.Waiter.(*Produce)
	var parsed protocol.BatchHeader
	h := &parsed
	if asked != nil {
		h = &asked.Header
	} else {
		var err error
		parsed, err = protocol.ParseBatchHeader(batch)
		invariant.Check(err == nil, "entry %d: %v", e.Index, err)
	}
	idempotent := h.ProducerID >= 0
	if idempotent {
		if v := p.producers.judge(h); v.duplicate || v.code != 0 {
			p.answerJudged(asked, v)
			return true
		}
	}
	base := p.nextOff
	epoch := leaderEpoch(e.Term)
	if !p.log.Append(batch, h, base, epoch, nowMs) {
		return false
	}
	p.nextOff = base + int64(h.LastOffsetDelta) + 1
	if n := len(p.epochs); n == 0 || p.epochs[n-1].Epoch < epoch {
		// A new slice: readers may hold the old one.
		p.epochs = append(p.epochs[:n:n], EpochStart{Epoch: epoch, Start: base})
		p.publishEpochs()
	}
	if idempotent {
		p.producers.record(h, base, e.Index, nowMs)
	}
	if asked != nil {
		p.answers.add(asked.Reply, ProduceResult{Token: asked.Token, Index: asked.Index, BaseOffset: base,
			AppendTimeMs: asked.AppendTimeMs, LogStartOffset: p.log.StartOffset()})
	}
	return true
}

// answerJudged answers an idempotent batch that is not appended: a duplicate gets its original's offset (and, as Kafka does,
// its timestamp), anything else its error.
func (p *partition) answerJudged(asked *Produce, v verdict) {
	if asked == nil {
		return
	}
	r := ProduceResult{Token: asked.Token, Index: asked.Index, ErrorCode: int16(v.code), BaseOffset: -1, AppendTimeMs: -1, LogStartOffset: p.log.StartOffset()}
	if v.duplicate {
		r.BaseOffset, r.AppendTimeMs = v.baseOffset, v.timestampMs
	}
	p.answers.add(asked.Reply, r)
}

func (p *partition) segmentCompleted(ctx actor.Context, c segment.Completion) {
	if p.log == nil {
		return
	}
	done := p.log.Complete(c)
	if err := p.log.Err(); err != nil {
		p.logFailed(ctx, err)
		return
	}
	if done != nil {
		p.checkpointWritten(done)
	}
	if len(p.backlog.batches) > 0 {
		p.apply()
	}
}

// logFailed handles a log that cannot go on.
func (p *partition) logFailed(ctx actor.Context, err error) {
	switch {
	case errors.Is(err, segment.ErrInterrupted):
		p.Log.Warn().Err(err).Str("topic", p.Replica.Topic).Int32("partition", p.Replica.Partition).Msg("the partition opens its log again at the last checkpoint")
		p.reopen()
	case errors.Is(err, segment.ErrStopped): // the broker is stopping, and so is this actor
		p.release()
		p.leading = false
	default:
		p.giveUp(ctx, err)
	}
}

// giveUp takes the replica offline: its log on disk cannot be used, and a restart would find it as it is.
func (p *partition) giveUp(ctx actor.Context, err error) {
	why := err.Error()
	p.Replica.fault.Store(&why)
	p.Log.Error().Err(err).Str("topic", p.Replica.Topic).Int32("partition", p.Replica.Partition).Msg("the partition's log cannot be used")
	p.release()
	ctx.Stop(ctx.Self())
}

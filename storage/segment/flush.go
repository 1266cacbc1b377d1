package segment

import (
	"sync/atomic"

	"github.com/troupe-io/troupe/invariant"
)

// This file is the owner's side of writing: what it hands to the writer actor, checkpoints, and the answers.

// touchFlag says that a log was appended to since the pool last looked.
type touchFlag struct{ atomic.Bool }

func (t *touchFlag) set() {
	if !t.Load() {
		t.Store(true)
	}
}

func (l *Log) send(o op) { l.shared.Send(l.writer, o) }

// flush hands over everything appended so far. last says that the current chunk gets no more data.
func (l *Log) flush(last bool) {
	c := l.cur
	if c == nil {
		invariant.Check(l.sent == l.pos, "flush %s: %d bytes in no chunk", l.reader.dir, l.pos-l.sent)
		return
	}
	if l.sent == l.pos && !last {
		return
	}
	c.refs.Add(1) // the writer's; the cache's keeps it above 0
	l.send(&writeOp{opBase: opBase{log: l}, chunk: c, from: l.sent, to: l.pos, last: last, index: l.x.index, timeIndex: l.x.timeIndex})
	l.x.index, l.x.timeIndex = nil, nil
	l.sent = l.pos
}

// letGo hands over the current chunk for good: once written it may be evicted.
func (l *Log) letGo() {
	if l.cur == nil {
		return
	}
	l.flush(true)
	l.cur = nil
	l.shared.Pool.filling(l, 0)
}

// Checkpoint asks for everything appended so far to be written and synced; token comes back in Checkpointed. Cheap when
// nothing is new. One at a time: a second one while the first is under way is merged into the next.
//
// Calling it also says that the State of the last Checkpointed is recorded where a restart will find it, so that files which only
// older States need may be deleted.
func (l *Log) Checkpoint(token uint64) {
	if l.err != nil || l.closing {
		return
	}
	l.Recorded()
	l.check.token = token
	if l.check.busy {
		l.check.again = true
		return
	}
	l.startCheckpoint()
}

// Recorded says that the State of the last Checkpointed is recorded where a restart will find it, as Checkpoint does without asking
// for a new one.
func (l *Log) Recorded() {
	l.recordedBase = l.durable.ActiveBase
	l.reader.recorded.Store(l.recordedBase)
	l.deleteDoomed(false)
}

func (l *Log) startCheckpoint() {
	l.check.busy, l.check.again = true, false
	l.flush(false)
	o := &syncOp{opBase: opBase{log: l}, token: l.check.token, seg: l.seg, state: l.state()}
	if unchanged := l.durable; unchanged.sameFiles(o.state) {
		o.state.IndexEntries, o.state.TimeIndexEntries = unchanged.IndexEntries, unchanged.TimeIndexEntries
		l.shared.Send(l.owner, o) // nothing to sync: the answer itself
		return
	}
	l.send(o)
}

// state describes what has been appended. The writer fills in the numbers of index entries.
func (l *Log) state() State {
	return State{LogStartOffset: l.start, LogEndOffset: l.end, ActiveBase: l.seg.base, ActiveSize: l.pos,
		LargestTimestamp: l.x.largest.timestamp, OffsetOfLargestTimestamp: l.x.largest.offset, FirstTimestamp: l.x.firstStamp,
		FirstAppendMs: l.createdMs, BytesSinceIndex: l.x.since, IndexedTimestamp: l.x.indexed,
		ClosedSegments: l.closedSegments, ClosedBytes: l.closedBytes}
}

// sameFiles says that no file need be synced to get from s to t.
func (s State) sameFiles(t State) bool {
	return s.LogEndOffset == t.LogEndOffset && s.ActiveBase == t.ActiveBase && s.ActiveSize == t.ActiveSize
}

// Complete takes a writer actor's answer. It returns a non-nil Checkpointed when a Checkpoint asked for earlier is durable.
// Answers to a former Log of the same owner are ignored.
func (l *Log) Complete(c Completion) *Checkpointed {
	o, ok := c.(ownerMessage)
	if !ok || o.forLog() != l {
		return nil
	}
	if err := c.Failed(); err != nil && l.err == nil {
		l.err = err
	}
	switch m := c.(type) {
	case *writeOp:
		l.unwritten -= m.to - m.from
		if m.err == nil && m.chunk == l.cur && l.cur != nil && m.to == l.pos && m.chunk.seg == l.seg && !m.last {
			// Nothing came meanwhile: an idle log's chunk becomes a written one that may be evicted.
			done := l.cur
			l.cur = nil
			l.hot = false
			l.shared.Pool.filling(l, 0)
			l.shared.Pool.written(done)
		}
	case *flushWanted:
		l.shared.Pool.answered(l)
		if !l.closing && l.err == nil {
			l.hot = false
			l.letGo()
		}
	case *deleteOp:
		l.recount()
		l.republish()
	case *beginCleanOp:
		if m.err == nil && !l.closing {
			l.moved(m.move)
		}
	case *swapOp:
		if m.err == nil && !l.closing {
			l.swapped()
		}
	case *listOp:
		l.listing = false
		if m.err == nil {
			l.recount()
		}
	case *syncOp:
		l.check.busy = false
		if m.err != nil || l.closing {
			return nil
		}
		l.durable = m.state
		if l.check.again {
			l.startCheckpoint()
		}
		return &Checkpointed{Token: m.token, State: m.state}
	}
	return nil
}

// releaseMemory ends reading and gives every chunk back. What queued writes hold stays until they are done.
func (l *Log) releaseMemory() {
	l.closing = true
	v := *l.reader.view.Load()
	v.closed, v.tail = true, nil
	l.reader.view.Store(&v)
	for _, c := range l.tail {
		l.shared.Pool.drop(c)
	}
	l.tail, l.cur = nil, nil
	l.shared.Pool.forget(l)
}

// Close releases memory and handles; with remove the directory is renamed aside and deleted in the background. What was not
// checkpointed is lost (the WAL has it). Readers get ErrClosed.
func (l *Log) Close(remove bool) {
	if l.closing {
		return
	}
	l.releaseMemory()
	if remove {
		l.send(&removeOp{opBase{log: l}})
	} else {
		l.send(&closeOp{opBase: opBase{log: l}, seg: l.seg})
	}
}

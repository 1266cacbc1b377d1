package partition

import (
	"github.com/troupe-io/troupe/protocol"
)

// The log start offset moves only by a command in the log, so that every replica deletes the same: the leader proposes it
// for DeleteRecords and when retention is due.

// expiredAtOnce bounds the producers that one command forgets.
const expiredAtOnce = 1000

func (p *partition) deleteRecords(m *DeleteRecords) {
	answer := func(code protocol.ErrorCode, low int64) {
		p.send(m.Reply, &RecordsDeleted{Token: m.Token, Index: m.Index, ErrorCode: int16(code), LowWatermark: low})
	}
	if p.log == nil || !p.Replica.Leadership().Self { // until what was acknowledged before is applied, the end is not known
		answer(protocol.ErrNotLeaderForPartition, -1)
		return
	}
	offset := m.Offset
	if offset == -1 {
		offset = p.nextOff
	}
	switch {
	case offset < 0 || offset > p.nextOff:
		answer(protocol.ErrOffsetOutOfRange, -1)
	case offset <= p.log.StartOffset():
		answer(0, p.log.StartOffset())
	default:
		p.command(encodeSetStart(offset), m)
	}
}

func (p *partition) applySetStart(offset int64, waiter any) {
	if offset > p.log.StartOffset() {
		p.log.SetStart(min(offset, p.nextOff))
		p.wakeAll()
	}
	if m, ok := waiter.(*DeleteRecords); ok {
		p.send(m.Reply, &RecordsDeleted{Token: m.Token, Index: m.Index, LowWatermark: p.log.StartOffset()})
	}
}

// housekeep is asked for by the supervisor now and then.
func (p *partition) housekeep() {
	if p.log == nil || !p.leading {
		return
	}
	nowMs := p.nowMs()
	p.log.RollIfDue(nowMs)
	if p.log.NeedsCheckpoint() {
		p.wantCheckpoint() // segments wait for it before they can go or be compacted
	}
	if start := p.log.RetentionStart(nowMs); start > p.log.StartOffset() {
		p.command(encodeSetStart(start), nil)
	}
	if p.Options.ProducerExpiry == nil {
		return
	}
	if expiry := p.Options.ProducerExpiry().Milliseconds(); expiry > 0 {
		if ids := p.producers.expired(nowMs-expiry, expiredAtOnce); len(ids) > 0 {
			p.command(encodeExpire(ids), nil)
		}
	}
}

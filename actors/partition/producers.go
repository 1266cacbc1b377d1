package partition

import (
	"sort"

	"github.com/troupe-io/troupe/protocol"
)

// producers is the idempotent producers' state of one partition (KIP-98, KIP-360): a pure function of the committed log,
// so every replica has the same. A batch is judged when it is applied, not when it is proposed: a retry that overtakes its
// original's acknowledgement is then just a duplicate like any other.
//
// Invariants: len(batches) <= batchesRemembered; batches are in order of sequence; at most producersMax producers are
// kept, the least recently appending are forgotten first, by order in the log.
type producers struct {
	byID map[int64]*producer
}

const (
	// batchesRemembered is how many of a producer's last batches are recognised as duplicates (Kafka's own number, and
	// the most that a client keeps in flight).
	batchesRemembered = 5
	// producersMax bounds the producers of one partition; beyond it the least recently active tenth is forgotten.
	producersMax = 50_000
)

type producer struct {
	epoch      int16
	count      int8 // of batches
	batches    [batchesRemembered]rememberedBatch
	lastIndex  uint64 // raft index of its last batch: the order of forgetting
	lastSeenMs int64  // this broker's clock when it last appended: only proposals to expire it look at this
}

type rememberedBatch struct {
	firstSequence, lastSequence int32
	baseOffset                  int64
	timestampMs                 int64
}

func (p *producer) last() *rememberedBatch { return &p.batches[p.count-1] }

// verdict is what a batch of an idempotent producer deserves.
type verdict struct {
	code        protocol.ErrorCode
	duplicate   bool
	baseOffset  int64 // of the original, if duplicate
	timestampMs int64 // of the original, if duplicate
}

// judge decides on a batch without changing anything.
func (s *producers) judge(h *protocol.BatchHeader) verdict {
	p := s.byID[h.ProducerID]
	if p == nil {
		if h.ProducerEpoch < -1 { // epochs count from 0; Kafka takes -1, "none", too
			return verdict{code: protocol.ErrInvalidProducerEpoch}
		}
		// The partition never saw this producer, or forgot it: any first sequence is taken, as Kafka does.
		return verdict{}
	}
	switch {
	case h.ProducerEpoch < p.epoch:
		return verdict{code: protocol.ErrInvalidProducerEpoch}
	case h.ProducerEpoch > p.epoch:
		if h.BaseSequence != 0 {
			return verdict{code: protocol.ErrOutOfOrderSequenceNumber}
		}
		return verdict{}
	}
	last := lastSequence(h)
	for i := range p.batches[:p.count] {
		b := &p.batches[i]
		if b.firstSequence == h.BaseSequence && b.lastSequence == last {
			return verdict{duplicate: true, baseOffset: b.baseOffset, timestampMs: b.timestampMs}
		}
	}
	if h.BaseSequence != nextSequence(p.last().lastSequence) {
		return verdict{code: protocol.ErrOutOfOrderSequenceNumber}
	}
	return verdict{}
}

// record remembers an appended batch.
func (s *producers) record(h *protocol.BatchHeader, baseOffset int64, index uint64, nowMs int64) {
	p := s.byID[h.ProducerID]
	if p == nil {
		if s.byID == nil {
			s.byID = map[int64]*producer{}
		}
		if len(s.byID) >= producersMax {
			s.forgetOldest(producersMax / 10)
		}
		p = &producer{}
		s.byID[h.ProducerID] = p
	}
	if h.ProducerEpoch != p.epoch {
		p.epoch, p.count = h.ProducerEpoch, 0
	}
	if p.count == batchesRemembered {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = rememberedBatch{h.BaseSequence, lastSequence(h), baseOffset, h.MaxTimestamp}
	p.count++
	p.lastIndex, p.lastSeenMs = index, nowMs
}

func (s *producers) forgetOldest(n int) {
	ids := s.ids()
	sort.Slice(ids, func(i, j int) bool { return s.byID[ids[i]].lastIndex < s.byID[ids[j]].lastIndex })
	for _, id := range ids[:min(n, len(ids))] {
		delete(s.byID, id)
	}
}

// expired lists the producers that have not appended since beforeMs by this broker's clock, at most limit.
func (s *producers) expired(beforeMs int64, limit int) (ids []int64) {
	for id, p := range s.byID {
		if p.lastSeenMs < beforeMs && len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids
}

// ids lists all producers in order.
func (s *producers) ids() []int64 {
	ids := make([]int64, 0, len(s.byID))
	for id := range s.byID {
		ids = append(ids, id)
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	return ids
}

func (s *producers) describe() []ActiveProducer {
	out := make([]ActiveProducer, 0, len(s.byID))
	for _, id := range s.ids() {
		p := s.byID[id]
		out = append(out, ActiveProducer{ID: id, Epoch: p.epoch, LastSequence: p.last().lastSequence,
			LastTimestampMs: p.last().timestampMs, CoordinatorEpoch: -1, CurrentTxnStartOff: -1})
	}
	return out
}

// Sequences count up to 2³¹-1 and go on with 0.

func nextSequence(s int32) int32 {
	if s == 1<<31-1 {
		return 0
	}
	return s + 1
}

func lastSequence(h *protocol.BatchHeader) int32 {
	return int32((int64(h.BaseSequence) + int64(h.LastOffsetDelta)) & (1<<31 - 1))
}

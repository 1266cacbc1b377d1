package compact

import (
	"fmt"
	"math"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
)

// This file owns the decision about one batch. The rules are Apache Kafka's (Cleaner and KIP-534); what is said of a batch's records
// counts their own offsets.

// filter decides about batches in the order of the log.
type filter struct {
	Config
	seen   *offsetMap
	latest int64 // the map knows every record up to this offset, from FirstDirty on

	spans   protocol.BatchSpans
	digests []digest
	keep    []bool
	out     []byte
}

// outKeptBytes bounds the buffer for rewritten batches that stays allocated between batches.
const outKeptBytes = 4 << 20

// learn notes the keys of a batch's records; false if the map is full, or cannot hold the offsets: then the records up to latest are
// known, and the round ends there.
func (f *filter) learn(b []byte, h *protocol.BatchHeader, s *Stats) (bool, error) {
	if h.Control() || h.RecordCount == 0 {
		f.latest = h.LastOffset()
		return true, nil
	}
	if err := f.spans.Parse(b); err != nil {
		return false, fmt.Errorf("%w: %w", err, segment.ErrCorrupt)
	}
	if !f.seen.holds(h.LastOffset()) {
		return false, nil
	}
	f.hash()
	fits := f.seen.room(len(f.spans.Spans))
	for i := range f.spans.Spans {
		r := &f.spans.Spans[i]
		offset := h.BaseOffset + int64(r.OffsetDelta)
		if offset >= f.FirstDirty && r.KeyLen >= 0 {
			if !fits && !f.seen.room(1) {
				return false, nil
			}
			f.seen.put(f.digests[i], offset)
		}
		f.latest = max(f.latest, offset)
	}
	f.latest = h.LastOffset()
	return true, nil
}

// hash computes the digests of all keys of the batch first: the map's cache misses then overlap.
func (f *filter) hash() {
	f.digests = f.digests[:0]
	for i := range f.spans.Spans {
		f.digests = append(f.digests, f.Key.digest(f.spans.Key(i)))
	}
}

// batch says what to write in the place of b: b itself, another batch, or nothing. room is how much longer than b it may be. The answer is good
// until the next call.
func (f *filter) batch(b []byte, room int64, s *Stats) (out []byte, changed bool, err error) {
	h, err := protocol.ParseBatchHeader(b)
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", err, segment.ErrCorrupt)
	}
	s.RecordsRead += int64(h.RecordCount)
	// A control batch ends a transaction, and no transaction may lose its end before its records: they all stay.
	if h.BaseOffset > f.latest || h.Control() {
		return b, false, nil
	}
	last := h.LastOffset()
	needed := last+1 == f.End || h.HasProducerID() && f.isLastOf(h.ProducerID, last)
	if h.RecordCount == 0 {
		if needed {
			return b, false, nil
		}
		return nil, true, nil
	}
	if err := f.spans.Parse(b); err != nil {
		return nil, false, fmt.Errorf("%w: %w", err, segment.ErrCorrupt)
	}
	f.hash()
	kept, markers := f.decide(&h)
	dropped := len(f.spans.Spans) - kept
	s.RecordsDropped += int64(dropped)
	horizon := protocol.NoHorizon
	if markers && !h.HasDeleteHorizon() {
		horizon = f.NowMs + min(f.DeleteRetentionMs, math.MaxInt64-f.NowMs)
	}
	switch {
	case kept == 0 && !needed:
		return nil, true, nil
	case kept == 0:
		f.out = protocol.AppendEmptyBatch(f.out[:0], &h)
		return f.out, true, nil
	case dropped == 0 && horizon == protocol.NoHorizon:
		return b, false, nil
	}
	if cap(f.out) > outKeptBytes {
		f.out = nil
	}
	if f.out, err = f.spans.Rebuild(f.out[:0], f.keep, horizon); err != nil {
		return nil, false, fmt.Errorf("rewrite the batch at offset %d: %w", h.BaseOffset, err)
	}
	if int64(len(f.out)-len(b)) > room {
		s.RecordsDropped -= int64(dropped)
		return b, false, nil // the next round may find more room
	}
	return f.out, true, nil
}

// decide sets keep and counts the records that stay; markers says that one of them is a delete marker.
func (f *filter) decide(h *protocol.BatchHeader) (kept int, markers bool) {
	f.keep = f.keep[:0]
	horizonPassed := h.HasDeleteHorizon() && f.NowMs >= h.BaseTimestamp
	for i := range f.spans.Spans {
		r := &f.spans.Spans[i]
		offset := h.BaseOffset + int64(r.OffsetDelta)
		keep := true
		if offset <= f.latest {
			keep = r.KeyLen >= 0 && !(r.Tombstone && horizonPassed) && offset >= f.seen.get(f.digests[i])
		}
		f.keep = append(f.keep, keep)
		if keep {
			kept++
			markers = markers || r.Tombstone
		}
	}
	return kept, markers
}

// isLastOf says that a producer's last batch ends with this offset.
func (f *filter) isLastOf(producer, offset int64) bool {
	last, known := f.LastOffsets[producer]
	return known && last == offset
}

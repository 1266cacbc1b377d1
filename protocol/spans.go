package protocol

// This file owns taking a stored batch apart without allocating, and putting the records that stay together again: what log
// compaction does to every batch. Invariants: a batch is looked at only if its CRC is right, so damage is never sealed anew; a batch
// that Rebuild makes keeps base offset, last offset delta, producer, sequence, codec and leader epoch; records that stay are copied
// as they are, unless the delete horizon moves what their timestamps count from.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// RecordSpan says where a record stands in BatchSpans.Payload.
type RecordSpan struct {
	Start, End    int32 // the whole record, its length included
	KeyAt, KeyLen int32 // KeyLen -1: no key
	// OffsetDelta never falls and stays within the batch, also where a producer wrote something else (an uncompressed batch is
	// stored with whatever deltas it has).
	OffsetDelta    int32
	Tombstone      bool // no value
	TimestampDelta int64
}

// BatchSpans is a batch taken apart. It is reused from batch to batch; the zero value is ready.
type BatchSpans struct {
	Header  BatchHeader
	Payload []byte // decompressed; aliases the batch if it is not compressed
	Spans   []RecordSpan

	scratch scratch
	packed  []byte
}

// spansKeptMax bounds the records whose spans stay allocated between batches, payloadKeptBytes the decompressed payload.
const (
	spansKeptMax     = 64 << 10
	payloadKeptBytes = 4 << 20
)

// Key is the key of the i-th record; nil if it has none.
func (s *BatchSpans) Key(i int) []byte {
	r := &s.Spans[i]
	if r.KeyLen < 0 {
		return nil
	}
	return s.Payload[r.KeyAt : r.KeyAt+r.KeyLen]
}

// Parse takes the one v2 batch that b is apart: its CRC is verified, its payload decompressed to at most DecompressedBytesMax. What it
// yields is good until the next call, and while b is not changed.
func (s *BatchSpans) Parse(b []byte) error {
	if cap(s.Spans) > spansKeptMax {
		s.Spans = nil
	}
	if cap(s.scratch.buf) > payloadKeptBytes {
		s.scratch.buf = nil
	}
	s.Spans = s.Spans[:0]
	if err := CheckBatchCRC(b); err != nil {
		return err
	}
	h, err := ParseBatchHeader(b)
	if err != nil {
		return err
	}
	s.Header = h
	payload := b[BatchHeaderSize:]
	if h.Codec() != CodecNone && h.RecordCount > 0 {
		if err := s.scratch.decompress(h.Codec(), payload, DecompressedBytesMax); err != nil {
			return fmt.Errorf("record batch at offset %d: %w", h.BaseOffset, err)
		}
		payload = s.scratch.buf
	}
	s.Payload = payload
	if err := s.walk(payload, h.RecordCount); err != nil {
		return fmt.Errorf("record batch at offset %d: %w", h.BaseOffset, err)
	}
	return nil
}

// walk is walkRecords, noting where things stand.
func (s *BatchSpans) walk(b []byte, count int32) error {
	if count < 0 || int(count) > len(b)/6 { // the smallest record has 7 bytes
		return fmt.Errorf("%d records cannot stand in %d bytes", count, len(b))
	}
	at, last := 0, int32(0)
	for i := range count {
		length, p := uvarintAt(b, at, 5)
		size := unzigzag(length)
		if p < 0 || size < 1 || size > int64(len(b)-p) {
			return fmt.Errorf("record %d of %d: length %d with %d bytes left", i, count, size, len(b)-at)
		}
		end := p + int(size)
		rec := b[:end]
		u, p := uvarintAt(rec, p+1, 10)
		r := RecordSpan{Start: int32(at), End: int32(end), TimestampDelta: unzigzag(u)}
		u, p = uvarintAt(rec, p, 5)
		r.OffsetDelta = int32(unzigzag(u))
		u, p = uvarintAt(rec, p, 5)
		keyLen := unzigzag(u)
		if p < 0 || keyLen > int64(end-p) {
			return fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		r.KeyAt, r.KeyLen = int32(p), int32(max(keyLen, -1))
		u, p = uvarintAt(rec, p+int(max(keyLen, 0)), 5)
		valueLen := unzigzag(u)
		r.Tombstone = valueLen < 0
		if p < 0 || valueLen > int64(end-p) {
			return fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		last = min(max(last, r.OffsetDelta), max(s.Header.LastOffsetDelta, 0))
		r.OffsetDelta = last
		s.Spans = append(s.Spans, r)
		at = end
	}
	if at != len(b) {
		return fmt.Errorf("%d bytes are left after the last of %d records", len(b)-at, count)
	}
	return nil
}

// NoHorizon asks Rebuild to leave the delete horizon as it is.
const NoHorizon int64 = -1

// errNothingKept says that Rebuild was asked for a batch without records: AppendEmptyBatch makes one.
var errNothingKept = errors.New("no record of the batch is kept")

// Rebuild appends to dst the batch with only those records for which keep is true, of which there must be one, compressed with the
// batch's own codec. horizonMs, unless it is NoHorizon, becomes the delete horizon (KIP-534): it stands in place of the base timestamp,
// the attribute bit says so, and the records' timestamp deltas are written anew so that their timestamps stay.
func (s *BatchSpans) Rebuild(dst []byte, keep []bool, horizonMs int64) ([]byte, error) {
	h := s.Header
	if horizonMs != NoHorizon {
		h.Attributes |= attrDeleteHorizon
		h.BaseTimestamp = horizonMs
	}
	at := len(dst)
	dst = AppendBatchHeader(dst, &h)
	out := dst
	if h.Codec() != CodecNone {
		out = s.packed[:0]
	}
	count, maxTime := int32(0), int64(-1<<63)
	for i := 0; i < len(s.Spans); i++ {
		if !keep[i] {
			continue
		}
		r := &s.Spans[i]
		maxTime = max(maxTime, addSaturated(s.Header.BaseTimestamp, r.TimestampDelta))
		count++
		if horizonMs != NoHorizon {
			out = s.shift(out, r, horizonMs)
			continue
		}
		from, to := r.Start, r.End
		for i+1 < len(s.Spans) && keep[i+1] { // neighbours are copied in one go
			i++
			next := &s.Spans[i]
			maxTime = max(maxTime, addSaturated(s.Header.BaseTimestamp, next.TimestampDelta))
			count++
			to = next.End
		}
		out = append(out, s.Payload[from:to]...)
	}
	if count == 0 {
		return dst[:at], errNothingKept
	}
	if h.Codec() != CodecNone {
		if s.packed = out; cap(s.packed) > payloadKeptBytes {
			s.packed = nil
		}
		var err error
		if dst, err = Compress(dst, h.Codec(), out); err != nil {
			return dst[:at], err
		}
	} else {
		dst = out
	}
	b := dst[at:]
	if !h.LogAppendTime() {
		binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(max(maxTime, NoTimestamp)))
	}
	binary.BigEndian.PutUint32(b[atRecordCount:], uint32(count))
	SealBatch(b)
	return dst, nil
}

// shift appends a record with its timestamp counted from horizonMs.
func (s *BatchSpans) shift(out []byte, r *RecordSpan, horizonMs int64) []byte {
	rec := s.Payload[r.Start:r.End]
	_, n := uvarint32(rec)
	attributes := rec[n]
	_, m := varint64(rec[n+1:])
	rest := rec[n+1+m:]
	delta := addSaturated(s.Header.BaseTimestamp, r.TimestampDelta) - horizonMs
	out = appendVarint(out, int64(1+varintSize(delta)+len(rest)))
	out = append(out, attributes)
	out = appendVarint(out, delta)
	return append(out, rest...)
}

// AppendEmptyBatch appends the header of h alone, without records: what compaction keeps of a batch that only stands for its
// producer's last sequence, or for the last offset. Kafka writes such batches and its clients skip them.
func AppendEmptyBatch(dst []byte, h *BatchHeader) []byte {
	n := *h
	n.Attributes &= attrLogAppendTime | attrTransactional | attrControl
	n.BaseTimestamp, n.RecordCount = NoTimestamp, 0
	at := len(dst)
	dst = AppendBatchHeader(dst, &n)
	SealBatch(dst[at:])
	return dst
}

package protocol

// This file owns writing v2 batches: building one from records, and changing the compression of a whole batch
// (compression.type other than producer).

import "fmt"

// appendRecord appends one record to an uncompressed payload. A nil key or value is null.
func appendRecord(dst []byte, offsetDelta int32, timestampDelta int64, key, value []byte, headers []Header) []byte {
	size := 1 + varintSize(timestampDelta) + varintSize(int64(offsetDelta)) + bytesSize(key, key == nil) +
		bytesSize(value, value == nil) + varintSize(int64(len(headers)))
	for i := range headers {
		size += varintSize(int64(len(headers[i].Key))) + len(headers[i].Key) + bytesSize(headers[i].Value, headers[i].Value == nil)
	}
	dst = appendVarint(dst, int64(size))
	dst = append(dst, 0)
	dst = appendVarint(dst, timestampDelta)
	dst = appendVarint(dst, int64(offsetDelta))
	dst = appendVarintBytes(dst, key)
	dst = appendVarintBytes(dst, value)
	dst = appendVarint(dst, int64(len(headers)))
	for i := range headers {
		dst = appendVarint(dst, int64(len(headers[i].Key)))
		dst = append(dst, headers[i].Key...)
		dst = appendVarintBytes(dst, headers[i].Value)
	}
	return dst
}

func bytesSize(b []byte, null bool) int {
	if null {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

func appendVarintBytes(dst, b []byte) []byte {
	if b == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

// BatchBuilder builds one v2 batch. The zero value with a Codec, producer fields and attributes as wished is ready.
type BatchBuilder struct {
	Codec         Codec
	ProducerID    int64 // -1: none
	ProducerEpoch int16
	BaseSequence  int32
	Transactional bool
	Control       bool

	count   int32
	base    int64
	max     int64
	payload []byte
}

// NewBatchBuilder is a builder for a batch without a producer id.
func NewBatchBuilder(codec Codec) *BatchBuilder {
	return &BatchBuilder{Codec: codec, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}
}

// Append adds a record; nil key or value is null. The builder copies everything.
func (w *BatchBuilder) Append(timestampMs int64, key, value []byte, headers []Header) {
	if w.count == 0 {
		w.base, w.max = timestampMs, timestampMs
	}
	w.max = max(w.max, timestampMs)
	w.payload = appendRecord(w.payload, w.count, timestampMs-w.base, key, value, headers)
	w.count++
}

// Len is the records appended so far, Bytes the size of the batch without compression.
func (w *BatchBuilder) Len() int   { return int(w.count) }
func (w *BatchBuilder) Bytes() int { return BatchHeaderSize + len(w.payload) }

// AppendTo appends the finished batch (base offset 0) to dst.
func (w *BatchBuilder) AppendTo(dst []byte) ([]byte, error) {
	h := BatchHeader{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(w.Codec & attrCodecMask), LastOffsetDelta: w.count - 1,
		BaseTimestamp: w.base, MaxTimestamp: w.max, ProducerID: w.ProducerID, ProducerEpoch: w.ProducerEpoch,
		BaseSequence: w.BaseSequence, RecordCount: w.count,
	}
	if w.Transactional {
		h.Attributes |= attrTransactional
	}
	if w.Control {
		h.Attributes |= attrControl
	}
	return appendBatch(dst, &h, w.payload)
}

// Reset makes the builder empty, keeping its settings and memory.
func (w *BatchBuilder) Reset() { w.count, w.payload = 0, w.payload[:0] }

// appendBatch appends header and payload, compressed with the header's codec, and seals the batch.
func appendBatch(dst []byte, h *BatchHeader, payload []byte) ([]byte, error) {
	at := len(dst)
	dst, err := Compress(AppendBatchHeader(dst, h), h.Codec(), payload)
	if err != nil {
		return nil, err
	}
	SealBatch(dst[at:])
	return dst, nil
}

// recompress makes a new batch of the header h and a payload that walkRecords accepted, compressed with target. With
// gaps the offset deltas are numbered anew.
func recompress(h *BatchHeader, payload []byte, target Codec, gaps bool) ([]byte, error) {
	n := *h
	n.Attributes = h.Attributes&attrKnown&^attrCodecMask | int16(target)
	if gaps {
		var err error
		if payload, err = renumber(h, payload); err != nil {
			return nil, err
		}
	}
	return appendBatch(make([]byte, 0, BatchHeaderSize+len(payload)/2), &n, payload)
}

// renumber rewrites a payload with offset deltas 0, 1, 2, …
func renumber(h *BatchHeader, payload []byte) ([]byte, error) {
	out := make([]byte, 0, len(payload)+16)
	it := Records{h: *h, payload: payload}
	for it.Next() {
		r := it.Record()
		headers, err := r.Headers()
		if err != nil {
			return nil, err
		}
		out = appendRecord(out, it.read-1, r.Timestamp-h.BaseTimestamp, r.Key, r.Value, headers)
	}
	return out, it.Err()
}

// Recompress makes a copy of the one valid batch that b is, compressed with target. Nothing else of it changes but length and CRC.
func Recompress(b []byte, target Codec) ([]byte, error) {
	if !target.Valid() {
		return nil, fmt.Errorf("recompress: codec %d does not exist", target)
	}
	it, err := NewRecords(b, 0)
	if err != nil {
		return nil, fmt.Errorf("recompress: %w", err)
	}
	defer it.Close()
	return recompress(&it.h, it.payload, target, false)
}

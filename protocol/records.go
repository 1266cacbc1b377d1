package protocol

// This file owns looking into record batches: an iterator over the records of one v2 batch. Invariant: it never reads
// past the batch and never yields more than the batch's count of records; a malformed batch ends it with an error.

import (
	"errors"
	"fmt"
)

// Record is one record of a batch. Its slices alias the batch, or the iterator's own buffer if the batch is compressed; null is nil.
type Record struct {
	OffsetDelta int32 // offset is the batch's BaseOffset plus this
	Offset      int64
	Timestamp   int64 // ms; the batch's MaxTimestamp with LogAppendTime
	Key, Value  []byte

	headers     []byte
	headerCount int32
}

// Header is one header of a record; a null value is nil.
type Header struct {
	Key   string
	Value []byte
}

// HeaderCount is the number of headers that the record says to have.
func (r *Record) HeaderCount() int { return int(r.headerCount) }

// EachHeader calls f for each header in order, until f returns false. The slices alias the batch.
func (r *Record) EachHeader(f func(key, value []byte) bool) error {
	b := r.headers
	for range r.headerCount {
		key, value, rest, err := nextHeader(b)
		if err != nil {
			return err
		}
		if !f(key, value) {
			return nil
		}
		b = rest
	}
	if len(b) != 0 {
		return errRecordTruncated
	}
	return nil
}

// Headers returns the record's headers; nil if there are none.
func (r *Record) Headers() ([]Header, error) {
	var all []Header
	err := r.EachHeader(func(key, value []byte) bool {
		all = append(all, Header{string(key), value})
		return true
	})
	return all, err
}

// Records iterates over the records of one v2 batch:
//
//	it, err := protocol.NewRecords(batch, limit)
//	for it.Next() { use(it.Record()) }
//	err = it.Err(); it.Close()
type Records struct {
	h       BatchHeader
	payload []byte
	read    int32
	record  Record
	err     error
	scratch *scratch
}

// NewRecords prepares to iterate over the batch at the start of b, which may be longer than the batch. It decompresses to
// at most decompressedMax bytes (0: DecompressedBytesMax) into a pooled buffer that Close gives back. The CRC is not checked.
func NewRecords(b []byte, decompressedMax int64) (*Records, error) {
	h, err := ParseBatchHeader(b)
	if err != nil {
		return nil, err
	}
	if h.Magic != 2 {
		return nil, fmt.Errorf("record batch at offset %d has magic %d, only 2 is stored", h.BaseOffset, h.Magic)
	}
	if h.Size() < BatchHeaderSize || h.Size() > len(b) {
		return nil, fmt.Errorf("record batch at offset %d: header says %d bytes, %d found", h.BaseOffset, h.Size(), len(b))
	}
	if h.RecordCount < 0 {
		return nil, fmt.Errorf("record batch at offset %d: record count %d is negative", h.BaseOffset, h.RecordCount)
	}
	it := &Records{h: h, payload: b[BatchHeaderSize:h.Size()]}
	if h.Codec() != CodecNone {
		lim := ProduceLimits{DecompressedBytesMax: decompressedMax}
		it.scratch = getScratch()
		if err := it.scratch.decompress(h.Codec(), it.payload, lim.decompressedMax()); err != nil {
			it.Close()
			return nil, fmt.Errorf("record batch at offset %d: %w", h.BaseOffset, err)
		}
		it.payload = it.scratch.buf
	}
	return it, nil
}

// BatchHeader is the header of the batch.
func (it *Records) BatchHeader() *BatchHeader { return &it.h }

// Next goes on to the next record; false at the end or on an error.
func (it *Records) Next() bool {
	if it.err != nil || it.read >= it.h.RecordCount {
		if it.err == nil && len(it.payload) != 0 {
			it.err = fmt.Errorf("%d bytes are left after the last of %d records", len(it.payload), it.h.RecordCount)
		}
		return false
	}
	size, n := varint32(it.payload)
	if n == 0 || size < 0 || int(size) > len(it.payload)-n {
		it.err = fmt.Errorf("record %d of %d: length %d with %d bytes left", it.read, it.h.RecordCount, size, len(it.payload))
		return false
	}
	rec := it.payload[n : n+int(size)]
	f, used, err := parseRecord(rec)
	if err != nil {
		it.err = fmt.Errorf("record %d of %d: %w", it.read, it.h.RecordCount, err)
		return false
	}
	it.payload = it.payload[n+int(size):]
	it.read++
	it.record = Record{
		OffsetDelta: f.offsetDelta,
		Offset:      it.h.BaseOffset + int64(f.offsetDelta),
		Timestamp:   addSaturated(it.h.BaseTimestamp, f.timestampDelta),
		headers:     rec[used:],
		headerCount: f.headers,
	}
	if it.h.LogAppendTime() {
		it.record.Timestamp = it.h.MaxTimestamp
	}
	if f.keyLen >= 0 {
		it.record.Key = rec[f.keyAt : f.keyAt+f.keyLen : f.keyAt+f.keyLen]
	}
	if f.valueLen >= 0 {
		it.record.Value = rec[f.valueAt : f.valueAt+f.valueLen : f.valueAt+f.valueLen]
	}
	return true
}

// Record is the current record; it and its slices are good until the next call of Next or Close.
func (it *Records) Record() *Record { return &it.record }

// Err is what ended the iteration early, nil at the regular end.
func (it *Records) Err() error { return it.err }

// Close gives the decompression buffer back: nothing of the records may be used after it. Idempotent.
func (it *Records) Close() {
	if it.scratch != nil {
		s := it.scratch
		it.scratch, it.payload, it.record = nil, nil, Record{}
		it.read = it.h.RecordCount
		s.release()
	}
}

// EachBatch calls f with each complete v2 batch in b, in order; a truncated tail (as a Fetch may end in) is not an error.
func EachBatch(b []byte, f func(h *BatchHeader, batch []byte) error) error {
	for {
		size, magic, refused := nextBatch(b)
		if refused != nil {
			return refused
		}
		if size == 0 {
			return nil
		}
		if magic != 2 || size < BatchHeaderSize {
			return errors.New("not a v2 record batch")
		}
		h, err := ParseBatchHeader(b)
		if err != nil {
			return err
		}
		if err := f(&h, b[:size:size]); err != nil {
			return err
		}
		b = b[size:]
	}
}

package record

// This file owns the v2 record batches of the topic: building one, uncompressed, from keys and values, and walking through
// one. Invariant: a Builder's batch passes protocol.CheckBatchCRC and Walk gives back what was added, in order.

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/troupe-io/troupe/protocol"
)

// Record is one key and value as they stand in the topic; a nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Builder collects records of one batch. All records carry the batch's one timestamp. The zero value is ready.
type Builder struct {
	buf   []byte // room for the header, then the records
	count int32
}

// recordOverheadMax is what framing adds to a record's key and value at most: length, attributes, timestamp delta, offset
// delta, two lengths, header count.
const recordOverheadMax = 5 + 1 + 1 + 5 + 5 + 5 + 1

// Add appends one record; key and value are copied.
func (b *Builder) Add(key, value []byte) {
	if b.buf == nil {
		b.buf = make([]byte, protocol.BatchHeaderSize, 512)
	}
	var head [recordOverheadMax]byte
	h := append(head[:0], 0, 0) // attributes, timestamp delta
	h = binary.AppendVarint(h, int64(b.count))
	h = binary.AppendVarint(h, int64(len(key)))
	size := len(h) + len(key) + len(value) + 1
	var mid [binary.MaxVarintLen32]byte
	m := mid[:0]
	if value == nil {
		m = binary.AppendVarint(m, -1)
	} else {
		m = binary.AppendVarint(m, int64(len(value)))
	}
	size += len(m)
	b.buf = binary.AppendVarint(b.buf, int64(size))
	b.buf = append(b.buf, h...)
	b.buf = append(b.buf, key...)
	b.buf = append(b.buf, m...)
	b.buf = append(b.buf, value...)
	b.buf = append(b.buf, 0) // no headers
	b.count++
}

// Count is the number of records added since the last Reset.
func (b *Builder) Count() int { return int(b.count) }

// Size is the batch's size so far, header included, bytes.
func (b *Builder) Size() int { return max(len(b.buf), protocol.BatchHeaderSize) }

// SizeWith is an upper bound of the size that the batch would have with one more record.
func (b *Builder) SizeWith(key, value []byte) int {
	return b.Size() + len(key) + len(value) + recordOverheadMax
}

// Cap is the memory that the builder holds, bytes.
func (b *Builder) Cap() int { return cap(b.buf) }

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() {
	if b.buf != nil {
		b.buf = b.buf[:protocol.BatchHeaderSize]
	}
	b.count = 0
}

// Seal completes the batch with its header and CRC and returns it; it is valid until the next Add or Reset. At least
// one record must have been added.
func (b *Builder) Seal(timestampMs int64) ([]byte, protocol.BatchHeader) {
	h := protocol.BatchHeader{
		Magic: 2, LastOffsetDelta: b.count - 1, BaseTimestamp: timestampMs, MaxTimestamp: timestampMs,
		PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, RecordCount: b.count,
	}
	protocol.AppendBatchHeader(b.buf[:0], &h)
	h.CRC = protocol.SealBatch(b.buf)
	h.BatchLength = int32(len(b.buf) - 12)
	return b.buf, h
}

var errRecord = errors.New("the record's fields do not fit its length")

// Walk calls f for every record of the uncompressed batch that b is, in order, with its offset delta. Key and value alias b.
// Control batches (transaction markers) hold no records of the topic and are an error here.
func Walk(b []byte, f func(delta int32, r Record) error) error {
	h, err := protocol.ParseBatchHeader(b)
	if err != nil {
		return err
	}
	switch {
	case h.Size() != len(b):
		return fmt.Errorf("record batch at offset %d: header says %d bytes, %d found", h.BaseOffset, h.Size(), len(b))
	case h.Magic != 2 || h.Codec() != protocol.CodecNone || h.Control():
		return fmt.Errorf("record batch at offset %d: magic %d, attributes %#x: an uncompressed data batch of magic 2 is expected",
			h.BaseOffset, h.Magic, h.Attributes)
	}
	return WalkRecords(b[protocol.BatchHeaderSize:], h.RecordCount, f)
}

// WalkRecords is Walk over the (decompressed) records of a batch alone.
func WalkRecords(b []byte, count int32, f func(delta int32, r Record) error) error {
	for i := range count {
		size, n := binary.Varint(b)
		if n <= 0 || size < 0 || size > int64(len(b)-n) {
			return fmt.Errorf("record %d of %d: length %d with %d bytes left", i, count, size, len(b))
		}
		delta, r, err := parseRecord(b[n : n+int(size)])
		if err != nil {
			return fmt.Errorf("record %d of %d: %w", i, count, err)
		}
		if err := f(delta, r); err != nil {
			return err
		}
		b = b[n+int(size):]
	}
	if len(b) != 0 {
		return fmt.Errorf("%d bytes are left after the last of %d records", len(b), count)
	}
	return nil
}

func parseRecord(b []byte) (delta int32, r Record, err error) {
	if len(b) < 1 {
		return 0, r, errRecord
	}
	b = b[1:] // attributes: unused
	_, n := binary.Varint(b)
	if n <= 0 {
		return 0, r, errRecord
	}
	d, m := binary.Varint(b[n:])
	if m <= 0 || d < 0 || d > 1<<31-1 {
		return 0, r, errRecord
	}
	b = b[n+m:]
	ok := true
	if r.Key, b, ok = field(b); !ok {
		return 0, r, errRecord
	}
	if r.Value, _, ok = field(b); !ok {
		return 0, r, errRecord
	}
	return int32(d), r, nil // headers: unused
}

// field takes one length-prefixed field off b; null is nil, empty is not.
func field(b []byte) (f, rest []byte, ok bool) {
	size, n := binary.Varint(b)
	if n <= 0 || size > int64(len(b)-n) {
		return nil, nil, false
	}
	if size < 0 {
		return nil, b[n:], true
	}
	return b[n : n+int(size) : n+int(size)], b[n+int(size):], true
}

package record

// This file owns the v2 record batches of the topic: building one, uncompressed, from keys and values, and walking through
// one. Invariant: a Builder's batch passes protocol.CheckBatchCRC and Walk gives back what was added, in order.

import (
	"encoding/binary"

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

// decompressedMax bounds what a compressed batch may grow to, bytes. This broker writes none.
const decompressedMax = 64 << 20

// Walk calls f for every record of the one data batch that b is, in order; the record's slices are good until f returns.
func Walk(b []byte, f func(r Record) error) error {
	it, err := protocol.NewRecords(b, decompressedMax)
	if err != nil {
		return err
	}
	defer it.Close()
	for it.Next() {
		r := it.Record()
		if err := f(Record{Key: r.Key, Value: r.Value}); err != nil {
			return err
		}
	}
	return it.Err()
}

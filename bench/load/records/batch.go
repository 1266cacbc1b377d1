package records

// This file owns the batch that the native client builds: records are written straight into the bytes that go to the broker.
// Invariants: Due[i] is when record i was due; numbers are First, First+1, …; Wire is sealed once for each producer id and never
// changed while a request that holds it is in flight, so a retry sends the same bytes.

import (
	"encoding/binary"

	"github.com/troupe-io/troupe/protocol"
)

// Batch is one record batch on its way. It is reused; its buffers belong to it.
type Batch struct {
	Partition int32
	First     int64   // the number of the first record
	Due       []int64 // ns, one a record
	Created   int64   // ns
	Tries     int     // how often it was sent

	buf  []byte // header and records, not compressed
	wire []byte // what goes out; buf itself without a codec
	tmp  []byte
}

// Reset makes it an empty batch that was begun at now (ns).
func (b *Batch) Reset(partition int32, first, now int64) {
	b.Partition, b.First, b.Created, b.Tries = partition, first, now, 0
	b.Due, b.wire = b.Due[:0], nil
	b.buf = append(b.buf[:0], make([]byte, protocol.BatchHeaderSize)...)
}

// Len is the number of records.
func (b *Batch) Len() int { return len(b.Due) }

// Last is the number of the last record.
func (b *Batch) Last() int64 { return b.First + int64(len(b.Due)) - 1 }

// Size is the length so far, before compression, bytes.
func (b *Batch) Size() int { return len(b.buf) }

// RecordSizeMax is what a record takes in a batch at most, bytes.
func RecordSizeMax(key, value int) int { return key + value + 24 }

// Append adds a record that was due at due; a stamp is put into its value if there is one.
func (b *Batch) Append(src *Source, key []byte, due int64, stamp *Stamp) {
	value := src.Value()
	delta := int64(len(b.Due))
	keyLen := int64(len(key))
	if key == nil {
		keyLen = -1
	}
	// attributes, timestamp delta and header count take a byte each
	size := 3 + varintSize(delta) + varintSize(keyLen) + len(key) + varintSize(int64(len(value))) + len(value)
	buf := binary.AppendVarint(b.buf, int64(size))
	buf = append(buf, 0, 0) // attributes, timestamp delta
	buf = binary.AppendVarint(buf, delta)
	buf = binary.AppendVarint(buf, keyLen)
	buf = append(buf, key...)
	buf = binary.AppendVarint(buf, int64(len(value)))
	at := len(buf)
	buf = append(buf, value...)
	if stamp != nil {
		stamp.Partition, stamp.Number, stamp.Due = b.Partition, b.First+delta, due
		stamp.put(key, buf[at:], src.json)
	}
	b.buf = append(buf, 0) // headers
	b.Due = append(b.Due, due)
}

func varintSize(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

// Seal writes header and checksum and compresses. producerID -1 is a producer without idempotence.
func (b *Batch) Seal(codec protocol.Codec, timestampMs, producerID int64, epoch int16, sequence int32) error {
	h := protocol.BatchHeader{PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(codec), LastOffsetDelta: int32(b.Len() - 1),
		BaseTimestamp: timestampMs, MaxTimestamp: timestampMs, ProducerID: producerID, ProducerEpoch: epoch, BaseSequence: sequence, RecordCount: int32(b.Len())}
	if producerID < 0 {
		h.ProducerEpoch, h.BaseSequence = -1, -1
	}
	protocol.AppendBatchHeader(b.buf[:0], &h)
	b.wire = b.buf
	if codec != protocol.CodecNone {
		var err error
		b.tmp = append(b.tmp[:0], b.buf[:protocol.BatchHeaderSize]...)
		if b.tmp, err = protocol.Compress(b.tmp, codec, b.buf[protocol.BatchHeaderSize:]); err != nil {
			return err
		}
		b.wire = b.tmp
	}
	protocol.SealBatch(b.wire)
	return nil
}

// Unseal lets a batch that was never sent be sealed anew, for another producer id.
func (b *Batch) Unseal() { b.wire = nil }

// Sealed says whether Wire is there.
func (b *Batch) Sealed() bool { return b.wire != nil }

// Wire is the sealed bytes.
func (b *Batch) Wire() []byte { return b.wire }

// Package protocol is the Kafka wire as pure functions: frames, versions, record batches, errors. Nothing here does I/O.
package protocol

// This file owns the header of a v2 record batch (Kafka protocol guide, "Record Batch"): reading it, its attribute bits,
// and the few fields a broker may write. Invariant: whoever changes a field behind the CRC goes through SealBatch, so a batch
// that was valid stays valid.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// BatchHeaderSize is the length of a v2 record batch's header (Kafka protocol guide, "Record Batch"), bytes.
const BatchHeaderSize = 61

// Positions of the header's fields, bytes from the start of the batch.
const (
	atBaseOffset      = 0
	atBatchLength     = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21 // the CRC covers everything from here on
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atRecordCount     = 57

	// batchOverhead is what BatchLength does not count: base offset and the length itself.
	batchOverhead = 12
)

// Attribute bits of a v2 batch.
const (
	attrCodecMask     = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
	attrDeleteHorizon = 0x40
	attrKnown         = 0x7f
)

// NoTimestamp is the timestamp of a record that has none.
const NoTimestamp int64 = -1

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// BatchHeader is the decoded header of a v2 record batch.
type BatchHeader struct {
	BaseOffset           int64
	BatchLength          int32 // bytes after this field: total size is BatchLength+12
	PartitionLeaderEpoch int32
	Magic                int8
	CRC                  uint32
	Attributes           int16
	LastOffsetDelta      int32
	BaseTimestamp        int64
	MaxTimestamp         int64
	ProducerID           int64
	ProducerEpoch        int16
	BaseSequence         int32
	RecordCount          int32
}

// Size is the whole batch's length, header included.
func (h *BatchHeader) Size() int { return int(h.BatchLength) + batchOverhead }

// LastOffset is the offset of the batch's last record.
func (h *BatchHeader) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// LastSequence is the sequence of the last record; sequences wrap to 0 after 2^31-1. -1 without a producer's sequence.
func (h *BatchHeader) LastSequence() int32 {
	if h.BaseSequence < 0 {
		return -1
	}
	return int32((int64(h.BaseSequence) + int64(h.LastOffsetDelta)) & 0x7fffffff)
}

// HasProducerID tells whether an idempotent or transactional producer wrote the batch.
func (h *BatchHeader) HasProducerID() bool { return h.ProducerID >= 0 }

// Codec is the batch's compression; values above CodecZstd are not valid.
func (h *BatchHeader) Codec() Codec { return Codec(h.Attributes & attrCodecMask) }

// LogAppendTime tells whether all records carry the batch's MaxTimestamp, the time of the append, as theirs.
func (h *BatchHeader) LogAppendTime() bool { return h.Attributes&attrLogAppendTime != 0 }

// Transactional tells whether the batch belongs to a transaction.
func (h *BatchHeader) Transactional() bool { return h.Attributes&attrTransactional != 0 }

// Control tells whether the batch holds control records (transaction markers).
func (h *BatchHeader) Control() bool { return h.Attributes&attrControl != 0 }

// HasDeleteHorizon tells whether BaseTimestamp is the time after which compaction may drop the batch's tombstones and
// markers (KIP-534).
func (h *BatchHeader) HasDeleteHorizon() bool { return h.Attributes&attrDeleteHorizon != 0 }

// ParseBatchHeader decodes the header at the start of b. It checks only that 61 bytes are there.
func ParseBatchHeader(b []byte) (BatchHeader, error) {
	if len(b) < BatchHeaderSize {
		return BatchHeader{}, fmt.Errorf("record batch header: %d bytes needed, %d found", BatchHeaderSize, len(b))
	}
	b = b[:BatchHeaderSize]
	return BatchHeader{
		BaseOffset:           int64(binary.BigEndian.Uint64(b[atBaseOffset:])),
		BatchLength:          int32(binary.BigEndian.Uint32(b[atBatchLength:])),
		PartitionLeaderEpoch: int32(binary.BigEndian.Uint32(b[atLeaderEpoch:])),
		Magic:                int8(b[atMagic]),
		CRC:                  binary.BigEndian.Uint32(b[atCRC:]),
		Attributes:           int16(binary.BigEndian.Uint16(b[atAttributes:])),
		LastOffsetDelta:      int32(binary.BigEndian.Uint32(b[atLastOffsetDelta:])),
		BaseTimestamp:        int64(binary.BigEndian.Uint64(b[atBaseTimestamp:])),
		MaxTimestamp:         int64(binary.BigEndian.Uint64(b[atMaxTimestamp:])),
		ProducerID:           int64(binary.BigEndian.Uint64(b[atProducerID:])),
		ProducerEpoch:        int16(binary.BigEndian.Uint16(b[atProducerEpoch:])),
		BaseSequence:         int32(binary.BigEndian.Uint32(b[atBaseSequence:])),
		RecordCount:          int32(binary.BigEndian.Uint32(b[atRecordCount:])),
	}, nil
}

// AppendBatchHeader appends h's 61 bytes to dst as they stand; see SealBatch for length and CRC.
func AppendBatchHeader(dst []byte, h *BatchHeader) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.BaseOffset))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.BatchLength))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.PartitionLeaderEpoch))
	dst = append(dst, byte(h.Magic))
	dst = binary.BigEndian.AppendUint32(dst, h.CRC)
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Attributes))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.LastOffsetDelta))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.BaseTimestamp))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.MaxTimestamp))
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.ProducerID))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.ProducerEpoch))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.BaseSequence))
	return binary.BigEndian.AppendUint32(dst, uint32(h.RecordCount))
}

// SealBatch writes length and CRC into the header of the one batch that b is, and returns its CRC.
func SealBatch(b []byte) uint32 {
	binary.BigEndian.PutUint32(b[atBatchLength:], uint32(len(b)-batchOverhead))
	crc := BatchCRC(b)
	binary.BigEndian.PutUint32(b[atCRC:], crc)
	return crc
}

// BatchCRC computes the CRC-32C of the one v2 batch that b is (len(b) >= 61).
func BatchCRC(b []byte) uint32 { return crc32.Checksum(b[atAttributes:], castagnoli) }

// CheckBatchCRC verifies the CRC-32C of the one v2 batch that b is: for recovery, links and tools. Shorter input than a
// header, a length that is not len(b) and a wrong CRC are errors.
func CheckBatchCRC(b []byte) error {
	h, err := ParseBatchHeader(b)
	if err != nil {
		return err
	}
	if h.Size() != len(b) {
		return fmt.Errorf("record batch at offset %d: header says %d bytes, %d found", h.BaseOffset, h.Size(), len(b))
	}
	if crc := BatchCRC(b); crc != h.CRC {
		return fmt.Errorf("record batch at offset %d: CRC-32C is %08x, header says %08x", h.BaseOffset, crc, h.CRC)
	}
	return nil
}

// PatchBatch writes the two fields that the CRC does not cover into the header at the start of b.
func PatchBatch(b []byte, baseOffset int64, leaderEpoch int32) {
	binary.BigEndian.PutUint64(b[atBaseOffset:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[atLeaderEpoch:], uint32(leaderEpoch))
}

// SetLogAppendTime makes every record of the one batch that b is carry the timestamp ms, and renews the CRC
// (message.timestamp.type=LogAppendTime).
func SetLogAppendTime(b []byte, ms int64) {
	setTimes(b, int16(binary.BigEndian.Uint16(b[atAttributes:]))|attrLogAppendTime, ms)
}

// setTimes writes attributes and max timestamp, and renews the CRC.
func setTimes(b []byte, attributes int16, maxTimestamp int64) {
	binary.BigEndian.PutUint16(b[atAttributes:], uint16(attributes))
	binary.BigEndian.PutUint64(b[atMaxTimestamp:], uint64(maxTimestamp))
	SealBatch(b)
}

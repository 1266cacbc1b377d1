// Package protocol is the Kafka wire as pure functions: frames, versions, record batches, errors. Nothing here does I/O.
package protocol

// BatchHeaderSize is the length of a v2 record batch's header (Kafka protocol guide, "Record Batch"), bytes.
const BatchHeaderSize = 61

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
func (h *BatchHeader) Size() int { return int(h.BatchLength) + 12 }

// ParseBatchHeader decodes the header at the start of b. It checks only that 61 bytes are there.
func ParseBatchHeader(b []byte) (BatchHeader, error) { panic("contract") }

// PatchBatch writes the two fields that the CRC does not cover into the header at the start of b.
func PatchBatch(b []byte, baseOffset int64, leaderEpoch int32) { panic("contract") }

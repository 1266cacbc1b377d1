package protocol

// This file owns the checks that a produced record set gets before it may be proposed: what Kafka's leader checks, in its
// order and with its error codes. Invariant: a batch that ValidateProduce returns has a right CRC, a count that matches its
// offsets, records whose framing is sound, and the max timestamp of its records in its header.
//
// Every record's frame is looked at (Kafka does so too): a batch with broken records would stop every consumer that meets it.
// A valid uncompressed batch costs no allocation.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// DecompressedBytesMax is ProduceLimits.DecompressedBytesMax where that is 0, bytes.
const DecompressedBytesMax = 128 << 20

// recordErrorsMax bounds the records named in one ProduceError.
const recordErrorsMax = 1000

// ProduceLimits are what one topic allows, as far as a single batch can break it.
type ProduceLimits struct {
	Version           int16 // of the Produce request: before v3 older formats are converted, before v7 there is no zstd
	MaxMessageBytes   int64 // max.message.bytes, of the whole batch; 0: no limit
	SegmentBytes      int64 // segment.bytes; 0: no limit
	TimestampBeforeMs int64 // message.timestamp.before.max.ms
	TimestampAfterMs  int64 // message.timestamp.after.max.ms
	NowMs             int64 // the time of arrival
	LogAppendTime     bool  // message.timestamp.type
	Compacted         bool  // cleanup.policy contains compact: every record needs a key
	Codec             Codec // compression.type
	// DecompressedBytesMax bounds what a batch may decompress to; 0: the constant of that name. Kafka has no such limit.
	DecompressedBytesMax int64
}

// ValidBatch is a batch fit to be proposed.
type ValidBatch struct {
	Header BatchHeader
	// Batch is the one v2 batch, len(Batch) == Header.Size(). It is a subslice of the records given, whose header may have
	// been corrected in place, unless Rewritten: then it is memory of its own (see FramePool.Hold).
	Batch     []byte
	Rewritten bool
	// AppendTimeMs is what the answer shows as LogAppendTime, -1 with CreateTime.
	AppendTimeMs int64
}

// ProduceError says why a record set was refused.
type ProduceError struct {
	Code    ErrorCode
	Message string
	Records []RecordError // the records at fault, if it was single ones
	// Logged says that Kafka's leader finds the fault only when it appends: then the answer tells the log's start offset.
	Logged bool
}

func (e *ProduceError) logged() *ProduceError {
	e.Logged = true
	return e
}

// RecordError names one record that is at fault (ProduceResponse v8+).
type RecordError struct {
	Index   int32 // position in the batch
	Message string
}

func (e *ProduceError) Error() string { return e.Code.String() + ": " + e.Message }

// Unwrap makes errors.Is(err, ErrInvalidRecord) work.
func (e *ProduceError) Unwrap() error { return e.Code }

func refuse(code ErrorCode, format string, args ...any) *ProduceError {
	return &ProduceError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// ValidateProduce checks the record set of one partition of a Produce request and makes it fit to be proposed. It may
// write to the batch's header (max timestamp, attributes, CRC). It blocks only while many others decompress very large batches.
func ValidateProduce(records []byte, lim *ProduceLimits) (ValidBatch, *ProduceError) {
	batch, legacy, refused := oneBatch(records, lim.Version)
	if refused != nil {
		return ValidBatch{}, refused
	}
	if legacy {
		return validateLegacy(batch, lim)
	}
	h, err := ParseBatchHeader(batch)
	if err != nil {
		return ValidBatch{}, refuse(ErrCorruptMessage, "record batch of %d bytes is shorter than its header", len(batch))
	}
	if lim.Version < 7 && lim.Version >= 3 && h.Codec() == CodecZstd {
		return ValidBatch{}, refuse(ErrUnsupportedCompressionType, "Produce v%d does not allow zstd, v7 does", lim.Version)
	}
	if refused := checkHeader(batch, &h, lim); refused != nil {
		return ValidBatch{}, refused
	}
	payload := batch[BatchHeaderSize:]
	if h.Codec() != CodecNone {
		s := getScratch()
		defer s.release()
		if err := s.decompress(h.Codec(), payload, lim.decompressedMax()); err != nil {
			return ValidBatch{}, decompressRefusal(err).logged()
		}
		payload = s.buf
	}
	return validateRecords(batch, h, payload, lim)
}

func (lim *ProduceLimits) decompressedMax() int {
	if lim.DecompressedBytesMax > 0 {
		return int(lim.DecompressedBytesMax)
	}
	return DecompressedBytesMax
}

// oneBatch cuts the first batch out of records and makes sure that no second one follows; a truncated tail is dropped.
func oneBatch(records []byte, version int16) (batch []byte, legacy bool, refused *ProduceError) {
	size, magic, refused := nextBatch(records)
	switch {
	case refused != nil:
		return nil, false, refused
	case size == 0:
		return nil, false, refuse(ErrInvalidRecord, "the record set of %d bytes holds no complete record batch", len(records))
	case magic < 2 && version >= 3:
		return nil, false, refuse(ErrInvalidRecord, "Produce v%d takes record batches of magic 2 only, found magic %d", version, magic)
	case magic < 2:
		return records, true, nil
	}
	more, _, refused := nextBatch(records[size:])
	if refused != nil {
		return nil, false, refused
	}
	if more != 0 {
		return nil, false, refuse(ErrInvalidRecord, "a partition takes exactly one record batch, found more")
	}
	return records[:size:size], false, nil
}

// nextBatch is the size and magic of the batch or message at the start of b, size 0 if b ends before it does.
func nextBatch(b []byte) (size int, magic int8, refused *ProduceError) {
	if len(b) < batchOverhead {
		return 0, 0, nil
	}
	length := int32(binary.BigEndian.Uint32(b[atBatchLength:]))
	if length < legacyOverheadV0 {
		return 0, 0, refuse(ErrCorruptMessage, "record batch length %d is less than the smallest possible, %d", length, legacyOverheadV0)
	}
	if len(b) <= atMagic {
		return 0, 0, nil
	}
	magic = int8(b[atMagic])
	if magic < 0 || magic > 2 {
		return 0, 0, refuse(ErrCorruptMessage, "record batch magic %d does not exist, 0 to 2 do", magic)
	}
	if int(length) > len(b)-batchOverhead {
		return 0, 0, nil
	}
	return int(length) + batchOverhead, magic, nil
}

// checkHeader checks what can be told without the records, in Kafka's order.
func checkHeader(batch []byte, h *BatchHeader, lim *ProduceLimits) *ProduceError {
	if h.BaseOffset != 0 {
		return refuse(ErrInvalidRecord, "base offset of a produced batch must be 0, found %d", h.BaseOffset).logged()
	}
	if refused := checkSize(len(batch), lim); refused != nil {
		return refused
	}
	if crc := BatchCRC(batch); crc != h.CRC {
		return refuse(ErrCorruptMessage, "record batch CRC-32C is %08x, its header says %08x", crc, h.CRC)
	}
	switch {
	case !h.Codec().Valid():
		return refuse(ErrUnknownServerError, "compression codec %d does not exist", h.Codec()).logged()
	case h.LastOffsetDelta < 0:
		return refuse(ErrInvalidRecord, "last offset delta %d is negative", h.LastOffsetDelta).logged()
	case h.RecordCount <= 0:
		return refuse(ErrInvalidRecord, "record count %d: at least one record is needed", h.RecordCount).logged()
	case int64(h.LastOffsetDelta)+1 != int64(h.RecordCount):
		return refuse(ErrInvalidRecord, "last offset delta %d does not fit the record count %d", h.LastOffsetDelta, h.RecordCount).logged()
	case h.Control():
		return refuse(ErrInvalidRecord, "clients may not write control records").logged()
	case h.HasProducerID() && h.BaseSequence < 0:
		return refuse(ErrInvalidRecord, "sequence %d of producer id %d is negative", h.BaseSequence, h.ProducerID).logged()
	}
	return nil
}

func checkSize(size int, lim *ProduceLimits) *ProduceError {
	if lim.MaxMessageBytes > 0 && int64(size) > lim.MaxMessageBytes {
		return refuse(ErrMessageTooLarge, "record batch of %d bytes exceeds max.message.bytes %d of the topic", size, lim.MaxMessageBytes)
	}
	if lim.SegmentBytes > 0 && int64(size) > lim.SegmentBytes {
		return refuse(ErrRecordListTooLarge, "record batch of %d bytes exceeds segment.bytes %d of the topic", size, lim.SegmentBytes)
	}
	return nil
}

func decompressRefusal(err error) *ProduceError {
	if errors.Is(err, ErrDecompressedTooLarge) {
		return refuse(ErrMessageTooLarge, "%v", err)
	}
	return refuse(ErrUnknownServerError, "%v", err)
}

// validateRecords checks the records in payload (decompressed) of a batch whose header is right, and corrects the header.
//
// A batch that its producer marked LogAppendTime is refused if the topic stamps LogAppendTime or a record has no timestamp,
// as Kafka does. Else the mark is dropped, and what counts is the records' own timestamps: Kafka looks at the header's max
// timestamp here, and stores a batch that does not keep to its own header.
func validateRecords(batch []byte, h BatchHeader, payload []byte, lim *ProduceLimits) (ValidBatch, *ProduceError) {
	stats, err := walkRecords(payload, h.RecordCount)
	if err != nil {
		return ValidBatch{}, refuse(ErrInvalidRecord, "%v", err).logged()
	}
	if stats.gaps && h.Codec() != CodecNone {
		return ValidBatch{}, refuse(ErrInvalidRecord, "offset deltas of a compressed batch must count from 0 without gaps").logged()
	}
	lowest, highest := addSaturated(h.BaseTimestamp, stats.minDelta), addSaturated(h.BaseTimestamp, stats.maxDelta)
	if stats.keyless && lim.Compacted || !timesAllowed(lowest, highest, h.LogAppendTime(), lim) {
		if refused := recordRefusal(&h, payload, lim); refused != nil {
			return ValidBatch{}, refused.logged()
		}
	}
	v := ValidBatch{Header: h, Batch: batch, AppendTimeMs: -1}
	if target := lim.Codec; target != CodecProducer && target != h.Codec() {
		if v.Batch, err = recompress(&h, payload, target, stats.gaps); err != nil {
			return ValidBatch{}, refuse(ErrUnknownServerError, "%v", err)
		}
		v.Rewritten = true
		if refused := checkSize(len(v.Batch), lim); refused != nil {
			return ValidBatch{}, refused
		}
		v.Header, _ = ParseBatchHeader(v.Batch)
	}
	attributes, maxTimestamp := v.Header.Attributes&^attrLogAppendTime, max(highest, NoTimestamp)
	if lim.LogAppendTime {
		attributes, maxTimestamp = attributes|attrLogAppendTime, lim.NowMs
		v.AppendTimeMs = lim.NowMs
	}
	if attributes != v.Header.Attributes || maxTimestamp != v.Header.MaxTimestamp {
		attributes &= attrKnown // as Kafka: unknown bits last as long as nothing in the header changes
		setTimes(v.Batch, attributes, maxTimestamp)
		v.Header.Attributes, v.Header.MaxTimestamp = attributes, maxTimestamp
		v.Header.CRC = binary.BigEndian.Uint32(v.Batch[atCRC:])
	}
	return v, nil
}

// timesAllowed says that no record of a batch with these timestamps can be at fault; false asks to look closer.
func timesAllowed(lowest, highest int64, stampedByProducer bool, lim *ProduceLimits) bool {
	if lim.LogAppendTime {
		return !stampedByProducer
	}
	low, high := lim.timeRange()
	return lowest >= low && highest <= high && !(stampedByProducer && lowest <= NoTimestamp)
}

// timeRange is the timestamps that the topic allows with CreateTime.
func (lim *ProduceLimits) timeRange() (low, high int64) {
	return addSaturated(lim.NowMs, -lim.TimestampBeforeMs), addSaturated(lim.NowMs, lim.TimestampAfterMs)
}

// recordRefusal looks for the records at fault one by one.
func recordRefusal(h *BatchHeader, payload []byte, lim *ProduceLimits) *ProduceError {
	low, high := lim.timeRange()
	refused := &ProduceError{}
	for i := range h.RecordCount {
		size, n := varint32(payload)
		f, _, err := parseRecord(payload[n : n+int(size)])
		if err != nil {
			return refuse(ErrInvalidRecord, "%v", err)
		}
		payload = payload[n+int(size):]
		ts := addSaturated(h.BaseTimestamp, f.timestampDelta)
		var message string
		switch code := ErrInvalidTimestamp; {
		case lim.Compacted && f.keyLen < 0:
			if refused.Code == ErrNone {
				refused.Code = ErrInvalidRecord
			}
			message = "a compacted topic takes no record without a key"
		case !lim.LogAppendTime && ts != NoTimestamp:
			if ts >= low && ts <= high {
				continue
			}
			refused.Code = code
			message = fmt.Sprintf("timestamp %d is out of the range [%d, %d] that the topic allows", ts, low, high)
		case h.LogAppendTime():
			refused.Code = code
			message = "a producer may not set the timestamp type to LogAppendTime"
		default:
			continue
		}
		if len(refused.Records) < recordErrorsMax {
			refused.Records = append(refused.Records, RecordError{Index: i, Message: message})
		}
	}
	switch refused.Code {
	case ErrNone:
		return nil
	case ErrInvalidTimestamp:
		refused.Message = "One or more records have been rejected due to invalid timestamp"
	default:
		refused.Message = "One or more records have been rejected: " + refused.Records[0].Message
	}
	return refused
}

// addSaturated adds without wrapping.
func addSaturated(a, b int64) int64 {
	sum := a + b
	if (sum > a) == (b > 0) {
		return sum
	}
	if b > 0 {
		return 1<<63 - 1
	}
	return -1 << 63
}

// Hold copies a batch into a frame of its own, with one byte in front of it: for batches that do not lie in the
// request's frame. The batch is Bytes[start:] of the frame.
func (p *FramePool) Hold(batch []byte) (f *Frame, start int) {
	f = p.Get(1 + len(batch))
	copy(f.Bytes[1:], batch)
	return f, 1
}

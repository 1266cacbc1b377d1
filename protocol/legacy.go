package protocol

// This file owns message formats v0 and v1 (magic 0 and 1; Kafka protocol guide, "Old Message Formats"), which Produce v0
// to v2 carry: they are converted to one v2 batch before anything else sees them. Invariant: what comes out has gone
// through the same checks as a v2 batch, so nothing behind this file knows that older formats exist.

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

const (
	legacyOverheadV0 = 14 // CRC 4, magic 1, attributes 1, key length 4, value length 4
	legacyOverheadV1 = legacyOverheadV0 + 8
)

// legacyMessage is one message of format v0 or v1.
type legacyMessage struct {
	magic      int8
	attributes int8
	timestamp  int64 // NoTimestamp in v0
	key, value []byte
}

func (m *legacyMessage) codec() Codec { return Codec(m.attributes & attrCodecMask) }

// validateLegacy converts a message set (all of records) to one v2 batch and checks that.
func validateLegacy(records []byte, lim *ProduceLimits) (ValidBatch, *ProduceError) {
	conv := legacyConverter{lim: lim, w: BatchBuilder{ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1}}
	if refused := conv.outer(records); refused != nil {
		return ValidBatch{}, refused
	}
	batch, err := conv.w.AppendTo(nil)
	if err != nil {
		return ValidBatch{}, refuse(ErrUnknownServerError, "%v", err)
	}
	h, _ := ParseBatchHeader(batch)
	with := *lim
	if with.Codec == CodecProducer {
		with.Codec = conv.codec
	}
	v, refused := validateRecords(batch, h, batch[BatchHeaderSize:], &with)
	if refused == nil {
		v.Rewritten = true
		refused = checkSize(len(v.Batch), lim)
	}
	if refused != nil {
		return ValidBatch{}, refused
	}
	return v, nil
}

type legacyConverter struct {
	lim   *ProduceLimits
	w     BatchBuilder
	codec Codec
	magic int8
}

// outer converts the messages as the request has them: plain ones, or a single compressed wrapper.
func (c *legacyConverter) outer(b []byte) *ProduceError {
	for n := 0; ; n++ {
		size, magic, refused := nextBatch(b)
		if refused != nil {
			return refused
		}
		if size == 0 {
			return nil // the end, or a truncated tail
		}
		if n == 0 {
			c.magic = magic
		}
		if magic != c.magic {
			return refuse(ErrInvalidRecord, "message of magic %d in a set that began with magic %d", magic, c.magic)
		}
		if refused := checkSize(size, c.lim); refused != nil {
			return refused
		}
		m, refused := parseLegacy(b[batchOverhead:size])
		if refused != nil {
			return refused
		}
		b = b[size:]
		if m.codec() == CodecNone && c.codec == CodecNone {
			if refused := c.add(&m); refused != nil {
				return refused
			}
			continue
		}
		if n != 0 {
			return refuse(ErrInvalidRecord, "a compressed message set takes exactly one outer message, found more")
		}
		c.codec = m.codec()
		if refused := c.inner(&m); refused != nil {
			return refused
		}
	}
}

// inner converts the messages in a compressed wrapper.
func (c *legacyConverter) inner(outer *legacyMessage) *ProduceError {
	codec := outer.codec()
	switch {
	case !codec.Valid():
		return refuse(ErrUnknownServerError, "compression codec %d does not exist", codec)
	case codec == CodecZstd:
		return refuse(ErrInvalidRecord, "message format v%d does not allow zstd", outer.magic)
	case outer.value == nil:
		return refuse(ErrInvalidRecord, "a compressed message has a null value")
	}
	src := outer.value
	if codec == CodecLZ4 && outer.magic == 0 {
		src = mendLZ4Header(src)
	}
	s := getScratch()
	defer s.release()
	if err := s.decompress(codec, src, c.lim.decompressedMax()); err != nil {
		return decompressRefusal(err)
	}
	for b := s.buf; ; {
		if len(b) < batchOverhead {
			break
		}
		length := int32(binary.BigEndian.Uint32(b[atBatchLength:]))
		if length < legacyOverheadV0 {
			return refuse(ErrCorruptMessage, "message length %d is less than the smallest possible, %d", length, legacyOverheadV0)
		}
		if int(length) > len(b)-batchOverhead {
			break
		}
		m, refused := parseLegacy(b[batchOverhead : batchOverhead+int(length)])
		if refused != nil {
			return refused
		}
		switch {
		case m.magic != outer.magic:
			return refuse(ErrInvalidRecord, "message of magic %d in a wrapper of magic %d", m.magic, outer.magic)
		case m.codec() != CodecNone:
			return refuse(ErrInvalidRecord, "a message inside a compressed message is compressed again")
		}
		if outer.attributes&attrLogAppendTime != 0 {
			m.timestamp = outer.timestamp
		}
		m.attributes = m.attributes&^attrLogAppendTime | outer.attributes&attrLogAppendTime
		if refused := c.add(&m); refused != nil {
			return refused
		}
		b = b[batchOverhead+int(length):]
	}
	if c.w.Len() == 0 {
		return refuse(ErrInvalidRecord, "a compressed message holds no messages")
	}
	return nil
}

func (c *legacyConverter) add(m *legacyMessage) *ProduceError {
	if m.attributes&attrLogAppendTime != 0 && m.magic > 0 && (c.lim.LogAppendTime || m.timestamp == NoTimestamp) {
		return refuse(ErrInvalidTimestamp, "a producer may not set the timestamp type to LogAppendTime")
	}
	c.w.Append(m.timestamp, m.key, m.value, nil)
	return nil
}

// parseLegacy reads one message, without offset and length, and checks its CRC-32.
func parseLegacy(b []byte) (m legacyMessage, refused *ProduceError) {
	truncated := func() (legacyMessage, *ProduceError) {
		return legacyMessage{}, refuse(ErrCorruptMessage, "a message's fields do not fit its length of %d bytes", len(b))
	}
	if len(b) < legacyOverheadV0 {
		return truncated()
	}
	if crc, want := crc32.ChecksumIEEE(b[4:]), binary.BigEndian.Uint32(b); crc != want {
		return m, refuse(ErrCorruptMessage, "message CRC-32 is %08x, its header says %08x", crc, want)
	}
	m = legacyMessage{magic: int8(b[4]), attributes: int8(b[5]), timestamp: NoTimestamp}
	rest := b[6:]
	switch m.magic {
	case 0:
	case 1:
		if len(b) < legacyOverheadV1 {
			return truncated()
		}
		m.timestamp = int64(binary.BigEndian.Uint64(rest))
		rest = rest[8:]
	default:
		return m, refuse(ErrInvalidRecord, "message of magic %d where only 0 and 1 can be", m.magic)
	}
	for _, field := range []*[]byte{&m.key, &m.value} {
		if len(rest) < 4 {
			return truncated()
		}
		n := int32(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n < 0 {
			continue
		}
		if int(n) > len(rest) {
			return truncated()
		}
		*field, rest = rest[:n:n], rest[n:]
	}
	return m, nil
}

// mendLZ4Header returns src, or a copy of it with the right header checksum: producers of format v0 computed it over
// too much of the frame (KIP-57).
func mendLZ4Header(src []byte) []byte {
	const contentSize = 0x08
	if len(src) < 7 {
		return src
	}
	end := 6
	if src[4]&contentSize != 0 {
		end += 8
	}
	if len(src) <= end {
		return src
	}
	sum := byte(xxh32Short(src[4:end]) >> 8)
	if src[end] == sum {
		return src
	}
	mended := append([]byte(nil), src...)
	mended[end] = sum
	return mended
}

// xxh32Short is XXH32 with seed 0 of fewer than 16 bytes (xxHash specification), the LZ4 frame format's checksum.
func xxh32Short(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	h := uint32(p5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h += binary.LittleEndian.Uint32(b) * p3
		h = bits.RotateLeft32(h, 17) * p4
	}
	for _, c := range b {
		h += uint32(c) * p5
		h = bits.RotateLeft32(h, 11) * p1
	}
	h ^= h >> 15
	h *= p2
	h ^= h >> 13
	h *= p3
	return h ^ h>>16
}

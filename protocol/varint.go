package protocol

// This file owns variable-length integers (Kafka protocol guide, "Protocol Primitive Types"): zigzag varint and varlong
// of records, unsigned varint of flexible versions. The readers return the bytes used, or 0 if b ends too early or
// the number is longer than its type allows (5 and 10 bytes).

import "encoding/binary"

// uvarint32 reads an unsigned varint.
func uvarint32(b []byte) (uint32, int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint32(b[0]), 1
	}
	v, n := binary.Uvarint(b[:min(len(b), binary.MaxVarintLen32)])
	if n <= 0 || v > 1<<32-1 {
		return 0, 0
	}
	return uint32(v), n
}

// varint32 reads a zigzag varint.
func varint32(b []byte) (int32, int) {
	u, n := uvarint32(b)
	return int32(u>>1) ^ -int32(u&1), n
}

// varint64 reads a zigzag varlong.
func varint64(b []byte) (int64, int) {
	if len(b) > 0 && b[0] < 0x80 {
		u := int64(b[0])
		return u>>1 ^ -(u & 1), 1
	}
	v, n := binary.Varint(b)
	if n <= 0 {
		return 0, 0
	}
	return v, n
}

// appendVarint appends a zigzag varint or varlong.
func appendVarint(dst []byte, v int64) []byte { return binary.AppendVarint(dst, v) }

// varintSize is the length of v as a zigzag varint, bytes.
func varintSize(v int64) int { return uvarintSize(uint64(v)<<1 ^ uint64(v>>63)) }

// uvarintSize is the length of v as an unsigned varint, bytes.
func uvarintSize(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

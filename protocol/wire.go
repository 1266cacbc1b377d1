package protocol

// This file owns reading and writing Kafka's primitive types (Kafka protocol guide, "Protocol Primitive Types") for the
// hand-written messages. Invariant of reader: after the first field that does not fit, every read yields zero and bad stays set.

import "encoding/binary"

// reader reads primitive types from b, from at on.
type reader struct {
	b   []byte
	at  int
	bad bool
}

func (r *reader) left() int { return len(r.b) - r.at }

// span takes n bytes; nil if they are not there.
func (r *reader) span(n int) []byte {
	if r.bad || n < 0 || n > r.left() {
		r.bad = true
		return nil
	}
	s := r.b[r.at : r.at+n : r.at+n]
	r.at += n
	return s
}

func (r *reader) int16() int16 {
	if s := r.span(2); s != nil {
		return int16(binary.BigEndian.Uint16(s))
	}
	return 0
}

func (r *reader) int32() int32 {
	if s := r.span(4); s != nil {
		return int32(binary.BigEndian.Uint32(s))
	}
	return 0
}

func (r *reader) uvarint() uint32 {
	if r.bad {
		return 0
	}
	v, n := uvarint32(r.b[r.at:])
	if n == 0 {
		r.bad = true
		return 0
	}
	r.at += n
	return v
}

// length reads a length or count: compact (N+1, 0 is null) or with a fixed size of 2 or 4 bytes; -1 is null.
func (r *reader) length(compact bool, fixed int) int {
	n := -1
	switch {
	case compact:
		n = int(r.uvarint()) - 1
	case fixed == 2:
		n = int(r.int16())
	default:
		n = int(r.int32())
	}
	if r.bad || n < 0 {
		return -1
	}
	return n
}

// bytes reads a nullable string or byte field; null is nil, empty is not.
func (r *reader) bytes(compact bool, fixed int) []byte {
	n := r.length(compact, fixed)
	if n < 0 {
		return nil
	}
	return r.span(n)
}

// count reads a non-null array's length, of which every element takes at least elementBytes.
func (r *reader) count(compact bool, elementBytes int) int {
	n := r.length(compact, 4)
	if n < 0 || n > r.left()/elementBytes {
		r.bad = true
		return 0
	}
	return n
}

// skipTags reads past a tagged field section. Each field takes at least two bytes, so a false count ends soon; one that is negative
// as an int32 is none, as in Kafka.
func (r *reader) skipTags() {
	for n := int32(r.uvarint()); n > 0 && !r.bad; n-- {
		r.uvarint()
		r.span(int(r.uvarint()))
	}
}

func appendInt16(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }
func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }
func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// appendUvarint appends an unsigned varint.
func appendUvarint(dst []byte, v int) []byte { return binary.AppendUvarint(dst, uint64(v)) }

// appendCount appends an array's length.
func appendCount(dst []byte, compact bool, n int) []byte {
	if compact {
		return appendUvarint(dst, n+1)
	}
	return appendInt32(dst, int32(n))
}

// appendString appends a string; what a short string cannot hold is cut.
func appendString[S ~string | ~[]byte](dst []byte, compact bool, s S) []byte {
	if compact {
		dst = appendUvarint(dst, len(s)+1)
	} else {
		s = s[:min(len(s), 1<<15-1)]
		dst = appendInt16(dst, int16(len(s)))
	}
	return append(dst, s...)
}

// appendNullString appends a null string.
func appendNullString(dst []byte, compact bool) []byte {
	if compact {
		return append(dst, 0)
	}
	return append(dst, 0xff, 0xff)
}

// appendOptionalString appends s, or null for nil.
func appendOptionalString(dst []byte, compact bool, s *string) []byte {
	if s == nil {
		return appendNullString(dst, compact)
	}
	return appendString(dst, compact, *s)
}

package record

// This file owns the primitives of Kafka's message format: fixed and compact strings, bytes, arrays, tagged fields.
// Invariant: once a reader is bad it reads only zeros and empty values, and no loop over it runs longer than its input.

import "encoding/binary"

// reader takes fields off src.
type reader struct {
	src []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.src) {
		r.bad, r.src = true, nil
		return nil
	}
	b := r.src[:n:n]
	r.src = r.src[n:]
	return b
}

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) uuid() (id [16]byte) {
	copy(id[:], r.take(16))
	return id
}

func (r *reader) uvarint() uint32 {
	v, n := binary.Uvarint(r.src[:min(len(r.src), binary.MaxVarintLen32)])
	if n <= 0 || v > 1<<32-1 {
		r.bad, r.src = true, nil
		return 0
	}
	r.src = r.src[n:]
	return uint32(v)
}

// string reads a string of a non-flexible version; null is an error.
func (r *reader) string() string { return string(r.take(int(r.int16()))) }

// nullableString reads a string of a non-flexible version.
func (r *reader) nullableString() *string {
	n := r.int16()
	if n == -1 {
		return nil
	}
	s := string(r.take(int(n)))
	return &s
}

// bytes reads bytes of a non-flexible version into a copy; null becomes empty.
func (r *reader) bytes() []byte {
	n := r.int32()
	if n == -1 {
		return nil
	}
	return clone(r.take(int(n)))
}

// compactString reads a string of a flexible version; null is an error.
func (r *reader) compactString() string { return string(r.take(int(r.uvarint()) - 1)) }

func (r *reader) compactNullableString() *string {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	s := string(r.take(int(n) - 1))
	return &s
}

func (r *reader) compactBytes() []byte {
	n := r.uvarint()
	if n == 0 {
		return nil
	}
	return clone(r.take(int(n) - 1))
}

// arrayLen reads the length of an array whose elements are at least elem bytes each; null is 0.
func (r *reader) arrayLen(elem int) int { return r.bounded(int(r.int32()), elem) }

// compactArrayLen is arrayLen of a flexible version.
func (r *reader) compactArrayLen(elem int) int { return r.bounded(int(r.uvarint())-1, elem) }

func (r *reader) bounded(n, elem int) int {
	if n < 0 {
		return 0
	}
	if n > len(r.src)/elem {
		r.bad, r.src = true, nil
		return 0
	}
	return n
}

// tags reads the tagged fields at the end of a flexible structure; known gets each field's number and content.
func (r *reader) tags(known func(tag uint32, field *reader)) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		tag, size := r.uvarint(), r.uvarint()
		field := reader{src: r.take(int(size))}
		if known == nil || r.bad {
			continue
		}
		known(tag, &field)
		r.bad = r.bad || field.bad
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func appendCompactString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s))+1)
	return append(dst, s...)
}

func appendCompactNullableString(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, 0)
	}
	return appendCompactString(dst, *s)
}

func appendCompactBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b))+1)
	return append(dst, b...)
}

func appendCompactArrayLen(dst []byte, n int) []byte {
	return binary.AppendUvarint(dst, uint64(n)+1)
}

func appendInt32(dst []byte, v int32) []byte { return binary.BigEndian.AppendUint32(dst, uint32(v)) }

func appendInt64(dst []byte, v int64) []byte { return binary.BigEndian.AppendUint64(dst, uint64(v)) }

// appendTag appends one tagged field whose content put writes.
func appendTag(dst []byte, tag uint32, content []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(tag))
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...)
}

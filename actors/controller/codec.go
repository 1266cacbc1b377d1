package controller

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// This file owns the bytes of commands and snapshots: a version byte, a kind byte, then fields as varints and
// length-prefixed strings. Hand-written because it is 200 lines, half the size of JSON, and its decoder can say exactly what it
// bounds: every count is checked against the bytes that are left before anything is allocated, so decoding n bytes
// allocates O(n).
//
// The version byte of commands is not 1: an entry that starts with 1 is a record batch to the WAL, which then leaves the
// payload to the batch's own checksum.

const (
	commandVersion  = 0xC1
	snapshotVersion = 0xD1
)

var errTruncated = errors.New("truncated")

type writer struct{ b []byte }

func (w *writer) byte(v byte)     { w.b = append(w.b, v) }
func (w *writer) uint(v uint64)   { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) int(v int64)     { w.b = binary.AppendVarint(w.b, v) }
func (w *writer) string(s string) { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) id(id TopicID)   { w.b = append(w.b, id[:]...) }
func (w *writer) ints(list []int32) {
	w.uint(uint64(len(list)))
	for _, v := range list {
		w.int(int64(v))
	}
}

func (w *writer) values(m map[string]string) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	w.uint(uint64(len(names)))
	for _, name := range names {
		w.string(name)
		w.string(m[name])
	}
}

func (w *writer) broker(b Broker) {
	w.int(int64(b.ID))
	w.string(b.Host)
	w.int(int64(b.Port))
	w.string(b.Rack)
	w.bool(b.Fenced)
}

func (w *writer) bool(v bool) {
	if v {
		w.byte(1)
	} else {
		w.byte(0)
	}
}

// reader decodes; after the first error everything reads as zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail(errTruncated)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) bool() bool {
	switch v := r.byte(); v {
	case 0, 1:
		return v == 1
	default:
		r.fail(fmt.Errorf("a flag is %d, not 0 or 1", v))
		return false
	}
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int(lowest, highest int64) int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errTruncated)
		return 0
	}
	if v < lowest || v > highest {
		r.fail(fmt.Errorf("number %d is not within [%d, %d]", v, lowest, highest))
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) int32() int32 { return int32(r.int(math.MinInt32, math.MaxInt32)) }

// count reads how many elements follow, each of which has at least sizeMin bytes.
func (r *reader) count(sizeMin int) int {
	n := r.uint()
	if n > uint64(len(r.b)/sizeMin) {
		r.fail(fmt.Errorf("%d elements announced in %d bytes: %w", n, len(r.b), errTruncated))
		return 0
	}
	return int(n)
}

func (r *reader) string() string {
	n := r.count(1)
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *reader) id() (id TopicID) {
	if len(r.b) < len(id) {
		r.fail(errTruncated)
		return id
	}
	copy(id[:], r.b)
	r.b = r.b[len(id):]
	return id
}

func (r *reader) ints() []int32 {
	n := r.count(1)
	if n == 0 {
		return nil
	}
	list := make([]int32, n)
	for i := range list {
		list[i] = r.int32()
	}
	return list
}

func (r *reader) values() map[string]string {
	n := r.count(2)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		name := r.string()
		m[name] = r.string()
	}
	return m
}

func (r *reader) broker() Broker {
	return Broker{ID: r.int32(), Host: r.string(), Port: r.int32(), Rack: r.string(), Fenced: r.bool()}
}

// end says whether everything was read, and all of it.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes left over", len(r.b))
	}
	return r.err
}

// encodeCommand is the log entry of c.
func encodeCommand(c command) []byte {
	w := writer{b: make([]byte, 0, 128)}
	w.byte(commandVersion)
	w.byte(c.kind())
	c.write(&w)
	return w.b
}

// decodeCommand reads a log entry. Nothing of the result aliases b.
func decodeCommand(b []byte) (command, error) {
	r := reader{b: b}
	if v := r.byte(); r.err == nil && v != commandVersion {
		return nil, fmt.Errorf("decode metadata command: version 0x%x, this broker knows 0x%x", v, commandVersion)
	}
	kind := r.byte()
	read, known := commandReaders[kind]
	if r.err == nil && !known {
		return nil, fmt.Errorf("decode metadata command: kind %d is not known to this broker; it may be of a newer version", kind)
	}
	var c command
	if r.err == nil {
		c = read(&r)
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode metadata command of kind %d: %w", kind, err)
	}
	return c, nil
}

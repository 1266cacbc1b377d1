package protocol

// This file owns the record framing of v2 batches (Kafka protocol guide, "Record"): the fast walk that a produced batch
// gets, which looks at every record without taking it apart. Invariant: what the walk accepts, Records can iterate.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errRecordTruncated = errors.New("the record's fields do not fit its length")

// walkStats is what a walk over a batch's records learns.
type walkStats struct {
	maxDelta, minDelta int64 // timestamp deltas; valid if any record was seen
	keyless            bool  // some record has no key
	gaps               bool  // some record's offset delta is not its position
}

// walkRecords checks the framing of exactly count records that must fill b. It is the hot loop of every produced batch:
// it does by hand what parseRecord does, on positions instead of slices.
func walkRecords(b []byte, count int32) (walkStats, error) {
	s := walkStats{maxDelta: -1 << 63, minDelta: 1<<63 - 1}
	at := 0
	for i := range count {
		length, p := uvarintAt(b, at, 5)
		size := unzigzag(length)
		if p < 0 || size < 0 || size > int64(len(b)-p) {
			return s, fmt.Errorf("record %d of %d: length %d with %d bytes left", i, count, size, len(b)-at)
		}
		end := p + int(size)
		rec := b[:end]
		u, p := uvarintAt(rec, p+1, 10) // after the attributes, which are unused
		delta := unzigzag(u)
		u, p = uvarintAt(rec, p, 5)
		s.gaps = s.gaps || unzigzag(u) != int64(i)
		u, p = uvarintAt(rec, p, 5)
		keyLen := unzigzag(u)
		if p < 0 || keyLen > int64(end-p) {
			return s, fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		if keyLen < 0 {
			s.keyless = true
			keyLen = 0
		}
		u, p = uvarintAt(rec, p+int(keyLen), 5)
		valueLen := max(unzigzag(u), 0)
		if p < 0 || valueLen > int64(end-p) {
			return s, fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		u, p = uvarintAt(rec, p+int(valueLen), 5)
		headers := unzigzag(u)
		if p < 0 || headers < 0 || headers == 0 && p != end {
			return s, fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		if headers != 0 {
			if err := walkHeaders(rec[p:], int32(headers)); err != nil {
				return s, fmt.Errorf("record %d of %d: %w", i, count, err)
			}
		}
		s.maxDelta = max(s.maxDelta, delta)
		s.minDelta = min(s.minDelta, delta)
		at = end
	}
	if at != len(b) {
		return s, fmt.Errorf("%d bytes are left after the last of %d records", len(b)-at, count)
	}
	return s, nil
}

// unzigzag undoes the zigzag of varints and varlongs.
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarintAt reads an unsigned varint of at most sizeMax bytes (5: 32 bits, 10: 64 bits) at b[at:] and returns where it ends, or
// -1 if it is not there or too long. A negative at, or one beyond b, is passed on as -1.
func uvarintAt(b []byte, at, sizeMax int) (uint64, int) {
	if uint(at) < uint(len(b)) {
		x := uint64(b[at])
		if x < 0x80 {
			return x, at + 1
		}
		if at+1 < len(b) {
			if y := uint64(b[at+1]); y < 0x80 {
				return x&0x7f | y<<7, at + 2
			}
		}
	}
	return longUvarintAt(b, at, sizeMax)
}

func longUvarintAt(b []byte, at, sizeMax int) (uint64, int) {
	if at < 0 || at >= len(b) {
		return 0, -1
	}
	v, n := binary.Uvarint(b[at:min(len(b), at+sizeMax)])
	if n <= 0 || sizeMax == 5 && v > 1<<32-1 {
		return 0, -1
	}
	return v, at + n
}

// recordFields is a record's frame; the positions count from the record's first byte after its length.
type recordFields struct {
	timestampDelta    int64
	offsetDelta       int32
	keyAt, keyLen     int32 // keyLen -1: null
	valueAt, valueLen int32
	headers           int32
}

// parseRecord reads a record up to and including its number of headers; used is where the headers start.
func parseRecord(rec []byte) (f recordFields, used int, err error) {
	if len(rec) < 6 {
		return f, 0, errRecordTruncated
	}
	at := 1 // attributes: unused
	v, n := varint64(rec[at:])
	f.timestampDelta, at = v, at+n
	d, m := varint32(rec[at:])
	f.offsetDelta, at = d, at+m
	if n == 0 || m == 0 {
		return f, 0, errRecordTruncated
	}
	if f.keyLen, n = varint32(rec[at:]); n == 0 {
		return f, 0, errRecordTruncated
	}
	at += n
	f.keyAt = int32(at)
	if f.keyLen >= 0 {
		if int(f.keyLen) > len(rec)-at {
			return f, 0, errRecordTruncated
		}
		at += int(f.keyLen)
	}
	if f.valueLen, n = varint32(rec[at:]); n == 0 {
		return f, 0, errRecordTruncated
	}
	at += n
	f.valueAt = int32(at)
	if f.valueLen >= 0 {
		if int(f.valueLen) > len(rec)-at {
			return f, 0, errRecordTruncated
		}
		at += int(f.valueLen)
	}
	if f.headers, n = varint32(rec[at:]); n == 0 || f.headers < 0 {
		return f, 0, errRecordTruncated
	}
	return f, at + n, nil
}

// walkHeaders checks that count headers fill b.
func walkHeaders(b []byte, count int32) error {
	for range count {
		_, _, rest, err := nextHeader(b)
		if err != nil {
			return err
		}
		b = rest
	}
	if len(b) != 0 {
		return errRecordTruncated
	}
	return nil
}

// nextHeader takes one header off b; a null value is nil.
func nextHeader(b []byte) (key, value, rest []byte, err error) {
	size, n := varint32(b)
	if n == 0 || size < 0 || int(size) > len(b)-n {
		return nil, nil, nil, errRecordTruncated
	}
	key, b = b[n:n+int(size)], b[n+int(size):]
	if size, n = varint32(b); n == 0 {
		return nil, nil, nil, errRecordTruncated
	}
	b = b[n:]
	if size < 0 {
		return key, nil, b, nil
	}
	if int(size) > len(b) {
		return nil, nil, nil, errRecordTruncated
	}
	return key, b[:size:size], b[size:], nil
}

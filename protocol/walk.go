package protocol

// This file owns the record framing of v2 batches (Kafka protocol guide, "Record"): the fast walk that a produced batch
// gets, which looks at every record without taking it apart. Invariant: what the walk accepts, Records can iterate.

import (
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

// walkRecords checks the framing of exactly count records that must fill b.
func walkRecords(b []byte, count int32) (walkStats, error) {
	s := walkStats{maxDelta: -1 << 63, minDelta: 1<<63 - 1}
	for i := range count {
		size, n := varint32(b)
		if n == 0 || size < 0 || int(size) > len(b)-n {
			return s, fmt.Errorf("record %d of %d: length %d with %d bytes left", i, count, size, len(b))
		}
		rec := b[n : n+int(size)]
		b = b[n+int(size):]
		f, used, err := parseRecord(rec)
		if err != nil {
			return s, fmt.Errorf("record %d of %d: %w", i, count, err)
		}
		if used != len(rec) {
			if err := walkHeaders(rec[used:], f.headers); err != nil {
				return s, fmt.Errorf("record %d of %d: %w", i, count, err)
			}
		} else if f.headers != 0 {
			return s, fmt.Errorf("record %d of %d: %w", i, count, errRecordTruncated)
		}
		s.maxDelta = max(s.maxDelta, f.timestampDelta)
		s.minDelta = min(s.minDelta, f.timestampDelta)
		s.keyless = s.keyless || f.keyLen < 0
		s.gaps = s.gaps || f.offsetDelta != i
	}
	if len(b) != 0 {
		return s, fmt.Errorf("%d bytes are left after the last of %d records", len(b), count)
	}
	return s, nil
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

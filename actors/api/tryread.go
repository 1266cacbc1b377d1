package api

// This file owns the fast path of reads: what stands in memory is read on the connection's actor.

import "github.com/troupe-io/troupe/storage/segment"

// memoryReader is a segment.Reader that can read without ever touching a file; ok is false if it would have to.
type memoryReader interface {
	TryRead(offset, upTo, maxBytes int64, minOneBatch bool) (s *segment.Slice, ok bool, err error)
}

func tryRead(r *segment.Reader, offset, upTo, maxBytes int64, minOneBatch bool) (*segment.Slice, bool, error) {
	if m, can := any(r).(memoryReader); can {
		return m.TryRead(offset, upTo, maxBytes, minOneBatch)
	}
	return nil, false, nil
}

package segment

import (
	"encoding/binary"
	"fmt"
)

// State is where a restart begins: what Checkpointed reports and Open takes. Everything at or above LogEndOffset, and
// everything in the active file above ActiveSize, is cut. Owners keep it as the bytes of AppendBinary.
type State struct {
	LogStartOffset, LogEndOffset int64
	ActiveBase                   int64 // base offset of the active segment
	ActiveSize                   int64 // bytes of it that are durable

	// Of the active segment; LargestTimestamp is -1 if no record has one. OffsetOfLargestTimestamp is the last offset of the
	// batch that holds it, as in the time index.
	LargestTimestamp, OffsetOfLargestTimestamp int64
	FirstTimestamp                             int64 // largest timestamp of its first batch: base of rolling by time
	FirstAppendMs                              int64 // when its first batch was appended
	BytesSinceIndex                            int64 // appended since the last index entry
	IndexedTimestamp                           int64 // of its last time index entry, -1: none
	IndexEntries, TimeIndexEntries             int32

	ClosedSegments int32 // segments before the active one
	ClosedBytes    int64 // and their size
}

const (
	stateVersion = 1
	stateBytes   = 1 + 11*8 + 3*4
)

// NewState is that of an empty log whose first record will have offset start.
func NewState(start int64) State {
	return State{LogStartOffset: start, LogEndOffset: start, ActiveBase: start, LargestTimestamp: -1,
		OffsetOfLargestTimestamp: start, FirstTimestamp: -1, IndexedTimestamp: -1}
}

// AppendBinary appends the encoded state to b: a version byte, then the fields in order, big-endian.
func (s State) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, stateVersion)
	for _, v := range []int64{s.LogStartOffset, s.LogEndOffset, s.ActiveBase, s.ActiveSize, s.LargestTimestamp,
		s.OffsetOfLargestTimestamp, s.FirstTimestamp, s.FirstAppendMs, s.BytesSinceIndex, s.IndexedTimestamp, s.ClosedBytes} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	for _, v := range []int32{s.IndexEntries, s.TimeIndexEntries, s.ClosedSegments} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return b, nil
}

// DecodeState reads what AppendBinary wrote and returns what follows it.
func DecodeState(b []byte) (s State, rest []byte, err error) {
	if len(b) < stateBytes {
		return State{}, nil, fmt.Errorf("segment state: want %d bytes, found %d", stateBytes, len(b))
	}
	if b[0] != stateVersion {
		return State{}, nil, fmt.Errorf("segment state: want version %d, found %d: written by another version of troupe", stateVersion, b[0])
	}
	b = b[1:]
	for _, p := range []*int64{&s.LogStartOffset, &s.LogEndOffset, &s.ActiveBase, &s.ActiveSize, &s.LargestTimestamp,
		&s.OffsetOfLargestTimestamp, &s.FirstTimestamp, &s.FirstAppendMs, &s.BytesSinceIndex, &s.IndexedTimestamp, &s.ClosedBytes} {
		*p = int64(binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	for _, p := range []*int32{&s.IndexEntries, &s.TimeIndexEntries, &s.ClosedSegments} {
		*p = int32(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	return s, b, s.check()
}

// check refuses a state that no log can have.
func (s State) check() error {
	switch {
	case s.LogStartOffset < 0 || s.LogEndOffset < s.LogStartOffset || s.ActiveBase < 0 || s.ActiveBase > s.LogEndOffset,
		s.ActiveSize < 0 || s.BytesSinceIndex < 0 || s.ClosedBytes < 0,
		s.IndexEntries < 0 || s.TimeIndexEntries < 0 || s.ClosedSegments < 0,
		s.ActiveSize == 0 && s.ActiveBase != s.LogEndOffset:
		return fmt.Errorf("segment state: impossible values %+v: %w", s, ErrCorrupt)
	}
	return nil
}

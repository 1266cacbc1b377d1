package segment

import (
	"encoding/binary"
	"fmt"
	"io"
	"sort"
)

// The index formats, as Apache Kafka's OffsetIndex and TimeIndex have them (big-endian, no header, no checksum):
//
//	.index      relative offset int32, position int32: the batch at position ends with that offset
//	.timeindex  timestamp int64, relative offset int32: the largest timestamp up to and including the batch that ends with that offset
//
// An entry is added before a batch when more than index.interval.bytes were appended since the last one; a time index entry only
// if its timestamp is larger than the last one's. A closed segment's time index ends with the segment's largest timestamp.
const (
	indexEntryBytes     = 8
	timeIndexEntryBytes = 12
	// searchWindow is how many bytes of an index a lookup reads at once when the search has come down to that.
	searchWindow = 4096
)

func appendIndexEntry(b []byte, rel, pos int32) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(rel))
	return binary.BigEndian.AppendUint32(b, uint32(pos))
}

func appendTimeIndexEntry(b []byte, timestamp int64, rel int32) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(timestamp))
	return binary.BigEndian.AppendUint32(b, uint32(rel))
}

func indexEntry(b []byte) mark {
	return mark{rel: int32(binary.BigEndian.Uint32(b)), pos: int32(binary.BigEndian.Uint32(b[4:]))}
}

func timeIndexEntry(b []byte) (timestamp int64, rel int32) {
	return int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))
}

// indexer decides which entries the batches of a segment get. The append side and a rebuild use the same one.
type indexer struct {
	base       int64
	interval   int64
	since      int64 // bytes since the last entry
	largest    stamp
	indexed    int64 // timestamp of the last time index entry, -1: none
	index      []byte
	timeIndex  []byte
	n, tn      int32 // entries so far, those handed on included
	firstStamp int64 // largest timestamp of the first batch
}

func newIndexer(base, interval int64) indexer {
	return indexer{base: base, interval: interval, largest: stamp{-1, base}, indexed: -1, firstStamp: -1}
}

// add notes a batch of size bytes at pos.
func (x *indexer) add(pos, size, lastOffset, maxTimestamp int64) {
	if pos == 0 {
		x.firstStamp = maxTimestamp
	}
	if maxTimestamp > x.largest.timestamp {
		x.largest = stamp{maxTimestamp, lastOffset}
	}
	if x.since > x.interval {
		x.index = appendIndexEntry(x.index, int32(lastOffset-x.base), int32(pos))
		x.n++
		x.addTime()
		x.since = 0
	}
	x.since += size
}

// addTime adds the time index entry for the largest timestamp so far, unless it is there.
func (x *indexer) addTime() {
	if x.largest.timestamp > x.indexed {
		x.timeIndex = appendTimeIndexEntry(x.timeIndex, x.largest.timestamp, int32(x.largest.offset-x.base))
		x.indexed = x.largest.timestamp
		x.tn++
	}
}

// full says that an entry more would make an index larger than Kafka's default segment.index.bytes allows.
func (x *indexer) full() bool {
	return x.n >= indexBytesMax/indexEntryBytes || x.tn >= indexBytesMax/timeIndexEntryBytes-1
}

// checkIndex says what is wrong with the bytes of an offset index of a segment of logBytes, if anything is.
func checkIndex(b []byte, logBytes int64) error {
	if len(b)%indexEntryBytes != 0 {
		return fmt.Errorf("%d bytes are not whole entries", len(b))
	}
	last := mark{-1, -1}
	for i := 0; i < len(b); i += indexEntryBytes {
		e := indexEntry(b[i:])
		if e.rel <= last.rel || e.pos <= last.pos || int64(e.pos) >= logBytes {
			return fmt.Errorf("entry %d (offset +%d, position %d) follows (+%d, %d) in a log of %d bytes",
				i/indexEntryBytes, e.rel, e.pos, last.rel, last.pos, logBytes)
		}
		last = e
	}
	return nil
}

// checkTimeIndex is checkIndex for a time index.
func checkTimeIndex(b []byte) error {
	if len(b)%timeIndexEntryBytes != 0 {
		return fmt.Errorf("%d bytes are not whole entries", len(b))
	}
	lastTime, lastRel := int64(-1), int32(-1)
	for i := 0; i < len(b); i += timeIndexEntryBytes {
		ts, rel := timeIndexEntry(b[i:])
		if ts <= lastTime || rel <= lastRel {
			return fmt.Errorf("entry %d (timestamp %d, offset +%d) follows (%d, +%d)", i/timeIndexEntryBytes, ts, rel, lastTime, lastRel)
		}
		lastTime, lastRel = ts, rel
	}
	return nil
}

// searchFile finds the last of n fixed-size entries of f for which le holds (it holds for a prefix of them), and returns
// its bytes in scratch; i is -1 if there is none. It halves by single entries down to a window, then reads that.
func searchFile(f io.ReaderAt, entryBytes, n int, scratch *[searchWindow]byte, le func([]byte) bool) (entry []byte, i int, err error) {
	lo, hi := 0, n // le holds below lo, not from hi on
	for hi-lo >= searchWindow/entryBytes {
		mid := (lo + hi) / 2
		e := scratch[:entryBytes]
		if err := readFull(f, e, int64(mid*entryBytes)); err != nil {
			return nil, 0, err
		}
		if le(e) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	from := max(0, lo-1) // the one below lo may be the answer
	b := scratch[:(hi-from)*entryBytes]
	if err := readFull(f, b, int64(from*entryBytes)); err != nil {
		return nil, 0, err
	}
	k := sort.Search(hi-from, func(k int) bool { return !le(b[k*entryBytes : (k+1)*entryBytes]) })
	if k == 0 {
		return nil, -1, nil
	}
	return b[(k-1)*entryBytes : k*entryBytes], from + k - 1, nil
}

// readFull fills b from off; a file that ends before is io.ErrUnexpectedEOF.
func readFull(f io.ReaderAt, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := f.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

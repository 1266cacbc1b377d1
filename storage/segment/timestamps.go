package segment

import (
	"fmt"

	"github.com/troupe-io/troupe/protocol"
)

// This file looks records up by time (ListOffsets), as exact as Kafka: the time index finds the segment and the neighbourhood, batch
// headers the batch, and the batch's records, decompressed if need be, the record.

// OffsetForTimestamp finds the first record with a timestamp >= ts (ListOffsets); ok is false if there is none. Record-exact, decompresses
// batches if it must. May block.
func (r *Reader) OffsetForTimestamp(ts int64) (found TimestampOffset, ok bool, err error) {
	for tries := 0; ; tries++ {
		v := r.view.Load()
		found, ok, err = r.offsetForTimestamp(v, ts)
		if err == nil {
			return found, ok, nil
		}
		if again, err := r.again(v, v.start, err, tries); !again {
			return TimestampOffset{}, false, err
		}
	}
}

// MaxTimestamp finds the record with the largest timestamp, the first of several (ListOffsets -3, KIP-734). May block.
func (r *Reader) MaxTimestamp() (found TimestampOffset, ok bool, err error) {
	for tries := 0; ; tries++ {
		v := r.view.Load()
		found, ok, err = r.maxTimestamp(v)
		if err == nil {
			return found, ok, nil
		}
		if again, err := r.again(v, v.start, err, tries); !again {
			return TimestampOffset{}, false, err
		}
	}
}

// eachSegment calls f for the view's segments in order, with the end of what is published and the largest timestamp, until f says stop.
func (r *Reader) eachSegment(v *view, f func(s *seg, lim int64, largest stamp) (more bool, err error)) error {
	if v.closed {
		return errStale
	}
	older, err := r.older()
	if err != nil {
		return err
	}
	for _, list := range [][]*seg{before(older, v.recent), v.recent} {
		for _, s := range list {
			if s.next.Load() <= v.start {
				continue
			}
			largest, err := r.largestOf(s)
			if err != nil {
				return err
			}
			if more, err := f(s, s.size.Load(), largest); !more || err != nil {
				return err
			}
		}
	}
	if v.seg.closed() && v.seg.next.Load() <= v.start {
		return nil // its successor is not published yet
	}
	_, err = f(v.seg, v.pos, v.largest)
	return err
}

func (r *Reader) offsetForTimestamp(v *view, ts int64) (found TimestampOffset, ok bool, err error) {
	err = r.eachSegment(v, func(s *seg, lim int64, largest stamp) (bool, error) {
		if largest.timestamp < ts || lim == 0 {
			return true, nil
		}
		var err error
		found, ok, err = r.searchTime(v, s, lim, ts)
		return !ok, err
	})
	return found, ok, err
}

// searchTime is offsetForTimestamp within one segment.
func (r *Reader) searchTime(v *view, s *seg, lim, ts int64) (found TimestampOffset, ok bool, err error) {
	c := newCursor(r, v, s, lim)
	defer c.done()
	near, err := c.searchTimeIndex(ts)
	if err != nil {
		return found, false, err
	}
	pos, _, err := c.find(max(near, v.start))
	if err != nil {
		return found, false, err
	}
	for pos < lim {
		h, err := c.head(pos)
		if err != nil {
			return found, false, err
		}
		if h.maxTimestamp >= ts {
			if found, ok, err = c.record(pos, h, func(rec *protocol.Record) bool { return rec.Timestamp >= ts && rec.Offset >= v.start }); ok || err != nil {
				return found, ok, err
			}
		}
		pos += h.size
	}
	return found, false, nil
}

// searchTimeIndex is an offset at or below that of the batch with the first record of timestamp >= ts.
func (c *cursor) searchTimeIndex(ts int64) (int64, error) {
	if usable, err := c.r.checkIndexes(c.s); err != nil || !usable {
		return c.s.base, err
	}
	n := int(c.s.tidx.Load())
	if n == 0 {
		return c.s.base, nil
	}
	c.needScratch()
	h, err := c.r.acquire(c.s, timeIndexSuffix)
	if err != nil {
		return 0, err
	}
	defer h.release()
	b, i, err := searchFile(h, timeIndexEntryBytes, n, &c.window, func(b []byte) bool {
		t, _ := timeIndexEntry(b)
		return t <= ts
	})
	if err != nil || i < 0 {
		return c.s.base, err
	}
	_, rel := timeIndexEntry(b)
	return c.s.base + int64(rel), nil
}

// record finds the first record of the batch at pos that want wants.
func (c *cursor) record(pos int64, h head, want func(*protocol.Record) bool) (found TimestampOffset, ok bool, err error) {
	part, err := c.slice(pos, pos+h.size)
	if err != nil {
		return found, false, err
	}
	batch, err := part.Append(make([]byte, 0, h.size))
	part.Release()
	if err != nil {
		return found, false, err
	}
	it, err := protocol.NewRecords(batch, 0)
	if err != nil {
		return found, false, fmt.Errorf("look into the batch at offset %d of %s: %w", h.baseOffset, c.r.dir, err)
	}
	defer it.Close()
	for it.Next() {
		if rec := it.Record(); want(rec) {
			return TimestampOffset{Timestamp: rec.Timestamp, Offset: rec.Offset, LeaderEpoch: h.leaderEpoch}, true, nil
		}
	}
	if err := it.Err(); err != nil {
		return found, false, fmt.Errorf("look into the batch at offset %d of %s: %w", h.baseOffset, c.r.dir, err)
	}
	return found, false, nil
}

func (r *Reader) maxTimestamp(v *view) (found TimestampOffset, ok bool, err error) {
	best := stamp{timestamp: -1}
	var in *seg
	var end int64
	err = r.eachSegment(v, func(s *seg, lim int64, largest stamp) (bool, error) {
		if largest.timestamp > best.timestamp {
			best, in, end = largest, s, lim
		}
		return true, nil
	})
	if err != nil || in == nil {
		return found, false, err
	}
	c := newCursor(r, v, in, end)
	defer c.done()
	pos, h, err := c.find(best.offset)
	if err != nil {
		return found, false, err
	}
	if pos >= end {
		return found, false, corrupt("the time index of %s says timestamp %d is at offset %d, but no batch is there",
			fileName(r.dir, in.base, logSuffix), best.timestamp, best.offset)
	}
	return c.record(pos, h, func(rec *protocol.Record) bool { return rec.Timestamp == h.maxTimestamp })
}

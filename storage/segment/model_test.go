package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/vfs"
)

// modelBatch is one batch as the log must hold it.
type modelBatch struct {
	base, last int64
	bytes      []byte
	times      []int64
}

// history drives a log with random requests, lets messages through one at a time in random order of queues, crashes the machine now
// and then, and compares everything a reader can see with a plain list of batches.
type history struct {
	t         *rapid.T
	fs        *vfs.Mem
	r         *rig
	l         *Log
	opt       Options
	batches   []modelBatch
	start     int64
	published int64
	durable   State
	// unrecorded is a checkpoint that the owner has not made its point of restart yet.
	unrecorded *State
	token      uint64
	pool       int64
	now        int64
	full       bool
}

func (h *history) end() int64 {
	if n := len(h.batches); n > 0 {
		return h.batches[n-1].last + 1
	}
	return h.durable.ActiveBase
}

func (h *history) takeDone() {
	if h.r.failed != nil {
		h.t.Fatal(h.r.failed)
	}
	for _, cp := range h.r.done {
		h.unrecorded = &cp.State
	}
	h.r.done = nil
}

func (h *history) record() {
	if h.unrecorded != nil {
		h.durable, h.unrecorded = *h.unrecorded, nil
	}
}

func (h *history) reopen(fs *vfs.Mem) {
	h.fs = fs
	if h.full {
		h.full = false
		h.fs.SetCapacity(0)
	}
	h.r = newRig(h.t, fs, h.pool)
	h.attach()
}

// attach opens the log again from the last checkpoint, as its owner does after a restart.
func (h *history) attach() {
	h.unrecorded = nil
	b, _ := h.durable.AppendBinary(nil)
	from, _, err := DecodeState(b)
	if err != nil {
		h.t.Fatal(err)
	}
	h.l = h.r.open(from, h.opt)
	for len(h.batches) > 0 && h.batches[len(h.batches)-1].last >= from.LogEndOffset {
		h.batches = h.batches[:len(h.batches)-1]
	}
	if got := h.l.EndOffset(); got != from.LogEndOffset {
		h.t.Fatalf("reopened at %d, want %d", got, from.LogEndOffset)
	}
	h.start = min(h.start, from.LogEndOffset)
	h.l.SetStart(h.start) // raft would apply it again
	h.published = from.LogEndOffset
}

func (h *history) append(t *rapid.T) {
	size := rapid.SampledFrom([]int{80, 150, 700, 5000, 30_000, 130_000, 1_200_000}).Draw(t, "size")
	n := rapid.IntRange(1, 4).Draw(t, "records")
	times := make([]int64, n)
	for i := range times {
		times[i] = h.now + rapid.Int64Range(-50, 50).Draw(t, "time")
	}
	h.now += rapid.Int64Range(0, 20).Draw(t, "pass")
	codec := rapid.SampledFrom([]protocol.Codec{protocol.CodecNone, protocol.CodecNone, protocol.CodecZstd, protocol.CodecLZ4}).Draw(t, "codec")
	b := makeBatch(codec, size, times...)
	header, _ := protocol.ParseBatchHeader(b)
	base := h.l.EndOffset()
	for range rapid.IntRange(1, 30).Draw(t, "times") {
		base = h.l.EndOffset()
		if !h.l.Append(b, &header, base, 3, h.now) {
			return
		}
		h.batches = append(h.batches, modelBatch{base, base + int64(n) - 1, stored(b, base), times})
	}
}

func (h *history) index(offset int64) int {
	for i, b := range h.batches {
		if b.last >= offset {
			return i
		}
	}
	return len(h.batches)
}

func (h *history) read(t *rapid.T) {
	r := h.l.Reader()
	bounds := r.Bounds()
	if bounds.Start != h.start || bounds.HighWatermark != h.published {
		t.Fatalf("bounds %+v, want %d..%d", bounds, h.start, h.published)
	}
	offset := rapid.Int64Range(max(0, h.start-1), h.published+1).Draw(t, "offset")
	if rapid.Bool().Draw(t, "near the end") {
		offset = max(h.start, h.published-rapid.Int64Range(0, 10).Draw(t, "back"))
	}
	upTo := h.published
	if rapid.IntRange(0, 3).Draw(t, "lso") == 0 {
		upTo = rapid.Int64Range(h.start, h.published).Draw(t, "upTo")
	}
	maxBytes := rapid.SampledFrom([]int64{1, 100, 1000, 50_000, 1 << 20, 10 << 20}).Draw(t, "maxBytes")
	minOne := rapid.Bool().Draw(t, "minOne")
	available := r.Available(offset, 1<<40)
	s, err := r.Read(offset, upTo, maxBytes, minOne)
	if offset < h.start || offset > h.published {
		if !errors.Is(err, ErrOffsetOutOfRange) {
			t.Fatalf("read at %d outside %d..%d: %v", offset, h.start, h.published, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("read [%d, %d) max %d: %v", offset, upTo, maxBytes, err)
	}
	defer s.Release()
	got, err := s.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	i := h.index(offset)
	if offset < h.published && available <= 0 || offset >= h.published && available != 0 {
		t.Fatalf("available %d at %d of %d", available, offset, h.published)
	}
	if i == len(h.batches) || h.batches[i].last >= upTo || offset >= upTo || int64(len(h.batches[i].bytes)) > maxBytes && !minOne {
		if len(got) != 0 {
			t.Fatalf("read [%d, %d) max %d min one %v: %d bytes, want none", offset, upTo, maxBytes, minOne, len(got))
		}
		return
	}
	if len(got) == 0 {
		t.Fatalf("read [%d, %d) max %d min one %v: nothing, want at least batch %d..%d", offset, upTo, maxBytes, minOne, h.batches[i].base, h.batches[i].last)
	}
	if int64(len(got)) > maxBytes && len(got) != len(h.batches[i].bytes) {
		t.Fatalf("read [%d, %d) max %d: %d bytes", offset, upTo, maxBytes, len(got))
	}
	for len(got) > 0 {
		if i == len(h.batches) || h.batches[i].last >= upTo || !bytes.HasPrefix(got, h.batches[i].bytes) {
			t.Fatalf("read [%d, %d) max %d: batch %d is wrong", offset, upTo, maxBytes, i)
		}
		got = got[len(h.batches[i].bytes):]
		i++
	}
}

func (h *history) byTime(t *rapid.T) {
	r := h.l.Reader()
	ts := h.now + rapid.Int64Range(-300, 60).Draw(t, "ts")
	found, ok, err := r.OffsetForTimestamp(ts)
	if err != nil {
		t.Fatal(err)
	}
	var want TimestampOffset
	wantOK := false
	largest, largestOK := TimestampOffset{Timestamp: -1}, false
	for _, b := range h.batches {
		if b.base >= h.published {
			break
		}
		for i, at := range b.times {
			o := TimestampOffset{at, b.base + int64(i), 3}
			if o.Offset >= h.start && at >= ts && !wantOK {
				want, wantOK = o, true
			}
			if b.last >= h.start && at > largest.Timestamp {
				largest, largestOK = o, true
			}
		}
	}
	if found != want || ok != wantOK {
		t.Fatalf("timestamp %d: found %+v %v, want %+v %v", ts, found, ok, want, wantOK)
	}
	found, ok, err = r.MaxTimestamp()
	if err != nil {
		t.Fatal(err)
	}
	// Segments keep what is deleted inside them: a larger timestamp below the start may still be found.
	if largestOK && (!ok || found.Timestamp < largest.Timestamp || found.Offset >= h.start && found != largest) {
		t.Fatalf("largest timestamp %+v %v, want %+v", found, ok, largest)
	}
}

func TestRandomHistoriesAgreeWithAListOfBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		opt := testOptions
		opt.SegmentBytes = rapid.SampledFrom([]int64{3000, 100_000, 1 << 20, 3 << 20}).Draw(t, "segment.bytes")
		opt.IndexInterval = rapid.SampledFrom([]int64{0, 300, 4096}).Draw(t, "index.interval.bytes")
		opt.SegmentMs = rapid.SampledFrom([]int64{100, 1 << 40}).Draw(t, "segment.ms")
		h := &history{t: t, opt: opt, pool: rapid.SampledFrom([]int64{64 << 10, 1 << 20, 8 << 20}).Draw(t, "pool"), now: 10_000,
			durable: NewState(0)}
		fs := vfs.NewMem()
		if rapid.Bool().Draw(t, "no O_DIRECT") {
			fs.RefuseDirect()
		}
		h.reopen(fs)
		t.Repeat(map[string]func(*rapid.T){
			"append":  h.append,
			"append2": h.append,
			"publish": func(*rapid.T) {
				h.l.Publish(h.l.EndOffset(), h.l.EndOffset())
				h.published = h.l.EndOffset()
			},
			"write": func(t *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(t, "n") {
					h.r.stepWriter()
				}
			},
			"answer": func(t *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(t, "n") {
					h.r.stepOwner(h.l)
				}
				h.takeDone()
			},
			"settle": func(*rapid.T) {
				if !h.full {
					h.r.run(h.l)
					h.takeDone()
				}
			},
			"evict": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "n") {
					h.r.shared.Pool.evictForTest()
				}
			},
			"checkpoint": func(*rapid.T) {
				h.record()
				h.token++
				h.l.Checkpoint(h.token)
			},
			"record":  func(*rapid.T) { h.record() },
			"read":    h.read,
			"read2":   h.read,
			"by time": h.byTime,
			"start": func(t *rapid.T) {
				h.start = max(h.start, rapid.Int64Range(h.start, h.published).Draw(t, "to"))
				h.l.SetStart(h.start)
			},
			"retention": func(t *rapid.T) {
				o := h.opt
				o.RetentionBytes = rapid.SampledFrom([]int64{-1, 0, 100_000, 2 << 20}).Draw(t, "retention.bytes")
				o.RetentionMs = rapid.SampledFrom([]int64{-1, 0, 200}).Draw(t, "retention.ms")
				h.l.SetOptions(o)
				to := h.l.RetentionStart(h.now)
				if to > h.published { // the partition would not delete what is not committed
					to = h.published
				}
				h.start = max(h.start, to)
				h.l.SetStart(to)
				h.l.SetOptions(h.opt)
			},
			"roll":   func(*rapid.T) { h.l.RollIfDue(h.now) },
			"timers": func(*rapid.T) { h.r.clock.fire() },
			"disk full": func(t *rapid.T) {
				h.full = !h.full
				if h.full {
					h.fs.SetCapacity(usage(h.fs) + rapid.Int64Range(1, 300_000).Draw(t, "free"))
				} else {
					h.fs.SetCapacity(0)
					h.r.clock.fire()
				}
			},
			"power cut": func(t *rapid.T) {
				seed := rapid.Uint64().Draw(t, "seed")
				h.reopen(h.fs.CrashClone(rand.New(rand.NewPCG(seed, 1))))
			},
			"owner restarts": func(*rapid.T) {
				h.attach() // messages of the former log are still queued
			},
			"clean restart": func(*rapid.T) {
				h.l.Close(false)
				if h.full {
					h.full = false
					h.fs.SetCapacity(0)
					h.r.clock.fire()
				}
				h.r.run()
				if used := h.r.shared.Pool.UsedBytes(); used != 0 {
					h.t.Fatalf("%d bytes in use after close", used)
				}
				h.reopen(h.fs)
			},
			"": func(*rapid.T) {
				if h.l.Reader().Bounds().HighWatermark != h.published || h.l.EndOffset() != max(h.end(), h.l.EndOffset()) {
					h.t.Fatalf("bounds %+v, end %d", h.l.Reader().Bounds(), h.l.EndOffset())
				}
			},
		})
		// Whatever happened, it comes to rest with everything readable and written.
		h.fs.SetCapacity(0)
		h.r.clock.fire()
		h.r.run(h.l)
		h.l.Publish(h.l.EndOffset(), h.l.EndOffset())
		h.published = h.l.EndOffset()
		h.l.Checkpoint(1)
		h.r.run(h.l)
		h.takeDone()
		h.record()
		if h.l.UnwrittenBytes() != 0 || h.durable.LogEndOffset != h.l.EndOffset() {
			t.Fatalf("%d bytes unwritten, checkpoint at %d of %d", h.l.UnwrittenBytes(), h.durable.LogEndOffset, h.l.EndOffset())
		}
		h.read(t)
		h.byTime(t)
		h.checkFiles(t)
	})
}

// checkFiles looks at the files of closed segments as Kafka's tools would.
func (h *history) checkFiles(t *rapid.T) {
	names, err := h.fs.List("data/t-0")
	if err != nil && len(h.batches) > 0 && h.start < h.end() {
		t.Fatal(err)
	}
	for _, name := range names {
		base, ok := parseLogName(name)
		if !ok || base >= h.durable.ActiveBase {
			continue
		}
		if err := checkSegmentFiles(h.fs, "data/t-0", base); err != nil {
			t.Fatal(err)
		}
	}
}

// checkSegmentFiles verifies that a closed segment's three files agree with each other.
func checkSegmentFiles(fs vfs.FS, dir string, base int64) error {
	var content [3][]byte
	for i, name := range (&seg{base: base}).names(dir) {
		f, err := fs.Open(name, vfs.OpenOptions{ReadOnly: true})
		if err != nil {
			return err
		}
		size, _ := f.Size()
		content[i] = make([]byte, size)
		if err := readFull(f, content[i], 0); err != nil {
			return err
		}
		f.Close()
	}
	at := map[int64]*protocol.BatchHeader{} // by position
	largest, pos, next := int64(-1), int64(0), base
	lastOfLargest := int64(0)
	if err := protocol.EachBatch(content[0], func(h *protocol.BatchHeader, b []byte) error {
		if h.BaseOffset != next {
			return fmt.Errorf("segment %d: batch at offset %d, want %d", base, h.BaseOffset, next)
		}
		next = h.LastOffset() + 1
		copied := *h
		at[pos] = &copied
		if h.MaxTimestamp > largest {
			largest, lastOfLargest = h.MaxTimestamp, h.LastOffset()
		}
		pos += int64(len(b))
		return protocol.CheckBatchCRC(b)
	}); err != nil {
		return err
	}
	if pos != int64(len(content[0])) {
		return fmt.Errorf("segment %d: %d bytes beyond the last batch", base, int64(len(content[0]))-pos)
	}
	if err := checkIndex(content[1], pos); err != nil {
		return fmt.Errorf("segment %d: index: %w", base, err)
	}
	for i := 0; i < len(content[1]); i += indexEntryBytes {
		e := indexEntry(content[1][i:])
		if h := at[int64(e.pos)]; h == nil || h.LastOffset() != base+int64(e.rel) {
			return fmt.Errorf("segment %d: index entry %+v points at no such batch", base, e)
		}
	}
	if err := checkTimeIndex(content[2]); err != nil {
		return fmt.Errorf("segment %d: time index: %w", base, err)
	}
	ts, rel := timeIndexEntry(content[2][len(content[2])-timeIndexEntryBytes:])
	if ts != largest || base+int64(rel) != lastOfLargest {
		return fmt.Errorf("segment %d: the time index ends with (%d, %d), want (%d, %d)", base, ts, base+int64(rel), largest, lastOfLargest)
	}
	return nil
}

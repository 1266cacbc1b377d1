package compact

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// history is a log with what was ever appended to it.
type history struct {
	*rig
	rng       *rand.Rand
	all       []rec // by offset
	now       int64
	cleaned   int64 // the log is clean below
	producers map[int64]int32
	last      map[int64]int64 // last offset of each producer's last batch
	dropped   int64           // records, over all rounds
	touched   int64           // a round that was given up may have cleaned up to here
}

const retention = 1000

func newHistory(tb failer, fs vfs.FS, rng *rand.Rand) *history {
	opt := segment.Options{SegmentBytes: pick[int64](rng, 3000, 8000, 40_000), SegmentMs: 1 << 40, RetentionBytes: -1, RetentionMs: -1,
		IndexInterval: pick[int64](rng, 0, 300, 4096), DeleteDelayMs: 10, Compact: true}
	return &history{rig: newRig(tb, fs, opt, segment.NewState(0)), rng: rng, now: 10_000, producers: map[int64]int32{}, last: map[int64]int64{}}
}

// grow appends n batches.
func (h *history) grow(n, keys int) {
	codecs := []protocol.Codec{protocol.CodecNone, protocol.CodecNone, protocol.CodecGzip, protocol.CodecSnappy, protocol.CodecLZ4, protocol.CodecZstd}
	for range n {
		var recs []rec
		for range 1 + h.rng.IntN(6) {
			x := rec{offset: h.log.EndOffset() + int64(len(recs)), timestamp: h.now + h.rng.Int64N(20) - 10, key: "key-" + strconv.Itoa(h.rng.IntN(keys)),
				value: fmt.Sprintf("%d-%0*d", h.now, h.rng.IntN(200), 7)}
			switch h.rng.IntN(6) {
			case 0:
				x.tombstone, x.value = true, ""
			case 1:
				x.headers = "h" + strconv.Itoa(h.rng.IntN(5))
			}
			recs = append(recs, x)
		}
		h.now += h.rng.Int64N(5)
		producer, sequence := int64(-1), int32(-1)
		if h.rng.IntN(2) == 0 {
			producer = h.rng.Int64N(3)
			sequence = h.producers[producer]
			h.producers[producer] += int32(len(recs))
			h.last[producer] = recs[len(recs)-1].offset
		}
		h.append(batchOf(pick(h.rng, codecs...), producer, sequence, recs))
		h.all = append(h.all, recs...)
	}
}

func (h *history) round(budget int64) (Stats, error) {
	upTo, s, err := h.clean(Config{FirstDirty: h.cleaned, NowMs: h.now, DeleteRetentionMs: retention, LastOffsets: h.last,
		MapBytes: pick[int64](h.rng, 64*slotBytes*3/2, 1<<20), Key: HashKey{h.rng.Uint64(), 7}}, budget)
	if err == nil {
		h.cleaned = max(h.cleaned, upTo)
		h.dropped += s.RecordsDropped
	}
	return s, err
}

// check compares what readers see with what compaction may leave.
func (h *history) check() {
	h.tb.Helper()
	if len(h.all) == 0 {
		return
	}
	reader := h.log.Reader()
	batches, err := readFrom(reader, 0)
	if err != nil {
		h.tb.Fatal(err)
	}
	latest := map[string]rec{}
	for _, x := range h.all {
		latest[x.key] = x
	}
	seen := map[string]rec{}
	below := map[string]int64{}
	lastSeen := map[int64]stored{}
	kept := map[int64]bool{}
	var flat []rec
	previous := int64(-1)
	for _, b := range batches {
		if b.header.HasProducerID() {
			lastSeen[b.header.ProducerID] = b
		}
		for _, x := range b.recs {
			if x.offset <= previous {
				h.tb.Fatalf("offset %d follows %d", x.offset, previous)
			}
			previous = x.offset
			if want := h.all[x.offset]; x != want {
				h.tb.Fatalf("offset %d holds %+v, was %+v", x.offset, x, want)
			}
			if x.offset < h.cleaned {
				if at, twice := below[x.key]; twice {
					h.tb.Fatalf("key %s stands at %d and %d, below the clean part's end %d", x.key, at, x.offset, h.cleaned)
				}
				below[x.key] = x.offset
			}
			seen[x.key] = x
			kept[x.offset] = true
			flat = append(flat, x)
		}
	}
	for key, want := range latest {
		got, there := seen[key]
		if there && got != want {
			h.tb.Fatalf("key %s: last record is %+v, want %+v", key, got, want)
		}
		if !there && !want.tombstone {
			h.tb.Fatalf("key %s is lost: %+v", key, want)
		}
		if !there && h.now < want.timestamp+retention-20 {
			h.tb.Fatalf("the delete marker of %s from %d is gone at %d", key, want.timestamp, h.now)
		}
	}
	for offset := max(h.cleaned, h.touched); offset < int64(len(h.all)); offset++ {
		if !kept[offset] {
			h.tb.Fatalf("offset %d is lost; the clean part ends at %d", offset, h.cleaned)
		}
	}
	for id, offset := range h.last {
		if b, there := lastSeen[id]; !there || b.header.LastOffset() != offset || b.header.LastSequence() != h.producers[id]-1 {
			h.tb.Fatalf("producer %d: last batch %+v, want one that ends at %d with sequence %d", id, b.header, offset, h.producers[id]-1)
		}
	}
	if end := reader.Bounds().HighWatermark; len(batches) > 0 && batches[len(batches)-1].header.LastOffset() != end-1 {
		h.tb.Fatalf("the last batch ends at %d, the log at %d", batches[len(batches)-1].header.LastOffset(), end)
	}
	h.checkTimes(flat)
	// From any offset on, also one that is gone, a reader gets what comes next.
	for range 5 {
		offset := h.rng.Int64N(int64(len(h.all)))
		rest, err := readFrom(reader, offset)
		if err != nil {
			h.tb.Fatal(err)
		}
		i := 0
		for i < len(batches) && batches[i].header.LastOffset() < offset {
			i++
		}
		if len(rest) != len(batches)-i || len(rest) > 0 && rest[0].header != batches[i].header {
			h.tb.Fatalf("from offset %d: %d batches, want %d", offset, len(rest), len(batches)-i)
		}
	}
}

func (h *history) checkTimes(flat []rec) {
	h.tb.Helper()
	reader := h.log.Reader()
	for range 5 {
		ts := 9_990 + h.rng.Int64N(h.now-9_980)
		found, ok, err := reader.OffsetForTimestamp(ts)
		if err != nil {
			h.tb.Fatal(err)
		}
		want, wantOK := int64(0), false
		for _, x := range flat {
			if x.timestamp >= ts {
				want, wantOK = x.offset, true
				break
			}
		}
		if ok != wantOK || ok && found.Offset != want {
			h.tb.Fatalf("timestamp %d: offset %d %v, want %d %v", ts, found.Offset, ok, want, wantOK)
		}
	}
	found, ok, err := reader.MaxTimestamp()
	if err != nil {
		h.tb.Fatal(err)
	}
	largest := int64(-1)
	for _, x := range flat {
		largest = max(largest, x.timestamp)
	}
	if ok != (len(flat) > 0) || ok && found.Timestamp != largest {
		h.tb.Fatalf("largest timestamp %+v %v, want %d", found, ok, largest)
	}
}

// restart opens the log as a restart of the machine would.
func (h *history) restart(fs vfs.FS) {
	h.tb.Helper()
	h.rig = newRig(h.tb, fs, h.opt, h.recorded)
	end := h.log.EndOffset()
	for id, offset := range h.last {
		if offset >= end {
			delete(h.last, id) // raft would apply it again; this log is just shorter
			delete(h.producers, id)
		}
	}
	h.all = h.all[:end]
	h.cleaned = min(h.cleaned, end)
}

func seeds(t *testing.T, n int, f func(t *testing.T, rng *rand.Rand)) {
	first := uint64(1)
	if s := os.Getenv("TROUPE_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		n = 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprintf("TROUPE_SEED=%d", seed), func(t *testing.T) { f(t, rand.New(rand.NewPCG(seed, 9))) })
	}
}

func TestCompactionKeepsTheLastRecordOfEachKeyAndNothingItNeedNot(t *testing.T) {
	dropped := int64(0)
	seeds(t, 60, func(t *testing.T, rng *rand.Rand) {
		fs := vfs.NewMem()
		if rng.IntN(2) == 0 {
			fs.RefuseDirect()
		}
		h := newHistory(t, fs, rng)
		keys := pick(rng, 3, 30, 300)
		for range 6 {
			h.grow(rng.IntN(120), keys)
			if rng.IntN(4) > 0 {
				if err := h.checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
			for range rng.IntN(4) {
				if _, err := h.round(pick[int64](rng, 1, 1000, 1<<30)); err != nil {
					t.Fatal(err)
				}
				h.check()
			}
			switch rng.IntN(4) {
			case 0:
				h.now += rng.Int64N(2 * retention)
			case 1:
				for _, f := range h.timers {
					f()
				}
				h.timers = nil
				h.run()
			case 2:
				h.log.Close(false)
				h.run()
				h.restart(fs)
			}
			h.check()
		}
		dropped += h.dropped
	})
	if os.Getenv("TROUPE_SEED") == "" && dropped < 1000 {
		t.Errorf("only %d records were dropped: the histories are too tame", dropped)
	}
}

func TestADeleteMarkerGoesAfterItsTimeAndNotBefore(t *testing.T) {
	h := newHistory(t, vfs.NewMem(), rand.New(rand.NewPCG(3, 3)))
	put := func(key, value string) {
		x := rec{offset: h.log.EndOffset(), timestamp: h.now, key: key, value: value, tombstone: value == ""}
		h.append(batchOf(protocol.CodecLZ4, -1, -1, []rec{x, {offset: x.offset + 1, timestamp: h.now + 5, key: "other", value: "x"}}))
		h.all = append(h.all, x, rec{offset: x.offset + 1, timestamp: h.now + 5, key: "other", value: "x"})
	}
	fill := func() {
		for range 60 {
			h.now++
			put("filler", "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")
		}
		if err := h.checkpoint(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.round(1 << 30); err != nil {
			t.Fatal(err)
		}
		h.check()
	}
	marker := func() (found *stored) {
		batches, err := readFrom(h.log.Reader(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for i := range batches {
			for _, x := range batches[i].recs {
				if x.key == "gone" {
					if !x.tombstone {
						t.Fatalf("the value of a deleted key is still there: %+v", x)
					}
					found = &batches[i]
				}
			}
		}
		return found
	}
	h.opt.SegmentBytes = 3000
	h.log.SetOptions(h.opt)
	put("gone", "v")
	put("gone", "")
	written := h.now
	fill()
	met := h.now
	b := marker()
	if b == nil || !b.header.HasDeleteHorizon() || b.header.BaseTimestamp != met+retention {
		t.Fatalf("after the first round: %+v", b)
	}
	if at := b.recs[0].timestamp; at != written {
		t.Fatalf("the marker's timestamp is %d, was %d", at, written)
	}
	h.now = met + retention - 61
	if fill(); h.now != met+retention-1 || marker() == nil {
		t.Fatalf("the marker is gone at %d", h.now)
	}
	if fill(); marker() != nil {
		t.Fatalf("the marker is still there at %d", h.now)
	}
}

// TestACrashAtAnyStepOfACompactionLosesNothing cuts at every operation on the disk.
func TestACrashAtAnyStepOfACompactionLosesNothing(t *testing.T) {
	for n := int64(1); ; n++ {
		crashed := false
		for k := range uint64(3) {
			rng := rand.New(rand.NewPCG(77, 2))
			fs := vfs.NewMem()
			h := newHistory(t, fs, rng)
			h.opt.SegmentBytes = 8000
			h.log.SetOptions(h.opt)
			h.grow(90, 20)
			if err := h.checkpoint(); err != nil {
				t.Fatal(err)
			}
			h.grow(3, 20)
			fs.CrashAt(n)
			_, err := h.round(1 << 30)
			h.run()
			for _, f := range h.timers {
				f()
			}
			h.run()
			crashed = fs.Crashed()
			fs.CrashAt(1 << 60)
			if !crashed && err != nil {
				t.Fatal(err)
			}
			if crashed {
				h.touched, h.cleaned = h.recorded.ActiveBase, 0
				h.restart(fs.CrashClone(rand.New(rand.NewPCG(uint64(n), k))))
			}
			h.check()
			h.grow(40, 20) // which makes the writer look at the directory too
			if err := h.checkpoint(); err != nil {
				t.Fatalf("crash %d.%d: %v", n, k, err)
			}
			for h.cleaned < h.recorded.ActiveBase {
				if _, err := h.round(5000); err != nil {
					t.Fatalf("crash %d.%d: %v", n, k, err)
				}
			}
			h.check()
		}
		if !crashed {
			t.Logf("%d operations", n-1)
			if n < 20 {
				t.Errorf("only %d operations: nothing was compacted", n)
			}
			return
		}
	}
}

func TestAFullDiskStopsACompactionAndNothingElse(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(t, fs, rand.New(rand.NewPCG(5, 5)))
	h.grow(200, 20)
	if err := h.checkpoint(); err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(1)
	if _, err := h.round(1 << 30); !vfs.IsNoSpace(err) {
		t.Fatalf("the round ends with %v", err)
	}
	h.check()
	fs.SetCapacity(0)
	for h.cleaned < h.recorded.ActiveBase {
		if _, err := h.round(1 << 30); err != nil {
			t.Fatal(err)
		}
	}
	h.check()
}

func TestWhatAReaderHoldsStaysReadableOverASwap(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(t, fs, rand.New(rand.NewPCG(6, 6)))
	h.grow(300, 10)
	if err := h.checkpoint(); err != nil {
		t.Fatal(err)
	}
	h.log.Close(false)
	h.run()
	h.restart(fs) // nothing is in memory now
	reader := h.log.Reader()
	slice, err := reader.Read(0, reader.Bounds().HighWatermark, 2000, true)
	if err != nil {
		t.Fatal(err)
	}
	defer slice.Release()
	want, err := slice.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.round(1 << 30)
	if err != nil || s.RecordsDropped == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, f := range h.timers {
		f()
	}
	h.run()
	got, err := slice.Append(nil)
	if err != nil || string(got) != string(want) {
		t.Fatalf("a slice changed over a swap (%v)", err)
	}
	h.check()
}

func TestASegmentThatRetentionTookIsNotSwappedIn(t *testing.T) {
	fs := vfs.NewMem()
	h := newHistory(t, fs, rand.New(rand.NewPCG(8, 8)))
	h.grow(300, 10)
	if err := h.checkpoint(); err != nil {
		t.Fatal(err)
	}
	c, err := h.begin()
	if err != nil {
		t.Fatal(err)
	}
	segs := c.Segments()
	j := NewJob(Config{Cleaning: c, End: segs[len(segs)-1].Next, NowMs: h.now, MapBytes: 1 << 20})
	for j.Phase() != Swapping {
		if err := j.Step(1 << 30); err != nil {
			t.Fatal(err)
		}
	}
	h.log.SetStart(segs[0].Next)
	var answer error
	h.log.Swap(j.Cleaned(), func(err error) { answer = err })
	h.run()
	if !errors.Is(answer, segment.ErrSuperseded) {
		t.Fatalf("the swap is answered %v", answer)
	}
	j.Refused()
	names, err := fs.List("data/t-0")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if len(name) > 8 && name[len(name)-8:] == ".cleaned" {
			t.Errorf("%s is left", name)
		}
	}
	if _, err := readFrom(h.log.Reader(), 0); err != nil {
		t.Fatal(err)
	}
}

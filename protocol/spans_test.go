package protocol

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
)

// heldBy lists what the batch b holds.
func heldBy(t testing.TB, b []byte) (out []Record) {
	t.Helper()
	it, err := NewRecords(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for it.Next() {
		r := *it.Record()
		r.Key, r.Value, r.headers = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.headers)
		out = append(out, r)
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return out
}

func TestARebuiltBatchHoldsJustTheRecordsThatWereKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var s BatchSpans
	for range 500 {
		w := NewBatchBuilder(Codec(rng.IntN(5)))
		w.ProducerID, w.ProducerEpoch, w.BaseSequence = 7, 1, rng.Int32()
		n := 1 + rng.IntN(20)
		for range n {
			var value []byte
			if rng.IntN(3) > 0 {
				value = make([]byte, rng.IntN(300))
			}
			var headers []Header
			for range rng.IntN(3) {
				headers = append(headers, Header{"h", []byte("v")})
			}
			w.Append(1_700_000_000_000+rng.Int64N(1<<40)-1<<39, []byte("key")[:rng.IntN(4)], value, headers)
		}
		b, err := w.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		PatchBatch(b, 1000, 3)
		before := heldBy(t, b)
		if err := s.Parse(b); err != nil {
			t.Fatal(err)
		}
		keep, want, maxTime := make([]bool, n), []Record(nil), int64(0)
		for i := range keep {
			if keep[i] = rng.IntN(2) == 0; keep[i] {
				want = append(want, before[i])
				maxTime = max(maxTime, before[i].Timestamp)
			}
			if !bytes.Equal(s.Key(i), before[i].Key) || s.Spans[i].Tombstone != (before[i].Value == nil) {
				t.Fatalf("record %d: key %q, tombstone %v; want %+v", i, s.Key(i), s.Spans[i].Tombstone, before[i])
			}
		}
		horizon := NoHorizon
		if rng.IntN(2) == 0 {
			horizon = 1_800_000_000_000 + rng.Int64N(1000)
		}
		out, err := s.Rebuild([]byte("before"), keep, horizon)
		if len(want) == 0 {
			if err == nil || len(out) != len("before") {
				t.Fatalf("nothing is kept, and the answer is %v and %d bytes", err, len(out))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		out = out[len("before"):]
		if err := CheckBatchCRC(out); err != nil {
			t.Fatal(err)
		}
		if got := heldBy(t, out); !reflect.DeepEqual(got, want) {
			t.Fatalf("found %+v, want %+v", got, want)
		}
		h, _ := ParseBatchHeader(out)
		o, _ := ParseBatchHeader(b)
		if h.BaseOffset != 1000 || h.PartitionLeaderEpoch != 3 || h.LastOffsetDelta != o.LastOffsetDelta || h.ProducerID != 7 || h.BaseSequence != o.BaseSequence ||
			h.Codec() != o.Codec() || h.MaxTimestamp != maxTime || int(h.RecordCount) != len(want) || h.HasDeleteHorizon() != (horizon != NoHorizon) ||
			horizon != NoHorizon && h.BaseTimestamp != horizon {
			t.Fatalf("%+v from %+v", h, o)
		}
		empty := AppendEmptyBatch(nil, &o)
		if e, err := ParseBatchHeader(empty); err != nil || CheckBatchCRC(empty) != nil || e.RecordCount != 0 || e.LastOffset() != o.LastOffset() ||
			e.LastSequence() != o.LastSequence() || len(heldBy(t, empty)) != 0 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
}

func TestTakingABatchApartDoesNotAllocate(t *testing.T) {
	w := NewBatchBuilder(CodecNone)
	for range 100 {
		w.Append(1000, []byte("key"), []byte("value"), nil)
	}
	b, _ := w.AppendTo(nil)
	var s BatchSpans
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Parse(b); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzBatchSpans(f *testing.F) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		w := NewBatchBuilder(codec)
		w.Append(1000, []byte("key"), []byte("value"), []Header{{"h", nil}})
		w.Append(900, nil, nil, nil)
		b, _ := w.AppendTo(nil)
		f.Add(b, uint64(1), int64(-1))
		f.Add(b, uint64(2), int64(5000))
	}
	f.Fuzz(func(t *testing.T, b []byte, mask uint64, horizon int64) {
		if len(b) >= BatchHeaderSize {
			SealBatch(b)
		}
		var s BatchSpans
		if s.Parse(b) != nil {
			return
		}
		keep := make([]bool, len(s.Spans))
		kept := 0
		for i := range keep {
			if keep[i] = mask>>(i%64)&1 == 1; keep[i] {
				kept++
			}
		}
		out, err := s.Rebuild(nil, keep, max(horizon, NoHorizon))
		if (err == nil) != (kept > 0) {
			t.Fatalf("%d records kept: %v", kept, err)
		}
		if err == nil {
			var again BatchSpans
			if err := again.Parse(out); err != nil || len(again.Spans) != kept {
				t.Fatalf("%d records kept, %d found (%v)", kept, len(again.Spans), err)
			}
		}
	})
}

package verify

import (
	"math/rand/v2"
	"testing"

	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/protocol"
)

func TestRangesAgreeWithASet(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		var r, other Ranges
		set, without := map[int64]bool{}, map[int64]bool{}
		for range rng.IntN(60) {
			first := rng.Int64N(80)
			last := first + rng.Int64N(6)
			if rng.IntN(2) == 0 {
				other.Add(first, last)
				for n := first; n <= last; n++ {
					without[n] = true
				}
				continue
			}
			r.Add(first, last)
			for n := first; n <= last; n++ {
				set[n] = true
			}
		}
		if r.Len() != int64(len(set)) {
			t.Fatalf("seed %d: %d numbers instead of %d", seed, r.Len(), len(set))
		}
		left := map[int64]bool{}
		r.Minus(&other, func(s Span) {
			for n := s.First; n <= s.Last; n++ {
				if left[n] || !set[n] || without[n] {
					t.Fatalf("seed %d: %d is in the difference", seed, n)
				}
				left[n] = true
			}
		})
		most := int64(-1)
		for n := int64(-2); n < 90; n++ {
			if n >= 0 && r.Has(n) != set[n] || set[n] && !without[n] && !left[n] {
				t.Fatalf("seed %d: %d", seed, n)
			}
			if set[n] {
				most = n
			}
		}
		if r.Max() != most {
			t.Fatalf("seed %d: max %d instead of %d", seed, r.Max(), most)
		}
		for i := 1; i < len(r.Spans()); i++ {
			if r.Spans()[i].First <= r.Spans()[i-1].Last+1 {
				t.Fatalf("seed %d: spans touch: %v", seed, r.Spans())
			}
		}
	}
}

func TestRangesAreBounded(t *testing.T) {
	var r Ranges
	for n := range int64(rangesMax) {
		if !r.Add(2*n, 2*n) {
			t.Fatalf("refused at %d", n)
		}
	}
	if r.Add(1<<40, 1<<40) {
		t.Error("one span too many was taken")
	}
	if !r.Add(1, 1) || r.Len() != rangesMax+1 {
		t.Error("a number that joins two spans was refused")
	}
}

// written is a log of one partition: the numbers of producer 0 in the order in which they are read.
func written(v *Verifier, run uint64, numbers ...int64) {
	src := records.NewSource(records.Pattern{Keys: "none", Payload: "zero", Size: 64, Stamped: true}, 1, 0)
	l := v.Log(0)
	l.Begin()
	defer l.End()
	for i, n := range numbers {
		value := records.Stamp{Run: run, Number: n}.Value(src, nil)
		l.Record(int64(i), nil, value)
	}
}

func TestTheVerdict(t *testing.T) {
	for _, c := range []struct {
		name   string
		acked  [][2]int64
		excuse [][2]int64
		read   []int64
		want   map[Kind]int64
	}{
		{"all there", [][2]int64{{0, 3}}, nil, []int64{0, 1, 2, 3}, nil},
		{"what was not acknowledged may be missing", [][2]int64{{0, 0}, {3, 3}}, nil, []int64{0, 3}, nil},
		{"what was not acknowledged may be there", [][2]int64{{0, 0}}, nil, []int64{0, 1, 2}, nil},
		{"lost at the end", [][2]int64{{0, 3}}, nil, []int64{0, 1}, map[Kind]int64{Lost: 2}},
		{"lost in the middle", [][2]int64{{0, 3}}, nil, []int64{0, 3}, map[Kind]int64{Lost: 2}},
		{"doubled", [][2]int64{{0, 2}}, nil, []int64{0, 1, 1, 2, 0}, map[Kind]int64{Doubled: 2}},
		{"reordered", [][2]int64{{0, 3}}, nil, []int64{0, 2, 1, 3}, map[Kind]int64{Reordered: 1}},
		{"excused", [][2]int64{{0, 3}}, [][2]int64{{1, 2}}, []int64{0, 2, 3, 1, 2}, nil},
	} {
		v := New("t", 1, 9)
		for _, a := range c.acked {
			v.Acked(0, 0, a[0], a[1], 0)
		}
		for _, e := range c.excuse {
			v.Excuse(0, 0, e[0], e[1])
		}
		written(v, 9, c.read...)
		r := v.Finish()
		if r.OK != (len(c.want) == 0) || len(r.Faults) != len(c.want) {
			t.Errorf("%s: %+v", c.name, r)
		}
		for kind, n := range c.want {
			if r.Faults[kind] != n {
				t.Errorf("%s: %d %s instead of %d", c.name, r.Faults[kind], kind, n)
			}
		}
	}
}

func TestRecordsOfOtherRunsAreNotJudged(t *testing.T) {
	v := New("t", 1, 9)
	written(v, 8, 5, 5, 1)
	if r := v.Finish(); !r.OK || r.Foreign != 3 {
		t.Errorf("%+v", r)
	}
	alone := NewAlone("t", 1)
	written(alone, 8, 0, 1, 3)
	if r := alone.Finish(); r.Faults[Lost] != 1 {
		t.Errorf("%+v", r)
	}
}

func TestTheStateOfALogInOrderIsASpan(t *testing.T) {
	v := New("t", 1, 9)
	src := records.NewSource(records.Pattern{Keys: "none", Payload: "random", Size: 100, Stamped: true}, 1, 0)
	stamp := &records.Stamp{Run: 9}
	var b records.Batch
	for i := range int64(100) {
		b.Reset(0, i*100, 0)
		for range 100 {
			b.Append(src, nil, 0, stamp)
		}
		if err := b.Seal(protocol.CodecNone, 0, -1, -1, -1); err != nil {
			t.Fatal(err)
		}
		it, err := protocol.NewRecords(b.Wire(), 0)
		if err != nil {
			t.Fatal(err)
		}
		l := v.Log(0)
		l.Begin()
		for it.Next() {
			l.Record(i*100+int64(it.Record().OffsetDelta), it.Record().Key, it.Record().Value)
		}
		l.End()
		v.Acked(0, 0, b.First, b.Last(), i*100)
	}
	s := v.Log(0).last
	if len(s.seen.Spans()) != 1 || len(s.acked.Spans()) != 1 || s.seen.Len() != 10_000 {
		t.Errorf("seen %v, acknowledged %v", s.seen.Spans(), s.acked.Spans())
	}
	if r := v.Finish(); !r.OK {
		t.Errorf("%+v", r)
	}
}

package latency

import (
	"testing"
	"time"
)

func TestABatchCountsEachRecordFromWhenItWasDue(t *testing.T) {
	r := New(2)
	ms := int64(time.Millisecond)
	// Ten records due a millisecond apart, all acknowledged at 10 ms; the first two belong to the warm-up.
	var due []int64
	for i := range int64(10) {
		due = append(due, i*ms)
	}
	if n := r.Stripe(0).Batch(due, 10*ms, 2*ms, 100); n != 8 {
		t.Errorf("%d records counted instead of 8", n)
	}
	s := r.Take()
	if s.Records != 8 || s.Bytes != 800 || s.Latency.Max < 7.9 || s.Latency.Max > 8.1 || s.Latency.P50 < 3.9 || s.Latency.P50 > 4.1 {
		t.Errorf("%+v", s)
	}
	// Records of one time go in at once.
	r.Stripe(1).Batch([]int64{0, 0, 0, 0}, 3*ms, 0, 1)
	r.Stripe(1).Add(5*ms, 2, 20)
	if s := r.Take(); s.Records != 6 || s.Bytes != 24 || s.Latency.Max < 4.9 {
		t.Errorf("%+v", s)
	}
	if s := r.Take(); s != (Snapshot{}) {
		t.Errorf("an interval without records: %+v", s)
	}
	if s := r.Total(); s.Records != 14 || s.Bytes != 824 || s.Latency.Max < 7.9 {
		t.Errorf("total: %+v", s)
	}
}

func TestLatenciesOutOfRangeAreKept(t *testing.T) {
	r := New(1)
	r.Stripe(0).Value(-5)
	r.Stripe(0).Value(int64(100 * time.Hour))
	if s := r.Take(); s.Latency.Max < 3.5e6 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkABatchOf600RecordsOnSchedule(b *testing.B) {
	r := New(1)
	due := make([]int64, 600)
	for i := range due {
		due[i] = int64(i) * 2000
	}
	for b.Loop() {
		r.Stripe(0).Batch(due, 3_000_000, 0, 100)
	}
}

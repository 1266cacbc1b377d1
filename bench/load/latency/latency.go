// Package latency counts records and their latencies cheaply: one lock and a few additions a batch.
//
// Invariant: every record counted is in exactly one interval and in the total, and its latency counts from the time it was due.
// Failed records are not in the histograms; they are counted elsewhere, so that they cannot hide.
package latency

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// maxUs bounds what is told apart, µs: longer latencies count as an hour.
	maxUs = int64(time.Hour / time.Microsecond)
	// digits is the precision of the histograms: three significant decimal digits.
	digits = 3
	// stripesMax bounds the memory: each stripe holds a histogram of some 180 KiB.
	stripesMax = 8
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, maxUs, digits) }

// Recorder gathers what several goroutines record.
type Recorder struct {
	stripes []Stripe
	total   *hdrhistogram.Histogram
	scratch *hdrhistogram.Histogram
	records int64
	bytes   int64
}

// Stripe is where some of the goroutines record.
type Stripe struct {
	mu      sync.Mutex
	hist    *hdrhistogram.Histogram
	records int64
	bytes   int64
	_       [64]byte
}

// New makes a recorder for so many goroutines.
func New(goroutines int) *Recorder {
	r := &Recorder{stripes: make([]Stripe, min(max(goroutines, 1), stripesMax)), total: newHistogram(), scratch: newHistogram()}
	for i := range r.stripes {
		r.stripes[i].hist = newHistogram()
	}
	return r
}

// Stripe is where goroutine i records.
func (r *Recorder) Stripe(i int) *Stripe { return &r.stripes[i%len(r.stripes)] }

// Batch records the batch whose records were due at the given times and done at the time done; all ns of one clock. Records due before
// from (the warm-up) are left out. Each counts size bytes. It returns how many were counted.
func (s *Stripe) Batch(due []int64, done, from int64, size int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int64
	for i := 0; i < len(due); {
		at, same := due[i], 1
		for i+same < len(due) && due[i+same] == at {
			same++
		}
		i += same
		if at < from {
			continue
		}
		s.value(done-at, int64(same))
		n += int64(same)
	}
	s.records += n
	s.bytes += n * int64(size)
	return n
}

// Add records n things of one latency (ns) and size bytes in all.
func (s *Stripe) Add(latency, n, size int64) {
	s.mu.Lock()
	s.value(latency, n)
	s.records += n
	s.bytes += size
	s.mu.Unlock()
}

// Value records a latency (ns) without counting records.
func (s *Stripe) Value(latency int64) {
	s.mu.Lock()
	s.value(latency, 1)
	s.mu.Unlock()
}

// Count counts records and bytes without a latency.
func (s *Stripe) Count(n, size int64) {
	s.mu.Lock()
	s.records += n
	s.bytes += size
	s.mu.Unlock()
}

func (s *Stripe) value(ns, n int64) {
	// The value is within the histogram's range, so it cannot fail.
	_ = s.hist.RecordValues(min(max(ns/int64(time.Microsecond), 1), maxUs), n)
}

// Snapshot is what was recorded in some span of time. Latencies are ms; all are 0 if nothing was recorded.
type Snapshot struct {
	Records int64   `json:"records"`
	Bytes   int64   `json:"bytes"`
	Latency Summary `json:"latency_ms"`
}

// Summary is a histogram in a few numbers, ms.
type Summary struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Take returns what was recorded since the last Take. Take and Total are for one goroutine.
func (r *Recorder) Take() Snapshot {
	r.scratch.Reset()
	var records, bytes int64
	for i := range r.stripes {
		s := &r.stripes[i]
		s.mu.Lock()
		if s.hist.TotalCount() > 0 {
			r.scratch.Merge(s.hist)
			s.hist.Reset()
		}
		records, bytes = records+s.records, bytes+s.bytes
		s.records, s.bytes = 0, 0
		s.mu.Unlock()
	}
	r.total.Merge(r.scratch)
	r.records, r.bytes = r.records+records, r.bytes+bytes
	return Snapshot{records, bytes, summarize(r.scratch)}
}

// Total returns what all Takes together returned.
func (r *Recorder) Total() Snapshot { return Snapshot{r.records, r.bytes, summarize(r.total)} }

func summarize(h *hdrhistogram.Histogram) Summary {
	if h.TotalCount() == 0 {
		return Summary{}
	}
	q := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) / 1000 }
	return Summary{Mean: h.Mean() / 1000, P50: q(50), P90: q(90), P95: q(95), P99: q(99), P999: q(99.9), Max: float64(h.Max()) / 1000}
}

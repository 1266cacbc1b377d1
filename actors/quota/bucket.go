package quota

// This file owns the token bucket of controller mutations (KIP-599): tokens come at the quota's rate, up to as many as in
// quota.window.num windows; who finds the bucket not below empty may take it below.
//
// Invariant: fullUs is the moment since which nothing would be missing if the bucket had no bottom and no top: tokens are
// (now - fullUs) times the rate. It is time and not tokens, so a quota that changes needs no conversion, and one word holds it.

import (
	"math"
	"sync/atomic"
)

// bucket is the use of one quota. Safe for concurrent use.
type bucket struct {
	burstUs int64
	fullUs  atomic.Int64
}

// owedUsMax bounds what a bucket can owe, so that the smallest quota overflows nothing.
const owedUsMax = math.MaxInt64 / 4

func newBucket(w Windows, nowMs int64) *bucket {
	b := &bucket{burstUs: int64(w.Num) * w.SizeMs * 1000}
	b.fullUs.Store(nowMs*1000 - b.burstUs)
	return b
}

// take takes n tokens of limit a second. owedMs is how long it takes until the bucket is no longer below empty, with this; if strict, nothing
// is taken from a bucket that is below empty (refused).
func (b *bucket) take(n int64, limit float64, nowMs int64, strict bool) (owedMs float64, refused bool) {
	nowUs := nowMs * 1000
	for {
		old := b.fullUs.Load()
		from := max(old, nowUs-b.burstUs)
		if strict && from > nowUs {
			return ms(from - nowUs), true
		}
		cost := math.Min(float64(n)/limit*1e6, owedUsMax)
		next := min(from+int64(cost), nowUs+owedUsMax)
		if b.fullUs.CompareAndSwap(old, next) {
			return ms(max(0, next-nowUs)), false
		}
	}
}

func ms(us int64) float64 { return math.Round(float64(us) / 1000) }

// idle says that the bucket is full.
func (b *bucket) idle(nowMs int64) bool { return b.fullUs.Load() <= nowMs*1000-b.burstUs }

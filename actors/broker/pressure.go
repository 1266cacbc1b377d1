package broker

// This file owns the broker's word on whether its memory is used up. What requests, caches and logs take is bounded by their own
// budgets; what is not, such as groups and their members, asks here before it grows.

import (
	runtimemetrics "runtime/metrics"
	"sync/atomic"

	"github.com/troupe-io/troupe/actorsystem"
)

const (
	// pressedPercent of memory-limit, live after a garbage collection, is when memory is used up: beyond it the collector would
	// take more and more of the CPU.
	pressedPercent = 70
	// pressureEveryMs is how long an answer holds.
	pressureEveryMs = 100
)

// pressure looks at the live heap now and then. Safe for concurrent use.
type pressure struct {
	clock   actorsystem.Clock
	limit   int64 // memory-limit, bytes
	live    func() uint64
	askedMs atomic.Int64
	pressed atomic.Bool
}

func newPressure(clock actorsystem.Clock, limit int64) *pressure {
	return &pressure{clock: clock, limit: limit, live: liveHeap}
}

// high says that memory is used up. It never waits.
func (p *pressure) high() bool {
	now := p.clock.Now().UnixMilli()
	if before := p.askedMs.Load(); (now < before || now >= before+pressureEveryMs) && p.askedMs.CompareAndSwap(before, now) {
		p.pressed.Store(p.limit > 0 && p.live() > uint64(p.limit)/100*pressedPercent)
	}
	return p.pressed.Load()
}

// liveHeap is what the last garbage collection found in use, bytes.
func liveHeap() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	if sample[0].Value.Kind() != runtimemetrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}

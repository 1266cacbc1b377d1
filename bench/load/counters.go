package load

import (
	"sync"
	"sync/atomic"
)

// This file owns the small counters that many goroutines share: errors by kind, and the longest time without an acknowledgement.

// kindsMax bounds how many kinds of errors are told apart.
const kindsMax = 100

// kinds counts errors by kind.
type kinds struct {
	mu     sync.Mutex
	counts map[string]int64
	sum    int64
}

func (k *kinds) add(kind string, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.counts == nil {
		k.counts = map[string]int64{}
	}
	if _, known := k.counts[kind]; !known && len(k.counts) >= kindsMax {
		kind = "other"
	}
	k.counts[kind] += n
	k.sum += n
}

func (k *kinds) total() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sum
}

func (k *kinds) all() map[string]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make(map[string]int64, len(k.counts))
	for kind, n := range k.counts {
		all[kind] = n
	}
	return all
}

// Gap is a time without an acknowledgement.
type Gap struct {
	Ms     float64 `json:"ms"`
	StartS float64 `json:"start_s"` // since the warm-up ended
}

// gaps follows the longest time without an acknowledgement, of each partition and of all together. Invariant: it costs two atomic
// exchanges an acknowledgement; the lock is taken only for a new longest gap.
type gaps struct {
	from  int64
	all   gapTrack
	parts []gapTrack
}

type gapTrack struct {
	last    atomic.Int64
	longest atomic.Int64
	mu      sync.Mutex
	since   int64 // when the longest began
}

func newGaps(partitions int) *gaps { return &gaps{parts: make([]gapTrack, partitions)} }

func (g *gaps) start(at int64) {
	g.from = at
	g.all.last.Store(at)
	for i := range g.parts {
		g.parts[i].last.Store(at)
	}
}

func (g *gaps) ack(partition int, at int64) {
	g.all.mark(at)
	g.parts[partition].mark(at)
}

// finish ends the gaps that are open at the end of the load.
func (g *gaps) finish(at int64) {
	g.all.mark(at)
	for i := range g.parts {
		g.parts[i].mark(at)
	}
}

func (t *gapTrack) mark(at int64) {
	last := t.last.Load()
	if at <= last || !t.last.CompareAndSwap(last, at) {
		return // another acknowledgement at the same time was faster
	}
	if at-last <= t.longest.Load() {
		return
	}
	t.mu.Lock()
	if at-last > t.longest.Load() {
		t.since = last
		t.longest.Store(at - last)
	}
	t.mu.Unlock()
}

func (g *gaps) gap(t *gapTrack) Gap {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Gap{float64(t.longest.Load()) / 1e6, float64(max(t.since-g.from, 0)) / 1e9}
}

func (g *gaps) report() (*Gap, []Gap) {
	all := g.gap(&g.all)
	list := make([]Gap, len(g.parts))
	for i := range g.parts {
		list[i] = g.gap(&g.parts[i])
	}
	return &all, list
}

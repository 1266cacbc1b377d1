package quota

// This file owns the measuring of a rate over the last windows (quota.window.num windows of quota.window.size.seconds), as Kafka
// measures it: the sum of the windows that are whole and of the one under way, over the time that they cover; before there are as
// many, they count as if there had been none in use. So up to num-1 windows' worth may come at once, and a client that went over
// its quota waits until what it took is no more than the quota over the time.
//
// Invariant: each slot is one word, a window's number (its low 24 bits) and its sum, so that a window's begin and its first count are one
// step for all who count at the same time, and nobody waits.

import (
	"math"
	"sync/atomic"
)

// Windows are how rates are measured.
type Windows struct {
	Num    int   // quota.window.num, with the one under way; at least 1
	SizeMs int64 // quota.window.size.seconds
}

// DefaultWindows are Kafka's.
func DefaultWindows() Windows { return Windows{Num: 11, SizeMs: 1000} }

const (
	sumBits = 40
	sumMax  = 1<<sumBits - 1
	// windowMask is for a window's number; a slot that was left alone for exactly 2^24 windows would be taken for a new one.
	windowMask = 1<<24 - 1
	// lateMax is how many windows late a count may come and still go to the slot's present window.
	lateMax = 64
)

// rate is the use of one quota. Safe for concurrent use.
type rate struct {
	w       Windows
	epochMs int64 // windows are counted from here
	slots   []atomic.Uint64
}

func newRate(w Windows, nowMs int64) *rate {
	return &rate{w: w, epochMs: nowMs, slots: make([]atomic.Uint64, w.Num)}
}

// window is the number of the window under way, from 1 on so that an unused slot is of none.
func (r *rate) window(nowMs int64) int64 { return max(0, nowMs-r.epochMs)/r.w.SizeMs + 1 }

// add counts n.
func (r *rate) add(n, nowMs int64) {
	at := r.window(nowMs)
	slot := &r.slots[at%int64(len(r.slots))]
	tag := uint64(at & windowMask)
	for {
		old := slot.Load()
		sum := uint64(n)
		switch age := (tag - old>>sumBits) & windowMask; {
		case age == 0:
			sum += old & sumMax
		case age > windowMask-lateMax && old != 0:
			tag = old >> sumBits // the slot is of a later window already: the clock went back, or this goroutine was held up
			continue
		}
		if slot.CompareAndSwap(old, tag<<sumBits|min(sum, sumMax)) {
			return
		}
	}
}

// sum is what was counted in the windows that count.
func (r *rate) sum(nowMs int64) (sum int64) {
	at := r.window(nowMs)
	for i := range r.slots {
		v := r.slots[i].Load()
		if age := (uint64(at) - v>>sumBits) & windowMask; v != 0 && age < uint64(len(r.slots)) {
			sum += int64(v & sumMax)
		}
	}
	return sum
}

// over is how long, ms, it takes until extra and what was counted are within limit a second; 0: they are.
func (r *rate) over(extra int64, limit float64, nowMs int64) float64 {
	covered := float64(max(1, int64(r.w.Num-1)*r.w.SizeMs+max(0, nowMs-r.epochMs)%r.w.SizeMs))
	need := float64(r.sum(nowMs)+extra) * 1000 / limit
	return max(0, math.Round(need-covered))
}

// idle says that nothing counts any more.
func (r *rate) idle(nowMs int64) bool { return r.sum(nowMs) == 0 }

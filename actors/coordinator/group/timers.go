package group

// This file owns the Machine's timers: one heap for all groups and members, so a coordinator needs one timer of the system.
// Moving a deadline later, which every heartbeat does, only writes a number: the entry stays where it is in the heap and is
// moved when it comes up. Invariant: key <= deadline for every armed timer, and the heap is ordered by (key, seq).

import "container/heap"

// timer is a deadline and what to do then. It fires once and is then unarmed. The zero value is unarmed.
type timer struct {
	deadline int64 // ms
	key      int64 // where it stands in the heap
	seq      uint64
	index    int // in the heap, +1; 0: not there
	fire     func()
}

type timers struct {
	heap timerHeap
	seq  uint64
}

// set arms t, or moves it.
func (ts *timers) set(t *timer, deadline int64) {
	t.deadline = deadline
	switch {
	case t.index == 0:
		ts.seq++
		t.key, t.seq = deadline, ts.seq
		heap.Push(&ts.heap, t)
	case deadline < t.key:
		t.key = deadline
		heap.Fix(&ts.heap, t.index-1)
	}
}

// stop disarms t.
func (ts *timers) stop(t *timer) {
	if t.index != 0 {
		heap.Remove(&ts.heap, t.index-1)
	}
}

// next is the time at which fire may have something to do.
func (ts *timers) next() (ms int64, ok bool) {
	if len(ts.heap) == 0 {
		return 0, false
	}
	return ts.heap[0].key, true
}

// fire runs what is due at now, in order of the deadlines; a timer that is armed meanwhile for now or earlier runs too.
func (ts *timers) fire(now int64) {
	for len(ts.heap) > 0 && ts.heap[0].key <= now {
		t := ts.heap[0]
		if t.deadline > t.key {
			t.key = t.deadline
			heap.Fix(&ts.heap, 0)
			continue
		}
		heap.Pop(&ts.heap)
		t.fire()
	}
}

// clear disarms everything.
func (ts *timers) clear() {
	for _, t := range ts.heap {
		t.index = 0
	}
	ts.heap = nil
}

type timerHeap []*timer

func (h timerHeap) Len() int { return len(h) }
func (h timerHeap) Less(i, j int) bool {
	return h[i].key < h[j].key || h[i].key == h[j].key && h[i].seq < h[j].seq
}
func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}
func (h *timerHeap) Push(x any) {
	t := x.(*timer)
	*h = append(*h, t)
	t.index = len(*h)
}
func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = 0
	return t
}

package raftactor

// waiters are the proposals of one group that wait to be committed, in log order: a queue, since entries commit in the
// order they were appended. Invariant: index is strictly increasing, term never decreases.
type waiters struct {
	queue []waiting
	head  int
}

type waiting struct {
	index, term uint64
	waiter      any
}

// push adds a proposal that was appended at index.
func (w *waiters) push(index, term uint64, waiter any) {
	if waiter == nil {
		return
	}
	if w.head == len(w.queue) {
		w.reset()
	}
	if len(w.queue) == cap(w.queue) && w.head > len(w.queue)/2 { // reuse what has left rather than grow
		n := copy(w.queue, w.queue[w.head:])
		clear(w.queue[n:])
		w.queue, w.head = w.queue[:n], 0
	}
	w.queue = append(w.queue, waiting{index, term, waiter})
}

// take yields the waiter of the committed entry (index, term), or nil. Whoever waited at or below index for another entry is
// added to overwritten.
func (w *waiters) take(index, term uint64, overwritten *[]any) (waiter any) {
	for w.head < len(w.queue) && w.queue[w.head].index <= index {
		at := &w.queue[w.head]
		w.head++
		if at.index == index && at.term == term {
			waiter = at.waiter
		} else {
			*overwritten = append(*overwritten, at.waiter)
		}
		at.waiter = nil
	}
	return waiter
}

// truncate takes back the waiters at or above index, whose entries were overwritten.
func (w *waiters) truncate(index uint64, overwritten *[]any) {
	cut := len(w.queue)
	for cut > w.head && w.queue[cut-1].index >= index {
		cut--
	}
	for i := cut; i < len(w.queue); i++ {
		*overwritten = append(*overwritten, w.queue[i].waiter)
		w.queue[i].waiter = nil
	}
	w.queue = w.queue[:cut]
}

// drain takes back those whose term is not keep (0: all).
func (w *waiters) drain(keep uint64, dropped *[]any) {
	for w.head < len(w.queue) && w.queue[w.head].term != keep {
		*dropped = append(*dropped, w.queue[w.head].waiter)
		w.queue[w.head].waiter = nil
		w.head++
	}
}

// waitersKept bounds the space that an idle group keeps, in waiters (32 bytes each).
const waitersKept = 16

func (w *waiters) reset() {
	w.head = 0
	if cap(w.queue) > waitersKept {
		w.queue = nil
	} else {
		w.queue = w.queue[:0]
	}
}

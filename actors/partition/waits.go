package partition

import "github.com/asynkron/protoactor-go/actor"

// waits are the long polls of a partition, each answered once. A wait is bounded by its connection (one fetch in turn
// each), so the list is bounded by the number of connections.
type waits struct {
	list []Wait
}

func (w *waits) add(m Wait) { w.list = append(w.list, m) }

func (w *waits) cancel(reply *actor.PID, token any) {
	for i := range w.list {
		if w.list[i].Token == token && w.list[i].Reply.Equal(reply) {
			last := len(w.list) - 1
			w.list[i] = w.list[last]
			w.list[last] = Wait{}
			w.list = w.list[:last]
			return
		}
	}
}

// wake sends Woken to every wait that is due and forgets it.
func (w *waits) wake(send func(*actor.PID, any), due func(*Wait) bool) {
	kept := w.list[:0]
	for i := range w.list {
		if due(&w.list[i]) {
			send(w.list[i].Reply, &Woken{Token: w.list[i].Token})
		} else {
			kept = append(kept, w.list[i])
		}
	}
	clear(w.list[len(kept):])
	w.list = kept
	if len(kept) == 0 {
		w.list = nil
	}
}

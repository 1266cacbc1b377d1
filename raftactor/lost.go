package raftactor

// This file owns what happens to proposals whose answer gets lost on the way: a message that made its receiver panic, or that
// came after its end, and what a former incarnation of the raft actor knew. Invariant: every waiter hears something, once; it is
// ErrRestarted at worst, after which the outcome is for the log to say.

// Waiter is a proposal's waiter that can be told without the group's owner.
type Waiter interface {
	// Lost says that nobody will come with the outcome. Any goroutine may call it.
	Lost(reason error)
}

func lost(waiter any, reason error) {
	if w, ok := waiter.(Waiter); ok {
		w.Lost(reason)
	}
}

// Undelivered tells the waiters and releases the frames (actorsystem.Undeliverable): the raft actor has appended nothing of it.
func (m *Propose) Undelivered(reason error) {
	for i := range m.Proposals {
		if f := m.Proposals[i].Frame; f != nil {
			f.Release()
		}
		lost(m.Proposals[i].Waiter, reason)
	}
}

// Undelivered tells the waiters: the entries are committed, but their owner cannot say so. It gets them again when it is back.
func (c *Committed) Undelivered(reason error) {
	if c.taken {
		return
	}
	for _, e := range c.Take() {
		lost(e.Waiter, reason)
	}
}

// Undelivered tells the waiters in the owner's place.
func (m *Dropped) Undelivered(reason error) {
	for _, w := range m.Waiters {
		lost(w, reason)
	}
}

// abandon gives back, to each group's owner, the waiters of an incarnation that has failed.
func (a *Raft) abandon() {
	for _, g := range a.groups {
		var waiters []any
		g.waiters.drain(0, &waiters)
		for i := range g.pending {
			waiters = append(waiters, g.pending[i].Waiter)
		}
		for _, c := range g.pendingConf {
			waiters = append(waiters, c.Waiter)
		}
		a.drop(g, waiters, ErrRestarted)
	}
	a.groups = nil
}

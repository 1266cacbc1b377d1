package raftactor

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/troupe-io/troupe/storage/wal"
)

var (
	seedFlag   = flag.Uint64("raft.seed", 0, "run TestClustersAgree with this seed only")
	roundsFlag = flag.Int("raft.rounds", 30, "histories that TestClustersAgree plays")
	stepsFlag  = flag.Int("raft.steps", 600, "steps of each history")
)

// history checks what a cluster does against what consensus promises: all owners apply the same entries in the same order, what was
// acknowledged is there exactly once, and every buffer is released at most once and never read afterwards (countedFrame).
type history struct {
	*world
	group    wal.GroupID
	log      map[uint64]string // index -> "index/term payload", as first applied by anyone
	proposed int
	acked    map[string]bool
}

func TestClustersAgree(t *testing.T) {
	if *seedFlag != 0 {
		playHistory(t, *seedFlag)
		return
	}
	for seed := uint64(1); seed <= uint64(*roundsFlag); seed++ {
		playHistory(t, seed)
		if t.Failed() {
			return
		}
	}
}

func playHistory(t *testing.T, seed uint64) {
	w := newWorld(t, seed, 3)
	h := &history{world: w, group: 1, log: map[uint64]string{}, acked: map[string]bool{}}
	defer func() {
		if r := recover(); r != nil {
			t.Fatalf("seed %d (-raft.seed=%d): %v", seed, seed, r)
		}
	}()
	w.tune = func(c *Config) {
		c.MaxCommittedSize = uint64(50 + w.rng.IntN(1000))
		c.MaxSizePerMsg = uint64(50 + w.rng.IntN(1000))
		c.MaxUncommittedSize = uint64(100 + w.rng.IntN(5000))
		c.MaxInflightMsgs = 1 + w.rng.IntN(8)
		c.CacheBytes = int64(1 + w.rng.IntN(1000))
	}
	w.startAll()
	for id := NodeID(1); id <= 3; id++ {
		h.open(id)
	}
	for step := range *stepsFlag {
		h.step()
		if err := h.check(); err != nil {
			t.Fatalf("seed %d (-raft.seed=%d) step %d: %v", seed, seed, step, err)
		}
	}
	h.heal()
	if err := h.check(); err != nil {
		t.Fatalf("seed %d, healed: %v", seed, err)
	}
	if err := h.converged(); err != nil {
		t.Fatalf("seed %d (-raft.seed=%d), healed: %v", seed, seed, err)
	}
	if testing.Verbose() {
		t.Logf("seed %d: %d proposed, %d acknowledged, %d applied, %d terms", seed, h.proposed, len(h.acked),
			len(w.nodes[1].owners[h.group].applied), w.nodes[1].group(h.group).node.Term())
	}
	w.close()
}

func (h *history) open(id NodeID) {
	o := h.nodes[id].open(h.group, 1, 2, 3)
	o.onApplied = func(o *testOwner, entry, waiter string) {
		if waiter != "" {
			h.acked[waiter] = true
		}
	}
}

func (h *history) step() {
	n := h.nodes[NodeID(1+h.rng.IntN(3))]
	switch r := h.rng.IntN(100); {
	case n.down:
		if r < 20 {
			n.start()
			n.wal.manual = true
			h.open(n.id)
		}
	case r < 25:
		var payloads []string
		for range 1 + h.rng.IntN(3) {
			h.proposed++
			payloads = append(payloads, fmt.Sprintf("p%d-%0*d", h.proposed, h.rng.IntN(60), 0))
		}
		n.propose(h.group, payloads...)
	case r < 55:
		for range 1 + h.rng.IntN(6) {
			if len(h.net) == 0 {
				break
			}
			if i := h.rng.IntN(len(h.net)); h.rng.IntN(10) == 0 {
				h.drop(i)
			} else {
				h.deliver(i)
			}
		}
	case r < 75:
		n.wal.complete(1 + h.rng.IntN(3))
	case r < 82:
		n.tick(1 + h.rng.IntN(3))
	case r < 85:
		n.campaign(h.group)
	case r < 87:
		n.tick(20) // long enough to stand for election, and for a leader to notice that nobody answers
	case r < 89:
		n.crash(h.rng.IntN(3))
	case r < 90:
		n.send(bomb{})
	case r < 92: // the owner loses its state
		n.send(&OpenGroup{Group: h.group, Owner: n.owners[h.group].pid, Voters: []NodeID{1, 2, 3}})
	case r < 94:
		o := n.owners[h.group]
		o.autoApply = !o.autoApply
		if o.autoApply {
			o.applyHeld()
		}
	case r < 95:
		h.settle()
	case r < 97:
		if o := n.owners[h.group]; o.autoApply && h.everywhere(o.index) {
			o.save()
		}
	default:
		n.wal.manual = !n.wal.manual
		if !n.wal.manual {
			n.wal.complete(len(n.wal.queue))
		}
	}
	for range h.rng.IntN(20) { // leave some mailboxes full
		h.disp.step()
	}
	if h.rng.IntN(3) == 0 {
		h.run()
	}
}

// everywhere says that every disk has the entry at index, so that no one needs a snapshot when others forget it.
func (h *history) everywhere(index uint64) bool {
	var term uint64
	for id := NodeID(1); id <= 3; id++ {
		n := h.nodes[id]
		g := n.disk.groups[h.group]
		if g == nil {
			return false
		}
		t := uint64(0)
		if g.checkpoint.Index == index {
			t = g.checkpoint.Term
		}
		for _, e := range g.entries {
			if e.Index == index {
				t = e.Term
			}
		}
		if t == 0 || (term != 0 && t != term) {
			return false
		}
		term = t
		if !n.down && n.leads(h.group) && n.group(h.group).node.SlowestMatch() < index {
			return false
		}
	}
	return true
}

// check says whether an actor failed that was not told to, and compares what owners have applied with what was applied first at
// the same index.
func (h *history) check() error {
	if len(h.failures) > 0 {
		return errors.New(h.failures[0])
	}
	for id := NodeID(1); id <= 3; id++ {
		for _, o := range h.nodes[id].sortedOwners() {
			for _, a := range o.applied {
				var index uint64
				fmt.Sscanf(a, "%d/", &index)
				if first, ok := h.log[index]; ok && first != a {
					return fmt.Errorf("node %d applied %q where another applied %q", id, a, first)
				}
				h.log[index] = a
			}
		}
	}
	return nil
}

func (h *history) heal() {
	for id := NodeID(1); id <= 3; id++ {
		n := h.nodes[id]
		if n.down {
			n.start()
			h.open(id)
		}
		n.wal.manual = false
		for _, o := range n.owners {
			if !o.autoApply {
				o.autoApply = true
				o.applyHeld()
			}
		}
	}
	h.settle()
	for round := range 200 {
		h.nodes[NodeID(1+round%3)].tick(1)
		h.settle()
	}
	for id := NodeID(1); id <= 3; id++ {
		if h.nodes[id].leads(h.group) {
			h.nodes[id].propose(h.group, "last")
		}
	}
	h.settle()
	for round := range 30 {
		h.nodes[NodeID(1+round%3)].tick(1)
		h.settle()
	}
}

// converged says that all owners are at the same point, and that every acknowledged proposal is there once.
func (h *history) converged() error {
	first := h.nodes[1].owners[h.group]
	if len(first.applied) == 0 || first.payloads()[len(first.applied)-1] != "last" {
		return fmt.Errorf("the healed cluster does not commit: node 1 at %d, %+v", first.index, h.nodes[1].group(h.group).describe())
	}
	for id := NodeID(2); id <= 3; id++ {
		if o := h.nodes[id].owners[h.group]; !slices.Equal(o.applied, first.applied) {
			return fmt.Errorf("node %d applied %d entries up to %d, node 1 %d up to %d", id, len(o.applied), o.index, len(first.applied), first.index)
		}
	}
	count := map[string]int{}
	for _, p := range first.payloads() {
		if count[p]++; count[p] > 1 {
			return fmt.Errorf("%q is in the log twice", p)
		}
	}
	for p := range h.acked {
		if count[p] != 1 {
			return fmt.Errorf("%q was acknowledged and is not in the log", p)
		}
	}
	return nil
}

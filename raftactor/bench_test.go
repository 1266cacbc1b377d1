package raftactor

import (
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/wal"
)

// instantWAL answers everything when its mailbox is drained: a disk without latency.
type instantWAL struct {
	sys   *actorsystem.System
	queue []*wal.Append
}

func (w *instantWAL) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *wal.Append:
		for i := range m.Groups {
			g := &m.Groups[i]
			for range g.Entries {
				g.Locations = append(g.Locations, wal.Location{})
			}
		}
		w.queue = append(w.queue, m)
	case *wal.Recover:
		w.sys.Send(m.Reply, &wal.Recovered{Incarnation: m.Incarnation})
	case actorsystem.Drained:
		for i, m := range w.queue {
			w.sys.Send(m.Reply, &wal.Appended{Append: m})
			w.queue[i] = nil
		}
		w.queue = w.queue[:0]
	}
}

// benchOwner keeps inflight proposals under way until target are committed.
type benchOwner struct {
	sys              *actorsystem.System
	raft             *actor.PID
	groups, inflight int
	target           int
	sent, done       int
	payload          []byte
	led              int
	ready, finished  chan struct{}
}

type goAhead struct{ target int }

func (o *benchOwner) propose(group wal.GroupID, n int) {
	if n = min(n, o.target-o.sent); n <= 0 {
		return
	}
	p := &Propose{Group: group, Proposals: make([]Proposal, n)}
	for i := range p.Proposals {
		p.Proposals[i] = Proposal{Data: o.payload, Waiter: o}
	}
	o.sent += n
	o.sys.Send(o.raft, p)
}

func (o *benchOwner) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *Opened:
		o.sys.Send(o.raft, &Resume{Group: m.Group, Applied: m.Checkpoint.Index})
	case *LeaderChanged:
		if m.Leader != 0 {
			if o.led++; o.led == o.groups {
				close(o.ready)
			}
		}
	case goAhead:
		o.target = m.target
		for g := range o.groups {
			o.propose(wal.GroupID(g+1), o.inflight)
		}
	case *Committed:
		n := 0
		for _, e := range m.Take() {
			if e.Waiter != nil {
				n++
			}
		}
		o.sys.Send(o.raft, &Applied{Group: m.Group, Index: m.Last})
		if o.done += n; n > 0 && o.done == o.target {
			close(o.finished)
			return
		}
		o.propose(m.Group, n)
		if m.Last%65536 < uint64(n) {
			o.sys.Send(o.raft, &Checkpoint{Group: m.Group, Index: m.Last - uint64(n)})
		}
	}
}

// BenchmarkProposeCommitted measures one proposal's way through the raft actor: propose, append, answer, commit, apply. The WAL
// answers at once.
func BenchmarkProposeCommitted(b *testing.B) {
	for _, c := range []struct{ groups, inflight int }{{1, 1}, {1, 16}, {1, 128}, {16, 8}, {128, 1}} {
		b.Run(fmt.Sprintf("groups=%d/inflight=%d", c.groups, c.inflight), func(b *testing.B) {
			sys := actorsystem.New(actorsystem.Config{Log: zerolog.Nop()})
			spawn := func(s actorsystem.Spec) *actor.PID {
				pid, err := sys.SpawnRoot(s)
				if err != nil {
					b.Fatal(err)
				}
				return pid
			}
			walPID := spawn(actorsystem.Spec{Kind: "wal", Name: "1", WantsDrained: true, New: func() actor.Actor { return &instantWAL{sys: sys} }})
			o := &benchOwner{sys: sys, groups: c.groups, inflight: c.inflight, payload: make([]byte, 256),
				ready: make(chan struct{}), finished: make(chan struct{})}
			o.raft = spawn(Spec("1", Config{System: sys, WAL: walPID, Reader: newFakeDisk(), NodeID: 1, Log: zerolog.Nop()}))
			owner := spawn(actorsystem.Spec{Kind: "owner", Name: "1", New: func() actor.Actor { return o }})
			for g := range c.groups {
				sys.Send(o.raft, &OpenGroup{Group: wal.GroupID(g + 1), Owner: owner, Voters: []NodeID{1}})
			}
			<-o.ready
			b.ReportAllocs()
			b.ResetTimer()
			sys.Send(owner, goAhead{b.N})
			<-o.finished
			b.StopTimer()
			for _, pid := range []*actor.PID{owner, o.raft, walPID} {
				sys.Stop(pid)
			}
			sys.Shutdown()
		})
	}
}

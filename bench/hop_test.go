// Package bench measures Troupe from its front doors: actors here, the whole broker by bench programs of its own.
//
// `make bench-actors` runs these and the benchmarks that stand beside the raft actor, the WAL, the partition and the
// connection.
package bench

import (
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
)

// hop passes a countdown to the next actor of a ring, and tells when it is over.
type hop struct {
	system *actorsystem.System
	next   *actor.PID
	done   chan struct{}
}

type countdown struct{ left int }
type setNext struct{ next *actor.PID }
type fail struct{}

func (h *hop) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case setNext:
		h.next = m.next
	case *countdown:
		if m.left == 0 {
			h.done <- struct{}{}
			return
		}
		m.left--
		h.system.Send(h.next, m)
	}
}

func spawn(tb testing.TB, s *actorsystem.System, name string, lane actorsystem.Lane, done chan struct{}) *actor.PID {
	tb.Helper()
	pid, err := s.SpawnRoot(actorsystem.Spec{Kind: "hop", Name: name, Lane: lane, New: func() actor.Actor { return &hop{system: s, done: done} }})
	if err != nil {
		tb.Fatal(err)
	}
	return pid
}

// BenchmarkHop is one message from an actor to an idle actor: b.N hops round a ring of two.
func BenchmarkHop(b *testing.B) {
	for _, c := range []struct {
		name string
		lane actorsystem.Lane
	}{{"core", actorsystem.Core}, {"own", actorsystem.Own}} {
		b.Run(c.name, func(b *testing.B) {
			s := actorsystem.New(actorsystem.Config{})
			defer s.Shutdown()
			done := make(chan struct{}, 1)
			first, second := spawn(b, s, "1", c.lane, done), spawn(b, s, "2", c.lane, done)
			s.Send(first, setNext{second})
			s.Send(second, setNext{first})
			b.ReportAllocs()
			b.ResetTimer()
			s.Send(first, &countdown{b.N})
			<-done
		})
	}
}

// BenchmarkBusyHops keeps many messages under way at once, so that mailboxes are taken in batches.
func BenchmarkBusyHops(b *testing.B) {
	for _, inFlight := range []int{16, 256} {
		b.Run(fmt.Sprint(inFlight), func(b *testing.B) {
			s := actorsystem.New(actorsystem.Config{})
			defer s.Shutdown()
			done := make(chan struct{}, inFlight)
			const actors = 8
			ring := make([]*actor.PID, actors)
			for i := range ring {
				ring[i] = spawn(b, s, fmt.Sprint(i), actorsystem.Core, done)
			}
			for i := range ring {
				s.Send(ring[i], setNext{ring[(i+1)%actors]})
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range inFlight {
				s.Send(ring[i%actors], &countdown{b.N / inFlight})
			}
			for range inFlight {
				<-done
			}
		})
	}
}

// restarter tells when an incarnation has started.
type restarter struct{ started chan struct{} }

func (r *restarter) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		r.started <- struct{}{}
	case fail:
		panic("asked to")
	}
}

// supervisor restarts its child without limit.
type supervisor struct {
	system  *actorsystem.System
	started chan struct{}
	child   chan *actor.PID
}

func (p *supervisor) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actor.Started); ok {
		pid, err := p.system.Spawn(ctx, actorsystem.Spec{Kind: "child", Name: "1", New: func() actor.Actor { return &restarter{p.started} }})
		if err != nil {
			panic(err)
		}
		p.child <- pid
	}
}

// BenchmarkRestartAfterPanic is the time from the message that kills an actor until its next incarnation has started.
func BenchmarkRestartAfterPanic(b *testing.B) {
	s := actorsystem.New(actorsystem.Config{})
	defer s.Shutdown()
	p := &supervisor{s, make(chan struct{}, 1), make(chan *actor.PID, 1)}
	_, err := s.SpawnRoot(actorsystem.Spec{Kind: "parent", Name: "1", Children: actorsystem.Restart(1<<30, 0), New: func() actor.Actor { return p }})
	if err != nil {
		b.Fatal(err)
	}
	child := <-p.child
	<-p.started
	b.ResetTimer()
	for range b.N {
		s.Send(child, fail{})
		<-p.started
	}
}

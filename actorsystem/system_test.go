package actorsystem

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

type echo struct{ got chan any }

func (e *echo) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case string:
		if m == "panic" {
			panic("asked to")
		}
		e.got <- m
	case killer:
		panic("killed")
	case Drained:
		e.got <- m
	}
}

// killer panics its receiver and reports that it was turned away.
type killer struct{ turnedAway chan error }

func (k killer) Undelivered(reason error) { k.turnedAway <- reason }

func TestAPanicLosesOnlyTheMessageThatCausedIt(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	got := make(chan any, 100)
	pid, err := s.SpawnRoot(Spec{Kind: "test", Name: "a", New: func() actor.Actor { return &echo{got} }})
	if err != nil {
		t.Fatal(err)
	}
	k := killer{make(chan error, 1)}
	s.Send(pid, "1")
	s.Send(pid, k)
	s.Send(pid, "2")
	s.Send(pid, "3")
	for _, want := range []string{"1", "2", "3"} {
		if g := <-got; g != want {
			t.Fatalf("got %v, want %v", g, want)
		}
	}
	if _, ok := (<-k.turnedAway).(PanicError); !ok {
		t.Fatal("the sender of the fatal message was not told of the panic")
	}
	infos := s.Actors()
	if len(infos) != 1 || infos[0].RestartsTotal != 1 || infos[0].LastPanic != "killed" {
		t.Fatalf("actors: %+v", infos)
	}
}

func TestAMessageToAStoppedActorIsTurnedAway(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	pid, _ := s.SpawnRoot(Spec{Kind: "test", Name: "a", Lane: Own, New: func() actor.Actor { return &echo{make(chan any, 9)} }})
	if err := s.StopWait(pid, time.Second); err != nil {
		t.Fatal(err)
	}
	k := killer{make(chan error, 1)}
	s.Send(pid, k)
	if err := <-k.turnedAway; err == nil {
		t.Fatal("no reason given")
	}
	if n := len(s.Actors()); n != 0 {
		t.Fatalf("%d actors are still listed", n)
	}
}

func TestDrainedFollowsEachBatch(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	got := make(chan any, 100)
	pid, _ := s.SpawnRoot(Spec{Kind: "test", Name: "a", WantsDrained: true, New: func() actor.Actor { return &echo{got} }})
	s.Send(pid, "1")
	if g := <-got; g != "1" {
		t.Fatal(g)
	}
	if g := <-got; g != (Drained{}) {
		t.Fatal(g)
	}
}

func TestAFaultInjectorPanicsTheNthMessage(t *testing.T) {
	var n atomic.Int64
	s := New(Config{Fault: faultFunc(func(kind, _ string, handled uint64, _ any) {
		if kind == "test" && handled == 3 && n.Add(1) == 1 {
			panic("injected")
		}
	})})
	defer s.Shutdown()
	got := make(chan any, 100)
	pid, _ := s.SpawnRoot(Spec{Kind: "test", Name: "a", New: func() actor.Actor { return &echo{got} }})
	for i := range 5 {
		s.Send(pid, fmt.Sprint(i))
	}
	for _, want := range []string{"0", "1", "3", "4"} {
		if g := <-got; g != want {
			t.Fatalf("got %v, want %v", g, want)
		}
	}
}

type faultFunc func(kind, name string, handled uint64, message any)

func (f faultFunc) BeforeMessage(kind, name string, handled uint64, message any) {
	f(kind, name, handled, message)
}

func TestManySendersLoseNothing(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	var handled atomic.Int64
	done := make(chan struct{})
	const senders, each = 8, 20000
	pid, _ := s.SpawnRoot(Spec{Kind: "test", Name: "a", WantsDrained: true, New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(int); ok && handled.Add(1) == senders*each {
				close(done)
			}
		})
	}})
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range each {
				s.Send(pid, i)
			}
		})
	}
	wg.Wait()
	<-done
}

func BenchmarkHop(b *testing.B) {
	s := New(Config{})
	defer s.Shutdown()
	done := make(chan struct{})
	var ping, pong *actor.PID
	msg := &struct{ n int }{}
	pong, _ = s.SpawnRoot(Spec{Kind: "bench", Name: "pong", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if m, ok := ctx.Message().(*struct{ n int }); ok {
				s.Send(ping, m)
			}
		})
	}})
	ping, _ = s.SpawnRoot(Spec{Kind: "bench", Name: "ping", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if m, ok := ctx.Message().(*struct{ n int }); ok {
				if m.n--; m.n <= 0 {
					close(done)
					return
				}
				s.Send(pong, m)
			}
		})
	}})
	b.ReportAllocs()
	b.ResetTimer()
	msg.n = b.N/2 + 1
	s.Send(ping, msg)
	<-done
}

func BenchmarkSend(b *testing.B) {
	s := New(Config{})
	defer s.Shutdown()
	var n atomic.Int64
	done := make(chan struct{})
	total := int64(b.N)
	pid, _ := s.SpawnRoot(Spec{Kind: "bench", Name: "sink", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*int); ok && n.Add(1) == total {
				close(done)
			}
		})
	}})
	msg := new(int)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		s.Send(pid, msg)
	}
	<-done
}

package actorsystem

import (
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// note reports that it was turned away.
type note struct{ turnedAway chan error }

func (n note) Undelivered(reason error) { n.turnedAway <- reason }

func TestWhatWaitsForAnActorThatIsGivenUpIsTurnedAway(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	child := make(chan *actor.PID, 1)
	hold := make(chan struct{})
	if _, err := s.SpawnRoot(Spec{Kind: "parent", Name: "p", Children: Restart(1, time.Minute), New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); ok {
				pid, _ := s.Spawn(ctx, Spec{Kind: "test", Name: "a", New: func() actor.Actor {
					return actor.ReceiveFunc(func(ctx actor.Context) {
						switch ctx.Message().(type) {
						case string:
							<-hold
						case killer:
							panic("killed")
						}
					})
				}})
				child <- pid
			}
		})
	}}); err != nil {
		t.Fatal(err)
	}
	pid := <-child
	s.Send(pid, "wait until all is queued")
	k := killer{make(chan error, 2)}
	n := note{make(chan error, 100)}
	for range 2 { // one restart is allowed
		s.Send(pid, k)
	}
	for range 50 {
		s.Send(pid, n)
	}
	close(hold)
	for i := range 50 {
		select {
		case <-n.turnedAway:
		case <-time.After(5 * time.Second):
			t.Fatalf("%d of 50 messages were turned away", i)
		}
	}
}

// An actor that fails while it waits for its children to stop ends all the same.
func TestAnActorThatFailsWhileItStopsIsNotRestarted(t *testing.T) {
	s := New(Config{})
	defer s.Shutdown()
	stopping, goOn := make(chan *actor.PID, 1), make(chan struct{})
	spawn := func(ctx actor.Context, name string, receive actor.ReceiveFunc) {
		if _, err := s.Spawn(ctx, Spec{Kind: "test", Name: name, Lane: Own, New: func() actor.Actor { return receive }}); err != nil {
			t.Error(err)
		}
	}
	up, once := make(chan struct{}), sync.Once{}
	root, err := s.SpawnRoot(Spec{Kind: "test", Name: "grandparent", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if _, ok := ctx.Message().(*actor.Started); !ok {
				return
			}
			spawn(ctx, "parent", func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					spawn(ctx, "child", func(ctx actor.Context) {
						if _, ok := ctx.Message().(*actor.Stopping); ok {
							<-goOn
						}
					})
					once.Do(func() { close(up) })
				case *actor.Stopping:
					stopping <- ctx.Self()
				case killer:
					panic("killed")
				}
			})
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	<-up
	s.Stop(root)
	k := killer{make(chan error, 1)}
	s.Send(<-stopping, k)
	<-k.turnedAway
	for s.RestartsByKind()["test"] == 0 { // the supervisor has decided
	}
	close(goOn)
	for end := time.Now().Add(5 * time.Second); len(s.Actors()) > 0; {
		if time.Now().After(end) {
			t.Fatalf("still there: %+v", s.Actors())
		}
	}
}

package actorsystem

import (
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

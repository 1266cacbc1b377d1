package actorsystem

import (
	"testing"
	"time"
)

func TestARunnableActorDoesNotWaitForAnothersLongStepWhileAWorkerSleeps(t *testing.T) {
	d := NewCoreDispatcher(2)
	defer d.Stop()
	for range 20 {
		inStep, goOn, ran := make(chan struct{}), make(chan struct{}), make(chan struct{})
		for asleep := 0; asleep < 2; { // both workers
			d.mu.Lock()
			asleep = d.idle
			d.mu.Unlock()
		}
		d.Schedule(func() { close(inStep); <-goOn })
		<-inStep
		d.Schedule(func() { close(ran) })
		select {
		case <-ran:
		case <-time.After(10 * time.Second):
			t.Error("it waits for the end of a step of another actor")
		}
		close(goOn)
	}
}

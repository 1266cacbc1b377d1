package broker

import (
	"testing"
	"time"

	"github.com/troupe-io/troupe/actorsystem"
)

type handClock struct{ at time.Time }

func (c *handClock) Now() time.Time { return c.at }
func (c *handClock) AfterFunc(time.Duration, func()) actorsystem.Timer {
	panic("pressure sets no timers")
}

func TestMemoryIsUsedUpWhenTheLiveHeapNearsTheLimit(t *testing.T) {
	clock := &handClock{at: time.Unix(1000, 0)}
	p := newPressure(clock, 1000)
	live, asked := uint64(699), 0
	p.live = func() uint64 { asked++; return live }
	for range 3 {
		if p.high() {
			t.Fatal("699 of 1000 is too much")
		}
	}
	live = 701
	if p.high() || asked != 1 {
		t.Fatalf("the heap was looked at %d times within a moment", asked)
	}
	clock.at = clock.at.Add(pressureEveryMs * time.Millisecond)
	if !p.high() {
		t.Fatal("701 of 1000 is not too much")
	}
	if liveHeap() > 1<<40 {
		t.Fatal(liveHeap())
	}
}

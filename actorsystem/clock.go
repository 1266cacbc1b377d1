package actorsystem

import "time"

// Clock is where actors get the time from. The real one is below; the simulator and tests bring their own.
type Clock interface {
	Now() time.Time
	// AfterFunc calls f once, d from now, on no actor's goroutine: f may only send messages.
	AfterFunc(d time.Duration, f func()) Timer
}

// Timer is a pending AfterFunc.
type Timer interface {
	// Stop cancels the call if it has not begun; it says whether it did.
	Stop() bool
}

// WallClock is the machine's clock.
type WallClock struct{}

// Now returns the wall clock's time with its monotonic reading.
func (WallClock) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc.
func (WallClock) AfterFunc(d time.Duration, f func()) Timer { return time.AfterFunc(d, f) }

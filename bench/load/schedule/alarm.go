package schedule

import "time"

// Alarm wakes one goroutine at a time that it sets. Invariant: C gets at most one value a setting; a value may be of an earlier
// setting, so whoever wakes looks at the clock.
//
// Go's own timers are up to a millisecond late in a process that is otherwise idle: netpoll rounds its wait up to whole milliseconds. In an open loop that
// millisecond would count as the broker's latency. On Linux an Alarm is therefore a timerfd, which is on time to some 50 µs.
type Alarm struct {
	C    chan struct{}
	fire fire
}

type fire interface {
	set(in time.Duration)
	close()
}

// NewAlarm makes an alarm that is not set.
func NewAlarm() *Alarm {
	a := &Alarm{C: make(chan struct{}, 1)}
	a.fire = newFire(a.ring)
	return a
}

func (a *Alarm) ring() {
	select {
	case a.C <- struct{}{}:
	default:
	}
}

// Set replaces the time of the alarm; in <= 0 rings as soon as can be.
func (a *Alarm) Set(in time.Duration) { a.fire.set(max(in, 1)) }

// Close ends the alarm.
func (a *Alarm) Close() { a.fire.close() }

// timerFire is the portable way.
type timerFire struct{ *time.Timer }

func newTimerFire(ring func()) fire {
	t := time.AfterFunc(time.Hour, ring)
	t.Stop()
	return timerFire{t}
}

func (f timerFire) set(in time.Duration) { f.Reset(in) }
func (f timerFire) close()               { f.Stop() }

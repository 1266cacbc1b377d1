package schedule

import "time"

// Alarm calls a function at a time. Invariant: there is at most one call a setting, never two at once; a call may be of an earlier setting, so whoever
// is called looks at the clock.
//
// Go's own timers are up to a millisecond late in a process that is otherwise idle: netpoll rounds its wait up to whole milliseconds. In an open loop that
// millisecond would count as the broker's latency. On Linux an Alarm is therefore a timerfd, which is on time to some 50 µs.
type Alarm struct{ fire fire }

type fire interface {
	set(in time.Duration)
	close()
}

// NewAlarm makes an alarm that is not set. ring runs on a goroutine of the alarm's.
func NewAlarm(ring func()) *Alarm { return &Alarm{newFire(ring)} }

// Bell is a ring that a goroutine can wait for.
func Bell() (ring func(), rung <-chan struct{}) {
	c := make(chan struct{}, 1)
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}, c
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

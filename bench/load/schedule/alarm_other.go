//go:build !linux

package schedule

func newFire(ring func()) fire { return newTimerFire(ring) }

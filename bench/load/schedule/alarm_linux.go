package schedule

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerFD is a timerfd that the runtime's poller watches: no thread sleeps for it.
type timerFD struct {
	file *os.File
	fd   int
}

func newFire(ring func()) fire {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newTimerFire(ring)
	}
	f := &timerFD{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd}
	go func() {
		var expirations [8]byte
		for {
			if _, err := f.file.Read(expirations[:]); err != nil {
				return
			}
			ring()
		}
	}()
	return f
}

func (f *timerFD) set(in time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(in))}
	// It fails only for values that are not allowed, and in is above 0.
	_ = unix.TimerfdSettime(f.fd, 0, &spec, nil)
}

func (f *timerFD) close() { _ = f.file.Close() }

package connection

// This file owns the waiting for many sockets at once: an epoll instance of our own. It is not waited for in the runtime's poller, where
// each byte that comes for a silent client would wake a thread also while the attendant rests.

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/troupe-io/troupe/invariant"
)

// pollEventsMax is how many sockets one wait tells of.
const pollEventsMax = 256

// poller is made by who first needs it and ended by close; the one goroutine that waits frees it.
type poller struct {
	fd     int
	quit   int // an eventfd, watched with id 0
	events [pollEventsMax]unix.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	quit, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		if err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, quit, &unix.EpollEvent{Events: unix.EPOLLIN}); err == nil {
			return &poller{fd: fd, quit: quit}, nil
		}
		_ = unix.Close(quit)
	}
	_ = unix.Close(fd)
	return nil, os.NewSyscallError("eventfd", err)
}

// close ends wait, once. Nothing is added or removed any more.
func (p *poller) close() {
	_, _ = unix.Write(p.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// add has wait tell id, which is not 0, whenever the detached socket has something to read; level-triggered, so nothing is to be done
// after it was read.
func (p *poller) add(socket *wire, id uint64) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	return p.control(socket, unix.EPOLL_CTL_ADD, &event)
}

// remove ends that. A socket that is closed is gone by itself.
func (p *poller) remove(socket *wire) {
	_ = p.control(socket, unix.EPOLL_CTL_DEL, nil)
}

func (p *poller) control(socket *wire, op int, event *unix.EpollEvent) error {
	return socket.use(func(fd int) error { return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, op, fd, event)) })
}

// wait waits until sockets have something to read, and appends their ids. It takes a thread while it waits. net.ErrClosed ends the poller.
func (p *poller) wait(ids []uint64) ([]uint64, error) {
	n, err := unix.EpollWait(p.fd, p.events[:], -1)
	if err != nil && !errors.Is(err, unix.EINTR) {
		invariant.Fail("wait for silent clients: epoll_wait: %v", err) // the arguments are wrong: another's descriptor, perhaps
	}
	for _, e := range p.events[:max(n, 0)] {
		id := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
		if id == 0 {
			p.free()
			return ids, net.ErrClosed
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (p *poller) free() {
	_ = unix.Close(p.fd)
	_ = unix.Close(p.quit)
}

package connection

// This file owns the waiting for many sockets at once: an epoll instance of our own, itself waited for in the runtime's poller, so that
// the attendant is an ordinary goroutine.

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// pollEventsMax is how many sockets one wait tells of.
const pollEventsMax = 256

type poller struct {
	file   *os.File
	raw    syscall.RawConn
	events [pollEventsMax]unix.EpollEvent
	n      int
	err    error
	run    func(fd uintptr) bool
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // what os.NewFile takes as a sign that it can be polled
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	p.run = p.once
	return p, nil
}

func (p *poller) close() { _ = p.file.Close() }

// add has wait tell id whenever the socket has something to read; level-triggered, so nothing is to be done after it was read.
func (p *poller) add(socket syscall.RawConn, id uint64) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
	return p.control(socket, unix.EPOLL_CTL_ADD, &event)
}

// remove ends that. A socket that is closed is gone by itself.
func (p *poller) remove(socket syscall.RawConn) {
	_ = p.control(socket, unix.EPOLL_CTL_DEL, nil)
}

func (p *poller) control(socket syscall.RawConn, op int, event *unix.EpollEvent) error {
	var failed error
	err := socket.Control(func(fd uintptr) {
		err := p.raw.Control(func(epoll uintptr) {
			failed = os.NewSyscallError("epoll_ctl", unix.EpollCtl(int(epoll), op, int(fd), event))
		})
		if err != nil {
			failed = err
		}
	})
	if err != nil {
		return fmt.Errorf("watch a socket: %w", err)
	}
	return failed
}

// wait waits until sockets have something to read, and appends their ids.
func (p *poller) wait(ids []uint64) ([]uint64, error) {
	if err := p.raw.Read(p.run); err != nil {
		return ids, err
	}
	if p.err != nil {
		return ids, os.NewSyscallError("epoll_wait", p.err)
	}
	for _, e := range p.events[:p.n] {
		ids = append(ids, uint64(uint32(e.Fd))|uint64(uint32(e.Pad))<<32)
	}
	return ids, nil
}

func (p *poller) once(fd uintptr) bool {
	for {
		p.n, p.err = unix.EpollWait(int(fd), p.events[:], 0)
		if p.err != unix.EINTR {
			return p.err != nil || p.n > 0
		}
	}
}

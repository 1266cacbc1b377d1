package connection

// This file owns the system calls on a client's socket: reads that wait in the runtime's poller, writes that never wait, and, for the
// writer goroutine, writes that do. Nothing else in the broker touches the descriptor, save that the attendant of the silent clients
// watches it. While a client is silent the socket is not in the runtime's poller, which would wake a thread for every byte that comes
// for nobody (detach). Invariants: there is a descriptor until the wire is closed, and what does not wait uses it under the lock, since
// a closed one may be another's at once; what waits does so in the runtime's poller, so its callers see to it that the socket is there
// (idle.go); attach takes no descriptor, so that a silent client is served when none is left.

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/segment"
)

// iovecsMax is how many pieces one writev takes (UIO_MAXIOV).
const iovecsMax = 1024

// fileChunkBytes bounds one read of a file that has no descriptor to send from.
const fileChunkBytes = 256 << 10

// wire is a TCP socket. read belongs to the reader goroutine; the write methods to the actor or the writer goroutine, never both at once.
type wire struct {
	mu     sync.RWMutex // of the four below; held for system calls that do not wait
	fd     int          // until the wire is closed
	polled polled       // owns fd while the socket is in the runtime's poller, else nil
	raw    syscall.RawConn
	closed bool

	in  readCall
	out writeCall
}

// polled is a descriptor in the runtime's poller: a net.Conn at first, an os.File later.
type polled interface {
	syscall.Conn
	SetReadDeadline(t time.Time) error
	Close() error
}

type readCall struct {
	pieces [2][]byte
	n      int
	err    error
	run    func(fd uintptr) bool
}

type writeCall struct {
	pieces [][]byte
	flags  int
	wait   bool
	file   int
	offset int64
	count  int
	n      int
	err    error
	write  func(fd uintptr) bool
	send   func(fd uintptr) bool
}

// sendBufferBytes is the socket's send buffer. The kernel's own tuning begins small, and an answer of some MiB then costs many
// wake-ups; it would end at more than this.
const sendBufferBytes = 1 << 20

func newWire(conn net.Conn) (*wire, error) {
	p, ok := conn.(polled)
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", conn)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetNoDelay(true); err != nil {
			return nil, err
		}
		if err := tcp.SetWriteBuffer(sendBufferBytes); err != nil {
			return nil, err
		}
	}
	raw, err := p.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &wire{polled: p, raw: raw}
	if err := raw.Control(func(fd uintptr) { w.fd = int(fd) }); err != nil {
		return nil, err
	}
	w.in.run, w.out.write, w.out.send = w.readOnce, w.writeOnce, w.sendOnce
	return w, nil
}

// detach takes the socket out of the runtime's poller. Nobody may be waiting for it there.
func (w *wire) detach() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	own, err := unix.FcntlInt(uintptr(w.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("dup", err)
	}
	_ = w.polled.Close() // the socket lives on in its other descriptor
	w.fd, w.polled, w.raw = own, nil, nil
	return nil
}

// attach undoes detach.
func (w *wire) attach() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	file := os.NewFile(uintptr(w.fd), "client") // in the poller, since the descriptor does not block
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetReadDeadline(time.Time{}) // says whether it is
	}
	w.polled, w.raw = file, raw
	if err != nil {
		w.closeLocked()
		return fmt.Errorf("poll a client's socket again: %w", err)
	}
	return nil
}

// close closes the socket, in whatever state, and wakes who waits for it.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closeLocked()
}

func (w *wire) closeLocked() {
	switch {
	case w.closed:
	case w.polled != nil:
		_ = w.polled.Close()
	default:
		_ = unix.Close(w.fd)
	}
	w.closed = true
}

// deadline has reads end at t; a detached socket has none.
func (w *wire) deadline(t time.Time) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.polled != nil {
		_ = w.polled.SetReadDeadline(t)
	}
}

// use calls f, which does not wait, with the descriptor, unless the socket is closed.
func (w *wire) use(f func(fd int) error) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return net.ErrClosed
	}
	return f(w.fd)
}

// waiting is the socket in the runtime's poller.
func (w *wire) waiting() (syscall.RawConn, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return nil, net.ErrClosed
	}
	if w.raw == nil {
		invariant.Fail("a goroutine waits for a client's socket that is not in the runtime's poller")
	}
	return w.raw, nil
}

// waited is the error of waiting: the runtime's, or that the socket was closed meanwhile.
func (w *wire) waited(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return net.ErrClosed
	}
	return err
}

// read implements source.
func (w *wire) read(p, extra []byte) (int, error) {
	raw, err := w.waiting()
	if err != nil {
		return 0, err
	}
	w.in.pieces[0], w.in.pieces[1] = p, extra
	err = raw.Read(w.in.run)
	w.in.pieces[0], w.in.pieces[1] = nil, nil
	if err != nil {
		return 0, w.waited(err)
	}
	if w.in.err == nil && w.in.n == 0 {
		return 0, io.EOF
	}
	return w.in.n, w.in.err
}

// readNow reads what there is without waiting: n bytes, or none. again says that there is nothing now, but may be later. The reader
// goroutine is not there.
func (w *wire) readNow(p []byte) (n int, again bool) {
	err := w.use(func(fd int) (err error) {
		for {
			if n, err = unix.Read(fd, p); !errors.Is(err, unix.EINTR) {
				return err
			}
		}
	})
	return n, errors.Is(err, unix.EAGAIN)
}

func (w *wire) readOnce(fd uintptr) bool {
	for {
		var err error
		if len(w.in.pieces[1]) == 0 {
			w.in.n, err = unix.Read(int(fd), w.in.pieces[0])
		} else {
			w.in.n, err = unix.Readv(int(fd), w.in.pieces[:])
		}
		switch {
		case err == nil:
			w.in.err = nil
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		}
		w.in.n, w.in.err = 0, os.NewSyscallError("read", err)
		return true
	}
}

// tryWrite writes what the socket takes of pieces without waiting, n bytes.
func (w *wire) tryWrite(pieces [][]byte) (n int, err error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return 0, net.ErrClosed
	}
	w.out.pieces, w.out.wait, w.out.flags = pieces[:min(len(pieces), iovecsMax)], false, 0
	w.out.n, w.out.err = 0, nil
	w.writeOnce(uintptr(w.fd))
	w.out.pieces = nil
	return w.out.n, w.out.err
}

// write writes some of pieces, waiting until the socket takes at least one byte. more says that further bytes follow at once.
func (w *wire) write(pieces [][]byte, more bool) (n int, err error) {
	w.out.pieces, w.out.wait, w.out.flags = pieces[:min(len(pieces), iovecsMax)], true, 0
	if more {
		w.out.flags = unix.MSG_MORE
	}
	n, err = w.whenWritable(w.out.write)
	w.out.pieces = nil
	return n, err
}

// whenWritable calls f until it says that it is done, waiting for the socket in between.
func (w *wire) whenWritable(f func(fd uintptr) bool) (n int, err error) {
	raw, err := w.waiting()
	if err != nil {
		return 0, err
	}
	w.out.n, w.out.err = 0, nil
	if err = w.waited(raw.Write(f)); err == nil {
		err = w.out.err
	}
	return w.out.n, err
}

func (w *wire) writeOnce(fd uintptr) bool {
	for {
		var n int
		var err error
		if len(w.out.pieces) == 1 && w.out.flags == 0 {
			n, err = unix.Write(int(fd), w.out.pieces[0])
		} else {
			n, err = unix.SendmsgBuffers(int(fd), w.out.pieces, nil, nil, w.out.flags)
		}
		switch {
		case err == nil:
			w.out.n = n
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return !w.out.wait
		}
		w.out.err = os.NewSyscallError("write", err)
		return true
	}
}

// sendFile sends some of a file part from its descriptor, waiting until the socket takes at least one byte.
func (w *wire) sendFile(fd uintptr, offset, length int64) (n int, err error) {
	w.out.file, w.out.offset, w.out.count = int(fd), offset, int(min(length, 1<<30))
	return w.whenWritable(w.out.send)
}

func (w *wire) sendOnce(fd uintptr) bool {
	for {
		at := w.out.offset
		n, err := unix.Sendfile(int(fd), w.out.file, &at, w.out.count)
		switch {
		case err == nil && n == 0:
			w.out.err = fmt.Errorf("send %d bytes of a segment file at %d: %w", w.out.count, w.out.offset, io.ErrUnexpectedEOF)
			return true
		case err == nil:
			w.out.n = n
			return true
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return false
		}
		w.out.err = os.NewSyscallError("sendfile", err)
		return true
	}
}

// copyFile sends some of a file part that has no descriptor (a test's memory disk) by way of buf.
func (w *wire) copyFile(p segment.Part, buf []byte) (int, error) {
	want := buf[:min(int64(len(buf)), p.Length)]
	n, err := p.File.ReadAt(want, p.Offset)
	if n == 0 {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return 0, fmt.Errorf("read %d bytes of a segment file at %d: %w", len(want), p.Offset, err)
	}
	return w.write([][]byte{want[:n]}, false)
}

package connection

// This file owns the system calls on a client's socket: reads that wait in the runtime's poller, writes that never wait, and, for the
// writer goroutine, writes that do. Nothing else in the broker touches the descriptor, save that the attendant of the silent clients
// watches it. While a client is silent the socket is not in the runtime's poller, which would wake a thread for every byte that comes
// for nobody (detach); the descriptor is then ours alone. Invariants: there is a conn or a descriptor until the wire is closed, never
// both; the descriptor is used under the lock only, since a closed one may be another's at once.

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

	"github.com/troupe-io/troupe/storage/segment"
)

// iovecsMax is how many pieces one writev takes (UIO_MAXIOV).
const iovecsMax = 1024

// fileChunkBytes bounds one read of a file that has no descriptor to send from.
const fileChunkBytes = 256 << 10

// wire is a TCP socket. read belongs to the reader goroutine; the write methods to the actor or the writer goroutine, never both at once.
type wire struct {
	mu     sync.RWMutex // of the four below; held for system calls that do not wait
	conn   net.Conn     // nil while detached
	raw    syscall.RawConn
	fd     int // while detached, else -1
	closed bool

	in  readCall
	out writeCall
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
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", conn)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetNoDelay(true); err != nil {
			return nil, err
		}
		if err := tcp.SetWriteBuffer(sendBufferBytes); err != nil {
			return nil, err
		}
	}
	w := &wire{conn: conn, raw: raw, fd: -1}
	w.in.run, w.out.write, w.out.send = w.readOnce, w.writeOnce, w.sendOnce
	return w, nil
}

// detachedPause is how long the writer goroutine waits for a client that is silent and does not read either.
const detachedPause = 5 * time.Millisecond

// detach takes the socket out of the runtime's poller. The reader goroutine calls it, which does not read until attach.
func (w *wire) detach() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return net.ErrClosed
	}
	own := -1
	var failed error
	err := w.raw.Control(func(fd uintptr) { own, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(err, os.NewSyscallError("dup", failed)); err != nil {
		return err
	}
	_ = w.conn.Close() // the socket lives on in its other descriptor
	w.conn, w.raw, w.fd = nil, nil, own
	return nil
}

// attach undoes detach, before another reader goroutine starts.
func (w *wire) attach() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || w.fd < 0 {
		return net.ErrClosed
	}
	file := os.NewFile(uintptr(w.fd), "client")
	conn, err := net.FileConn(file) // duplicates the descriptor
	if err != nil {
		w.fd = -1
		return errors.Join(fmt.Errorf("poll a client's socket again: %w", err), file.Close())
	}
	_ = file.Close()
	w.fd = -1
	w.conn = conn
	w.raw, err = conn.(syscall.Conn).SyscallConn()
	return err
}

// close closes the socket, in whatever state, and wakes who waits for it.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.conn != nil {
		_ = w.conn.Close()
	}
	if w.fd >= 0 {
		_ = unix.Close(w.fd)
		w.fd = -1
	}
}

// deadline has reads end at t; a detached socket has none.
func (w *wire) deadline(t time.Time) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.conn != nil {
		_ = w.conn.SetReadDeadline(t)
	}
}

// detached calls f with the descriptor if the socket is detached, and says whether it is.
func (w *wire) detached(f func(fd int)) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.fd >= 0 {
		f(w.fd)
	}
	return w.fd >= 0
}

// whenWritable calls f until it says that it is done, waiting for the socket in between.
func (w *wire) whenWritable(f func(fd uintptr) bool) error {
	for {
		done := false
		if w.detached(func(fd int) { done = f(uintptr(fd)) }) {
			if done {
				return nil
			}
			time.Sleep(detachedPause)
			continue
		}
		w.mu.RLock()
		raw, closed := w.raw, w.closed
		w.mu.RUnlock()
		if closed {
			return net.ErrClosed
		}
		if raw == nil {
			continue // detached this moment
		}
		err := raw.Write(f)
		if errors.Is(err, net.ErrClosed) && !w.over() {
			continue // detached meanwhile
		}
		return err
	}
}

func (w *wire) over() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.closed
}

// read implements source.
func (w *wire) read(p, extra []byte) (int, error) {
	if w.raw == nil {
		return 0, net.ErrClosed // it could not be attached
	}
	w.in.pieces[0], w.in.pieces[1] = p, extra
	err := w.raw.Read(w.in.run)
	w.in.pieces[0], w.in.pieces[1] = nil, nil
	if err != nil {
		return 0, err
	}
	if w.in.err == nil && w.in.n == 0 {
		return 0, io.EOF
	}
	return w.in.n, w.in.err
}

// readNow reads what there is on a detached socket without waiting: n bytes, or none. again says that there is nothing now, but may be
// later.
func (w *wire) readNow(p []byte) (n int, again bool) {
	w.detached(func(fd int) {
		for {
			got, err := unix.Read(fd, p)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			n, again = got, errors.Is(err, unix.EAGAIN)
			return
		}
	})
	return n, again
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
func (w *wire) tryWrite(pieces [][]byte) (n int, err error) { return w.doWrite(pieces, false, 0) }

// write writes some of pieces, waiting until the socket takes at least one byte. more says that further bytes follow at once.
func (w *wire) write(pieces [][]byte, more bool) (n int, err error) {
	flags := 0
	if more {
		flags = unix.MSG_MORE
	}
	return w.doWrite(pieces, true, flags)
}

func (w *wire) doWrite(pieces [][]byte, wait bool, flags int) (int, error) {
	w.out.pieces, w.out.wait, w.out.flags = pieces[:min(len(pieces), iovecsMax)], wait, flags
	w.out.n, w.out.err = 0, nil
	err := w.whenWritable(w.out.write)
	w.out.pieces = nil
	if err == nil {
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
	w.out.n, w.out.err = 0, nil
	err = w.whenWritable(w.out.send)
	if err == nil {
		err = w.out.err
	}
	return w.out.n, err
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

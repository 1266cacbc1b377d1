// Package wire is the native client's way to a broker: pipelined requests on plain sockets, and who leads which partition.
//
// This file owns one connection. Invariants: answers are matched with requests in the order sent, and a correlation id that does not
// fit ends the connection; each call's Done is called exactly once, with the answer, or with the error that ended the connection.
// How much waits is bounded by the callers: they have only so many calls under way.
package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	clientID     = "troupe-bench"
	softwareName = "troupe-bench"
	dialTimeout  = 3 * time.Second
	askTimeout   = 10 * time.Second
	// answerBytesMax bounds one answer: what Kafka clients commonly allow.
	answerBytesMax = 256 << 20
	// keptBytesMax is the largest buffer that is kept for the next request.
	keptBytesMax = 4 << 20
	// spareMax is how many of them are kept.
	spareMax = 16
)

// ErrClosed ends the calls of a connection that its owner closed.
var ErrClosed = errors.New("the connection was closed")

// ErrNotServed says that a broker does not offer a request in any version that this client knows.
var ErrNotServed = errors.New("the broker does not serve a request in a version that this client knows")

// Call is one request under way. The zero Call with Request and Done set is good for Send; it may be reused once Done was called.
type Call struct {
	Request kmsg.Request
	// NoAnswer is for requests that brokers do not answer (Produce with acks=0): Done comes when it is written.
	NoAnswer bool
	// Done gets the answer, or nil and why there is none. It runs on the connection's goroutine and must not block; an answer's byte
	// slices are good until it returns.
	Done func(answer kmsg.Response, err error)

	frame []byte
	id    int32
	sent  time.Time
}

// Conn is a connection to one broker.
type Conn struct {
	Addr string

	nc       net.Conn
	raw      syscall.RawConn // nil if the socket gives none
	format   *kmsg.RequestFormatter
	versions map[int16][2]int16

	mu      sync.Mutex
	nextID  int32
	queue   []*Call // not written yet
	waiting []*Call // in the order of their answers
	writing bool    // the writer has taken what was queued and is not done with it
	spare   [][]byte
	err     error
	wake    chan struct{}
	ended   chan struct{}
}

// Dial connects and asks for the broker's versions.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c := &Conn{Addr: addr, nc: nc, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)), versions: map[int16][2]int16{},
		wake: make(chan struct{}, 1), ended: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	err = c.handshake()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("ask %s for its versions: %w", addr, err)
	}
	_ = nc.SetDeadline(time.Time{})
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	go c.write()
	go c.read()
	return c, nil
}

// handshake asks ApiVersions v3, and understands the v0 answer of a broker that knows no v3 (KIP-511).
func (c *Conn) handshake() error {
	_ = c.nc.SetDeadline(time.Now().Add(askTimeout))
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = 3, softwareName, "1"
	if _, err := c.nc.Write(c.format.AppendRequest(nil, req, 0)); err != nil {
		return err
	}
	b, err := readFrame(c.nc, nil)
	if err != nil {
		return err
	}
	if len(b) < 6 {
		return fmt.Errorf("an answer of %d bytes: is it a Kafka broker?", len(b))
	}
	resp := kmsg.NewPtrApiVersionsResponse()
	if resp.Version = 3; int16(binary.BigEndian.Uint16(b[4:])) == kerr.UnsupportedVersion.Code {
		resp.Version = 0
	}
	if err := resp.ReadFrom(b[4:]); err != nil {
		return fmt.Errorf("its answer is not ApiVersions v%d: %w", resp.Version, err)
	}
	for _, k := range resp.ApiKeys {
		c.versions[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return nil
}

// version chooses the newest version that both sides know, at most newest.
func (c *Conn) version(req kmsg.Request, newest int16) error {
	v, ok := c.versions[req.Key()]
	if len(c.versions) == 1 { // a v0 answer with ApiVersions only: nothing is known
		v, ok = [2]int16{0, newest}, true
	}
	newest = min(newest, v[1], req.MaxVersion())
	if !ok || newest < v[0] {
		return fmt.Errorf("%w: %s at %s", ErrNotServed, kmsg.NameForKey(req.Key()), c.Addr)
	}
	req.SetVersion(newest)
	return nil
}

// Send sends a call in the newest version that both sides know, at most newest. The request is encoded before it returns. If it returns an error, Done
// is not called.
func (c *Conn) Send(call *Call, newest int16) error {
	if err := c.version(call.Request, newest); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	c.nextID = (c.nextID + 1) & 0x7fffffff
	call.id, call.sent = c.nextID, time.Now()
	var buf []byte
	if n := len(c.spare); n > 0 {
		buf, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	call.frame = c.format.AppendRequest(buf[:0], call.Request, call.id)
	if !call.NoAnswer {
		c.waiting = append(c.waiting, call)
		if len(c.queue) == 0 && !c.writing {
			n := c.tryWrite(call.frame)
			if n == len(call.frame) {
				c.keep(call.frame)
				return nil
			}
			call.frame = call.frame[n:]
		}
	}
	c.queue = append(c.queue, call)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// tryWrite writes as much as the socket takes at once, so that most requests need no other goroutine. Errors are left to the writer,
// which meets them too.
func (c *Conn) tryWrite(b []byte) (n int) {
	if c.raw == nil {
		return 0
	}
	_ = c.raw.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), b)
		return true
	})
	return max(n, 0)
}

// keep keeps a buffer for the next request.
func (c *Conn) keep(b []byte) {
	if cap(b) <= keptBytesMax && len(c.spare) < spareMax {
		c.spare = append(c.spare, b)
	}
}

// Oldest is when the oldest call that waits for its answer was sent; false if none waits.
func (c *Conn) Oldest() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return time.Time{}, false
	}
	return c.waiting[0].sent, true
}

// Alive says whether calls can be sent.
func (c *Conn) Alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil
}

// Close ends the connection; waiting calls end with why.
func (c *Conn) Close(why error) { c.fail(why) }

func (c *Conn) fail(why error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = why
	calls := c.waiting
	for _, q := range c.queue {
		if q.NoAnswer {
			calls = append(calls, q)
		}
	}
	c.waiting, c.queue = nil, nil
	c.mu.Unlock()
	close(c.ended)
	_ = c.nc.Close()
	for _, call := range calls {
		call.Done(nil, why)
	}
}

// write is the goroutine that writes what is queued, all of it at once.
func (c *Conn) write() {
	var silent []*Call // those that nobody answers; all others may be over, and reused, as soon as they are written
	var bufs, left net.Buffers
	var kept [][]byte
	for {
		select {
		case <-c.wake:
		case <-c.ended:
			return
		}
		for {
			bufs, silent = bufs[:0], silent[:0]
			c.mu.Lock()
			for _, call := range c.queue {
				bufs = append(bufs, call.frame)
				if call.NoAnswer {
					silent = append(silent, call)
				}
			}
			c.queue = c.queue[:0]
			c.writing = len(bufs) > 0
			c.mu.Unlock()
			if len(bufs) == 0 {
				break
			}
			// WriteTo empties the entries of what it wrote.
			kept = append(kept[:0], bufs...)
			left = bufs
			_, err := left.WriteTo(c.nc)
			if err != nil {
				err = fmt.Errorf("write to %s: %w", c.Addr, err)
			}
			for _, call := range silent {
				call.Done(nil, err)
			}
			if err != nil {
				c.fail(err)
				return
			}
			c.mu.Lock()
			for _, b := range kept {
				c.keep(b)
			}
			c.mu.Unlock()
		}
	}
}

// read is the goroutine that reads answers.
func (c *Conn) read() {
	r := bufio.NewReaderSize(c.nc, 64<<10)
	var buf []byte
	for {
		b, err := readFrame(r, buf)
		if err != nil {
			c.fail(fmt.Errorf("read from %s: %w", c.Addr, err))
			return
		}
		if buf = b; cap(buf) > keptBytesMax*16 {
			buf = nil
		}
		if len(b) < 4 {
			c.fail(fmt.Errorf("%s sent an answer of %d bytes", c.Addr, len(b)))
			return
		}
		id := int32(binary.BigEndian.Uint32(b))
		c.mu.Lock()
		if len(c.waiting) == 0 || c.waiting[0].id != id {
			c.mu.Unlock()
			c.fail(fmt.Errorf("%s answered correlation id %d, which was not its turn", c.Addr, id))
			return
		}
		call := c.waiting[0]
		copy(c.waiting, c.waiting[1:])
		c.waiting[len(c.waiting)-1] = nil
		c.waiting = c.waiting[:len(c.waiting)-1]
		c.mu.Unlock()
		resp, err := decode(call.Request, b[4:])
		if err != nil {
			err = fmt.Errorf("%s sent an answer that cannot be read: %w", c.Addr, err)
			call.Done(nil, err)
			c.fail(err)
			return
		}
		call.Done(resp, nil)
	}
}

func decode(req kmsg.Request, b []byte) (kmsg.Response, error) {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		if len(b) == 0 || b[0] != 0 {
			return nil, errors.New("a response header with tagged fields")
		}
		b = b[1:]
	}
	if unsafe, ok := resp.(interface{ UnsafeReadFrom([]byte) error }); ok {
		return resp, unsafe.UnsafeReadFrom(b)
	}
	return resp, resp.ReadFrom(b)
}

func readFrame(r io.Reader, buf []byte) ([]byte, error) {
	var h [4]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, err
	}
	n := int(int32(binary.BigEndian.Uint32(h[:])))
	if n < 0 || n > answerBytesMax {
		return nil, fmt.Errorf("an answer of %d bytes; at most %d are taken", n, answerBytesMax)
	}
	if cap(buf) >= n {
		_, err := io.ReadFull(r, buf[:n])
		return buf[:n], err
	}
	// What a length claims is believed in steps, so that a hostile one costs no memory.
	buf = buf[:0]
	for len(buf) < n {
		at := len(buf)
		buf = append(buf, make([]byte, min(n-at, max(1<<20, at)))...)
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// Ask sends one request and waits for its answer, whose byte slices are good until the next request on this connection.
func (c *Conn) Ask(ctx context.Context, req kmsg.Request, newest int16) (kmsg.Response, error) {
	type result struct {
		resp kmsg.Response
		err  error
	}
	got := make(chan result, 1)
	err := c.Send(&Call{Request: req, Done: func(resp kmsg.Response, err error) { got <- result{resp, err} }}, newest)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-got:
		return r.resp, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

package connection

// This file owns the reader goroutine: it reads frames, decodes them and hands the calls over. Invariant: it takes no memory for a
// request without credit, and waits for nothing but the socket and credit. While the client is silent the goroutine is not there
// (idle.go).

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/protocol"
)

// keyProduce and keyApiVersions are the two keys that the framework itself must know: Produce calls overlap, and the
// ApiVersions answer has a header of its own.
const (
	keyProduce     int16 = 0
	keyApiVersions int16 = 18

	// Heartbeats tell where their connection waits for the next (see idle.go).
	keyHeartbeat              int16 = 12
	keyConsumerGroupHeartbeat int16 = 68
)

// problem is an error with the reason it ends a connection for.
type problem struct {
	reason closeReason
	err    error
}

func (p problem) Error() string { return p.err.Error() }
func (p problem) Unwrap() error { return p.err }

// errQuit says that the connection was over before the wait was.
var errQuit = errors.New("connection is over")

// reader is the state of the reader goroutine.
type reader struct {
	s        *socket
	framer   *framer
	holding  int64 // bytes charged for the frame being read
	clientID string
	now      int64 // unix ms, when bytes last came

	prepaid   int64 // bytes of the budget taken before they are charged
	beats     int   // the last requests that were heartbeats
	abandoned bool  // the attendant has met an error: nothing more is to be read

	id        uint64 // under idlers.mu, as what follows
	serving   bool   // by the attendant
	attendant int    // that waits for it
	watched   bool   // by that attendant, in its poller and not in the runtime's
	broken    error  // the socket could not be given back to a goroutine
}

// errIdle ends a reader goroutine whose client is silent.
var errIdle = errors.New("the client is silent")

func (s *socket) startReader() {
	r := &reader{s: s, now: s.nowMs()}
	r.framer = newFramer(r, r, s.frames, s.limits.RequestBytesMax)
	go r.run()
}

func (r *reader) run() {
	s := r.s
	left := true
	defer func() {
		if left {
			r.framer.giveBack()
			s.leave()
		}
	}()
	defer func() {
		if reason := recover(); reason != nil {
			s.system.Send(s.pid, crashed{reason, debug.Stack()})
		}
	}()
	if r.abandoned {
		return
	}
	err := r.broken
	if err == nil {
		err = r.loop()
	}
	if errors.Is(err, errIdle) {
		left = false // the reader is with the attendant, or with its next goroutine already
		return
	}
	r.failed(err)
}

// failed ends the connection for what its reader met.
func (r *reader) failed(err error) {
	s := r.s
	var p problem
	var netErr net.Error
	switch {
	case errors.Is(err, errQuit), errors.Is(err, net.ErrClosed):
	case errors.Is(err, io.EOF), errors.Is(err, os.ErrDeadlineExceeded) && s.ending.Load():
		s.system.Send(s.pid, readEnded{})
	case errors.As(err, &p):
		s.fail(p.reason, p.Error())
	case errors.Is(err, errBadFrame):
		s.fail(closedBadFrame, err.Error())
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.end(closedByClient, zerolog.DebugLevel, "the client left in the middle of a request")
	case errors.As(err, &netErr):
		s.end(closedIOError, zerolog.DebugLevel, err.Error())
	default:
		s.end(closedIOError, zerolog.DebugLevel, err.Error())
	}
}

func (r *reader) loop() error {
	for {
		frame, h, err := r.framer.next()
		if errors.Is(err, errIdle) {
			r.framer.giveBack()
			if r.s.idlers.park(r) {
				return err
			}
			if r.broken != nil {
				return r.broken
			}
			continue
		}
		if err != nil {
			return err
		}
		r.s.frameMs.Store(0)
		published, err := r.hand(frame, h)
		if err != nil {
			return err
		}
		if published {
			r.s.nudge()
		}
	}
}

// read implements source: it notes when bytes came. errIdle, between two frames only: the listener says that none have for a while.
func (r *reader) read(p, extra []byte) (int, error) {
	s := r.s
	n, err := s.wire.read(p, extra)
	for errors.Is(err, os.ErrDeadlineExceeded) && !s.ending.Load() {
		s.wire.deadline(time.Time{})
		if s.ending.Load() {
			s.wire.deadline(past) // a drain has set it for good meanwhile
			break
		}
		if f := r.framer; f.r == f.w && s.frameMs.Load() == 0 {
			return 0, errIdle
		}
		n, err = s.wire.read(p, extra)
	}
	if n > 0 {
		r.noteRead(n)
	}
	return n, err
}

func (r *reader) noteRead(n int) {
	r.now = r.s.nowMs()
	r.s.lastReadMs.Store(r.now)
	r.s.metrics.bytesIn.Add(float64(n))
}

// admit implements gate.
func (r *reader) admit(h frameHead) error {
	s := r.s
	route, known := api.Lookup(h.key)
	if !known || !route.Serves(h.version) && h.key != keyApiVersions {
		return problem{closedUnserved, unserved(route, known, h)}
	}
	if h.key != keyProduce && h.size > s.limits.ControlRequestMax {
		return problem{closedBadFrame, fmt.Errorf("a %s request of %d bytes; at most %d are read", kmsg.NameForKey(h.key), h.size, s.limits.ControlRequestMax)}
	}
	r.holding = 0
	if !r.wait(h) {
		return errQuit
	}
	s.frameMs.Store(max(1, r.now))
	return nil
}

func unserved(route api.Route, known bool, h frameHead) error {
	if !known {
		return fmt.Errorf("request with API key %d, which is not served; it may not be a Kafka client", h.key)
	}
	return fmt.Errorf("%s request version %d; versions %d to %d are served", kmsg.NameForKey(h.key), h.version, route.Min, route.Max)
}

// wait waits until the request may be taken; false if the connection was over first.
func (r *reader) wait(h frameHead) bool {
	s := r.s
	for !r.allowed(h) {
		s.wanting.Store(true)
		if r.allowed(h) {
			break
		}
		select {
		case <-s.credit:
		case <-s.quit:
			return false
		}
	}
	s.wanting.Store(false)
	return true
}

// allowed says whether the connection's own limits let the request in.
func (r *reader) allowed(h frameHead) bool {
	s := r.s
	under := s.head.Load() - s.tail.Load()
	if under == 0 {
		s.growRing()
		return true
	}
	if under >= uint64(len(s.ring)) {
		s.ringFull = true
		return false
	}
	return s.bytes.Load()+h.size <= s.limits.BytesInFlightMax &&
		(h.key != keyProduce || s.control.Load() == 0)
}

// charge implements gate.
func (r *reader) charge(n int64) error {
	if r.prepaid >= n {
		r.prepaid -= n
	} else if !r.s.budget.acquire(n, r.holding > 0, r.s.quit) {
		return errQuit
	}
	r.holding += n
	r.s.bytes.Add(n)
	r.s.metrics.inFlight.Add(float64(n))
	return nil
}

// refund implements gate.
func (r *reader) refund(n int64) {
	r.holding -= n
	r.s.bytes.Add(-n)
	r.s.budget.release(n)
	r.s.metrics.inFlight.Sub(float64(n))
}

// hand decodes a request and hands it over: to the partition it is for, or into the ring (published), of which the actor is still to be
// told.
func (r *reader) hand(frame *protocol.Frame, h frameHead) (published bool, err error) {
	s := r.s
	route, _ := api.Lookup(h.key)
	served := route.Serves(h.version)
	r.noteRequest(h.key)
	c := &call{s: s, route: route, bytes: int64(len(frame.Bytes)), began: s.now()}
	c.Call = api.Call{Broker: s.broker, Key: h.key, Version: h.version, CorrelationID: h.correlation, ClientAddr: s.remote, Conn: s.pid, Responder: c}
	if sw := s.software.Load(); sw != nil {
		c.Software, c.SoftwareVersion = sw[0], sw[1]
	}
	if !served {
		frame.Release() // ApiVersions of the future: nothing behind the correlation id can be trusted
		s.publish(c)
		return true, nil
	}
	header, body, err := protocol.ParseRequestHeader(frame.Bytes)
	if err != nil {
		frame.Release()
		return false, problem{closedBadRequest, err}
	}
	// The client id hardly ever changes: one string serves all requests.
	if string(header.ClientID) != r.clientID {
		r.clientID = string(header.ClientID)
	}
	c.ClientID = r.clientID
	if route.Read != nil {
		c.started = true
		if err := route.Read(&c.Call, frame, body); err != nil {
			return false, problem{closedBadRequest, err}
		}
		return false, nil
	}
	req, err := protocol.DecodeRequest(h.key, h.version, frame.Bytes[body:])
	frame.Release()
	if err != nil {
		return false, problem{closedBadRequest, err}
	}
	c.Request = req
	s.publish(c)
	return true, nil
}

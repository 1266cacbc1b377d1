package connection

// This file owns one request between its reader and its answer. Invariants: a call is answered exactly once; what it holds (bytes of
// credit, a stream's parts) is given back exactly once, by the actor, when its answer is taken or the connection is gone.

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// call is an api.Call with its place in the connection.
type call struct {
	api.Call
	s     *socket
	route api.Route
	bytes int64
	began time.Time // when its last byte had been read
	timed bool      // somebody has a quota of the time that requests take

	// answered is set, last, by whoever answers; what is below up to the blank line is then the actor's to read.
	answered atomic.Bool
	encoder  api.Encoder
	stream   api.Stream
	streamed bool
	silent   bool

	// Of the actor alone (or of the reader, before the call is handed over).
	started     bool
	blocking    func()
	inWriter    atomic.Bool // blocking is running in the writer goroutine, which takes the answer itself
	expiry      api.Expirer
	expiryMs    int64
	expiryDrain bool
	gone        func()
}

var _ api.Responder = (*call)(nil)

func (c *call) Reply(resp kmsg.Response) {
	resp.SetVersion(c.Version)
	c.ReplyEncoded(resp)
}

func (c *call) ReplyEncoded(e api.Encoder) {
	c.encoder = e
	c.finish()
}

func (c *call) ReplyStream(b api.Stream) {
	c.stream, c.streamed = b, true
	c.finish()
}

func (c *call) ReplyNothing() {
	c.silent = true
	c.finish()
}

func (c *call) finish() {
	if c.answered.Swap(true) {
		invariant.Fail("request %s answered twice", kmsg.NameForKey(c.Key))
	}
	if !c.inWriter.Load() {
		c.s.nudge()
	}
}

func (c *call) HandOver() { c.s.publish(c) }

func (c *call) Close(reason string) { c.s.fail(closedByHandler, reason) }

func (c *call) Blocking(f func()) { c.blocking = f; c.s.nudge() }

func (c *call) Mute(ms int32) { c.s.mute(ms) }

func (c *call) Draining() bool { return c.s.ending.Load() }

func (c *call) Identify(software, version string) { c.s.software.Store(&[2]string{software, version}) }

func (c *call) OnExpire(deadlineMs int64, drainToo bool, f api.Expirer) {
	c.expiryMs, c.expiryDrain, c.expiry = deadlineMs, drainToo, f
	c.s.expireBy(deadlineMs)
}

func (c *call) OnGone(f func()) { c.gone = f }

// release gives back what the answer holds.
func (c *call) release() {
	if c.streamed && c.stream.Release != nil {
		c.stream.Release()
		c.stream.Release = nil
	}
}

// handle starts the call's handler.
func (c *call) handle() {
	c.started = true
	if !c.timed {
		c.route.Handle(&c.Call)
		return
	}
	began := c.s.now()
	c.route.Handle(&c.Call)
	c.SpentNs += int64(c.s.now().Sub(began))
}

// appendAnswer appends the whole answer frame.
func (c *call) appendAnswer(dst []byte) ([]byte, error) {
	c.ChargeTime()
	if c.ThrottleMs > 0 {
		if e, ok := c.encoder.(kmsg.SetThrottleResponse); ok {
			e.SetThrottle(c.ThrottleMs)
		}
	}
	at := len(dst)
	dst = protocol.AppendResponseHeader(append(dst, 0, 0, 0, 0), c.Key, c.Version, c.CorrelationID)
	dst, err := protocol.FinishFrame(c.encoder.AppendTo(dst), at)
	if err != nil {
		return dst, fmt.Errorf("%s: %w", kmsg.NameForKey(c.Key), err)
	}
	return dst, nil
}

package kfakeshim

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the way between clients and the broker. Frames pass as they are, save for requests that a test answers itself
// (ControlKey, Fault). Such an answer is written at once; the tests have no other request in flight on the same connection when they
// do that, so its order among the broker's answers does not matter.

// frameBytesMax bounds a request; nothing that the tests send comes near it.
const frameBytesMax = 64 << 20

type control struct {
	key int16
	fn  func(kmsg.Request) (kmsg.Response, error, bool)
}

type proxy struct {
	listener net.Listener
	upstream string

	mu       sync.Mutex // guards what is below
	conns    map[net.Conn]bool
	closed   bool
	controls []*control
}

// listen begins to forward connections to upstream.
func listen(upstream string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, upstream: upstream, conns: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) close() {
	p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for c := range p.conns {
		c.Close()
	}
}

// track keeps a connection until it ends; false if the proxy is closed already.
func (p *proxy) track(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return !p.closed
}

func (p *proxy) untrack(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

func (p *proxy) serve(client net.Conn) {
	defer p.untrack(client)
	broker, err := net.DialTimeout("tcp", p.upstream, time.Second)
	if err != nil {
		return
	}
	defer p.untrack(broker)
	if !p.track(client) || !p.track(broker) {
		return
	}
	var writes sync.Mutex // of whole frames to the client
	go func() {
		defer client.Close()
		for {
			frame, err := readFrame(broker)
			if err != nil {
				return
			}
			writes.Lock()
			_, err = client.Write(frame)
			writes.Unlock()
			if err != nil {
				return
			}
		}
	}()
	for {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		if answer := p.answer(frame[4:]); answer != nil {
			writes.Lock()
			_, err = client.Write(answer)
			writes.Unlock()
		} else {
			_, err = broker.Write(frame)
		}
		if err != nil {
			return
		}
	}
}

// readFrame reads a frame with its length.
func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > frameBytesMax {
		return nil, fmt.Errorf("a frame of %d bytes, at most %d pass", n, frameBytesMax)
	}
	frame := make([]byte, 4+n)
	copy(frame, size[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// answer gives the request to the controls of its key; a nil answer lets it pass.
func (p *proxy) answer(frame []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.controls) == 0 {
		return nil
	}
	r := kbin.Reader{Src: frame}
	key, version, correlation := r.Int16(), r.Int16(), r.Int32()
	if !slices.ContainsFunc(p.controls, func(c *control) bool { return c.key == key }) {
		return nil
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	r.NullableString() // client id
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if !r.Ok() || req.ReadFrom(r.Src) != nil {
		return nil // for the broker to judge
	}
	for i, c := range p.controls {
		if c.key != key {
			continue
		}
		resp, err, handled := c.fn(req)
		if !handled {
			continue
		}
		p.controls = slices.Delete(p.controls, i, i+1)
		if err != nil {
			panic(fmt.Sprintf("a test answers %s with an error (%v): the proxy does not know what that means", kmsg.NameForKey(key), err))
		}
		return encode(resp, version, correlation)
	}
	return nil
}

func encode(resp kmsg.Response, version int16, correlation int32) []byte {
	resp.SetVersion(version)
	out := make([]byte, 4)
	out = kbin.AppendInt32(out, correlation)
	if resp.IsFlexible() {
		out = append(out, 0) // no tags
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// ControlKey has fn look at each request of a key. The first request that fn says it handled is answered with what it returns, and
// ends the control.
func (c *Cluster) ControlKey(key int16, fn func(kmsg.Request) (kmsg.Response, error, bool)) {
	c.proxy.mu.Lock()
	defer c.proxy.mu.Unlock()
	c.proxy.controls = append(c.proxy.controls, &control{key, fn})
}

// Fault answers the next request of one of the keys for which When says yes with an error.
type Fault struct {
	Keys []kmsg.Key
	Err  *kerr.Error
	When func(kmsg.Request) bool
}

// Fault installs a fault.
func (c *Cluster) Fault(f Fault) {
	var once sync.Once
	for _, key := range f.Keys {
		c.ControlKey(int16(key), func(req kmsg.Request) (resp kmsg.Response, _ error, handled bool) {
			if f.When != nil && !f.When(req) {
				return nil, nil, false
			}
			once.Do(func() {
				heartbeat, ok := req.ResponseKind().(*kmsg.ConsumerGroupHeartbeatResponse)
				if !ok {
					panic("faults are known for ConsumerGroupHeartbeat only")
				}
				heartbeat.ErrorCode = f.Err.Code
				resp, handled = heartbeat, true
			})
			return resp, nil, handled
		})
	}
}

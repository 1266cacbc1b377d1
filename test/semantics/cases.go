package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the table of cases, and what a case can do: name things, connect, send a request, and have the answer written down.

// testCase is one row of the table. Its transcript must not depend on the moment, on the run or on other cases.
type testCase struct {
	file, name string // "02_list_offsets", "v1"
	setting    string // KEY=VALUE that the broker must have been started with; "": no other than usual
	run        func(c *C)
	alone      bool // it changes what others see: it runs when they are done, and puts back what it changed
}

func (tc *testCase) String() string { return tc.file + "/" + tc.name }

var allCases []*testCase

// add puts a case into the table, under the name of the file that calls it.
func add(name string, run func(c *C)) { addFrom(2, name, run) }

// addWith puts in a case for a broker that has a setting of its own (KEY=VALUE). It has that broker to itself while it runs.
func addWith(setting, name string, run func(c *C)) {
	addFrom(2, name, run)
	allCases[len(allCases)-1].setting = setting
}

// alone adds a case that changes what others see. It must put it back.
func alone(name string, run func(c *C)) {
	addFrom(2, name, run)
	allCases[len(allCases)-1].alone = true
}

// versions adds one case for each version of an API.
func versions(first, last int16, run func(c *C, v int16)) {
	for v := first; v <= last; v++ {
		addFrom(2, fmt.Sprintf("v%d", v), func(c *C) { run(c, v) })
	}
}

func addFrom(skip int, name string, run func(c *C)) {
	_, file, _, _ := runtime.Caller(skip)
	allCases = append(allCases, &testCase{file: strings.TrimSuffix(filepath.Base(file), ".go"), name: name, run: run})
}

const (
	// answerWithin bounds the wait for an answer that should come.
	answerWithin = 15 * time.Second
	// silentFor is how long a broker must have kept silent where it is said never to answer.
	silentFor = 2 * time.Second
)

// C is one case being run against one broker. It belongs to one goroutine.
type C struct {
	addr   string
	prefix string // of every name that the case makes, unique in this run
	base   int64  // T of the transcript, unix ms: an hour ago

	lines    []string
	shown    shown
	conn     net.Conn
	patience time.Duration
	last     int32 // correlation id
}

// aborted is the panic of a case that cannot go on.
type aborted struct{ why string }

// abort ends the case: its preparation did not work.
func (c *C) abort(format string, args ...any) { panic(aborted{fmt.Sprintf(format, args...)}) }

// say writes a line of explanation.
func (c *C) say(format string, args ...any) {
	c.lines = append(c.lines, "- "+fmt.Sprintf(format, args...))
}

// name makes a name that nothing else has; the transcript shows it as $label.
func (c *C) name(label string) string {
	name := c.prefix + label
	c.shown.names[name] = "$" + label
	return name
}

// dial makes the case's connection anew.
func (c *C) dial() {
	c.hangUp()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.abort("connect: %v", err)
	}
	c.conn = conn
}

func (c *C) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// apart runs f with a connection of its own: for a second client.
func (c *C) apart(f func()) {
	conn, last := c.conn, c.last
	c.conn = nil
	defer func() { c.hangUp(); c.conn, c.last = conn, last }()
	f()
}

// write sends bytes as they are.
func (c *C) write(frame []byte) {
	if c.conn == nil {
		c.dial()
	}
	_ = c.conn.SetDeadline(time.Now().Add(answerWithin))
	_, _ = c.conn.Write(frame) // that the other side closed is seen when reading
}

// send sends a request without reading an answer.
func (c *C) send(v int16, req kmsg.Request) {
	req.SetVersion(v)
	c.last++
	c.write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("sem")).AppendRequest(nil, req, c.last))
}

var errSilent = errors.New("no answer")

// read reads one answer: what stands behind the correlation id.
func (c *C) read() ([]byte, error) {
	if c.conn == nil {
		return nil, io.EOF
	}
	wait := c.patience
	if wait == 0 {
		wait = answerWithin
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(wait))
	var head [8]byte
	_, err := io.ReadFull(c.conn, head[:])
	var body []byte
	if err == nil {
		size := binary.BigEndian.Uint32(head[:])
		if size < 4 || size > 64<<20 {
			c.abort("an answer of %d bytes", size)
		}
		body = make([]byte, size-4)
		_, err = io.ReadFull(c.conn, body)
	}
	var timeout net.Error
	switch {
	case err == nil:
	case errors.As(err, &timeout) && timeout.Timeout():
		c.hangUp()
		return nil, errSilent
	default:
		c.hangUp()
		return nil, io.EOF
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != c.last {
		c.abort("an answer to request %d, expected %d", got, c.last)
	}
	return body, nil
}

// receive reads the answer to req; nil if there is none, and why.
func (c *C) receive(req kmsg.Request) (resp kmsg.Response, raw []byte, err error) {
	if raw, err = c.read(); err != nil {
		return nil, nil, err
	}
	resp = req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && resp.Key() != 18 {
		if len(raw) == 0 || raw[0] != 0 {
			c.abort("a response header with tags: %x", raw[:min(8, len(raw))])
		}
		raw = raw[1:]
	}
	if resp.Key() == 18 && len(raw) >= 2 && raw[0] == 0 && raw[1] == 35 {
		resp.SetVersion(0)
	}
	if err := resp.ReadFrom(raw); err != nil {
		c.lines = append(c.lines, fmt.Sprintf("  not decodable: %v", err))
		return nil, raw, err
	}
	return resp, raw, nil
}

// ask sends a request and writes its answer down, after edit has taken out of it what cannot be compared.
func (c *C) ask(v int16, req kmsg.Request, edit ...func(kmsg.Response)) kmsg.Response {
	c.send(v, req)
	return c.answer(req, edit...)
}

// answer reads and writes down the answer to a request that was sent.
func (c *C) answer(req kmsg.Request, edit ...func(kmsg.Response)) kmsg.Response {
	c.lines = append(c.lines, fmt.Sprintf("> %s v%d", kmsg.NameForKey(req.Key()), req.GetVersion()))
	resp, raw, err := c.receive(req)
	switch {
	case err == errSilent:
		c.lines = append(c.lines, "  no answer")
	case err == io.EOF:
		c.lines = append(c.lines, "  closed")
	case err != nil:
	default:
		canonical := string(resp.AppendTo(nil)) == string(raw)
		for _, f := range edit {
			f(resp)
		}
		c.lines = append(c.lines, c.shown.response(resp)...)
		if !canonical && resp.Key() != 18 {
			c.lines = append(c.lines, "  (encoded unusually)")
		}
		return resp
	}
	return nil
}

// get asks without writing anything down, for an answer that must come.
func (c *C) get(v int16, req kmsg.Request) kmsg.Response {
	c.send(v, req)
	resp, _, err := c.receive(req)
	if err != nil {
		c.abort("%s v%d: %v", kmsg.NameForKey(req.Key()), v, err)
	}
	return resp
}

// do is ask for an answer of a known type that must come.
func do[R kmsg.Response](c *C, v int16, req kmsg.Request, edit ...func(kmsg.Response)) R {
	resp, ok := c.ask(v, req, edit...).(R)
	if !ok {
		c.abort("%s v%d was not answered", kmsg.NameForKey(req.Key()), v)
	}
	return resp
}

// raw sends a frame with a version 1 header made by hand; body follows the client id.
func (c *C) raw(key, version int16, clientID, body []byte) {
	c.last++
	frame := make([]byte, 4, 64)
	frame = binary.BigEndian.AppendUint16(frame, uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, uint16(version))
	frame = binary.BigEndian.AppendUint32(frame, uint32(c.last))
	frame = append(append(frame, clientID...), body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	c.write(frame)
}

// outcome writes down what follows bytes that were written: an answer of some length, silence, or a close.
func (c *C) outcome() {
	raw, err := c.read()
	switch {
	case err == errSilent:
		c.lines = append(c.lines, "  no answer")
	case err != nil:
		c.lines = append(c.lines, "  closed")
	default:
		c.lines = append(c.lines, fmt.Sprintf("  answered, error %d", int16(binary.BigEndian.Uint16(append(raw, 0, 0)))))
	}
}

// alive writes down whether the connection still serves.
func (c *C) alive() {
	if c.conn == nil {
		c.say("the connection is closed")
		return
	}
	req := kmsg.NewPtrApiVersionsRequest()
	c.send(0, req)
	if _, _, err := c.receive(req); err != nil {
		c.say("the connection no longer serves")
		return
	}
	c.say("the connection lives on")
}

// runCase runs a case against a broker; the transcript's lines.
func runCase(tc *testCase, addr, run string, number int) (lines []string) {
	c := &C{addr: addr, prefix: fmt.Sprintf("sem-%s-%d-", run, number), base: time.Now().Add(-time.Hour).UnixMilli()}
	c.shown = newShown(c.base)
	defer func() {
		switch why := recover().(type) {
		case nil:
		case aborted:
			c.lines = append(c.lines, "! aborted: "+c.shown.text(why.why))
		default:
			c.lines = append(c.lines, fmt.Sprintf("! aborted: %v", why))
		}
		c.hangUp()
		lines = c.lines
	}()
	tc.run(c)
	return c.lines
}

package connection_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
)

func TestMain(m *testing.M) {
	// protoactor counts dead letters a second at a time with a goroutine that outlives its system by that second.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"))
}

// patience is how long a test waits for an event before it gives up.
const patience = 10 * time.Second

// door is a listener with everything behind it, on a port of its own.
type door struct {
	t        testing.TB
	broker   *api.Broker
	listener *connection.Listener
	pid      *actor.PID
	budget   *connection.Budget
	frames   *protocol.FramePool
	log      *lines
	metrics  *prometheus.Registry
}

// count is what the counter of this name stands at.
func (d *door) count(name string) float64 {
	d.t.Helper()
	families, err := d.metrics.Gather()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	d.t.Fatalf("no counter %s", name)
	return 0
}

// lines is a log to look at.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openDoor(t testing.TB, limits connection.Limits, budgetBytes int64, change ...func(*api.Broker)) *door {
	t.Helper()
	return openBreakableDoor(t, limits, budgetBytes, nil, change...)
}

func openBreakableDoor(t testing.TB, limits connection.Limits, budgetBytes int64, fault actorsystem.FaultInjector, change ...func(*api.Broker)) *door {
	t.Helper()
	log := &lines{}
	logger := zerolog.New(log)
	system := actorsystem.New(actorsystem.Config{Log: logger, Fault: fault})
	d := &door{t: t, budget: connection.NewBudget(budgetBytes), frames: protocol.NewFramePool(8 << 20), log: log}
	d.broker = &api.Broker{System: system, Log: logger, NodeID: 1, Metadata: &controller.Holder{}, Replicas: &partition.Directory{},
		Disk: &diskstate.State{}, Frames: d.frames}
	for _, f := range change {
		f(d.broker)
	}
	system = d.broker.System
	var err error
	if d.listener, err = connection.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	d.metrics = prometheus.NewRegistry()
	if limits.TickMs == 0 {
		limits.TickMs = 10
	}
	d.pid, err = system.SpawnRoot(d.listener.Spec(connection.Config{Name: "test", Broker: d.broker, Budget: d.budget,
		Metrics: connection.NewMetrics(d.metrics), Limits: limits, Log: logger}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := system.StopWait(d.pid, patience); err != nil {
			t.Error(err)
		}
		d.eventually("all credit is back", func() bool { return d.budget.Used() == 0 && d.frames.InUse() == 0 })
		system.Shutdown()
	})
	return d
}

// eventually waits for an event that has no message: it looks again and again.
func (d *door) eventually(what string, happened func() bool) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("waited in vain: %s; budget used %d, frames in use %d\n%s", what, d.budget.Used(), d.frames.InUse(), d.log)
		}
	}
}

// kinds counts the live actors of a kind.
func (d *door) kinds(kind string) (n int) {
	for _, i := range d.broker.System.Actors() {
		if i.Kind == kind {
			n++
		}
	}
	return n
}

// client is a bare Kafka client.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func (d *door) dial() *client {
	d.t.Helper()
	conn, err := net.Dial("tcp", d.listener.Addr().String())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	return &client{t: d.t, conn: conn, r: bufio.NewReader(conn)}
}

func frameOf(req kmsg.Request, version int16, correlation int32) []byte {
	req.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, req, correlation)
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) send(req kmsg.Request, version int16, correlation int32) {
	c.t.Helper()
	c.write(frameOf(req, version, correlation))
}

// frame reads one answer frame.
func (c *client) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.r, b)
	return b, err
}

// receive reads the answer to req and checks its correlation id.
func (c *client) receive(req kmsg.Request, version int16, correlation int32) kmsg.Response {
	c.t.Helper()
	b, err := c.frame()
	if err != nil {
		c.t.Fatalf("answer %d: %v", correlation, err)
	}
	if got := int32(binary.BigEndian.Uint32(b)); got != correlation {
		c.t.Fatalf("the answer has correlation id %d, want %d", got, correlation)
	}
	req.SetVersion(version)
	resp := req.ResponseKind()
	b = b[4:]
	if resp.IsFlexible() && req.Key() != 18 {
		b = b[1:]
	}
	if err := resp.ReadFrom(b); err != nil {
		c.t.Fatalf("answer %d: %v", correlation, err)
	}
	return resp
}

func (c *client) ask(req kmsg.Request, version int16) kmsg.Response {
	c.t.Helper()
	c.send(req, version, 7)
	return c.receive(req, version, 7)
}

// closed checks that the broker closes the connection without another answer.
func (c *client) closed() {
	c.t.Helper()
	if b, err := c.frame(); err == nil {
		c.t.Fatalf("an answer came: %x", b)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		c.t.Fatal("the connection stays open")
	}
}

func versionsRequest() *kmsg.ApiVersionsRequest {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1.0"
	return req
}

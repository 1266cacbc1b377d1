package behaviour

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/test/harness"
)

// This file owns the broker under test and the connection that raw requests go through.

// answerWithin bounds how long any answer may take.
const answerWithin = 15 * time.Second

// broker is the one that is asked.
type broker struct {
	addr  string
	kafka bool // Apache Kafka, not Troupe
}

func TestAnswersAreThoseOfApacheKafka(t *testing.T) {
	b := &broker{addr: os.Getenv("TROUPE_BEHAVIOUR_ADDR"), kafka: true}
	var started *harness.Broker
	if b.addr == "" {
		started = harness.Start(t)
		b.addr, b.kafka = started.Addr, false
	}
	for _, group := range []struct {
		name string
		test func(t *testing.T, b *broker)
	}{
		{"Frames", testFrames}, {"ApiVersions", testAPIVersions}, {"Metadata", testMetadata}, {"DescribeTopicPartitions", testDescribeTopicPartitions},
		{"Produce", testProduce}, {"ProduceAcks0", testProduceAcks0}, {"StoredBatch", testStoredBatch}, {"Idempotence", testIdempotence},
		{"Fetch", testFetch}, {"ListOffsets", testListOffsets}, {"Configs", testConfigs}, {"Groups", testGroups}, {"Membership", testMembership},
		{"ClientWithoutApiVersions", testClientWithoutAPIVersions}, {"AdvertisedVersions", testAdvertisedVersions},
		{"OldApiVersions", testOldAPIVersions}, {"StoredCodec", testStoredCodec},
		{"ElectLeaders", testElectLeaders}, {"UpdateFeatures", testUpdateFeatures},
	} {
		t.Run(group.name, func(t *testing.T) { group.test(t, b) })
	}
	if started != nil {
		started.MustNotHavePanicked()
	}
}

// or is the error that Troupe answers, or Kafka's where the two differ on purpose (docs/differences.md).
func (b *broker) or(troupe, kafka int16) int16 {
	if b.kafka {
		return kafka
	}
	return troupe
}

var topics atomic.Int32

// topic creates a topic of one partition with configurations (name, value, …), and returns its name and id.
func (b *broker) topic(t *testing.T, configs ...string) (string, [16]byte) {
	t.Helper()
	name := fmt.Sprintf("behaviour-%d-%d", time.Now().UnixMilli(), topics.Add(1))
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 1, 1
	for i := 0; i < len(configs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req.Topics = append(req.Topics, rt)
	resp := ask(t, b, req, 7, kmsg.NewPtrCreateTopicsResponse())
	if code := resp.Topics[0].ErrorCode; code != 0 {
		t.Fatalf("create topic: error %d %v", code, *resp.Topics[0].ErrorMessage)
	}
	// Kafka's broker learns of the topic a moment after the answer.
	for deadline := time.Now().Add(answerWithin); b.offset(t, name, 10, -1).ErrorCode != 0; {
		if time.Now().After(deadline) {
			t.Fatalf("topic %s has no leader", name)
		}
	}
	return name, resp.Topics[0].TopicID
}

// conn is a connection of one test.
type conn struct {
	net.Conn
	t    *testing.T
	last int32 // correlation id
}

func (b *broker) dial(t *testing.T) *conn {
	t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	return &conn{c, t, 0}
}

// ask sends one request on a connection of its own and reads its answer into resp, which it returns.
func ask[R kmsg.Response](t *testing.T, b *broker, req kmsg.Request, version int16, resp R) R {
	t.Helper()
	c := b.dial(t)
	defer c.Close()
	c.send(req, version)
	resp.SetVersion(version)
	c.receive(resp)
	return resp
}

// send writes a request without waiting for an answer.
func (c *conn) send(req kmsg.Request, version int16) {
	c.t.Helper()
	req.SetVersion(version)
	c.last++
	c.write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("behaviour")).AppendRequest(nil, req, c.last))
}

// sendRaw writes a request made by hand, with a header of version 1 (not flexible).
func (c *conn) sendRaw(key, version int16, clientID []byte, body []byte) {
	c.t.Helper()
	c.last++
	frame := make([]byte, 4, 64)
	frame = binary.BigEndian.AppendUint16(frame, uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, uint16(version))
	frame = binary.BigEndian.AppendUint32(frame, uint32(c.last))
	frame = append(append(frame, clientID...), body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	c.write(frame)
}

func (c *conn) write(frame []byte) {
	c.t.Helper()
	if _, err := c.Write(frame); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// body reads one answer: the bytes behind the correlation id, which must be that of the last request.
func (c *conn) body() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil, err
	}
	rest := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c, rest); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != c.last {
		return nil, fmt.Errorf("correlation id %d, sent %d", got, c.last)
	}
	return rest, nil
}

// receive reads the answer to a request into resp, whose version is set.
func (c *conn) receive(resp kmsg.Response) {
	c.t.Helper()
	raw, err := c.body()
	if err != nil {
		c.t.Fatalf("%s v%d: no answer: %v", kmsg.NameForKey(resp.Key()), resp.GetVersion(), err)
	}
	if resp.IsFlexible() && resp.Key() != 18 {
		raw = raw[1:]
	}
	if err := resp.ReadFrom(raw); err != nil {
		c.t.Fatalf("%s v%d: %v", kmsg.NameForKey(resp.Key()), resp.GetVersion(), err)
	}
}

// closed checks that the broker closes the connection without an answer.
func (c *conn) closed() {
	c.t.Helper()
	n, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if n > 0 || errors.As(err, &timeout) && timeout.Timeout() {
		c.t.Errorf("%d bytes were answered (%v); the connection should be closed", n, err)
	}
}

// alive checks that the connection still answers.
func (c *conn) alive() {
	c.t.Helper()
	c.send(kmsg.NewPtrApiVersionsRequest(), 0)
	resp := kmsg.NewPtrApiVersionsResponse()
	c.receive(resp)
	if resp.ErrorCode != 0 || len(resp.ApiKeys) < 10 {
		c.t.Errorf("the connection no longer serves: %+v", resp)
	}
}

// wantCode compares error codes.
func wantCode(t *testing.T, what string, got, want int16) {
	t.Helper()
	if got != want {
		t.Errorf("%s: error %d, Kafka says %d", what, got, want)
	}
}

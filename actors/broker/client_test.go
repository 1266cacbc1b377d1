package broker

// This file owns the clients of the broker tests: raw Kafka frames over TCP, so that what a client library would smooth over is
// seen. Invariant of writer: a batch, once built, is sent again with the same bytes until the broker has said what became of it.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// requestTimeout bounds every wait for an answer.
const requestTimeout = 20 * time.Second

// wireClient is one connection. Requests may be pipelined: send, send, receive, receive.
type wireClient struct {
	conn   net.Conn
	format *kmsg.RequestFormatter
	sent   []kmsg.Request
}

func dial(addr string) (*wireClient, error) {
	conn, err := net.DialTimeout("tcp", addr, requestTimeout)
	if err != nil {
		return nil, err
	}
	return &wireClient{conn: conn, format: kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))}, nil
}

func mustDial(t testing.TB, addr string) *wireClient {
	t.Helper()
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

func (c *wireClient) close() { _ = c.conn.Close() }

func (c *wireClient) send(req kmsg.Request) error {
	_ = c.conn.SetDeadline(time.Now().Add(requestTimeout))
	c.sent = append(c.sent, req)
	_, err := c.conn.Write(c.format.AppendRequest(nil, req, int32(len(c.sent))))
	return err
}

// receive reads the answer to the oldest request that has none.
func (c *wireClient) receive() (kmsg.Response, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.conn, frame); err != nil {
		return nil, err
	}
	req := c.sent[0]
	c.sent = c.sent[1:]
	resp := req.ResponseKind()
	at := 4 // the correlation id
	if resp.IsFlexible() && resp.Key() != 18 {
		at++ // no tags
	}
	return resp, resp.ReadFrom(frame[at:])
}

func (c *wireClient) ask(req kmsg.Request) (kmsg.Response, error) {
	if err := c.send(req); err != nil {
		return nil, err
	}
	return c.receive()
}

func mustAsk[R kmsg.Response](t testing.TB, c *wireClient, req kmsg.Request) R {
	t.Helper()
	resp, err := c.ask(req)
	if err != nil {
		t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return resp.(R)
}

// createTopic makes a topic and returns its id.
func createTopic(t testing.TB, addr, name string, partitions int32, configs map[string]string) [16]byte {
	t.Helper()
	c := mustDial(t, addr)
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.TimeoutMillis = 7, 20_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	for k, v := range configs {
		cfg := kmsg.NewCreateTopicsRequestTopicConfig()
		cfg.Name, cfg.Value = k, &v
		topic.Configs = append(topic.Configs, cfg)
	}
	req.Topics = append(req.Topics, topic)
	resp := mustAsk[*kmsg.CreateTopicsResponse](t, c, req)
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return resp.Topics[0].TopicID
}

// batch is one record batch of an idempotent producer.
type batch struct {
	sequence, records int32
	bytes             []byte
	offset            int64 // -1: not acknowledged
	everSent          bool
}

// writer is an idempotent producer of one partition. Its n-th record's value begins with "p<partition> <n> ".
type writer struct {
	topic     string
	partition int32
	id        int64
	size      int   // of a value, bytes
	keys      int32 // its n-th record has the key n modulo this; 0: no key
	batches   []*batch
	next      int32
	acked     int // batches[:acked] are acknowledged, all others not known to be
	refusals  map[string]int
}

func newProducerID(c *wireClient) (int64, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.Version, req.TransactionTimeoutMillis = 4, 1000
	resp, err := c.ask(req)
	if err != nil {
		return 0, err
	}
	r := resp.(*kmsg.InitProducerIDResponse)
	return r.ProducerID, kerr.ErrorForCode(r.ErrorCode)
}

func newWriter(t testing.TB, addr, topic string, partition int32, size int) *writer {
	t.Helper()
	c := mustDial(t, addr)
	defer c.close()
	for {
		id, err := newProducerID(c)
		if err == nil {
			return &writer{topic: topic, partition: partition, id: id, size: size, refusals: map[string]int{}}
		}
		if !kerr.IsRetriable(err) {
			t.Fatalf("producer id: %v", err)
		}
	}
}

func value(partition, n int32, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+24), "p%d %d ", partition, n)
	for len(b) < size {
		b = append(b, byte('a'+len(b)%26))
	}
	return b
}

// build adds a batch of records.
func (w *writer) build(records int32) *batch {
	var body []byte
	for i := range records {
		v := value(w.partition, w.next+i, w.size)
		rec := []byte{0}
		rec = binary.AppendVarint(rec, 0)
		rec = binary.AppendVarint(rec, int64(i))
		if w.keys > 0 {
			key := strconv.Itoa(int((w.next + i) % w.keys))
			rec = append(binary.AppendVarint(rec, int64(len(key))), key...)
		} else {
			rec = binary.AppendVarint(rec, -1)
		}
		rec = binary.AppendVarint(rec, int64(len(v)))
		rec = append(rec, v...)
		rec = binary.AppendVarint(rec, 0)
		body = append(binary.AppendVarint(body, int64(len(rec))), rec...)
	}
	now := time.Now().UnixMilli()
	h := protocol.BatchHeader{Magic: 2, LastOffsetDelta: records - 1, BaseTimestamp: now, MaxTimestamp: now,
		ProducerID: w.id, BaseSequence: w.next, RecordCount: records}
	b := append(protocol.AppendBatchHeader(nil, &h), body...)
	protocol.SealBatch(b)
	out := &batch{sequence: w.next, records: records, bytes: b, offset: -1}
	w.batches = append(w.batches, out)
	w.next += records
	return out
}

func (w *writer) request(b *batch) kmsg.Request {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, -1, int32(requestTimeout.Milliseconds())
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = w.topic
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = w.partition, b.bytes
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	return req
}

// errNotRetriable is an answer that a client would give its application.
var errNotRetriable = errors.New("not retriable")

// push sends everything that is not acknowledged, at most five batches, and takes the answers. refused says that some were refused, with
// errors that are worth trying again; any other answer is an error, and so is the end of the connection.
func (w *writer) push(c *wireClient) (refused bool, err error) {
	open := w.batches[w.acked:]
	if len(open) > 5 {
		open = open[:5]
	}
	if w.acked == 0 && len(open) > 1 {
		open = open[:1] // as clients do: until the partition knows the producer, it takes any sequence for its first
	}
	for _, b := range open {
		b.everSent = true
		if err := c.send(w.request(b)); err != nil {
			return false, err
		}
	}
	for _, b := range open {
		resp, err := c.receive()
		if err != nil {
			return refused, err
		}
		p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		err = kerr.ErrorForCode(p.ErrorCode)
		switch {
		case err == nil:
			if p.BaseOffset < 0 || b.offset >= 0 && b.offset != p.BaseOffset {
				return refused, fmt.Errorf("%w: sequence %d was acknowledged at offset %d, before that at %d", errNotRetriable, b.sequence, p.BaseOffset, b.offset)
			}
			b.offset = p.BaseOffset
			if !refused {
				w.acked++
			}
		case kerr.IsRetriable(err), refused && errors.Is(err, kerr.OutOfOrderSequenceNumber):
			refused = true
			w.refusals[err.Error()]++
		default:
			return refused, fmt.Errorf("%w: sequence %d of partition %d: %w", errNotRetriable, b.sequence, w.partition, err)
		}
	}
	return refused, nil
}

// read fetches the partition from its start to the high watermark and returns base offset, sequence and size of each batch.
func readPartition(t testing.TB, addr string, id [16]byte, partition int32, from int64) (batches []protocol.BatchHeader, values []string) {
	t.Helper()
	c := mustDial(t, addr)
	defer c.close()
	offset := from
	for {
		req := kmsg.NewPtrFetchRequest()
		req.Version, req.MaxBytes, req.MaxWaitMillis, req.MinBytes, req.SessionEpoch = 13, 4<<20, 500, 0, -1
		topic := kmsg.NewFetchRequestTopic()
		topic.TopicID = id
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = partition, offset, 1<<20, -1
		topic.Partitions = append(topic.Partitions, part)
		req.Topics = append(req.Topics, topic)
		resp := mustAsk[*kmsg.FetchResponse](t, c, req)
		if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
			t.Fatalf("fetch partition %d at %d: %v", partition, offset, err)
		}
		p := resp.Topics[0].Partitions[0]
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			if kerr.IsRetriable(err) && !errors.Is(err, kerr.OffsetOutOfRange) {
				continue
			}
			t.Fatalf("fetch partition %d at %d: %v", partition, offset, err)
		}
		if offset >= p.HighWatermark {
			return batches, values
		}
		if err := protocol.EachBatch(p.RecordBatches, func(h *protocol.BatchHeader, b []byte) error {
			if err := protocol.CheckBatchCRC(b); err != nil {
				return err
			}
			if h.BaseOffset != offset {
				return fmt.Errorf("batch at offset %d where %d is next", h.BaseOffset, offset)
			}
			batches = append(batches, *h)
			it, err := protocol.NewRecords(b, 64<<20)
			if err != nil {
				return err
			}
			defer it.Close()
			for it.Next() {
				values = append(values, string(it.Record().Value))
			}
			offset = h.LastOffset() + 1
			return it.Err()
		}); err != nil {
			t.Fatalf("partition %d: %v", partition, err)
		}
	}
}

// verify compares a writer's batches with what the broker serves: every acknowledged batch at its offset, every other one at most
// once, all of them in order, and nothing else. acked says how many were acknowledged (those after may be missing).
func (w *writer) verify(t testing.TB, addr string, id [16]byte, acked int) {
	t.Helper()
	found, values := readPartition(t, addr, id, w.partition, 0)
	if len(found) < acked {
		t.Fatalf("partition %d: %d batches were acknowledged, %d are there", w.partition, acked, len(found))
	}
	if len(found) > len(w.batches) {
		t.Fatalf("partition %d: %d batches were sent, %d are there", w.partition, len(w.batches), len(found))
	}
	n := 0
	for i, h := range found {
		b := w.batches[i]
		if h.BaseSequence != b.sequence || h.RecordCount != b.records || h.ProducerID != w.id {
			t.Fatalf("partition %d: batch %d has sequence %d, %d records; want %d, %d", w.partition, i, h.BaseSequence, h.RecordCount, b.sequence, b.records)
		}
		if i < acked && h.BaseOffset != b.offset {
			t.Fatalf("partition %d: sequence %d was acknowledged at %d and stands at %d", w.partition, b.sequence, b.offset, h.BaseOffset)
		}
		if !b.everSent {
			t.Fatalf("partition %d: sequence %d was never sent", w.partition, b.sequence)
		}
		for j := range b.records {
			if want := string(value(w.partition, b.sequence+j, w.size)); values[n] != want {
				t.Fatalf("partition %d: record %d is %.20q, want %.20q", w.partition, n, values[n], want)
			}
			n++
		}
	}
}

package load

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// fakeBroker keeps batches in memory and answers just enough Kafka. produce decides what happens to a batch; so it can do all that a broker
// must not.
type fakeBroker struct {
	t          *testing.T
	l          net.Listener
	partitions int

	mu    sync.Mutex
	logs  [][]byte
	ends  []int64
	conns []net.Conn
	// produce is called with the lock held for the n-th batch (from 0) of all; nil stores and acknowledges each.
	produce func(n int, partition int32, batch []byte) (code protocol.ErrorCode, offset int64)
	batches int
	// before is called without the lock before a produce request is looked at.
	before func()
}

func newFakeBroker(t *testing.T, partitions int) *fakeBroker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &fakeBroker{t: t, l: l, partitions: partitions, logs: make([][]byte, partitions), ends: make([]int64, partitions)}
	b.produce = func(_ int, p int32, batch []byte) (protocol.ErrorCode, int64) { return 0, b.store(p, batch) }
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			wg.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.cut()
		wg.Wait()
	})
	return b
}

func (b *fakeBroker) addr() string { return b.l.Addr().String() }

// cut closes all connections.
func (b *fakeBroker) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		c.Close()
	}
	b.conns = nil
}

// store appends a batch; the lock is held.
func (b *fakeBroker) store(p int32, batch []byte) int64 {
	batch = bytes.Clone(batch)
	h, err := protocol.ParseBatchHeader(batch)
	if err != nil {
		b.t.Error(err)
		return -1
	}
	at := b.ends[p]
	protocol.PatchBatch(batch, at, 0)
	b.logs[p] = append(b.logs[p], batch...)
	b.ends[p] += int64(h.LastOffsetDelta) + 1
	return at
}

func (b *fakeBroker) serve(c net.Conn) {
	for {
		var size [4]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, frame); err != nil {
			return
		}
		h, at, err := protocol.ParseRequestHeader(frame)
		if err != nil {
			b.t.Error(err)
			return
		}
		req, err := protocol.DecodeRequest(h.Key, h.Version, frame[at:])
		if err != nil {
			b.t.Error(err)
			return
		}
		resp := b.answer(req)
		if resp == nil {
			c.Close()
			return
		}
		resp.SetVersion(h.Version)
		out, err := protocol.AppendResponse(nil, h.CorrelationID, resp)
		if err != nil {
			b.t.Error(err)
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}

func (b *fakeBroker) answer(req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		a := kmsg.NewPtrApiVersionsResponse()
		for key, newest := range map[int16]int16{0: 9, 1: 12, 2: 5, 3: 9, 18: 3, 22: 4} {
			k := kmsg.NewApiVersionsResponseApiKey()
			k.ApiKey, k.MaxVersion = key, newest
			a.ApiKeys = append(a.ApiKeys, k)
		}
		return a
	case *kmsg.MetadataRequest:
		a := kmsg.NewPtrMetadataResponse()
		host, port, _ := net.SplitHostPort(b.addr())
		n, _ := strconv.Atoi(port)
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port = 1, host, int32(n)
		a.Brokers, a.ControllerID = append(a.Brokers, broker), 1
		t := kmsg.NewMetadataResponseTopic()
		t.Topic = kmsg.StringPtr("t")
		for i := range b.partitions {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = int32(i), 1, []int32{1}, []int32{1}
			t.Partitions = append(t.Partitions, p)
		}
		a.Topics = append(a.Topics, t)
		return a
	case *kmsg.InitProducerIDRequest:
		a := kmsg.NewPtrInitProducerIDResponse()
		a.ProducerID = 7
		return a
	case *kmsg.ListOffsetsRequest:
		return b.listOffsets(req)
	case *kmsg.FetchRequest:
		return b.fetch(req)
	case *kmsg.ProduceRequest:
		if b.before != nil {
			b.before()
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		a := kmsg.NewPtrProduceResponse()
		t := kmsg.NewProduceResponseTopic()
		t.Topic = "t"
		for _, part := range req.Topics[0].Partitions {
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition = part.Partition
			code, offset := b.produce(b.batches, part.Partition, part.Records)
			b.batches++
			if code == cutConnection {
				return nil
			}
			p.ErrorCode, p.BaseOffset = int16(code), offset
			t.Partitions = append(t.Partitions, p)
		}
		a.Topics = append(a.Topics, t)
		return a
	}
	b.t.Errorf("unexpected request %T", req)
	return nil
}

// cutConnection is no error code: the broker closes the connection instead of answering.
const cutConnection = protocol.ErrorCode(9999)

func (b *fakeBroker) listOffsets(req *kmsg.ListOffsetsRequest) kmsg.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := kmsg.NewPtrListOffsetsResponse()
	t := kmsg.NewListOffsetsResponseTopic()
	t.Topic = "t"
	for _, part := range req.Topics[0].Partitions {
		p := kmsg.NewListOffsetsResponseTopicPartition()
		p.Partition, p.Offset = part.Partition, 0
		if part.Timestamp == -1 {
			p.Offset = b.ends[part.Partition]
		}
		t.Partitions = append(t.Partitions, p)
	}
	a.Topics = append(a.Topics, t)
	return a
}

func (b *fakeBroker) fetch(req *kmsg.FetchRequest) kmsg.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := kmsg.NewPtrFetchResponse()
	t := kmsg.NewFetchResponseTopic()
	t.Topic = "t"
	for _, part := range req.Topics[0].Partitions {
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.HighWatermark = part.Partition, b.ends[part.Partition]
		_ = protocol.EachBatch(b.logs[part.Partition], func(h *protocol.BatchHeader, batch []byte) error {
			if h.LastOffset() >= part.FetchOffset && len(p.RecordBatches) < 1<<20 {
				p.RecordBatches = append(p.RecordBatches, batch...)
			}
			return nil
		})
		t.Partitions = append(t.Partitions, p)
	}
	a.Topics = append(a.Topics, t)
	return a
}

package record

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// These tests consume from a broker that answers with a log as compaction, deletion and transactions leave it.

// fakeBatch is a batch of a log: its offsets, and of which of them records are left.
type fakeBatch struct {
	first, last int64
	records     []int64
	control     bool
}

// fakeBroker is a broker of one topic "t" with one partition.
type fakeBroker struct {
	t          *testing.T
	listener   net.Listener
	start, end int64
	batches    []fakeBatch
	deleted    bool // everything is gone once the first Fetch comes
}

func serveFake(t *testing.T, b *fakeBroker) string {
	var err error
	b.t = t
	if b.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.listener.Close() })
	go func() {
		for {
			conn, err := b.listener.Accept()
			if err != nil {
				return
			}
			go b.serve(conn)
		}
	}()
	return b.listener.Addr().String()
}

// fakeVersions are the highest versions served: none with tagged fields, so that all headers are plain.
var fakeVersions = map[int16]int16{1: 11, 2: 5, 3: 8, 18: 2}

func (b *fakeBroker) serve(conn net.Conn) {
	defer conn.Close()
	var size [4]byte
	for {
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
		resp := b.answer(key, version, frame[10+max(0, int(int16(binary.BigEndian.Uint16(frame[8:])))):])
		out := resp.AppendTo(append([]byte{0, 0, 0, 0}, frame[4:8]...))
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (b *fakeBroker) answer(key, version int16, body []byte) kmsg.Response {
	if key == 18 {
		r := kmsg.NewPtrApiVersionsResponse()
		if r.SetVersion(version); version > fakeVersions[18] {
			r.SetVersion(0)
			r.ErrorCode = 35
		}
		for k, v := range fakeVersions {
			r.ApiKeys = append(r.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: k, MaxVersion: v})
		}
		return r
	}
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	if err := req.ReadFrom(body); err != nil {
		b.t.Errorf("request %d v%d: %v", key, version, err)
	}
	resp := req.ResponseKind()
	resp.SetVersion(version)
	switch r := resp.(type) {
	case *kmsg.MetadataResponse:
		addr := b.listener.Addr().(*net.TCPAddr)
		r.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "127.0.0.1", Port: int32(addr.Port)}}
		for _, asked := range req.(*kmsg.MetadataRequest).Topics {
			t := kmsg.NewMetadataResponseTopic()
			t.Topic = asked.Topic
			t.Partitions = []kmsg.MetadataResponseTopicPartition{{Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}}
			r.Topics = append(r.Topics, t)
		}
	case *kmsg.ListOffsetsResponse:
		p := kmsg.NewListOffsetsResponseTopicPartition()
		if p.Offset = b.end; req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -2 {
			p.Offset = b.start
		}
		r.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsResponseTopicPartition{p}}}
	case *kmsg.FetchResponse:
		b.fetch(req.(*kmsg.FetchRequest), r)
	}
	return resp
}

func (b *fakeBroker) fetch(req *kmsg.FetchRequest, resp *kmsg.FetchResponse) {
	wait := time.Duration(req.MaxWaitMillis) * time.Millisecond
	for _, t := range req.Topics {
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.HighWatermark, rp.LastStableOffset, rp.LogStartOffset = p.Partition, b.end, b.end, b.start
			if b.deleted {
				rp.LogStartOffset = b.end
			}
			if p.FetchOffset < rp.LogStartOffset {
				rp.ErrorCode = 1
			}
			for _, batch := range b.batches {
				if batch.last >= p.FetchOffset && !b.deleted {
					rp.RecordBatches = append(rp.RecordBatches, batch.encode()...)
				}
			}
			if rp.ErrorCode != 0 || len(rp.RecordBatches) > 0 {
				wait = 0
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	time.Sleep(wait) // a long poll, as a broker would
}

func (f fakeBatch) encode() []byte {
	b := kmsg.RecordBatch{FirstOffset: f.first, Magic: 2, LastOffsetDelta: int32(f.last - f.first), ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(len(f.records))}
	if f.control {
		b.Attributes = 0x20
	}
	for _, o := range f.records {
		r := kmsg.Record{OffsetDelta: int32(o - f.first), Key: []byte("k"), Value: []byte("v")}
		if f.control {
			r.Key = []byte{0, 0, 0, 0}
		}
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		b.Records = r.AppendTo(b.Records)
	}
	raw := b.AppendTo(nil)
	b.Length = int32(len(raw) - 12)
	b.CRC = int32(crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b.AppendTo(nil)
}

func TestConsumeEndsAtTheEndWhateverIsLeftOfTheLog(t *testing.T) {
	one := fakeBatch{first: 0, last: 4, records: []int64{0, 2, 4}}
	for name, c := range map[string]struct {
		broker *fakeBroker
		args   []string
		want   string
	}{
		"all there":                           {&fakeBroker{end: 5, batches: []fakeBatch{one}}, nil, "0 2 4"},
		"the newest offsets are gone":         {&fakeBroker{end: 20, batches: []fakeBatch{one}}, nil, "0 2 4"},
		"an empty batch at the end":           {&fakeBroker{end: 8, batches: []fakeBatch{one, {first: 5, last: 7}}}, nil, "0 2 4"},
		"empty batches, then nothing":         {&fakeBroker{end: 30, batches: []fakeBatch{one, {first: 5, last: 7}, {first: 12, last: 19}}}, nil, "0 2 4"},
		"a record after a gap":                {&fakeBroker{end: 30, batches: []fakeBatch{{first: 5, last: 7}, {first: 12, last: 19, records: []int64{13}}}}, nil, "13"},
		"a control batch at the end":          {&fakeBroker{end: 6, batches: []fakeBatch{one, {first: 5, last: 5, records: []int64{5}, control: true}}}, nil, "0 2 4"},
		"nothing left at all":                 {&fakeBroker{end: 20}, nil, ""},
		"committed records":                   {&fakeBroker{end: 20, batches: []fakeBatch{one}}, []string{"--read-committed"}, "0 2 4"},
		"from the end of a batch":             {&fakeBroker{end: 20, batches: []fakeBatch{one}}, []string{"--from", "3"}, "4"},
		"from behind the last record":         {&fakeBroker{end: 20, batches: []fakeBatch{one}}, []string{"--from", "-2"}, ""},
		"everything deleted while we read":    {&fakeBroker{end: 20, deleted: true, batches: []fakeBatch{one}}, nil, ""},
		"a record behind the end that it saw": {&fakeBroker{end: 3, batches: []fakeBatch{one}}, nil, "0 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := NewConsume()
			var out bytes.Buffer
			cmd.SetOut(&out)
			cmd.SetErr(io.Discard)
			cmd.SetArgs(append([]string{"t", "--bootstrap", serveFake(t, c.broker), "--format", `%o\n`, "--timeout", "10s"}, c.args...))
			began := time.Now()
			if err := cmd.ExecuteContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(out.String()), " "); got != c.want {
				t.Errorf("offsets %q, want %q", got, c.want)
			}
			if took := time.Since(began); took > 4*time.Second { // less than a long poll
				t.Errorf("it took %s", took)
			}
		})
	}
}

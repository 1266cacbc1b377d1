package protocol

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestProduceReadsWhatKmsgWrites(t *testing.T) {
	if limit := kmsg.NewPtrProduceRequest().MaxVersion(); limit != ProduceVersionMax {
		t.Fatalf("kmsg knows Produce v%d, the decoder v%d", limit, ProduceVersionMax)
	}
	rnd := testRand(t)
	var got ProduceRequest // reused, as a connection does
	for version := range int16(ProduceVersionMax + 1) {
		for range 200 {
			req := kmsg.NewPtrProduceRequest()
			fill(rnd, reflect.ValueOf(req).Elem())
			req.Version = version
			checkProduce(t, &got, req)
			checkProduceResponse(t, rnd, &got)
		}
	}
}

func checkProduce(t *testing.T, got *ProduceRequest, req *kmsg.ProduceRequest) {
	t.Helper()
	const at = 33
	frame := append(req.AppendTo(make([]byte, at)), "trailing"...)
	if err := got.Decode(frame, at, req.Version); err != nil {
		t.Fatal(err)
	}
	wanted := merged(req)
	if got.Acks != req.Acks || got.TimeoutMs != req.TimeoutMillis || len(got.Topics) != len(wanted) {
		t.Fatalf("v%d: %+v, want %+v", req.Version, got, req)
	}
	if id := req.TransactionID; req.Version >= 3 && (id == nil) != (got.TransactionalID == nil) || id != nil && req.Version >= 3 && *id != string(got.TransactionalID) {
		t.Fatalf("v%d: transactional id %q", req.Version, got.TransactionalID)
	}
	for i, want := range wanted {
		topic := got.Topics[i]
		if req.Version >= 13 && topic.ID != want.TopicID || req.Version < 13 && string(topic.Name) != want.Topic {
			t.Fatalf("v%d: topic %d is %q %x", req.Version, i, topic.Name, topic.ID)
		}
		parts := got.Partitions[topic.First:topic.Last]
		if len(parts) != len(want.Partitions) {
			t.Fatalf("v%d: topic %d has %d partitions, want %d", req.Version, i, len(parts), len(want.Partitions))
		}
		for j, p := range parts {
			if p.Partition != want.Partitions[j].Partition || !bytes.Equal(p.Records, want.Partitions[j].Records) || int(p.Topic) != i {
				t.Fatalf("v%d: partition %+v, want %+v", req.Version, p, want.Partitions[j])
			}
			if p.Start < 1 || !bytes.Equal(frame[p.Start:p.Start+len(p.Records)], p.Records) {
				t.Fatalf("v%d: records are not at %d", req.Version, p.Start)
			}
		}
	}
}

// merged is what Kafka makes of a request's topics: one entry for each, with the last record set of each partition.
func merged(req *kmsg.ProduceRequest) (topics []kmsg.ProduceRequestTopic) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			at := slices.IndexFunc(topics, func(o kmsg.ProduceRequestTopic) bool {
				return req.Version >= 13 && o.TopicID == t.TopicID || req.Version < 13 && o.Topic == t.Topic
			})
			if at < 0 {
				at = len(topics)
				topics = append(topics, kmsg.ProduceRequestTopic{Topic: t.Topic, TopicID: t.TopicID})
			}
			parts := &topics[at].Partitions
			if i := slices.IndexFunc(*parts, func(o kmsg.ProduceRequestTopicPartition) bool { return o.Partition == p.Partition }); i >= 0 {
				(*parts)[i] = p
			} else {
				*parts = append(*parts, p)
			}
		}
	}
	return topics
}

func TestOfSeveralRecordSetsForOnePartitionTheLastCounts(t *testing.T) {
	rnd := testRand(t)
	var got ProduceRequest
	for _, version := range []int16{3, 9, 12, 13} {
		for _, most := range []int32{1, 3, 100} { // few to choose from: much is named again; many: the lists are searched by maps
			for range 50 {
				req := kmsg.NewPtrProduceRequest()
				req.Version = version
				for range rnd.IntN(60) {
					kind := byte(rnd.Int32N(most))
					topic := kmsg.ProduceRequestTopic{Topic: string('a' + rune(kind)), TopicID: [16]byte{kind + 1}}
					for range rnd.IntN(60) {
						topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: rnd.Int32N(most), Records: []byte{byte(rnd.Int32())}})
					}
					req.Topics = append(req.Topics, topic)
				}
				checkProduce(t, &got, req)
			}
		}
	}
}

func checkProduceResponse(t *testing.T, rnd *rand.Rand, req *ProduceRequest) {
	t.Helper()
	resp := kmsg.NewPtrProduceResponse()
	resp.Version, resp.ThrottleMillis = req.Version, rnd.Int32()
	var answers []ProduceAnswer
	for _, topic := range req.Topics {
		kt := kmsg.NewProduceResponseTopic()
		kt.Topic, kt.TopicID = string(topic.Name), topic.ID
		for _, p := range req.Partitions[topic.First:topic.Last] {
			a := ProduceAnswer{Code: ErrorCode(rnd.IntN(100) - 1), BaseOffset: rnd.Int64(), AppendTimeMs: rnd.Int64(), LogStartOffset: rnd.Int64()}
			kp := kmsg.NewProduceResponseTopicPartition()
			kp.Partition, kp.ErrorCode, kp.BaseOffset, kp.LogAppendTime, kp.LogStartOffset = p.Partition, int16(a.Code), a.BaseOffset, a.AppendTimeMs, a.LogStartOffset
			if rnd.IntN(2) == 0 {
				a.Message = "what went wrong"
				kp.ErrorMessage = &a.Message
				for range rnd.IntN(3) {
					e := RecordError{rnd.Int32(), "this one"}
					ke := kmsg.NewProduceResponseTopicPartitionErrorRecord()
					ke.RelativeOffset, ke.ErrorMessage = e.Index, &e.Message
					a.Records, kp.ErrorRecords = append(a.Records, e), append(kp.ErrorRecords, ke)
				}
			}
			if req.Version >= 10 && rnd.IntN(2) == 0 {
				a.Leader = &LeaderHint{rnd.Int32N(10), rnd.Int32N(10)}
				kp.CurrentLeader.LeaderID, kp.CurrentLeader.LeaderEpoch = a.Leader.NodeID, a.Leader.Epoch
			}
			answers, kt.Partitions = append(answers, a), append(kt.Partitions, kp)
		}
		resp.Topics = append(resp.Topics, kt)
	}
	var nodes []NodeEndpoint
	if req.Version >= 10 {
		nodes, resp.Brokers = randomNodes(rnd)
	}
	got := req.AppendResponse([]byte("x"), answers, resp.ThrottleMillis, nodes)
	if want := resp.AppendTo([]byte("x")); !bytes.Equal(got, want) {
		t.Fatalf("v%d\n got %x\nwant %x", req.Version, got, want)
	}
}

func randomNodes(rnd *rand.Rand) (nodes []NodeEndpoint, brokers []kmsg.ProduceResponseBroker) {
	for range rnd.IntN(3) {
		n := NodeEndpoint{NodeID: rnd.Int32(), Host: "broker.example", Port: 9092}
		if rnd.IntN(2) == 0 {
			n.Rack = kmsg.StringPtr("rack")
		}
		b := kmsg.NewProduceResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = n.NodeID, n.Host, n.Port, n.Rack
		nodes, brokers = append(nodes, n), append(brokers, b)
	}
	return nodes, brokers
}

func TestProduceSkipsTaggedFieldsItDoesNotKnow(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 11
	topic, part := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	part.Records = []byte("records")
	part.UnknownTags.Set(3, []byte("abc"))
	topic.Topic, topic.Partitions = "t", append(topic.Partitions, part)
	topic.UnknownTags.Set(300, make([]byte, 300))
	req.Topics = append(req.Topics, topic)
	req.UnknownTags.Set(0, nil)
	checkProduce(t, new(ProduceRequest), req)
}

func TestProduceRefusesEveryTruncation(t *testing.T) {
	rnd := testRand(t)
	var got ProduceRequest
	for version := range int16(ProduceVersionMax + 1) {
		req := kmsg.NewPtrProduceRequest()
		fill(rnd, reflect.ValueOf(req).Elem())
		req.Version = version
		body := req.AppendTo(nil)
		for n := range body {
			if err := got.Decode(body[:n], 0, version); err == nil {
				t.Fatalf("v%d: %d of %d bytes were enough", version, n, len(body))
			}
		}
	}
}

func TestProduceRefusesCountsThatDoNotFit(t *testing.T) {
	var got ProduceRequest
	body := append(make([]byte, 6), 0x7f, 0xff, 0xff, 0xff)
	if got.Decode(append(body, make([]byte, 100)...), 0, 0) == nil || cap(got.Topics) != 0 {
		t.Fatal("2^31-1 topics in 100 bytes")
	}
	if got.Decode(nil, 0, ProduceVersionMax+1) == nil {
		t.Fatal("unknown version")
	}
}

func TestProduceDecodingDoesNotAllocateOnceWarm(t *testing.T) {
	frame := produceFrame(9, 3, 64_000)
	var req ProduceRequest
	if n := testing.AllocsPerRun(100, func() {
		if err := req.Decode(frame, 0, 9); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// produceFrame is a request body with the given number of partitions.
func produceFrame(version int16, partitions, recordBytes int) []byte {
	req := kmsg.NewPtrProduceRequest()
	req.Version = version
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "orders"
	for i := range partitions {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = int32(i), make([]byte, recordBytes)
		topic.Partitions = append(topic.Partitions, p)
	}
	req.Topics = append(req.Topics, topic)
	return req.AppendTo(nil)
}

func BenchmarkDecodeProduce(b *testing.B) {
	for name, partitions := range map[string]int{"1partition": 1, "50partitions": 50} {
		frame := produceFrame(12, partitions, 256)
		b.Run(name, func(b *testing.B) {
			var req ProduceRequest
			b.ReportAllocs()
			for b.Loop() {
				if err := req.Decode(frame, 0, 12); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

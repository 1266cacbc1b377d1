package behaviour

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file asks as tools do that are old, or that do without ApiVersions: their versions are fixed in their code, and nothing tells
// them what a broker can do.

// call sends a request on a connection that may have carried others, and reads its answer.
func call[R kmsg.Response](c *conn, req kmsg.Request, version int16, resp R) R {
	c.t.Helper()
	_ = c.SetDeadline(time.Now().Add(answerWithin))
	c.send(req, version)
	resp.SetVersion(version)
	c.receive(resp)
	return resp
}

// testClientWithoutAPIVersions is a whole session of kaf (Sarama with a fixed old version): produce, look, consume as a group.
func testClientWithoutAPIVersions(t *testing.T, b *broker) {
	c := b.dial(t)
	defer c.Close()
	topic, group := fmt.Sprintf("kaf-%d", time.Now().UnixNano()), fmt.Sprintf("kaf-group-%d", time.Now().UnixNano())

	create := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 1, 1
	create.Topics = append(create.Topics, rt)
	wantCode(t, "CreateTopics v2", call(c, create, 2, kmsg.NewPtrCreateTopicsResponse()).Topics[0].ErrorCode, 0)

	metadata := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = &topic
	metadata.Topics = append(metadata.Topics, mt)
	for deadline := time.Now().Add(answerWithin); ; {
		m := call(c, metadata, 5, kmsg.NewPtrMetadataResponse())
		if len(m.Brokers) == 1 && m.ControllerID == m.Brokers[0].NodeID && m.Topics[0].ErrorCode == 0 && m.Topics[0].Partitions[0].Leader == m.Brokers[0].NodeID {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Metadata v5: %+v", m)
		}
	}

	p := call(c, produceRequest(topic, [16]byte{}, -1, newBatch(2).bytes()), 5, kmsg.NewPtrProduceResponse()).Topics[0].Partitions[0]
	if p.ErrorCode != 0 || p.BaseOffset != 0 || p.LogStartOffset != 0 {
		t.Fatalf("Produce v5: %+v", p)
	}

	for timestamp, want := range map[int64]int64{-1: 2, -2: 0} {
		list := kmsg.NewPtrListOffsetsRequest()
		lt := kmsg.NewListOffsetsRequestTopic()
		lt.Topic = topic
		lp := kmsg.NewListOffsetsRequestTopicPartition()
		lp.Timestamp = timestamp
		lt.Partitions = append(lt.Partitions, lp)
		list.Topics = append(list.Topics, lt)
		if o := call(c, list, 1, kmsg.NewPtrListOffsetsResponse()).Topics[0].Partitions[0]; o.ErrorCode != 0 || o.Offset != want {
			t.Errorf("ListOffsets v1 of %d: %+v", timestamp, o)
		}
	}

	fetched := call(c, fetchRequest(topic, 1), 7, kmsg.NewPtrFetchResponse())
	var batch kmsg.RecordBatch
	if fp := fetched.Topics[0].Partitions[0]; fp.ErrorCode != 0 || fp.HighWatermark != 2 || batch.ReadFrom(fp.RecordBatches) != nil || batch.NumRecords != 2 {
		t.Errorf("Fetch v7: %+v", fetched)
	}

	session := oldGroupSession(t, c, group, topic)
	committed := kmsg.NewPtrOffsetFetchRequest()
	committed.Group = group
	committed.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: topic, Partitions: []int32{0}}}
	if o := call(c, committed, 3, kmsg.NewPtrOffsetFetchResponse()); o.ErrorCode != 0 || o.Topics[0].Partitions[0].ErrorCode != 0 || o.Topics[0].Partitions[0].Offset != 1 {
		t.Errorf("OffsetFetch v3: %+v", o)
	}
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID = group, session.member
	wantCode(t, "LeaveGroup v1", call(c, leave, 1, kmsg.NewPtrLeaveGroupResponse()).ErrorCode, 0)

	// Burrow reads the commits of all groups from the topic itself.
	b.findsCommit(t, group, topic, 1)
}

type oldSession struct {
	member     string
	generation int32
}

// oldGroupSession joins a group as its only member with versions from before member ids were required, and commits offset 1.
func oldGroupSession(t *testing.T, c *conn, group, topic string) oldSession {
	t.Helper()
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = group
	for deadline := time.Now().Add(answerWithin); ; {
		f := call(c, find, 0, kmsg.NewPtrFindCoordinatorResponse())
		if f.ErrorCode == 0 && f.Port != 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("FindCoordinator v0: %+v", f)
		}
	}
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{topic}
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = group, 10_000, 10_000, "consumer"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription.AppendTo(nil)}}
	var joined *kmsg.JoinGroupResponse
	for deadline := time.Now().Add(answerWithin); ; {
		joined = call(c, join, 2, kmsg.NewPtrJoinGroupResponse())
		if joined.ErrorCode == 0 {
			break
		}
		if time.Now().After(deadline) { // until then the coordinator may still be loading
			t.Fatalf("JoinGroup v2: %+v", joined)
		}
	}
	if joined.MemberID == "" || joined.LeaderID != joined.MemberID || len(joined.Members) != 1 || !bytes.Equal(joined.Members[0].ProtocolMetadata, join.Protocols[0].Metadata) {
		t.Fatalf("JoinGroup v2: %+v", joined)
	}
	assignment := kmsg.NewConsumerMemberAssignment()
	assignment.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: topic, Partitions: []int32{0}}}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.Generation, sync.MemberID = group, joined.Generation, joined.MemberID
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: assignment.AppendTo(nil)}}
	if s := call(c, sync, 1, kmsg.NewPtrSyncGroupResponse()); s.ErrorCode != 0 || !bytes.Equal(s.MemberAssignment, sync.GroupAssignment[0].MemberAssignment) {
		t.Fatalf("SyncGroup v1: %+v", s)
	}
	heartbeat := kmsg.NewPtrHeartbeatRequest()
	heartbeat.Group, heartbeat.Generation, heartbeat.MemberID = group, joined.Generation, joined.MemberID
	wantCode(t, "Heartbeat v1", call(c, heartbeat, 1, kmsg.NewPtrHeartbeatResponse()).ErrorCode, 0)

	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.Generation, commit.MemberID, commit.RetentionTimeMillis = group, joined.Generation, joined.MemberID, -1
	commit.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: 1, LeaderEpoch: -1}}}}
	wantCode(t, "OffsetCommit v2", call(c, commit, 2, kmsg.NewPtrOffsetCommitResponse()).Topics[0].Partitions[0].ErrorCode, 0)
	return oldSession{joined.MemberID, joined.Generation}
}

// findsCommit reads __consumer_offsets as a monitor does and looks for a group's commit, and for the group itself, in Kafka's format.
func (b *broker) findsCommit(t *testing.T, group, topic string, want int64) {
	t.Helper()
	name := "__consumer_offsets"
	partitions := len(b.metadata(t, 9, &name, [16]byte{}, false).Topics[0].Partitions)
	var commits, groups int
	for p := range partitions {
		req := fetchRequest(name, 0)
		req.Topics[0].Partitions[0].Partition = int32(p)
		for raw := b.fetch(t, req).RecordBatches; len(raw) > 12; {
			var rb kmsg.RecordBatch
			size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
			if size > len(raw) || rb.ReadFrom(raw[:size]) != nil {
				break
			}
			raw = raw[size:]
			for _, r := range records(t, rb) {
				var ck kmsg.OffsetCommitKey
				var cv kmsg.OffsetCommitValue
				var gk kmsg.GroupMetadataKey
				var gv kmsg.GroupMetadataValue
				switch kind := int16(binary.BigEndian.Uint16(r.Key)); {
				case kind <= 1 && ck.ReadFrom(r.Key) == nil && ck.Group == group && len(r.Value) > 0:
					if err := cv.ReadFrom(r.Value); err != nil || ck.Topic != topic || ck.Partition != 0 || cv.Offset != want {
						t.Errorf("commit record: %+v %+v %v", ck, cv, err)
					}
					commits++
				case kind == 2 && gk.ReadFrom(r.Key) == nil && gk.Group == group && len(r.Value) > 0:
					if err := gv.ReadFrom(r.Value); err != nil {
						t.Errorf("group record: %v", err)
					}
					if gv.ProtocolType == "consumer" { // the first record of a new group has none yet
						groups++
					}
				}
			}
		}
	}
	if commits != 1 || groups == 0 {
		t.Errorf("%s holds %d commits (expected 1) and %d states of group %s", name, commits, groups, group)
	}
}

// records are those of an uncompressed batch.
func records(t *testing.T, rb kmsg.RecordBatch) (all []kmsg.Record) {
	t.Helper()
	rest := kbin.Reader{Src: rb.Records}
	for range rb.NumRecords {
		at := rest.Src
		size := int(rest.Varint())
		rest.Span(size)
		r := kmsg.NewRecord()
		if err := r.ReadFrom(at[:len(at)-len(rest.Src)]); err != nil || !rest.Ok() {
			t.Fatalf("a batch at %d holds no records: %v", rb.FirstOffset, err)
		}
		all = append(all, r)
	}
	return all
}

// testOldAPIVersions is topicctl: it asks for the list in versions 0 and 2.
func testOldAPIVersions(t *testing.T, b *broker) {
	c := b.dial(t)
	defer c.Close()
	var keys [][]kmsg.ApiVersionsResponseApiKey
	for _, version := range []int16{0, 1, 2} {
		resp := call(c, kmsg.NewPtrApiVersionsRequest(), version, kmsg.NewPtrApiVersionsResponse())
		wantCode(t, fmt.Sprintf("ApiVersions v%d", version), resp.ErrorCode, 0)
		keys = append(keys, resp.ApiKeys)
	}
	for _, key := range keys[0] {
		// librdkafka before 2.8 takes a broker that begins later for one that knows no compression, and sends without (KAFKA-18659).
		if key.ApiKey == 0 && key.MinVersion != 0 {
			t.Errorf("Produce is advertised from version %d", key.MinVersion)
		}
	}
	for i := 1; i < len(keys); i++ {
		if len(keys[i]) != len(keys[0]) {
			t.Errorf("version %d lists %d keys, version 0 lists %d", i, len(keys[i]), len(keys[0]))
		}
	}
}

// testStoredCodec checks that what an old or a new producer compressed is kept in its codec, not merely readable.
func testStoredCodec(t *testing.T, b *broker) {
	plain := newBatch(3)
	raw := plain.bytes()[61:]
	for _, codec := range []struct {
		name     string
		id       int16
		versions []int16
		compress func([]byte) []byte
	}{
		{"gzip", 1, []int16{3, 5, 9}, nil},
		{"snappy", 2, []int16{3, 5, 9}, func(p []byte) []byte { return s2.EncodeSnappy(nil, p) }},
		{"lz4", 3, []int16{3, 5, 9}, func(p []byte) []byte {
			var out bytes.Buffer
			w := lz4.NewWriter(&out)
			_, _ = w.Write(p)
			_ = w.Close()
			return out.Bytes()
		}},
		{"zstd", 4, []int16{7, 9}, func(p []byte) []byte {
			w, err := zstd.NewWriter(nil)
			if err != nil {
				t.Fatal(err)
			}
			return w.EncodeAll(p, nil)
		}},
	} {
		topic, _ := b.topic(t)
		for i, version := range codec.versions {
			batch := newBatch(3)
			if codec.compress == nil {
				batch.gzip = true
			} else {
				batch.raw, batch.Attributes = codec.compress(slices.Clone(raw)), codec.id
			}
			sent := batch.bytes()
			if p := b.produce(t, topic, version, sent); p.ErrorCode != 0 || p.BaseOffset != int64(3*i) {
				t.Errorf("%s in Produce v%d: error %d, base offset %d", codec.name, version, p.ErrorCode, p.BaseOffset)
				continue
			}
			stored := b.stored(t, topic, int64(3*i))
			if stored.Attributes&7 != codec.id {
				t.Errorf("%s in Produce v%d is stored with codec %d", codec.name, version, stored.Attributes&7)
			}
			if crc32.ChecksumIEEE(stored.Records) != crc32.ChecksumIEEE(sent[61:]) {
				t.Errorf("%s in Produce v%d: the records are not stored as they were sent", codec.name, version)
			}
		}
	}
}

package record

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

func ptr[T any](v T) *T { return &v }

var uuid = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func TestKeysSurviveARoundTrip(t *testing.T) {
	for _, k := range []Key{
		{Type: OffsetCommitV0, Group: "g", Topic: "t", Partition: 7},
		{Type: OffsetCommit, Group: "", Topic: "topic", Partition: 1 << 30},
		{Type: GroupMetadata, Group: "group"},
		{Type: ConsumerGroupMetadata, Group: "group"},
		{Type: PartitionMetadata, Group: "group"},
		{Type: MemberMetadata, Group: "group", Member: "m"},
		{Type: TargetAssignmentMetadata, Group: "group"},
		{Type: TargetAssignmentMember, Group: "group", Member: "m"},
		{Type: CurrentMemberAssignment, Group: "group", Member: "m"},
		{Type: RegularExpression, Group: "group", Regex: "a.*"},
	} {
		b := AppendKey(nil, &k)
		got, err := ParseKey(b)
		if err != nil || got != k {
			t.Errorf("%+v: got %+v, %v", k, got, err)
		}
		for n := range b {
			if _, err := ParseKey(b[:n]); err == nil {
				t.Errorf("%+v cut to %d bytes was accepted", k, n)
			}
		}
	}
}

func TestKeysAreTheBytesThatKmsgReads(t *testing.T) {
	b := AppendKey(nil, &Key{Type: OffsetCommit, Group: "g", Topic: "t", Partition: 7})
	want := kmsg.OffsetCommitKey{Version: 1, Group: "g", Topic: "t", Partition: 7}
	if !bytes.Equal(b, want.AppendTo(nil)) {
		t.Errorf("offset commit key is %x, kmsg writes %x", b, want.AppendTo(nil))
	}
	b = AppendKey(nil, &Key{Type: GroupMetadata, Group: "g"})
	wantGroup := kmsg.GroupMetadataKey{Version: 2, Group: "g"}
	if !bytes.Equal(b, wantGroup.AppendTo(nil)) {
		t.Errorf("group metadata key is %x, kmsg writes %x", b, wantGroup.AppendTo(nil))
	}
}

func TestAnUnknownKeyTypeIsToldApartFromABadKey(t *testing.T) {
	if _, err := ParseKey([]byte{0, 11, 0, 1, 'g'}); !errors.Is(err, ErrUnknownType) {
		t.Errorf("type 11: %v", err)
	}
	if _, err := ParseKey([]byte{0, 2, 0, 9, 'g'}); err == nil || errors.Is(err, ErrUnknownType) {
		t.Errorf("cut key: %v", err)
	}
}

func TestOffsetsOfEveryVersionAreRead(t *testing.T) {
	for v := int16(0); v <= 4; v++ {
		k := kmsg.OffsetCommitValue{Version: v, Offset: 5, LeaderEpoch: 3, Metadata: "m", CommitTimestamp: 11, ExpireTimestamp: 12, TopicID: uuid}
		got, err := ParseOffset(k.AppendTo(nil))
		if err != nil {
			t.Fatal(err)
		}
		want := Offset{Offset: 5, LeaderEpoch: -1, Metadata: "m", CommitTimestamp: 11, ExpireTimestamp: -1}
		if v >= 3 {
			want.LeaderEpoch = 3
		}
		if v == 1 {
			want.ExpireTimestamp = 12
		}
		if v == 4 {
			want.TopicID = uuid
		}
		if got != want {
			t.Errorf("v%d: got %+v, want %+v", v, got, want)
		}
	}
}

func TestOffsetsAreWrittenAsKafkaWritesThem(t *testing.T) {
	o := Offset{Offset: 5, LeaderEpoch: 3, Metadata: "m", CommitTimestamp: 11, ExpireTimestamp: -1, TopicID: uuid}
	b := AppendOffset(nil, &o)
	if got, err := ParseOffset(b); err != nil || got != o || b[1] != 4 {
		t.Errorf("got %+v of version %d, %v", got, b[1], err)
	}
	o.ExpireTimestamp = 99
	b = AppendOffset(nil, &o)
	o.LeaderEpoch, o.TopicID = -1, [16]byte{}
	if got, err := ParseOffset(b); err != nil || got != o || b[1] != 1 {
		t.Errorf("with an expiry time: got %+v of version %d, %v", got, b[1], err)
	}
}

func TestGroupsOfEveryVersionAreRead(t *testing.T) {
	for v := int16(0); v <= 4; v++ {
		g := kmsg.NewGroupMetadataValue()
		g.Version, g.ProtocolType, g.Generation, g.Protocol, g.Leader = v, "consumer", 4, ptr("range"), ptr("m1")
		g.CurrentStateTimestamp = 77
		for i := range 3 {
			m := kmsg.NewGroupMetadataValueMember()
			m.MemberID, m.ClientID, m.ClientHost = fmt.Sprint("m", i), "c", "/127.0.0.1"
			m.SessionTimeoutMillis, m.RebalanceTimeoutMillis = 10, 20
			m.Subscription, m.Assignment = []byte("sub"), []byte("assignment")
			if i > 0 {
				m.InstanceID = ptr("instance")
			}
			g.Members = append(g.Members, m)
		}
		b := g.AppendTo(nil)
		got, err := ParseGroup(b)
		if err != nil {
			t.Fatal(err)
		}
		want := kmsg.NewGroupMetadataValue()
		if err := want.ReadFrom(b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("v%d: got\n%+v, kmsg reads\n%+v", v, got, want)
		}
		if b := AppendGroup(nil, &got); b[1] != 3 {
			t.Errorf("groups are written in version %d", b[1])
		}
		for n := range b {
			if _, err := ParseGroup(b[:n]); err == nil {
				t.Errorf("v%d cut to %d bytes was accepted", v, n)
			}
		}
	}
}

// values are one full value of each KIP-848 record, its bytes, and its decoder.
func values() []struct {
	name  string
	value any
	b     []byte
	parse func([]byte) (any, error)
} {
	epoch := GroupEpoch{Epoch: 3, MetadataHash: -9}
	topics := []TopicMetadata{{ID: uuid, Name: "t", Partitions: 3}, {Name: "u", Partitions: 1}}
	member := Member{InstanceID: ptr("i"), RackID: ptr(""), ClientID: "c", ClientHost: "/h", Topics: []string{"a", "b"},
		Regex: ptr("x.*"), RebalanceTimeoutMs: 5, ServerAssignor: ptr("uniform"),
		Classic: &ClassicMember{SessionTimeoutMs: 6, Protocols: []ClassicProtocol{{"range", []byte{1}}, {"sticky", []byte{2, 3}}}}}
	target := AssignmentEpoch{Epoch: 4, Timestamp: 12345}
	parts := []TopicPartitions{{TopicID: uuid, Partitions: []int32{0, 2}}, {Partitions: []int32{9}}}
	current := CurrentAssignment{MemberEpoch: 4, PreviousMemberEpoch: 3, State: 2,
		Assigned:          []TopicPartitions{{TopicID: uuid, Partitions: []int32{0, 2}, Epochs: []int32{3, 4}}},
		PendingRevocation: []TopicPartitions{{TopicID: uuid, Partitions: []int32{1}}}}
	regex := ResolvedRegex{Topics: []string{"xa"}, Version: 8, Timestamp: 9}
	return []struct {
		name  string
		value any
		b     []byte
		parse func([]byte) (any, error)
	}{
		{"group epoch", epoch, AppendGroupEpoch(nil, &epoch), func(b []byte) (any, error) { return ParseGroupEpoch(b) }},
		{"topics", topics, AppendTopicMetadata(nil, topics), func(b []byte) (any, error) { return ParseTopicMetadata(b) }},
		{"member", member, AppendMember(nil, &member), func(b []byte) (any, error) { return ParseMember(b) }},
		{"target epoch", target, AppendAssignmentEpoch(nil, &target), func(b []byte) (any, error) { return ParseAssignmentEpoch(b) }},
		{"target", parts, AppendTarget(nil, parts), func(b []byte) (any, error) { return ParseTarget(b) }},
		{"current", current, AppendCurrent(nil, &current), func(b []byte) (any, error) { return ParseCurrent(b) }},
		{"regex", regex, AppendRegex(nil, &regex), func(b []byte) (any, error) { return ParseRegex(b) }},
	}
}

func TestConsumerGroupValuesSurviveARoundTripAndRefuseToBeCut(t *testing.T) {
	for _, v := range values() {
		got, err := v.parse(v.b)
		if err != nil || !reflect.DeepEqual(got, v.value) {
			t.Errorf("%s: got %+v, %v; want %+v", v.name, got, err, v.value)
		}
		for n := range v.b {
			if _, err := v.parse(v.b[:n]); err == nil {
				t.Errorf("%s cut to %d of %d bytes was accepted", v.name, n, len(v.b))
			}
		}
	}
}

func TestConsumerGroupValuesAreKafkasBytes(t *testing.T) {
	// Written by hand from Kafka's schemas: version, fields, tagged fields.
	for _, c := range []struct {
		name      string
		got, want []byte
	}{
		{"group epoch", AppendGroupEpoch(nil, &GroupEpoch{Epoch: 1}), []byte{0, 0, 0, 0, 0, 1, 0}},
		{"group epoch with hash", AppendGroupEpoch(nil, &GroupEpoch{1, 2}), []byte{0, 0, 0, 0, 0, 1, 1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2}},
		{"target of nothing", AppendTarget(nil, nil), []byte{0, 0, 1, 0}},
		{"regex", AppendRegex(nil, &ResolvedRegex{Topics: []string{"a"}, Version: 1, Timestamp: 2}),
			[]byte{0, 0, 2, 2, 'a', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0}},
		{"member", AppendMember(nil, &Member{ClientID: "c", ClientHost: "h", RebalanceTimeoutMs: -1}),
			[]byte{0, 0, 0, 0, 2, 'c', 2, 'h', 1, 0, 255, 255, 255, 255, 0, 0}},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestABatchGivesBackItsRecordsAndPassesTheBrokersChecks(t *testing.T) {
	var b Builder
	for round := range 2 {
		want := []Record{{[]byte("k1"), []byte("v1")}, {[]byte("k2"), nil}, {[]byte{}, []byte{}}, {bytes.Repeat([]byte("k"), 300), bytes.Repeat([]byte("v"), 70000)}}
		for _, r := range want {
			bound := b.SizeWith(r.Key, r.Value)
			b.Add(r.Key, r.Value)
			if b.Size() > bound {
				t.Errorf("size %d is above the bound %d", b.Size(), bound)
			}
		}
		batch, h := b.Seal(1234)
		if err := protocol.CheckBatchCRC(batch); err != nil {
			t.Fatal(err)
		}
		parsed, err := protocol.ParseBatchHeader(batch)
		if err != nil || parsed != h || h.RecordCount != 4 || h.LastOffsetDelta != 3 || h.Size() != len(batch) {
			t.Errorf("round %d: header %+v, parsed %+v, %v", round, h, parsed, err)
		}
		var got []Record
		if err := Walk(batch, func(r Record) error {
			got = append(got, r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("round %d: got %v", round, got)
		}
		// kmsg's own reader agrees.
		var k kmsg.RecordBatch
		if err := k.ReadFrom(batch); err != nil || k.NumRecords != 4 {
			t.Errorf("kmsg: %v, %d records", err, k.NumRecords)
		}
		b.Reset()
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(AppendKey(nil, &Key{Type: OffsetCommit, Group: "g", Topic: "t", Partition: 7}))
	f.Add(AppendKey(nil, &Key{Type: RegularExpression, Group: "g", Regex: "a.*"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseKey(b)
		if err != nil {
			return
		}
		if again, err := ParseKey(AppendKey(nil, &k)); err != nil || again != k {
			t.Fatalf("%+v came back as %+v, %v", k, again, err)
		}
	})
}

func FuzzParseValues(f *testing.F) {
	for _, v := range values() {
		f.Add(v.b)
	}
	f.Add([]byte{0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 15}) // four billion tagged fields
	o := Offset{Offset: 1, ExpireTimestamp: -1, TopicID: uuid}
	f.Add(AppendOffset(nil, &o))
	g := kmsg.NewGroupMetadataValue()
	g.Members = append(g.Members, kmsg.NewGroupMetadataValueMember())
	f.Add(AppendGroup(nil, &g))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range values() {
			v.parse(b)
		}
		if o, err := ParseOffset(b); err == nil {
			if _, err := ParseOffset(AppendOffset(nil, &o)); err != nil {
				t.Fatal(err)
			}
		}
		if g, err := ParseGroup(b); err == nil {
			if _, err := ParseGroup(AppendGroup(nil, &g)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

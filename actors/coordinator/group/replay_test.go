package group

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// consumerLog is what a group with one member leaves in the log.
var consumerLog = func() []record.Record {
	w := newWorld(&testing.T{})
	w.topics.set("t", 2)
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.RebalanceTimeoutMillis = 1, "g", "m", 1000
	req.SubscribedTopicNames, req.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	w.m.Handle(w.now, "w", Client{}, req)
	w.drain()
	return w.log
}()

func FuzzReplay(f *testing.F) {
	key := record.AppendKey(nil, &record.Key{Type: record.GroupMetadata, Group: "g"})
	g := kmsg.NewGroupMetadataValue()
	name := "range"
	g.ProtocolType, g.Protocol, g.Leader = "consumer", &name, &name
	for _, id := range []string{"a", "b"} {
		m := kmsg.NewGroupMetadataValueMember()
		m.MemberID, m.Subscription = id, subscription("t")
		g.Members = append(g.Members, m)
	}
	f.Add(key, record.AppendGroup(nil, &g))
	f.Add(record.AppendKey(nil, &record.Key{Type: record.OffsetCommit, Group: "g", Topic: "t"}), record.AppendOffset(nil, &record.Offset{}))
	member := record.Member{ClientID: "c", Topics: []string{"t", "a"}, Classic: &record.ClassicMember{Protocols: []record.ClassicProtocol{{Name: "range", Metadata: subscription("t")}}}}
	f.Add(record.AppendKey(nil, &record.Key{Type: record.MemberMetadata, Group: "g", Member: "m"}), record.AppendMember(nil, &member))
	current := record.CurrentAssignment{MemberEpoch: 3, State: 2, Assigned: []record.TopicPartitions{{TopicID: idOf("t"), Partitions: []int32{1, 0, 1}, Epochs: []int32{1, 2, 3}}}}
	f.Add(record.AppendKey(nil, &record.Key{Type: record.CurrentMemberAssignment, Group: "g", Member: "m"}), record.AppendCurrent(nil, &current))
	f.Add(record.AppendKey(nil, &record.Key{Type: record.RegularExpression, Group: "g", Regex: "a("}), record.AppendRegex(nil, &record.ResolvedRegex{Topics: []string{"b", "a"}}))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		w := newWorld(t)
		w.topics.set("t", 2)
		w.m = New(w.cfg)
		// A group of KIP-848 with a member stands in the log already.
		for _, r := range consumerLog {
			w.m.Replay(1, r.Key, r.Value)
		}
		w.m.Replay(1, key, value)
		w.m.Loaded(1)
		w.check()
		w.m.Tick(1 << 40)
		w.m.Unload(1<<40, protocol.ErrNotCoordinator)
	})
}

func TestAConsumersSubscriptionIsReadWhateverItsVersion(t *testing.T) {
	for v := int16(0); v <= 3; v++ {
		s := kmsg.ConsumerMemberMetadata{Version: v, Topics: []string{"a", "bb"}, UserData: []byte("u")}
		if topics, ok := subscriptionTopics(s.AppendTo(nil)); !ok || len(topics) != 2 || topics[0] != "a" || topics[1] != "bb" {
			t.Errorf("v%d: %v, %v", v, topics, ok)
		}
	}
	for _, bad := range [][]byte{nil, {0, 1}, {0, 0, 0, 0, 0, 1}, {0, 0, 0xff, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 0, 2, 'a'}} {
		if topics, ok := subscriptionTopics(bad); ok {
			t.Errorf("%v was read as %v", bad, topics)
		}
	}
}

func TestAMalformedSubscriptionIsRefused(t *testing.T) {
	w := newWorld(t)
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.SessionTimeoutMillis = "g", "consumer", 10_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{0, 1, 0, 0, 0, 9, 0}}}
	w.m.JoinGroup(w.now, "w", Client{}, req)
	if got := w.drain(); got != "w: join INCONSISTENT_GROUP_PROTOCOL member \"\"\n" {
		t.Error(got)
	}
}

package group

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

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
	f.Fuzz(func(t *testing.T, key, value []byte) {
		w := newWorld(t)
		w.m = New(w.cfg)
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

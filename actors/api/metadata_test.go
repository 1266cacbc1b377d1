package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
)

func TestMetadataInEveryVersion(t *testing.T) {
	eachVersion(t, 3, func(t *testing.T, b *Broker, version int16) {
		a := makeTopic(t, b, "a", 2)
		makeTopic(t, b, "b", 1)
		req := kmsg.NewPtrMetadataRequest()
		req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = true, true
		req.Topics = []kmsg.MetadataRequestTopic{}
		if version > 0 {
			req.Topics = nil
		}
		resp := ask[*kmsg.MetadataResponse](t, b, req, version)
		if len(resp.Topics) != 2 || *resp.Topics[0].Topic != "a" || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("all topics: %+v", resp.Topics)
		}
		if p := resp.Topics[0].Partitions[1]; p.ErrorCode != 0 || p.Partition != 1 || p.Leader != 1 || p.Replicas[0] != 1 || p.ISR[0] != 1 || version >= 7 && p.LeaderEpoch != 7 {
			t.Errorf("partition %+v", p)
		}
		if r := resp.Brokers; len(r) != 1 || r[0].Host != "broker.example" || r[0].Port != 9092 || version >= 1 && (*r[0].Rack != "r1" || resp.ControllerID != 1) {
			t.Errorf("brokers %+v", r)
		}
		if version >= 2 && *resp.ClusterID != b.Metadata.Load().ClusterID {
			t.Errorf("cluster id %v", resp.ClusterID)
		}
		if version >= 8 && resp.Topics[0].AuthorizedOperations != 3576 || version >= 8 && version <= 10 && resp.AuthorizedOperations != 8096 {
			t.Errorf("operations %d %d", resp.Topics[0].AuthorizedOperations, resp.AuthorizedOperations)
		}
		if version >= 10 && resp.Topics[0].TopicID != a.ID {
			t.Errorf("topic id %x", resp.Topics[0].TopicID)
		}

		req.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("b")}, {Topic: ptr("new")}, {Topic: ptr("b")}, {Topic: ptr("bad name")}}
		resp = ask[*kmsg.MetadataResponse](t, b, req, version)
		if len(resp.Topics) != 3 || resp.Topics[0].ErrorCode != 0 || resp.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code ||
			resp.Topics[2].ErrorCode != kerr.InvalidTopicException.Code {
			t.Fatalf("by name: %+v", resp.Topics)
		}
		// v0-v3 create topics whatever the flag says; a further create shows what the first made, since requests are served in order
		makeTopic(t, b, "after", 1)
		if created := b.Metadata.Load().Topic("new") != nil; created != (version < 4) {
			t.Errorf("created: %v", created)
		}
		if version >= 1 {
			req.Topics = []kmsg.MetadataRequestTopic{}
			if resp = ask[*kmsg.MetadataResponse](t, b, req, version); len(resp.Topics) != 0 {
				t.Errorf("no topics: %+v", resp.Topics)
			}
		}
	})
}

func TestMetadataCreatesTopicsWhereAllowed(t *testing.T) {
	b := newBroker(t)
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = true
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("new")}, {Topic: ptr("__consumer_offsets")}}
	resp := ask[*kmsg.MetadataResponse](t, b, req, 12)
	if resp.Topics[0].ErrorCode != kerr.UnknownTopicOrPartition.Code || resp.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || !resp.Topics[1].IsInternal {
		t.Fatalf("%+v", resp.Topics)
	}
	makeTopic(t, b, "after", 1)
	if topic := b.Metadata.Load().Topic("new"); topic == nil || len(topic.Partitions) != 2 {
		t.Fatalf("%+v", topic)
	}
	b.Settings.AutoCreateTopics = false
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("never")}}
	ask[*kmsg.MetadataResponse](t, b, req, 12)
	makeTopic(t, b, "after2", 1)
	if b.Metadata.Load().Topic("never") != nil {
		t.Fatal("created although it is switched off")
	}
}

func TestMetadataByTopicID(t *testing.T) {
	b := newBroker(t)
	a := makeTopic(t, b, "a", 1)
	for _, c := range []struct {
		version int16
		asked   kmsg.MetadataRequestTopic
		code    int16
	}{
		{10, kmsg.MetadataRequestTopic{TopicID: a.ID}, kerr.InvalidRequest.Code},
		{11, kmsg.MetadataRequestTopic{}, kerr.InvalidRequest.Code},
		{12, kmsg.MetadataRequestTopic{}, kerr.UnknownServerError.Code},
		{12, kmsg.MetadataRequestTopic{TopicID: a.ID}, 0},
		{13, kmsg.MetadataRequestTopic{TopicID: [16]byte{1}}, kerr.UnknownTopicID.Code},
	} {
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{c.asked}
		resp := ask[*kmsg.MetadataResponse](t, b, req, c.version)
		if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != c.code {
			t.Errorf("v%d %+v: %+v", c.version, c.asked, resp.Topics)
		}
		if refusedWhole := c.code == kerr.InvalidRequest.Code || c.code == kerr.UnknownServerError.Code; refusedWhole != (len(resp.Brokers) == 0) {
			t.Errorf("v%d %+v: %d brokers", c.version, c.asked, len(resp.Brokers))
		}
	}
}

func TestAPartitionThatIsNotHereHasNoLeader(t *testing.T) {
	b := newBroker(t)
	a := makeTopic(t, b, "a", 2)
	field[string](b.Replicas.Lookup(a.ID, 0), "fault").Store(ptr("it kept failing"))
	req := kmsg.NewPtrMetadataRequest()
	resp := ask[*kmsg.MetadataResponse](t, b, req, 12)
	p := resp.Topics[0].Partitions
	if p[0].ErrorCode != kerr.LeaderNotAvailable.Code || p[0].Leader != -1 || len(p[0].OfflineReplicas) != 1 || len(p[0].ISR) != 0 || p[1].ErrorCode != 0 {
		t.Fatalf("%+v", p)
	}
}

// kafka-go's writer gives up where a topic has a partition without a leader; Kafka names one from the moment that a topic is there.
func TestANewPartitionsOnlyReplicaIsNamedItsLeaderBeforeItsElection(t *testing.T) {
	b := newBroker(t)
	a := makeTopic(t, b, "a", 2)
	nobody := func(number int32, epochs ...partition.EpochStart) {
		r := b.Replicas.Lookup(a.ID, number)
		field[partition.Leadership](r, "leader").Store(&partition.Leadership{Leader: -1})
		field[[]partition.EpochStart](r, "epochs").Store(&epochs)
	}
	nobody(0)
	nobody(1, partition.EpochStart{Epoch: 3}) // this one has been led before: the broker has restarted
	p := ask[*kmsg.MetadataResponse](t, b, kmsg.NewPtrMetadataRequest(), 12).Topics[0].Partitions
	if p[0].ErrorCode != 0 || p[0].Leader != 1 || p[0].LeaderEpoch != 0 {
		t.Errorf("the new one: %+v", p[0])
	}
	if p[1].ErrorCode != kerr.LeaderNotAvailable.Code || p[1].Leader != -1 {
		t.Errorf("the one that has a log: %+v", p[1])
	}
}

func TestDescribeTopicPartitionsGoesPageByPage(t *testing.T) {
	b := newBroker(t)
	makeTopic(t, b, "a", 3)
	makeTopic(t, b, "b", 2)
	makeTopic(t, b, "c", 1)
	for _, named := range []bool{true, false} {
		for limit := int32(-1); limit < 8; limit++ {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			if named {
				req.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "c"}, {Topic: "a"}, {Topic: "b"}, {Topic: "b"}}
			}
			seen := 0
			for page := 0; ; page++ {
				resp := ask[*kmsg.DescribeTopicPartitionsResponse](t, b, req, 0)
				for _, rt := range resp.Topics {
					seen += len(rt.Partitions)
					if rt.ErrorCode != 0 || rt.AuthorizedOperations != 3576 {
						t.Fatalf("%+v", rt)
					}
				}
				if resp.NextCursor == nil {
					break
				}
				if page > 10 {
					t.Fatal("the pages have no end")
				}
				req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
			}
			if seen != 6 {
				t.Errorf("limit %d: %d partitions", limit, seen)
			}
		}
	}
}

func TestDescribeTopicPartitionsRefusesWrongCursors(t *testing.T) {
	b := newBroker(t)
	makeTopic(t, b, "a", 3)
	for _, cursor := range []kmsg.DescribeTopicPartitionsRequestCursor{{Topic: "x"}, {Topic: "a", Partition: -1}} {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.Topics, req.Cursor = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}}, &cursor
		if resp := ask[*kmsg.DescribeTopicPartitionsResponse](t, b, req, 0); resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("%+v: %+v", cursor, resp.Topics)
		}
	}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "a"}, {Topic: "no!"}, {Topic: "none"}}
	req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "a", Partition: 1 << 30}
	resp := ask[*kmsg.DescribeTopicPartitionsResponse](t, b, req, 0)
	if len(resp.Topics) != 3 || len(resp.Topics[0].Partitions) != 0 || resp.Topics[1].ErrorCode != kerr.InvalidTopicException.Code || resp.Topics[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", resp.Topics)
	}
}

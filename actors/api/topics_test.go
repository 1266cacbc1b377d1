package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestCreateTopicsInEveryVersion(t *testing.T) {
	eachVersion(t, 19, func(t *testing.T, b *Broker, version int16) {
		req := kmsg.NewPtrCreateTopicsRequest()
		add := func(name string, partitions int32, factor int16, change func(*kmsg.CreateTopicsRequestTopic)) {
			rt := kmsg.NewCreateTopicsRequestTopic()
			rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, factor
			if change != nil {
				change(&rt)
			}
			req.Topics = append(req.Topics, rt)
		}
		config := func(name string, value *string) func(*kmsg.CreateTopicsRequestTopic) {
			return func(rt *kmsg.CreateTopicsRequestTopic) {
				rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: value})
			}
		}
		assign := func(parts ...int32) func(*kmsg.CreateTopicsRequestTopic) {
			return func(rt *kmsg.CreateTopicsRequestTopic) {
				for _, p := range parts {
					rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: p, Replicas: []int32{1}})
				}
			}
		}
		for _, c := range []struct {
			name       string
			partitions int32
			factor     int16
			change     func(*kmsg.CreateTopicsRequestTopic)
		}{
			{"good", 3, 1, config("retention.ms", ptr("1000"))}, {"default", -1, -1, nil}, {"zero", 0, 1, nil}, {"many", 1, 2, nil},
			{"nofactor", 1, 0, nil}, {"bad/name", 1, 1, nil}, {"unknown", 1, 1, config("flush.ms", ptr("1"))},
			{"compact", 1, 1, config("cleanup.policy", ptr("compact,delete"))}, {"lags", 1, 1, config("max.compaction.lag.ms", ptr("0"))}, {"null", 1, 1, config("retention.ms", nil)},
			{"assigned", -1, -1, assign(1, 0)}, {"gap", -1, -1, assign(0, 2)}, {"both", 2, 1, assign(0, 1)},
			{"twice", 1, 1, nil}, {"twice", 1, 1, nil}, {"a.b", 1, 1, nil}, {"a_b", 1, 1, nil}, {"__cluster_metadata", 1, 1, nil},
		} {
			add(c.name, c.partitions, c.factor, c.change)
		}
		want := map[string]*kerr.Error{"zero": kerr.InvalidPartitions, "many": kerr.InvalidReplicationFactor, "nofactor": kerr.InvalidReplicationFactor,
			"bad/name": kerr.InvalidTopicException, "unknown": kerr.InvalidConfig, "lags": kerr.InvalidConfig, "null": kerr.InvalidConfig,
			"gap": kerr.InvalidReplicaAssignment, "both": kerr.InvalidRequest, "twice": kerr.InvalidRequest, "a_b": kerr.InvalidTopicException,
			"__cluster_metadata": kerr.InvalidRequest}
		resp := ask[*kmsg.CreateTopicsResponse](t, b, req, version)
		if len(resp.Topics) != 17 {
			t.Errorf("%d topics answered", len(resp.Topics))
		}
		for _, rt := range resp.Topics {
			if e := want[rt.Topic]; e == nil && rt.ErrorCode != 0 || e != nil && (rt.ErrorCode != e.Code || rt.ErrorMessage == nil) {
				t.Errorf("%s: code %d, message %v; want %v", rt.Topic, rt.ErrorCode, rt.ErrorMessage, e)
			}
			if rt.Topic == "good" && version >= 5 && (rt.NumPartitions != 3 || rt.ReplicationFactor != 1 || len(rt.Configs) == 0) {
				t.Errorf("good: %+v", rt)
			}
			if rt.Topic == "good" && version >= 7 && rt.TopicID != b.Metadata.Load().Topic("good").ID {
				t.Errorf("good: id %x", rt.TopicID)
			}
		}
		if n := len(b.Metadata.Load().Topic("default").Partitions); n != 2 {
			t.Errorf("the default is %d partitions", n)
		}
		if c := b.Metadata.Load().Topic("good").Config; c.RetentionMs != 1000 || c.SegmentBytes != 2097152 {
			t.Errorf("config %+v", c)
		}
	})
}

func TestCreateTopicsCanValidateOnly(t *testing.T) {
	b := newBroker(t)
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = "a", 1, 1
	req.Topics, req.ValidateOnly = append(req.Topics, rt), true
	resp := ask[*kmsg.CreateTopicsResponse](t, b, req, 7)
	if resp.Topics[0].ErrorCode != 0 || resp.Topics[0].NumPartitions != 1 || b.Metadata.Load().Topic("a") != nil {
		t.Fatalf("%+v", resp.Topics[0])
	}
}

func TestDeleteTopicsInEveryVersion(t *testing.T) {
	eachVersion(t, 20, func(t *testing.T, b *Broker, version int16) {
		makeTopic(t, b, "a", 1)
		makeTopic(t, b, "b", 1)
		byID := makeTopic(t, b, "c", 1)
		both := makeTopic(t, b, "d", 1)
		req := kmsg.NewPtrDeleteTopicsRequest()
		if version < 6 {
			req.TopicNames = []string{"a", "b", "b", "missing"}
		} else {
			req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("a")}, {Topic: ptr("b")}, {Topic: ptr("b")}, {Topic: ptr("missing")},
				{TopicID: byID.ID}, {TopicID: both.ID}, {Topic: ptr("d")}, {}, {Topic: ptr("d"), TopicID: both.ID}, {TopicID: [16]byte{9}}}
		}
		resp := ask[*kmsg.DeleteTopicsResponse](t, b, req, version)
		codes := map[int16]int{}
		for _, rt := range resp.Topics {
			codes[rt.ErrorCode]++
		}
		if version < 6 && (len(resp.Topics) != 3 || codes[0] != 1 || codes[kerr.InvalidRequest.Code] != 1 || codes[kerr.UnknownTopicOrPartition.Code] != 1) {
			t.Errorf("%+v", resp.Topics)
		}
		// d is named three ways: by name and id at once (refused), by name twice over with it (a double), by id
		if version >= 6 && (codes[kerr.UnknownTopicID.Code] != 1 || codes[kerr.UnknownTopicOrPartition.Code] != 1 || codes[0] < 2) {
			t.Errorf("%+v", resp.Topics)
		}
		i := b.Metadata.Load()
		if i.Topic("a") != nil || i.Topic("b") == nil || (i.Topic("c") == nil) != (version >= 6) {
			t.Errorf("%d topics are left", i.TopicCount())
		}
	})
}

func TestATopicNamedByNameAndByIDIsNotDeleted(t *testing.T) {
	b := newBroker(t)
	a := makeTopic(t, b, "a", 1)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("a")}, {TopicID: a.ID}}
	resp := ask[*kmsg.DeleteTopicsResponse](t, b, req, 6)
	for _, rt := range resp.Topics {
		if rt.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("%+v", rt)
		}
	}
	if b.Metadata.Load().Topic("a") == nil {
		t.Error("the topic was deleted")
	}
}

func TestCreatePartitionsInEveryVersion(t *testing.T) {
	eachVersion(t, 37, func(t *testing.T, b *Broker, version int16) {
		for _, name := range []string{"a", "b", "c", "d"} {
			makeTopic(t, b, name, 2)
		}
		req := kmsg.NewPtrCreatePartitionsRequest()
		assignment := []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{1}}}
		req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "a", Count: 5}, {Topic: "b", Count: 2}, {Topic: "c", Count: 4, Assignment: assignment},
			{Topic: "d", Count: 3, Assignment: assignment}, {Topic: "missing", Count: 1}, {Topic: "x", Count: 3}, {Topic: "x", Count: 3}}
		want := map[string]int16{"b": kerr.InvalidPartitions.Code, "c": kerr.InvalidReplicaAssignment.Code,
			"missing": kerr.UnknownTopicOrPartition.Code, "x": kerr.InvalidRequest.Code}
		resp := ask[*kmsg.CreatePartitionsResponse](t, b, req, version)
		if len(resp.Topics) != 6 {
			t.Errorf("%d topics answered", len(resp.Topics))
		}
		for _, rt := range resp.Topics {
			if rt.ErrorCode != want[rt.Topic] {
				t.Errorf("%s: code %d, want %d", rt.Topic, rt.ErrorCode, want[rt.Topic])
			}
		}
		i := b.Metadata.Load()
		if len(i.Topic("a").Partitions) != 5 || len(i.Topic("d").Partitions) != 3 || len(i.Topic("c").Partitions) != 2 {
			t.Error("partition counts are wrong")
		}
	})
}

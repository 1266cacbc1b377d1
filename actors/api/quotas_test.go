package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/quota"
)

// setQuota sets a quota of the default user through the API.
func setQuota(t *testing.T, b *Broker, version int16, key string, value float64) {
	t.Helper()
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = []kmsg.AlterClientQuotasRequestEntry{{Entity: []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user"}},
		Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value, Remove: value == 0}}}}
	if e := ask[*kmsg.AlterClientQuotasResponse](t, b, req, version).Entries; len(e) != 1 || e[0].ErrorCode != 0 || len(e[0].Entity) != 1 {
		t.Fatalf("%+v", e)
	}
}

func TestQuotasAreSetShownAndRemovedInEveryVersion(t *testing.T) {
	eachVersion(t, 49, func(t *testing.T, b *Broker, version int16) {
		describe := func() []kmsg.DescribeClientQuotasResponseEntry {
			t.Helper()
			resp := ask[*kmsg.DescribeClientQuotasResponse](t, b, kmsg.NewPtrDescribeClientQuotasRequest(), version)
			if resp.ErrorCode != 0 || resp.Entries == nil {
				t.Fatalf("%+v", resp)
			}
			return resp.Entries
		}
		if got := describe(); len(got) != 0 {
			t.Fatalf("%+v", got)
		}
		setQuota(t, b, version, "producer_byte_rate", 1000)
		setQuota(t, b, version, "request_percentage", 12.5)
		if got := describe(); len(got) != 1 || len(got[0].Values) != 2 || got[0].Entity[0].Name != nil || got[0].Values[1].Value != 12.5 {
			t.Fatalf("%+v", got)
		}
		setQuota(t, b, version, "producer_byte_rate", 0)
		setQuota(t, b, version, "request_percentage", 0)
		if got := describe(); len(got) != 0 || b.Metadata.Load().Quotas != nil {
			t.Fatalf("%+v", got)
		}
	})
}

func TestTopicsAreNotChangedFasterThanTheQuotaAllows(t *testing.T) {
	const exceeded = 89
	b := newBroker(t)
	b.Quotas = quota.NewMeters(quota.DefaultWindows(), nil)
	create := func(version int16, name string) int16 {
		req := kmsg.NewPtrCreateTopicsRequest()
		rt := kmsg.NewCreateTopicsRequestTopic()
		rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, 2, 1
		req.Topics = append(req.Topics, rt)
		return ask[*kmsg.CreateTopicsResponse](t, b, req, version).Topics[0].ErrorCode
	}
	makeTopic(t, b, "before", 2)
	setQuota(t, b, 1, "controller_mutation_rate", 0.001) // two partitions take half an hour
	if code := create(7, "before"); code != kerr.TopicAlreadyExists.Code {
		t.Errorf("what exists: %d", code)
	}
	if code := create(7, "first"); code != 0 {
		t.Errorf("the first: %d", code)
	}
	for _, version := range []int16{6, 7} {
		if code := create(version, "second"); code != exceeded || b.Metadata.Load().Topic("second") != nil {
			t.Errorf("v%d: %d", version, code)
		}
	}
	if code := create(5, "old"); code != 0 { // clients that do not know the error are only throttled
		t.Errorf("v5: %d", code)
	}
	more := kmsg.NewPtrCreatePartitionsRequest()
	more.Topics = append(more.Topics, kmsg.CreatePartitionsRequestTopic{Topic: "before", Count: 3})
	if code := ask[*kmsg.CreatePartitionsResponse](t, b, more, 3).Topics[0].ErrorCode; code != exceeded {
		t.Errorf("CreatePartitions v3: %d", code)
	}
	if code := ask[*kmsg.CreatePartitionsResponse](t, b, more, 2).Topics[0].ErrorCode; code != 0 {
		t.Errorf("CreatePartitions v2: %d", code)
	}
	remove := kmsg.NewPtrDeleteTopicsRequest()
	remove.TopicNames = []string{"before"}
	remove.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: ptr("before")}}
	if got := ask[*kmsg.DeleteTopicsResponse](t, b, remove, 6).Topics; len(got) != 1 || got[0].ErrorCode != exceeded || *got[0].Topic != "before" {
		t.Errorf("DeleteTopics v6: %+v", got)
	}
	if code := ask[*kmsg.DeleteTopicsResponse](t, b, remove, 4).Topics[0].ErrorCode; code != 0 || b.Metadata.Load().Topic("before") != nil {
		t.Errorf("DeleteTopics v4: %d", code)
	}
	setQuota(t, b, 1, "controller_mutation_rate", 0)
	if code := create(7, "after"); code != 0 {
		t.Errorf("without the quota: %d", code)
	}
}

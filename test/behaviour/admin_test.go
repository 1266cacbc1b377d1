package behaviour

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// testElectLeaders asks one broker for elections: none is ever needed.
func testElectLeaders(t *testing.T, b *broker) {
	topic, _ := b.topic(t)
	elect := func(version int16, kind int8, topics ...kmsg.ElectLeadersRequestTopic) *kmsg.ElectLeadersResponse {
		req := kmsg.NewPtrElectLeadersRequest()
		req.ElectionType, req.TimeoutMillis, req.Topics = kind, 5000, topics
		return ask(t, b, req, version, kmsg.NewPtrElectLeadersResponse())
	}
	for version := int16(0); version <= 2; version++ {
		for kind := int8(0); kind <= 1; kind++ {
			r := elect(version, kind, kmsg.ElectLeadersRequestTopic{Topic: topic, Partitions: []int32{0, 1}}, kmsg.ElectLeadersRequestTopic{Topic: "no-such-topic", Partitions: []int32{0}})
			what := fmt.Sprintf("version %d, kind %d", version, kind)
			if r.ErrorCode != 0 || len(r.Topics) != 2 || len(r.Topics[0].Partitions) != 2 || len(r.Topics[1].Partitions) != 1 {
				t.Fatalf("%s: %+v", what, r)
			}
			wantCode(t, what, r.Topics[0].Partitions[0].ErrorCode, kerr.ElectionNotNeeded.Code)
			wantCode(t, what+": an unknown partition", r.Topics[0].Partitions[1].ErrorCode, kerr.UnknownTopicOrPartition.Code)
			wantCode(t, what+": an unknown topic", r.Topics[1].Partitions[0].ErrorCode, kerr.UnknownTopicOrPartition.Code)
		}
		r := elect(version, 7, kmsg.ElectLeadersRequestTopic{Topic: topic, Partitions: []int32{0}})
		want := [2]int16{kerr.InvalidRequest.Code, kerr.InvalidRequest.Code}
		if version == 0 { // it has no kinds
			want = [2]int16{0, kerr.ElectionNotNeeded.Code}
		}
		wantCode(t, fmt.Sprintf("version %d, an unknown kind", version), r.ErrorCode, want[0])
		wantCode(t, fmt.Sprintf("version %d, an unknown kind: the partition", version), r.Topics[0].Partitions[0].ErrorCode, want[1])

		named := false
		for _, rt := range elect(version, 0).Topics {
			named = named || rt.Topic == topic
			if len(rt.Partitions) > 0 {
				t.Errorf("version %d, all partitions: %+v", version, rt)
			}
		}
		if !named {
			t.Errorf("version %d, all partitions: the topic is not named", version)
		}
	}
}

// testUpdateFeatures asks for levels that are in force, and for others.
func testUpdateFeatures(t *testing.T, b *broker) {
	list := kmsg.NewPtrApiVersionsRequest()
	list.ClientSoftwareName, list.ClientSoftwareVersion = "behaviour", "1"
	apis := ask(t, b, list, 4, kmsg.NewPtrApiVersionsResponse())
	level := int16(-1)
	for _, f := range apis.FinalizedFeatures {
		if f.Name == "metadata.version" {
			level = f.MaxVersionLevel
		}
	}
	for version := int16(0); version <= 2; version++ {
		for _, c := range []struct {
			what    string
			feature string
			level   int16
			kind    int8
			want    int16
		}{
			{"the level in force", "metadata.version", level, 1, 0},
			{"a level that is not known", "metadata.version", 999, 1, kerr.InvalidUpdateVersion.Code},
			{"a negative level", "metadata.version", -1, 1, kerr.InvalidUpdateVersion.Code},
			{"a feature that is not known", "no.such.feature", 1, 1, kerr.InvalidUpdateVersion.Code},
			{"a kind of change that is not known", "metadata.version", level, 9, kerr.InvalidUpdateVersion.Code},
		} {
			if version == 0 && c.kind == 9 { // it has no kinds
				c.want = 0
			}
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.TimeoutMillis = 5000
			req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: c.feature, MaxVersionLevel: c.level, UpgradeType: c.kind}}
			resp := ask(t, b, req, version, kmsg.NewPtrUpdateFeaturesResponse())
			wantCode(t, fmt.Sprintf("version %d, %s", version, c.what), resp.ErrorCode, c.want)
			results := 0
			if version < 2 && c.want == 0 {
				results = 1
			}
			if len(resp.Results) != results {
				t.Errorf("version %d, %s: %d results, Kafka gives %d", version, c.what, len(resp.Results), results)
			}
			for _, r := range resp.Results {
				if r.ErrorMessage == nil || *r.ErrorMessage != "NONE" {
					t.Errorf("version %d, %s: the message of success is %v, Kafka's is NONE", version, c.what, r.ErrorMessage)
				}
			}
		}
	}
}

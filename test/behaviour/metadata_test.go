package behaviour

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadata asks for one topic by name (nil: null) and id.
func (b *broker) metadata(t *testing.T, version int16, name *string, id [16]byte, create bool) *kmsg.MetadataResponse {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = create
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic, rt.TopicID = name, id
	req.Topics = append(req.Topics, rt)
	return ask(t, b, req, version, kmsg.NewPtrMetadataResponse())
}

// appears waits until a topic has a leader.
func (b *broker) appears(t *testing.T, name string) {
	t.Helper()
	for deadline := time.Now().Add(answerWithin); time.Now().Before(deadline); {
		if resp := b.metadata(t, 9, &name, [16]byte{}, false); resp.Topics[0].ErrorCode == 0 && len(resp.Topics[0].Partitions) > 0 && resp.Topics[0].Partitions[0].Leader >= 0 {
			return
		}
	}
	t.Errorf("topic %s was not created", name)
}

func testMetadata(t *testing.T, b *broker) {
	t.Run("a new partition's leader epoch is 0, in metadata and in its batches", func(t *testing.T) {
		topic, _ := b.topic(t)
		b.appears(t, topic)
		resp := b.metadata(t, 9, &topic, [16]byte{}, false)
		if got := resp.Topics[0].Partitions[0].LeaderEpoch; got != 0 {
			t.Errorf("metadata: leader epoch %d", got)
		}
		wantCode(t, "produce", b.produce(t, topic, 9, newBatch(1).bytes()).ErrorCode, 0)
		if got := b.stored(t, topic, 0).PartitionLeaderEpoch; got != 0 {
			t.Errorf("the stored batch: leader epoch %d", got)
		}
	})
	for version := int16(0); version <= 3; version++ {
		t.Run(fmt.Sprintf("version %d creates an unknown topic and calls it unknown", version), func(t *testing.T) {
			name := fmt.Sprintf("auto-%d-%d", version, time.Now().UnixNano())
			resp := b.metadata(t, version, &name, [16]byte{}, false)
			wantCode(t, "the request that creates", resp.Topics[0].ErrorCode, kerr.UnknownTopicOrPartition.Code)
			b.appears(t, name)
		})
	}
	t.Run("version 4 creates only if allowed", func(t *testing.T) {
		name := fmt.Sprintf("auto-4-%d", time.Now().UnixNano())
		wantCode(t, "forbidden", b.metadata(t, 4, &name, [16]byte{}, false).Topics[0].ErrorCode, kerr.UnknownTopicOrPartition.Code)
		wantCode(t, "still not there", b.metadata(t, 4, &name, [16]byte{}, true).Topics[0].ErrorCode, kerr.UnknownTopicOrPartition.Code)
		b.appears(t, name)
	})
	t.Run("a name that is not allowed is an invalid topic", func(t *testing.T) {
		name := "no spaces"
		wantCode(t, "Metadata", b.metadata(t, 9, &name, [16]byte{}, true).Topics[0].ErrorCode, kerr.InvalidTopicException.Code)
	})
	topic, id := b.topic(t)
	for version := int16(10); version <= 11; version++ {
		t.Run(fmt.Sprintf("version %d knows no topic ids", version), func(t *testing.T) {
			for what, resp := range map[string]*kmsg.MetadataResponse{"an id": b.metadata(t, version, &topic, id, false), "a null name": b.metadata(t, version, nil, [16]byte{}, false)} {
				if len(resp.Topics) != 1 || len(resp.Brokers) != 0 {
					t.Fatalf("%s: %d topics, %d brokers", what, len(resp.Topics), len(resp.Brokers))
				}
				wantCode(t, what, resp.Topics[0].ErrorCode, kerr.InvalidRequest.Code)
			}
		})
	}
	t.Run("a null name and a zero id are an unknown server error from version 12 on", func(t *testing.T) {
		for _, version := range []int16{12, 13} {
			resp := b.metadata(t, version, nil, [16]byte{}, false)
			for i := range resp.Topics {
				wantCode(t, fmt.Sprintf("v%d", version), resp.Topics[i].ErrorCode, kerr.UnknownServerError.Code)
			}
			if len(resp.Topics) != 1 {
				t.Errorf("v%d: %d topics, error %d", version, len(resp.Topics), resp.ErrorCode)
			}
		}
	})
	t.Run("an unknown id is an unknown topic id", func(t *testing.T) {
		resp := b.metadata(t, 12, nil, [16]byte{1, 2, 3}, true)
		wantCode(t, "Metadata", resp.Topics[0].ErrorCode, kerr.UnknownTopicID.Code)
	})
}

func testDescribeTopicPartitions(t *testing.T, b *broker) {
	one, _ := b.topic(t)
	two, _ := b.topic(t)
	for _, limit := range []int32{0, -1, 1} {
		t.Run(fmt.Sprintf("a limit of %d means one partition", limit), func(t *testing.T) {
			req := kmsg.NewPtrDescribeTopicPartitionsRequest()
			req.ResponsePartitionLimit = limit
			for _, name := range []string{one, two} {
				rt := kmsg.NewDescribeTopicPartitionsRequestTopic()
				rt.Topic = name
				req.Topics = append(req.Topics, rt)
			}
			resp := ask(t, b, req, 0, kmsg.NewPtrDescribeTopicPartitionsResponse())
			partitions := 0
			for i := range resp.Topics {
				partitions += len(resp.Topics[i].Partitions)
				if resp.Topics[i].AuthorizedOperations < 0 {
					t.Errorf("authorized operations are %d, they are always told", resp.Topics[i].AuthorizedOperations)
				}
			}
			if partitions != 1 || resp.NextCursor == nil || resp.NextCursor.Topic != two || resp.NextCursor.Partition != 0 {
				t.Errorf("%d partitions, next %+v", partitions, resp.NextCursor)
			}
		})
	}
}

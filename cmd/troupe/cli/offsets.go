package cli

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Partition names a partition.
type Partition struct {
	Topic     string
	Partition int32
}

// Listed is one partition's answer to ListOffsets.
type Listed struct {
	Offset int64 // -1: no record of that time or later
	Err    error
}

// Special timestamps of ListOffsets.
const (
	Latest   = -1 // the log end offset
	Earliest = -2 // the log start offset
)

// ListOffsets asks for the offset at a time (milliseconds since 1970, Latest or Earliest) in exactly these partitions, internal
// topics too. committed stops at open transactions. Every partition has an answer; what the brokers left out has an error.
func ListOffsets(ctx context.Context, cl *kgo.Client, partitions []Partition, time int64, committed bool) map[Partition]Listed {
	out := make(map[Partition]Listed, len(partitions))
	if len(partitions) == 0 {
		return out
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	at := map[string]int{}
	for _, p := range partitions {
		i, ok := at[p.Topic]
		if !ok {
			i = len(req.Topics)
			at[p.Topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = p.Topic
			req.Topics = append(req.Topics, t)
		}
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp = p.Partition, time
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, rp)
		out[p] = Listed{-1, kerr.UnknownTopicOrPartition}
	}
	var failed error
	for _, shard := range cl.RequestSharded(ctx, req) {
		if shard.Err != nil {
			failed = shard.Err
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				out[Partition{t.Topic, p.Partition}] = Listed{p.Offset, kerr.ErrorForCode(p.ErrorCode)}
			}
		}
	}
	if failed != nil {
		for p, l := range out {
			if errors.Is(l.Err, kerr.UnknownTopicOrPartition) {
				out[p] = Listed{-1, failed}
			}
		}
	}
	return out
}

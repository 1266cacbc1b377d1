package api

// OffsetForLeaderEpoch (key 23), versions 2 to 4: v2 current leader epoch (KIP-320), v3 replica id, v4 flexible.
//
// Answers with the largest epoch that is not newer than the one asked for, and where it ended; -1 and -1 if the log knows none.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

func init() { register(23, 2, 4, offsetForLeaderEpoch) }

func offsetForLeaderEpoch(c *Call) {
	req := c.Request.(*kmsg.OffsetForLeaderEpochRequest)
	image := c.Broker.Metadata.Load()
	resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := image.Topic(t.Topic)
		rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
		rt.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			rp.Partition, rp.LeaderEpoch, rp.EndOffset = p.Partition, noEpoch, -1
			r, code := c.Broker.leading(topic, p.Partition, p.CurrentLeaderEpoch)
			if code == protocol.ErrNone && p.LeaderEpoch != noEpoch {
				rp.LeaderEpoch, rp.EndOffset = epochEnd(r, r.Reader().Bounds(), p.LeaderEpoch)
			}
			rp.ErrorCode = int16(code)
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	c.Reply(resp)
}

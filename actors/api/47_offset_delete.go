package api

// OffsetDelete (key 47), version 0 (KIP-496).

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

func init() { register(47, 0, 0, offsetDelete) }

func offsetDelete(c *Call) {
	req := c.Request.(*kmsg.OffsetDeleteRequest)
	image := c.Broker.Metadata.Load()
	asked := *req
	asked.Topics = nil
	var unknown []kmsg.OffsetDeleteResponseTopic
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := image.Topic(t.Topic)
		known, bad := kmsg.OffsetDeleteRequestTopic{Topic: t.Topic}, kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			if topic != nil && p.Partition >= 0 && int(p.Partition) < len(topic.Partitions) {
				known.Partitions = append(known.Partitions, p)
			} else {
				bad.Partitions = append(bad.Partitions, kmsg.OffsetDeleteResponseTopicPartition{
					Partition: p.Partition, ErrorCode: int16(protocol.ErrUnknownTopicOrPartition)})
			}
		}
		if known.Partitions != nil {
			asked.Topics = append(asked.Topics, known)
		}
		if bad.Partitions != nil {
			unknown = append(unknown, bad)
		}
	}
	c.coordinate(req.Group, &asked, func(a any) {
		r := a.(*kmsg.OffsetDeleteResponse)
		if r.ErrorCode == 0 {
			r.Topics = mergeDeleted(r.Topics, unknown)
		}
		c.Reply(r)
	})
}

// mergeDeleted adds the partitions of more to list, topic by topic.
func mergeDeleted(list, more []kmsg.OffsetDeleteResponseTopic) []kmsg.OffsetDeleteResponseTopic {
next:
	for _, m := range more {
		for i := range list {
			if list[i].Topic == m.Topic {
				list[i].Partitions = append(list[i].Partitions, m.Partitions...)
				continue next
			}
		}
		list = append(list, m)
	}
	return list
}

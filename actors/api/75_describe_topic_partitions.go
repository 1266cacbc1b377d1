package api

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// DescribeTopicPartitions, v0 (KIP-966): partitions in pages, topics in order of name. A limit below 1 means 1; authorized
// operations are always told.
func init() { register(75, 0, 0, describeTopicPartitions) }

// partitionsPerPageMax is Kafka's max.request.partition.size.limit.
const partitionsPerPageMax = 2_000

func describeTopicPartitions(c *Call) {
	req := c.Request.(*kmsg.DescribeTopicPartitionsRequest)
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	image := c.Broker.Metadata.Load()
	left := max(min(int(req.ResponsePartitionLimit), partitionsPerPageMax), 1)

	all := len(req.Topics) == 0
	from, first := "", int32(0)
	if req.Cursor != nil {
		from, first = req.Cursor.Topic, req.Cursor.Partition
	}
	var names []string
	if all {
		list := image.TopicList()
		at, _ := slices.BinarySearchFunc(list, from, func(t *controller.Topic, name string) int { return cmp.Compare(t.Name, name) })
		names = make([]string, 0, min(len(list)-at, left+1))
		for _, t := range list[at:min(len(list), at+left+1)] { // each topic has a partition at least
			names = append(names, t.Name)
		}
	} else {
		for _, t := range req.Topics {
			if t.Topic >= from {
				names = append(names, t.Topic)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	if req.Cursor != nil && (first < 0 || !all && !slices.Contains(names, from)) {
		for _, t := range req.Topics {
			rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
			rt.ErrorCode, rt.Topic = kerr.InvalidRequest.Code, &t.Topic
			resp.Topics = append(resp.Topics, rt)
		}
		c.Reply(resp)
		return
	}

	for _, name := range names {
		if left == 0 {
			resp.NextCursor = cursorAt(name, 0)
			break
		}
		start := int32(0)
		if name == from {
			start = first
		}
		rt := kmsg.NewDescribeTopicPartitionsResponseTopic()
		rt.Topic, rt.AuthorizedOperations = &name, topicOperations
		topic := image.Topic(name)
		if topic == nil {
			rt.ErrorCode, rt.IsInternal = kerr.UnknownTopicOrPartition.Code, controller.InternalTopic(name)
			if controller.CheckTopicName(name) != nil {
				rt.ErrorCode = kerr.InvalidTopicException.Code
			}
			resp.Topics = append(resp.Topics, rt)
			continue
		}
		rt.TopicID, rt.IsInternal = topic.ID, topic.Internal
		end := min(int64(start)+int64(left), int64(len(topic.Partitions)))
		for n := start; int64(n) < end; n++ {
			rt.Partitions = append(rt.Partitions, describedPartition(c.Broker, image, topic, n))
			left--
		}
		resp.Topics = append(resp.Topics, rt)
		if end < int64(len(topic.Partitions)) {
			resp.NextCursor = cursorAt(name, int32(end))
			break
		}
	}
	c.Reply(resp)
}

func cursorAt(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	cursor := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	cursor.Topic, cursor.Partition = topic, partition
	return &cursor
}

func describedPartition(b *Broker, image *controller.Image, topic *controller.Topic, n int32) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	p := b.placeOf(image, topic, n)
	rp := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	rp.Partition, rp.LeaderID, rp.LeaderEpoch = n, p.leader, p.epoch
	rp.Replicas, rp.ISR, rp.OfflineReplicas = p.replicas, p.isr, p.offline
	rp.EligibleLeaderReplicas, rp.LastKnownELR = []int32{}, []int32{}
	return rp
}

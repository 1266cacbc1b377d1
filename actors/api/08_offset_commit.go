package api

// OffsetCommit (key 8), versions 2-10.
//
//	v2-4   a retention time of the client's own
//	v5     without it (KIP-211)
//	v6     leader epoch
//	v7     instance id (KIP-345)
//	v8     flexible
//	v9     members of KIP-848 groups; GROUP_ID_NOT_FOUND
//	v10    topic ids instead of names (KIP-848)

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

func init() { registerRoute(Route{Key: 8, Min: 2, Max: 10, Handle: offsetCommit, Overlaps: true}) }

const commitTopicIDVersion = 10

func offsetCommit(c *Call) {
	req := c.Request.(*kmsg.OffsetCommitRequest)
	req.Version = c.Version
	req.Topics = slices.DeleteFunc(req.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return len(t.Partitions) == 0 })
	resp := group.CommitResponse(req, protocol.ErrNone)
	image := c.Broker.Metadata.Load()
	asked := *req
	asked.Topics = nil
	type at struct{ topic, partition int } // where in resp the answers belong, in the order of asked
	var places []at
	for i := range req.Topics {
		t := &req.Topics[i]
		topic, unknown := image.Topic(t.Topic), protocol.ErrUnknownTopicOrPartition
		if c.Version >= commitTopicIDVersion {
			topic, unknown = image.TopicByID(t.TopicID), protocol.ErrUnknownTopicID
		}
		var known kmsg.OffsetCommitRequestTopic
		for k := range t.Partitions {
			code := protocol.ErrNone
			if topic == nil {
				code = unknown
			} else if n := t.Partitions[k].Partition; n < 0 || int(n) >= len(topic.Partitions) {
				code = protocol.ErrUnknownTopicOrPartition
			}
			if resp.Topics[i].Partitions[k].ErrorCode = int16(code); code == protocol.ErrNone {
				known.Partitions = append(known.Partitions, t.Partitions[k])
				places = append(places, at{i, k})
			}
		}
		if known.Partitions != nil {
			known.Topic, known.TopicID = topic.Name, topic.ID
			asked.Topics = append(asked.Topics, known)
		}
	}
	if len(places) == 0 && len(req.Topics) > 0 {
		c.Reply(resp)
		return
	}
	c.coordinate(req.Group, &asked, func(answer any) {
		n := 0
		for _, t := range answer.(*kmsg.OffsetCommitResponse).Topics {
			for _, p := range t.Partitions {
				to := places[n]
				resp.Topics[to.topic].Partitions[to.partition].ErrorCode = p.ErrorCode
				n++
			}
		}
		c.Reply(resp)
	})
}

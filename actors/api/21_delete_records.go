package api

// DeleteRecords (key 21), versions 0 to 2: v1 throttling after the answer, v2 flexible.
//
// Each partition moves its log start offset, durably, before it is answered. An offset of -1 is the high watermark. A partition that is
// named twice gets the last offset.

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(21, 0, 2, deleteRecords) }

// deleteRecordsTimeoutMin is the shortest time that is kept, ms: deadlines are looked at by a coarse tick.
const deleteRecordsTimeoutMin = int64(time.Second / time.Millisecond)

func deleteRecords(c *Call) {
	req := c.Request.(*kmsg.DeleteRecordsRequest)
	image := c.Broker.Metadata.Load()
	resp := kmsg.NewPtrDeleteRecordsResponse()
	l := leaders{call: c, resp: resp}
	for _, t := range lastOfEach(req.Topics) {
		topic := image.Topic(t.Topic)
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		rt.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, len(t.Partitions))
		for j, p := range t.Partitions {
			rp := &rt.Partitions[j]
			rp.Partition, rp.LowWatermark = p.Partition, -1
			r, code := c.Broker.leading(topic, p.Partition, noEpoch)
			switch {
			case topic != nil && topic.Internal:
				code = protocol.ErrInvalidTopicException
			case code == protocol.ErrNone && !r.Config().CleanupDelete:
				code = protocol.ErrPolicyViolation
			case code == protocol.ErrNone && p.Offset < -1:
				code = protocol.ErrOffsetOutOfRange
			}
			if rp.ErrorCode = int16(code); code != protocol.ErrNone {
				continue
			}
			l.add(r, &rp.ErrorCode, func(token any) any {
				return &partition.DeleteRecords{Offset: p.Offset, Reply: c.Conn, Sender: c.Broker.System, Token: token}
			}, func(answer any) {
				m := answer.(*partition.RecordsDeleted)
				if rp.ErrorCode = m.ErrorCode; m.ErrorCode == int16(protocol.ErrNone) {
					rp.LowWatermark = m.LowWatermark
				}
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	l.ask(max(deleteRecordsTimeoutMin, int64(req.TimeoutMillis)))
}

// lastOfEach makes of the entries that name a topic one, and keeps the last offset of each partition; topics without partitions go.
func lastOfEach(asked []kmsg.DeleteRecordsRequestTopic) []kmsg.DeleteRecordsRequestTopic {
	type key struct {
		topic     string
		partition int32
	}
	n := 0
	for i := range asked {
		n += len(asked[i].Partitions)
	}
	var topics firsts[string]
	var partitions firsts[key]
	merged := make([]kmsg.DeleteRecordsRequestTopic, 0, len(asked))
	where := make([]*int64, 0, n) // the offset of each partition, by number; each stands in a list that is not grown any more
	for i := range asked {
		t := &asked[i]
		if len(t.Partitions) == 0 {
			continue
		}
		at := topics.add(t.Topic, len(asked))
		if at == len(merged) {
			merged = append(merged, kmsg.DeleteRecordsRequestTopic{Topic: t.Topic, Partitions: make([]kmsg.DeleteRecordsRequestTopicPartition, 0, n)})
		}
		list := &merged[at].Partitions
		for _, p := range t.Partitions {
			if k := partitions.add(key{t.Topic, p.Partition}, n); k < len(where) {
				*where[k] = p.Offset
				continue
			}
			*list = append(*list, p)
			where = append(where, &(*list)[len(*list)-1].Offset)
		}
	}
	return merged
}

package api

// ListOffsets (key 2), versions 1 to 11: v2 isolation level, v4 leader epochs, v6 flexible, v7 the largest timestamp (-3), v8 earliest local
// (-4), v9 last tiered (-5), v10 a timeout, v11 earliest pending upload (-6).
//
// A special timestamp that the version does not know is UNSUPPORTED_VERSION for its partition. A look-up by time may read the disk,
// so it runs in the connection's writer. There is no tiered storage: -4 is the log start, -5 and -6 find nothing.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
)

func init() { register(2, 1, 11, listOffsets) }

// The special timestamps of ListOffsets (KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023).
const (
	latestTimestamp         int64 = -1
	earliestTimestamp       int64 = -2
	maxTimestamp            int64 = -3
	earliestLocalTimestamp  int64 = -4
	latestTieredTimestamp   int64 = -5
	earliestPendingUploadTS int64 = -6
)

// listOffsetsSince is the first version that knows a special timestamp.
var listOffsetsSince = map[int64]int16{latestTimestamp: 1, earliestTimestamp: 1, maxTimestamp: 7, earliestLocalTimestamp: 8,
	latestTieredTimestamp: 9, earliestPendingUploadTS: 11}

func listOffsets(c *Call) {
	req := c.Request.(*kmsg.ListOffsetsRequest)
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if ts := req.Topics[i].Partitions[j].Timestamp; ts >= 0 || ts == maxTimestamp {
				c.Blocking(func() { c.Reply(listed(c, req)) })
				return
			}
		}
	}
	c.Reply(listed(c, req))
}

// listed answers every partition. It blocks only for look-ups by time.
func listed(c *Call, req *kmsg.ListOffsetsRequest) *kmsg.ListOffsetsResponse {
	image := c.Broker.Metadata.Load()
	type key struct {
		topic  string
		number int32
	}
	times := map[key]int{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			times[key{req.Topics[i].Topic, req.Topics[i].Partitions[j].Partition}]++
		}
	}
	resp := kmsg.NewPtrListOffsetsResponse()
	var topics firsts[string]
	for i := range req.Topics {
		t := &req.Topics[i]
		if len(t.Partitions) == 0 {
			continue
		}
		topic := image.Topic(t.Topic)
		at := topics.add(t.Topic, len(req.Topics))
		if at == len(resp.Topics) {
			rt := kmsg.NewListOffsetsResponseTopic()
			rt.Topic = t.Topic
			resp.Topics = append(resp.Topics, rt)
		}
		rt := &resp.Topics[at]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			rp := kmsg.NewListOffsetsResponseTopicPartition()
			rp.Partition, rp.Offset, rp.Timestamp, rp.LeaderEpoch = p.Partition, -1, -1, noEpoch
			since, special := listOffsetsSince[p.Timestamp]
			named := key{t.Topic, p.Partition}
			code := protocol.ErrNone
			switch {
			case times[named] == 0: // answered where it was named first
				continue
			case times[named] > 1:
				times[named] = 0
				code = protocol.ErrInvalidRequest
			case req.IsolationLevel != readUncommitted && req.IsolationLevel != readCommitted:
				code = protocol.ErrUnknownServerError
			case p.Timestamp < 0 && (!special || c.Version < since):
				code = protocol.ErrUnsupportedVersion
			}
			if code == protocol.ErrNone {
				var r *partition.Replica
				if r, code = c.Broker.leading(topic, p.Partition, p.CurrentLeaderEpoch); code == protocol.ErrNone {
					code = listOne(c, r, p.Timestamp, req.IsolationLevel, &rp)
				}
			}
			rp.ErrorCode = int16(code)
			rt.Partitions = append(rt.Partitions, rp)
		}
	}
	return resp
}

// listOne finds one offset.
func listOne(c *Call, r *partition.Replica, ts int64, isolation int8, out *kmsg.ListOffsetsResponseTopicPartition) protocol.ErrorCode {
	b := r.Reader().Bounds()
	upTo := b.HighWatermark
	if isolation == readCommitted {
		upTo = b.LastStable
	}
	var found segment.TimestampOffset
	var ok bool
	var err error
	switch ts {
	case latestTimestamp:
		out.Offset, out.LeaderEpoch = upTo, epochAt(r, b, upTo)
		return protocol.ErrNone
	case earliestTimestamp, earliestLocalTimestamp:
		out.Offset, out.LeaderEpoch = b.Start, epochAt(r, b, b.Start)
		return protocol.ErrNone
	case latestTieredTimestamp, earliestPendingUploadTS:
		return protocol.ErrNone
	case maxTimestamp:
		found, ok, err = r.Reader().MaxTimestamp()
	default:
		found, ok, err = r.Reader().OffsetForTimestamp(ts)
	}
	if err != nil {
		c.Broker.Log.Error().Err(err).Str("topic", r.Topic).Int32("partition", r.Partition).Int64("timestamp", ts).Msg("cannot look up an offset by time")
		return protocol.ErrKafkaStorageError
	}
	if ok && found.Offset < upTo {
		out.Offset, out.Timestamp, out.LeaderEpoch = found.Offset, found.Timestamp, found.LeaderEpoch
	}
	return protocol.ErrNone
}

package api

// DeleteRecords (key 21), versions 0 to 2: v1 throttling after the answer, v2 flexible.
//
// Each partition moves its log start offset, durably, before it is answered. An offset of -1 is the high watermark.

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(21, 0, 2, deleteRecords) }

// deleteRecordsTimeoutMin is the shortest time that is kept, ms: deadlines are looked at by a coarse tick.
const deleteRecordsTimeoutMin = int64(time.Second / time.Millisecond)

// deleteRecordsCall is a DeleteRecords under way, on its connection's actor.
type deleteRecordsCall struct {
	call    *Call
	resp    *kmsg.DeleteRecordsResponse
	parts   []*kmsg.DeleteRecordsResponseTopicPartition // by the Index of their messages; nil: answered
	pending int
	done    bool
}

func deleteRecords(c *Call) {
	req := c.Request.(*kmsg.DeleteRecordsRequest)
	image := c.Broker.Metadata.Load()
	d := &deleteRecordsCall{call: c, resp: kmsg.NewPtrDeleteRecordsResponse()}
	var sends []*partition.DeleteRecords
	var to []*partition.Replica
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := image.Topic(t.Topic)
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = t.Topic
		rt.Partitions = make([]kmsg.DeleteRecordsResponseTopicPartition, len(t.Partitions))
		for j := range t.Partitions {
			p, rp := &t.Partitions[j], &rt.Partitions[j]
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
			sends = append(sends, &partition.DeleteRecords{Offset: p.Offset, Reply: c.Conn, Sender: c.Broker.System, Token: d, Index: int32(len(d.parts))})
			to = append(to, r)
			d.parts = append(d.parts, rp)
		}
		d.resp.Topics = append(d.resp.Topics, rt)
	}
	if d.pending = len(sends); d.pending == 0 {
		c.Reply(d.resp)
		return
	}
	c.OnExpire(c.Broker.nowMs()+max(deleteRecordsTimeoutMin, int64(req.TimeoutMillis)), false, d)
	for i, m := range sends {
		c.Broker.System.Send(to[i].PID, m)
	}
}

// Resume implements Resumer.
func (d *deleteRecordsCall) Resume(answer any) {
	m := answer.(*partition.RecordsDeleted)
	if d.done || d.parts[m.Index] == nil {
		return
	}
	rp := d.parts[m.Index]
	d.parts[m.Index] = nil
	if rp.ErrorCode = m.ErrorCode; m.ErrorCode == int16(protocol.ErrNone) {
		rp.LowWatermark = m.LowWatermark
	}
	if d.pending--; d.pending == 0 {
		d.done = true
		d.call.Reply(d.resp)
	}
}

// Expire implements Expirer.
func (d *deleteRecordsCall) Expire() {
	if d.done {
		return
	}
	d.done = true
	for _, rp := range d.parts {
		if rp != nil {
			rp.ErrorCode = int16(protocol.ErrRequestTimedOut)
		}
	}
	d.call.Reply(d.resp)
}

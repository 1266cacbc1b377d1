package api

// DescribeProducers (key 61), version 0 (KIP-664): the producers that a partition's leader remembers.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(61, 0, 0, describeProducers) }

// describeProducersTimeoutMs bounds the wait for the partitions; the protocol has no timeout of its own.
const describeProducersTimeoutMs = 10_000

// describeProducersCall is a DescribeProducers under way, on its connection's actor.
type describeProducersCall struct {
	call    *Call
	resp    *kmsg.DescribeProducersResponse
	parts   []*kmsg.DescribeProducersResponseTopicPartition // by the Index of their messages; nil: answered
	pending int
	done    bool
}

func describeProducers(c *Call) {
	req := c.Request.(*kmsg.DescribeProducersRequest)
	image := c.Broker.Metadata.Load()
	d := &describeProducersCall{call: c, resp: kmsg.NewPtrDescribeProducersResponse()}
	var to []*partition.Replica
	for i := range req.Topics {
		t := &req.Topics[i]
		topic := image.Topic(t.Topic)
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = t.Topic
		rt.Partitions = make([]kmsg.DescribeProducersResponseTopicPartition, len(t.Partitions))
		for j, number := range t.Partitions {
			rp := &rt.Partitions[j]
			rp.Default()
			rp.Partition = number
			r, code := c.Broker.leading(topic, number, noEpoch)
			if rp.ErrorCode = int16(code); code != protocol.ErrNone {
				continue
			}
			to = append(to, r)
			d.parts = append(d.parts, rp)
		}
		d.resp.Topics = append(d.resp.Topics, rt)
	}
	if d.pending = len(to); d.pending == 0 {
		c.Reply(d.resp)
		return
	}
	c.OnExpire(c.Broker.nowMs()+describeProducersTimeoutMs, false, d)
	for i, r := range to {
		c.Broker.System.Send(r.PID, &partition.DescribeProducers{Reply: c.Conn, Sender: c.Broker.System, Token: d, Index: int32(i)})
	}
}

// Resume implements Resumer.
func (d *describeProducersCall) Resume(answer any) {
	m := answer.(*partition.ProducersDescribed)
	if d.done || d.parts[m.Index] == nil {
		return
	}
	rp := d.parts[m.Index]
	d.parts[m.Index] = nil
	rp.ErrorCode = m.ErrorCode
	for _, p := range m.Producers {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch, a.LastSequence, a.LastTimestamp = p.ID, int32(p.Epoch), p.LastSequence, p.LastTimestampMs
		a.CoordinatorEpoch, a.CurrentTxnStartOffset = p.CoordinatorEpoch, p.CurrentTxnStartOff
		rp.ActiveProducers = append(rp.ActiveProducers, a)
	}
	if d.pending--; d.pending == 0 {
		d.done = true
		d.call.Reply(d.resp)
	}
}

// Expire implements Expirer.
func (d *describeProducersCall) Expire() {
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

package api

// DescribeProducers (key 61), version 0 (KIP-664): the producers that a partition's leader remembers.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(61, 0, 0, describeProducers) }

// describeProducersTimeoutMs bounds the wait for the partitions; the protocol has no timeout of its own.
const describeProducersTimeoutMs = 10_000

func describeProducers(c *Call) {
	req := c.Request.(*kmsg.DescribeProducersRequest)
	image := c.Broker.Metadata.Load()
	resp := kmsg.NewPtrDescribeProducersResponse()
	l := leaders{call: c, resp: resp}
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
			if controller.CheckTopicName(t.Topic) != nil {
				code = protocol.ErrInvalidTopicException
			}
			if rp.ErrorCode = int16(code); code != protocol.ErrNone {
				continue
			}
			l.add(r, &rp.ErrorCode, func(token any) any {
				return &partition.DescribeProducers{Reply: c.Conn, Sender: c.Broker.System, Token: token}
			}, func(answer any) {
				m := answer.(*partition.ProducersDescribed)
				rp.ErrorCode = m.ErrorCode
				for _, p := range m.Producers {
					a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
					a.ProducerID, a.ProducerEpoch, a.LastSequence, a.LastTimestamp = p.ID, int32(p.Epoch), p.LastSequence, p.LastTimestampMs
					a.CoordinatorEpoch, a.CurrentTxnStartOffset = p.CoordinatorEpoch, p.CurrentTxnStartOff
					rp.ActiveProducers = append(rp.ActiveProducers, a)
				}
			})
		}
		resp.Topics = append(resp.Topics, rt)
	}
	l.ask(describeProducersTimeoutMs)
}

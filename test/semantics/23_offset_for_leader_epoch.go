package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetForLeaderEpoch: every version, epochs of the past and the future, and partitions that are not there.
func init() {
	ask := func(t topic, epoch int32, partitions ...int32) *kmsg.OffsetForLeaderEpochRequest {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
		rt.Topic = t.name
		for _, p := range partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetForLeaderEpochRequestTopicPartition{Partition: p, CurrentLeaderEpoch: -1, LeaderEpoch: epoch})
		}
		req.Topics = append(req.Topics, rt)
		return req
	}
	three := func(c *C) topic {
		t := c.topic()
		c.produce(t, c.batch(3).bytes())
		return t
	}
	versions(2, 4, func(c *C, v int16) { c.ask(v, ask(three(c), c.shown.epoch, 0)) })
	add("of an empty partition", func(c *C) { c.ask(4, ask(c.topic(), c.shown.epoch, 0)) })
	for _, w := range []struct {
		name  string
		epoch func(now int32) int32
	}{{"newer", func(now int32) int32 { return now + 1 }}, {"much newer", func(now int32) int32 { return 1000 }},
		{"-1", func(int32) int32 { return -1 }}, {"-2", func(int32) int32 { return -2 }}} {
		add("epoch "+w.name, func(c *C) { t := three(c); c.ask(4, ask(t, w.epoch(c.shown.epoch), 0)) })
		add("current epoch "+w.name, func(c *C) {
			t := three(c)
			req := ask(t, c.shown.epoch, 0)
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = w.epoch(c.shown.epoch)
			c.ask(4, req)
		})
	}
	for _, v := range []int16{2, 4} {
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) { c.ask(v, ask(topic{name: c.name("none")}, 0, 0)) })
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) { t := three(c); c.ask(v, ask(t, c.shown.epoch, 0, 1, -1)) })
	}
	add("partition twice", func(c *C) { t := three(c); c.ask(4, ask(t, c.shown.epoch, 0, 0)) })
	add("topic twice", func(c *C) {
		t := three(c)
		req := ask(t, c.shown.epoch, 0)
		req.Topics = append(req.Topics, req.Topics[0])
		c.ask(4, req)
	})
	add("topic twice with different partitions", func(c *C) {
		t := c.topicOf("topic", 2)
		req := ask(t, c.shown.epoch, 0)
		req.Topics = append(req.Topics, ask(t, c.shown.epoch, 1).Topics...)
		c.ask(4, req)
	})
	add("no partitions", func(c *C) { c.ask(4, ask(three(c), 0)) })
	add("no topics", func(c *C) { c.ask(4, kmsg.NewPtrOffsetForLeaderEpochRequest()) })
	for _, replica := range []int32{-2, 1, 99} {
		add(fmt.Sprintf("replica %d", replica), func(c *C) {
			t := three(c)
			req := ask(t, c.shown.epoch, 0)
			req.ReplicaID = replica
			c.ask(4, req)
		})
	}
	add("all records deleted", func(c *C) {
		t := three(c)
		c.truncate(t, -1)
		c.ask(4, ask(t, c.shown.epoch, 0))
	})
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeTopicPartitions: limits, cursors, and topics that are not there.
func init() {
	describe := func(limit int32, names ...string) *kmsg.DescribeTopicPartitionsRequest {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = limit
		for _, n := range names {
			req.Topics = append(req.Topics, kmsg.DescribeTopicPartitionsRequestTopic{Topic: n})
		}
		return req
	}
	from := func(req *kmsg.DescribeTopicPartitionsRequest, topic string, partition int32) *kmsg.DescribeTopicPartitionsRequest {
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: topic, Partition: partition}
		return req
	}
	versions(0, 0, func(c *C, v int16) { c.ask(v, describe(2000, c.topicOf("a", 2).name, c.topicOf("b", 1).name)) })
	for _, limit := range []int32{3, 2, 1, 0, -1, 1<<31 - 1} {
		add(fmt.Sprintf("limit %d", limit), func(c *C) { c.ask(0, describe(limit, c.topicOf("a", 2).name, c.topicOf("b", 2).name)) })
	}
	for _, p := range []int32{0, 1, 2, 3, -1} {
		add(fmt.Sprintf("cursor at partition %d", p), func(c *C) {
			a, b := c.topicOf("a", 2).name, c.topicOf("b", 2).name
			c.ask(0, from(describe(2000, a, b), a, p))
			c.ask(0, from(describe(1, a, b), b, p))
		})
	}
	add("cursor at a topic that is not asked for", func(c *C) {
		a, b, z := c.topicOf("a", 1).name, c.topicOf("c", 1).name, c.name("b")
		c.ask(0, from(describe(2000, a, b), z, 0))
	})
	add("cursor after all", func(c *C) { c.ask(0, from(describe(2000, c.topicOf("a", 1).name), c.name("z"), 0)) })
	add("cursor at an empty name", func(c *C) { c.ask(0, from(describe(2000, c.topicOf("a", 1).name), "", 0)) })
	add("unknown topic", func(c *C) { c.ask(0, describe(2000, c.name("none"))) })
	add("unknown and known", func(c *C) { c.ask(0, describe(1, c.name("a-none"), c.topicOf("b", 2).name, c.name("c-none"))) })
	add("cursor at an unknown topic", func(c *C) { n := c.name("b"); c.ask(0, from(describe(2000, c.topicOf("a", 1).name, n), n, 0)) })
	add("invalid topic", func(c *C) { c.ask(0, describe(2000, "a/b")) })
	add("empty topic", func(c *C) { c.ask(0, describe(2000, "")) })
	add("topic twice", func(c *C) { a := c.topicOf("a", 2).name; c.ask(0, describe(2000, a, a)) })
	add("all topics", func(c *C) {
		a := c.topicOf("a", 1)
		c.ask(0, describe(2000), func(resp kmsg.Response) {
			r := resp.(*kmsg.DescribeTopicPartitionsResponse)
			var mine []kmsg.DescribeTopicPartitionsResponseTopic
			for _, t := range r.Topics {
				if t.Topic != nil && *t.Topic == a.name {
					mine = append(mine, t)
				}
			}
			r.Topics, r.NextCursor = mine, nil
		})
	})
}

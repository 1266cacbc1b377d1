package main

import "github.com/twmb/franz-go/pkg/kmsg"

// OffsetDelete: every state, and what is not known.
func init() {
	del := func(group string, t topic, partitions ...int32) *kmsg.OffsetDeleteRequest {
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		rt := kmsg.NewOffsetDeleteRequestTopic()
		rt.Topic = t.name
		for _, p := range partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetDeleteRequestTopicPartition{Partition: p})
		}
		req.Topics = append(req.Topics, rt)
		return req
	}
	versions(0, 0, func(c *C, v int16) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(v, del(g, t, 0))
		c.ask(8, offsetFetch(g, t, 0))
	})
	groupStates("offset", func(c *C, m *member) {
		t := c.topic()
		c.send(8, offsetCommit(m.group, t, 4))
		_, _ = c.read()
		c.ask(0, del(m.group, t, 0))
	})
	add("subscribed topic", func(c *C) {
		t := c.topic()
		m := c.stable(c.name("group"), func(req *kmsg.JoinGroupRequest) {
			req.ProtocolType = "consumer"
			sub := kmsg.NewConsumerMemberMetadata()
			sub.Topics = []string{t.name}
			req.Protocols[0].Metadata = sub.AppendTo(nil)
		})
		c.ask(0, del(m.group, t, 0))
	})
	add("no offset there", func(c *C) {
		t, other, g := c.topic(), c.topicOf("other", 1), c.name("group")
		c.committed(g, t, 1)
		c.ask(0, del(g, other, 0))
	})
	add("unknown topic", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(0, del(g, topic{name: c.name("none")}, 0))
	})
	add("unknown partitions", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(0, del(g, t, 0, 1, -1))
	})
	add("empty group", func(c *C) { c.ask(0, del("", c.topic(), 0)) })
	add("partition twice", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(0, del(g, t, 0, 0))
	})
	add("no topics", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		req := del(g, t)
		req.Topics = nil
		c.ask(0, req)
	})
	add("no partitions", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(0, del(g, t))
	})
}

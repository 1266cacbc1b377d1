package main

import "github.com/twmb/franz-go/pkg/kmsg"

func describeProducers(topic string, partitions ...int32) *kmsg.DescribeProducersRequest {
	req := kmsg.NewPtrDescribeProducersRequest()
	rt := kmsg.NewDescribeProducersRequestTopic()
	rt.Topic, rt.Partitions = topic, partitions
	req.Topics = append(req.Topics, rt)
	return req
}

// DescribeProducers: the active producers of partitions, and wrong names.
func init() {
	versions(0, 0, func(c *C, v int16) {
		t, id := c.topicOf("topic", 2), c.producer()
		c.produce(t, c.batch(3).by(id, 2, 0).bytes())
		c.produce(t, c.batch(1).by(id, 2, 3).bytes())
		c.ask(v, describeProducers(t.name, 0, 1))
	})
	add("unknown topic", func(c *C) { c.ask(0, describeProducers(c.name("none"), 0)) })
	add("unknown partitions", func(c *C) { c.ask(0, describeProducers(c.topic().name, 0, 1, -1)) })
	add("invalid topic name", func(c *C) { c.ask(0, describeProducers("a/b", 0)) })
	add("empty topic name", func(c *C) { c.ask(0, describeProducers("", 0)) })
	add("no partitions", func(c *C) { c.ask(0, describeProducers(c.topic().name)) })
	add("no topics", func(c *C) { c.ask(0, kmsg.NewPtrDescribeProducersRequest()) })
	add("partition twice", func(c *C) { c.ask(0, describeProducers(c.topic().name, 0, 0)) })
	add("topic twice", func(c *C) {
		t := c.topicOf("topic", 2)
		req := describeProducers(t.name, 0)
		req.Topics = append(req.Topics, describeProducers(t.name, 1).Topics...)
		c.ask(0, req)
	})
}

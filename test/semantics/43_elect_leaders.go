package main

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// electLeaders asks for an election in partitions of a topic: kind 0 is of the preferred leader, 1 unclean.
func electLeaders(kind int8, topic string, partitions ...int32) *kmsg.ElectLeadersRequest {
	req := kmsg.NewPtrElectLeadersRequest()
	req.TimeoutMillis, req.ElectionType = 10_000, kind
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: topic, Partitions: partitions}}
	return req
}

// ElectLeaders: every version and kind, what is not there, all partitions, no time.
func init() {
	versions(0, 2, func(c *C, v int16) { c.ask(v, electLeaders(0, c.topicOf("topic", 2).name, 0, 1)) })
	for v := int16(0); v <= 2; v++ {
		for _, kind := range []int8{1, 2, -1, 127} { // v0 has no kind
			add(fmt.Sprintf("kind %d, v%d", kind, v), func(c *C) { c.ask(v, electLeaders(kind, c.topic().name, 0)) })
		}
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) { c.ask(v, electLeaders(0, c.name("none"), 0, 1)) })
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) { c.ask(v, electLeaders(0, c.topic().name, 0, 1, -1)) })
		add(fmt.Sprintf("no topics, v%d", v), func(c *C) {
			req := electLeaders(0, "")
			req.Topics = []kmsg.ElectLeadersRequestTopic{}
			c.ask(v, req)
		})
		add(fmt.Sprintf("all partitions, v%d", v), func(c *C) {
			t := c.topicOf("topic", 3)
			req := electLeaders(0, "")
			req.Topics = nil
			c.ask(v, req, func(resp kmsg.Response) {
				r := resp.(*kmsg.ElectLeadersResponse)
				r.Topics = slices.DeleteFunc(r.Topics, func(rt kmsg.ElectLeadersResponseTopic) bool { return rt.Topic != t.name })
			})
		})
		for _, ms := range []int32{0, -1} {
			add(fmt.Sprintf("time-out %d, v%d", ms, v), func(c *C) {
				req := electLeaders(0, c.topic().name, 0)
				req.TimeoutMillis = ms
				c.ask(v, req)
			})
		}
	}
	add("all partitions, unclean", func(c *C) {
		t := c.topic()
		req := electLeaders(1, "")
		req.Topics = nil
		c.ask(2, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.ElectLeadersResponse)
			r.Topics = slices.DeleteFunc(r.Topics, func(rt kmsg.ElectLeadersResponseTopic) bool { return rt.Topic != t.name })
		})
	})
	add("all partitions, an unknown kind", func(c *C) {
		req := electLeaders(5, "")
		req.Topics = nil
		c.ask(2, req)
	})
	add("unclean, unknown topic", func(c *C) { c.ask(2, electLeaders(1, c.name("none"), 0)) })
	add("empty topic name", func(c *C) { c.ask(2, electLeaders(0, "", 0)) })
	add("invalid topic name", func(c *C) { c.ask(2, electLeaders(0, "a/b", 0)) })
	add("no partitions", func(c *C) { c.ask(2, electLeaders(0, c.topic().name)) })
	add("no partitions of an unknown topic", func(c *C) { c.ask(2, electLeaders(0, c.name("none"))) })
	add("partition twice", func(c *C) { c.ask(2, electLeaders(0, c.topic().name, 0, 0)) })
	add("topic twice", func(c *C) {
		t := c.topicOf("topic", 2)
		req := electLeaders(0, t.name, 0)
		req.Topics = append(req.Topics, electLeaders(0, t.name, 1).Topics...)
		c.ask(2, req)
	})
	add("topics that are there and not", func(c *C) {
		req := electLeaders(0, c.topic().name, 0, 7)
		req.Topics = append(req.Topics, electLeaders(0, c.name("none"), 0).Topics...)
		c.ask(2, req)
	})
	add("the groups' topic", func(c *C) { c.ask(2, electLeaders(0, "__consumer_offsets", 0)) })
}

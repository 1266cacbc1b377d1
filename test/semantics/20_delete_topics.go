package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteTopics: every version by name, by id from v6 on, and what is not known.
func init() {
	byName := func(names ...string) *kmsg.DeleteTopicsRequest {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis, req.TopicNames = 10_000, names
		for _, n := range names {
			req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: ptr(n)})
		}
		return req
	}
	byID := func(ids ...[16]byte) *kmsg.DeleteTopicsRequest {
		req := byName()
		for _, id := range ids {
			req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: id})
		}
		return req
	}
	versions(1, 6, func(c *C, v int16) {
		t := c.topic()
		c.ask(v, byName(t.name, c.name("none")))
		c.gone(t)
		c.ask(v, byName(t.name))
	})
	add("by id", func(c *C) {
		t := c.topic()
		c.ask(6, byID(t.id, [16]byte{1, 1}))
		c.gone(t)
		c.ask(6, byID(t.id))
	})
	add("by id and name", func(c *C) {
		t := c.topic()
		req := byName(t.name)
		req.Topics[0].TopicID = t.id
		c.ask(6, req)
	})
	add("neither id nor name", func(c *C) { c.ask(6, byID([16]byte{})) })
	for _, v := range []int16{1, 5, 6} {
		add(fmt.Sprintf("name twice, v%d", v), func(c *C) {
			t := c.topic()
			c.ask(v, byName(t.name, t.name))
			c.ask(9, metadata(t.name))
		})
		add(fmt.Sprintf("unknown name twice, v%d", v), func(c *C) { n := c.name("none"); c.ask(v, byName(n, n)) })
		add(fmt.Sprintf("empty name, v%d", v), func(c *C) { c.ask(v, byName("")) })
		add(fmt.Sprintf("invalid name, v%d", v), func(c *C) { c.ask(v, byName("a/b")) })
		add(fmt.Sprintf("nothing, v%d", v), func(c *C) { c.ask(v, byName()) })
	}
	add("id twice", func(c *C) { t := c.topic(); c.ask(6, byID(t.id, t.id)) })
	add("unknown id twice", func(c *C) { c.ask(6, byID([16]byte{2}, [16]byte{2})) })
	add("by id and by name in one request", func(c *C) {
		t := c.topic()
		req := byName(t.name)
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: t.id})
		c.ask(6, req)
	})
	add("two topics by id and by name", func(c *C) {
		a, b := c.topicOf("a", 1), c.topicOf("b", 1)
		req := byName(a.name)
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{TopicID: b.id})
		c.ask(6, req)
	})
	add("cluster metadata", func(c *C) { c.ask(6, byName("__cluster_metadata")) })
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch sessions (KIP-227).
func init() {
	// session begins one over the two partitions of a topic with a record in each.
	begin := func(c *C, v int16) (topic, int32) {
		t := c.topicOf("topic", 2)
		req := produceRequest(t, c.batch(1).bytes())
		addProduce(req, t, 1, c.batch(1).bytes())
		c.get(9, req)
		fetch := fetchRequest(t, 0)
		addFetch(fetch, t, 1, 0)
		fetch.SessionEpoch = 0
		return t, do[*kmsg.FetchResponse](c, v, fetch).SessionID
	}
	next := func(id, epoch int32) *kmsg.FetchRequest {
		req := fetchRequest(topic{}, 0)
		req.Topics = nil
		req.SessionID, req.SessionEpoch = id, epoch
		return req
	}
	for v := int16(7); v <= 18; v++ {
		add(fmt.Sprintf("v%d: new, incremental, end", v), func(c *C) {
			t, id := begin(c, v)
			c.say("nothing new")
			on := next(id, 1)
			addFetch(on, t, 0, 1)
			addFetch(on, t, 1, 1)
			c.ask(v, on)
			c.say("one partition has more")
			c.produce(t, c.batch(2).bytes())
			c.ask(v, next(id, 2))
			c.say("the other is forgotten")
			c.produce(t, c.batch(1).bytes())
			forget := next(id, 3)
			forget.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: t.name, TopicID: t.id, Partitions: []int32{0}}}
			c.ask(v, forget)
			c.say("a full fetch ends it")
			last := fetchRequest(t, 0)
			last.SessionID, last.SessionEpoch = id, -1
			c.ask(v, last)
			c.ask(v, next(id, 4))
		})
	}
	for _, v := range []int16{7, 12, 13, 18} {
		add(fmt.Sprintf("v%d: wrong epoch", v), func(c *C) {
			_, id := begin(c, v)
			c.ask(v, next(id, 2))
			c.ask(v, next(id, 1))
			c.ask(v, next(id, 1))
			c.ask(v, next(id, 2))
		})
		add(fmt.Sprintf("v%d: unknown id", v), func(c *C) {
			c.ask(v, next(123456789, 1))
			c.ask(v, next(0, 1))
			c.ask(v, next(-5, 1))
		})
		add(fmt.Sprintf("v%d: id with epoch 0", v), func(c *C) {
			t, id := begin(c, v)
			req := fetchRequest(t, 0)
			req.SessionID, req.SessionEpoch = id, 0
			c.ask(v, req)
			c.say("the old session")
			c.ask(v, next(id, 1))
		})
		add(fmt.Sprintf("v%d: unknown id with epoch 0 and -1", v), func(c *C) {
			t := c.topic()
			for _, epoch := range []int32{0, -1} {
				req := fetchRequest(t, 0)
				req.SessionID, req.SessionEpoch = 123456789, epoch
				c.ask(v, req)
			}
		})
		add(fmt.Sprintf("v%d: epoch -2", v), func(c *C) {
			_, id := begin(c, v)
			c.ask(v, next(id, -2))
		})
		add(fmt.Sprintf("v%d: a session of nothing", v), func(c *C) {
			req := next(0, 0)
			resp := do[*kmsg.FetchResponse](c, v, req)
			c.ask(v, next(resp.SessionID, 1))
		})
		add(fmt.Sprintf("v%d: partition added later", v), func(c *C) {
			t, id := begin(c, v)
			other := c.topicOf("other", 1)
			c.produce(other, c.batch(1).bytes())
			req := next(id, 1)
			addFetch(req, t, 0, 1)
			addFetch(req, t, 1, 1)
			addFetch(req, other, 0, 0)
			c.ask(v, req)
		})
		add(fmt.Sprintf("v%d: an error is told each time", v), func(c *C) {
			t, id := begin(c, v)
			req := next(id, 1)
			addFetch(req, t, 0, 1)
			addFetch(req, t, 1, 77)
			c.ask(v, req)
			c.ask(v, next(id, 2))
		})
		add(fmt.Sprintf("v%d: an unknown topic in a session", v), func(c *C) {
			t, id := begin(c, v)
			req := next(id, 1)
			addFetch(req, t, 0, 1)
			addFetch(req, t, 1, 1)
			addFetch(req, topic{c.name("none"), [16]byte{8, 8}}, 0, 0)
			c.ask(v, req)
			c.ask(v, next(id, 2))
		})
		add(fmt.Sprintf("v%d: forgetting what is not in it", v), func(c *C) {
			t, id := begin(c, v)
			req := next(id, 1)
			addFetch(req, t, 0, 1)
			addFetch(req, t, 1, 1)
			req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: t.name, TopicID: t.id, Partitions: []int32{9}}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("v%d: forgotten and asked for at once", v), func(c *C) {
			t, id := begin(c, v)
			req := next(id, 1)
			addFetch(req, t, 0, 0)
			req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: t.name, TopicID: t.id, Partitions: []int32{0, 1}}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("v%d: deleted records are news", v), func(c *C) {
			t, id := begin(c, v)
			req := next(id, 1)
			addFetch(req, t, 0, 1)
			addFetch(req, t, 1, 1)
			c.ask(v, req)
			c.truncate(t, -1)
			c.ask(v, next(id, 2))
		})
		add(fmt.Sprintf("v%d: by another connection", v), func(c *C) {
			t, id := begin(c, v)
			c.apart(func() {
				req := next(id, 1)
				addFetch(req, t, 0, 1)
				addFetch(req, t, 1, 1)
				c.ask(v, req)
			})
		})
	}
	add("by names, then by ids", func(c *C) {
		_, id := begin(c, 12)
		c.ask(13, next(id, 1))
	})
	add("by ids, then by names", func(c *C) {
		_, id := begin(c, 13)
		c.ask(12, next(id, 1))
	})
	add("a topic that is deleted", func(c *C) {
		t, id := begin(c, 13)
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TimeoutMillis = 5000
		del.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &t.name}}
		c.get(6, del)
		c.gone(t)
		c.ask(13, next(id, 1))
	})
	// Kafka keeps its sessions in eight parts in turn, each with an eighth of the slots.
	const slots = 8
	for _, v := range []int16{7, 12, 13, 18} {
		addWith(fmt.Sprintf("max.incremental.fetch.session.cache.slots=%d", slots), fmt.Sprintf("v%d: a cache that is full", v), func(c *C) {
			t := c.topic()
			c.produce(t, c.batch(1).bytes())
			full := func() *kmsg.FetchRequest {
				req := fetchRequest(t, 0)
				req.SessionEpoch = 0
				return req
			}
			var ids []int32
			take := func() {
				for range slots {
					if id := c.get(v, full()).(*kmsg.FetchResponse).SessionID; id != 0 {
						ids = append(ids, id)
					}
				}
				c.say("%d sessions", len(ids))
			}
			take()
			c.say("one more is served without")
			c.ask(v, full())
			c.say("those that are there go on")
			c.ask(v, next(ids[0], 1))
			c.say("one ends, and its slot is taken")
			end := fetchRequest(t, 0)
			end.SessionID, end.SessionEpoch = ids[0], -1
			c.get(v, end)
			ids = ids[1:]
			take()
			for _, id := range ids {
				end.SessionID = id
				c.get(v, end)
			}
		})
	}
}

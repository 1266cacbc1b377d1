package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func metadata(names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, n := range names {
		req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: ptr(n)})
	}
	return req
}

// own leaves only the case's topics in an answer about all.
func (c *C) own(resp kmsg.Response) {
	m := resp.(*kmsg.MetadataResponse)
	var mine []kmsg.MetadataResponseTopic
	for _, t := range m.Topics {
		if t.Topic != nil && c.shown.names[*t.Topic] != "" {
			mine = append(mine, t)
		}
	}
	m.Topics = mine
}

// gone waits until nobody knows a topic any more.
func (c *C) gone(t topic) {
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		req := metadata(t.name)
		if c.get(9, req).(*kmsg.MetadataResponse).Topics[0].ErrorCode == 3 {
			return
		}
		if time.Now().After(deadline) {
			c.abort("the topic %s is still there", t.name)
		}
	}
}

// Metadata: every version for one topic, for all and for none; names and ids that are wrong; topics made on the way.
func init() {
	versions(0, 13, func(c *C, v int16) {
		t := c.topicOf("topic", 2)
		c.ask(v, metadata(t.name))
		all := metadata()
		all.Topics = nil
		c.say("all topics")
		c.ask(v, all, c.own)
	})
	for _, v := range []int16{0, 1, 9, 12} {
		add(fmt.Sprintf("no topics, v%d", v), func(c *C) { c.ask(v, metadata(), c.own) })
	}
	for _, v := range []int16{0, 1, 4, 9, 12, 13} {
		for _, auto := range []bool{false, true} {
			add(fmt.Sprintf("unknown topic, v%d, create %v", v, auto), func(c *C) {
				req := metadata(c.name("none"))
				req.AllowAutoTopicCreation = auto
				c.ask(v, req)
				if auto || v < 4 {
					c.settle(topic{name: *req.Topics[0].Topic}, 1)
					c.ask(v, metadata(*req.Topics[0].Topic))
				}
			})
		}
	}
	for _, name := range []string{"", "a/b", ".", "..", "a b", "ü", string(make([]byte, 5))} {
		for _, auto := range []bool{false, true} {
			add(fmt.Sprintf("topic name %q, create %v", name, auto), func(c *C) {
				req := metadata(name)
				req.AllowAutoTopicCreation = auto
				c.ask(9, req)
			})
		}
	}
	add("name of 250 characters", func(c *C) {
		name := ""
		for len(name) < 250 {
			name += "x"
		}
		c.ask(9, metadata(name))
	})
	add("topic twice", func(c *C) { t := c.topic(); c.ask(9, metadata(t.name, t.name)) })
	add("unknown topic twice", func(c *C) { n := c.name("none"); c.ask(9, metadata(n, n)) })
	for v := int16(10); v <= 13; v++ {
		add(fmt.Sprintf("by id, v%d", v), func(c *C) {
			t := c.topic()
			req := metadata()
			req.Topics = []kmsg.MetadataRequestTopic{{TopicID: t.id}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("by id and name, v%d", v), func(c *C) {
			t := c.topic()
			req := metadata()
			req.Topics = []kmsg.MetadataRequestTopic{{TopicID: t.id, Topic: &t.name}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("unknown id, v%d", v), func(c *C) {
			req := metadata()
			req.Topics = []kmsg.MetadataRequestTopic{{TopicID: [16]byte{5, 5}}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("null name and no id, v%d", v), func(c *C) {
			req := metadata()
			req.Topics = []kmsg.MetadataRequestTopic{{}}
			c.ask(v, req)
		})
		add(fmt.Sprintf("an id and a name side by side, v%d", v), func(c *C) {
			t, o := c.topic(), c.topicOf("other", 1)
			req := metadata()
			req.Topics = []kmsg.MetadataRequestTopic{{TopicID: t.id}, {Topic: &o.name}}
			c.ask(v, req)
		})
	}
	for v := int16(8); v <= 13; v++ {
		add(fmt.Sprintf("authorized operations, v%d", v), func(c *C) {
			req := metadata(c.topic().name)
			req.IncludeClusterAuthorizedOperations, req.IncludeTopicAuthorizedOperations = true, true
			c.ask(v, req)
		})
	}
	add("internal topic", func(c *C) {
		c.ask(12, metadata("__consumer_offsets"), func(resp kmsg.Response) {
			m := resp.(*kmsg.MetadataResponse)
			m.Topics[0].Partitions = nil
		})
	})
	add("automatically made with the broker's defaults", func(c *C) {
		req := metadata(c.name("none"))
		req.AllowAutoTopicCreation = true
		c.get(9, req)
		c.settle(topic{name: *req.Topics[0].Topic}, 1)
		c.ask(9, metadata(*req.Topics[0].Topic))
	})
	add("an internal topic is not made on the way", func(c *C) {
		req := metadata("__share_group_state_x")
		req.AllowAutoTopicCreation = false
		c.ask(9, req)
	})
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// offsetFetch asks for a group's offsets of partitions of a topic, in every way that a version may want.
func offsetFetch(group string, t topic, partitions ...int32) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: t.name, Partitions: partitions}}
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group, rg.Topics = group, []kmsg.OffsetFetchRequestGroupTopic{{Topic: t.name, TopicID: t.id, Partitions: partitions}}
	req.Groups = append(req.Groups, rg)
	return req
}

// OffsetFetch: every version, all topics, several groups, ids, and what is not known.
func init() {
	versions(1, 10, func(c *C, v int16) {
		t, group := c.topicOf("topic", 2), c.name("group")
		commit := offsetCommit(group, t, 7)
		commit.Topics[0].Partitions[0].Metadata = ptr("meta")
		commit.Topics[0].Partitions[0].LeaderEpoch = c.shown.epoch
		c.get(9, commit)
		c.ask(v, offsetFetch(group, t, 0, 1))
		if v >= 2 {
			c.say("all topics")
			req := offsetFetch(group, t)
			req.Topics, req.Groups[0].Topics = nil, nil
			c.ask(v, req)
		}
	})
	for _, v := range []int16{1, 7, 8, 10} {
		add(fmt.Sprintf("unknown group, v%d", v), func(c *C) { c.ask(v, offsetFetch(c.name("group"), c.topic(), 0, 5)) })
		add(fmt.Sprintf("empty group, v%d", v), func(c *C) { c.ask(v, offsetFetch("", c.topic(), 0)) })
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) {
			t, group := c.topic(), c.name("group")
			c.committed(group, t, 3)
			c.ask(v, offsetFetch(group, topic{c.name("none"), [16]byte{4}}, 0))
		})
		add(fmt.Sprintf("partitions beyond the topic, v%d", v), func(c *C) {
			t, group := c.topic(), c.name("group")
			c.committed(group, t, 3)
			c.ask(v, offsetFetch(group, t, 0, 1, -1))
		})
		add(fmt.Sprintf("partition twice, v%d", v), func(c *C) {
			t, group := c.topic(), c.name("group")
			c.committed(group, t, 3)
			c.ask(v, offsetFetch(group, t, 0, 0))
		})
		add(fmt.Sprintf("no partitions, v%d", v), func(c *C) {
			t, group := c.topic(), c.name("group")
			c.committed(group, t, 3)
			c.ask(v, offsetFetch(group, t))
		})
		add(fmt.Sprintf("no topics, v%d", v), func(c *C) {
			t, group := c.topic(), c.name("group")
			c.committed(group, t, 3)
			req := offsetFetch(group, t)
			req.Topics, req.Groups[0].Topics = []kmsg.OffsetFetchRequestTopic{}, []kmsg.OffsetFetchRequestGroupTopic{}
			c.ask(v, req)
		})
	}
	groupStates("offsets", func(c *C, m *member) {
		t := c.topic()
		c.send(8, offsetCommit(m.group, t, 4))
		_, _ = c.read()
		c.ask(8, offsetFetch(m.group, t, 0))
	})
	add("require stable", func(c *C) {
		t, group := c.topic(), c.name("group")
		c.committed(group, t, 3)
		req := offsetFetch(group, t, 0)
		req.RequireStable = true
		c.ask(8, req)
	})
	add("several groups", func(c *C) {
		t, a, b := c.topic(), c.name("a"), c.name("b")
		c.committed(a, t, 1)
		c.committed(b, t, 2)
		req := offsetFetch(a, t, 0)
		req.Groups = append(req.Groups, offsetFetch(b, t, 0).Groups[0], offsetFetch(c.name("c"), t, 0).Groups[0])
		c.ask(8, req)
	})
	add("group twice", func(c *C) {
		t, a := c.topic(), c.name("a")
		c.committed(a, t, 1)
		req := offsetFetch(a, t, 0)
		req.Groups = append(req.Groups, req.Groups[0])
		c.ask(8, req)
	})
	add("no groups", func(c *C) { c.ask(8, kmsg.NewPtrOffsetFetchRequest()) })
	add("member and epoch of a classic group", func(c *C) {
		t := c.topic()
		m := c.stable(c.name("group"))
		req := offsetFetch(m.group, t, 0)
		req.Groups[0].MemberID, req.Groups[0].MemberEpoch = ptr("nobody"), 77
		c.ask(9, req)
	})
	add("offsets of a deleted topic", func(c *C) {
		t, group := c.topic(), c.name("group")
		c.committed(group, t, 3)
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TimeoutMillis, del.Topics = 5000, []kmsg.DeleteTopicsRequestTopic{{Topic: &t.name}}
		c.get(6, del)
		c.gone(t)
		c.say("by name")
		c.ask(8, offsetFetch(group, t, 0), func(resp kmsg.Response) { // dropped in the background
			resp.(*kmsg.OffsetFetchResponse).Groups[0].Topics[0].Partitions[0].Offset = 0
		})
		c.say("by id")
		c.ask(10, offsetFetch(group, t, 0))
	})
}

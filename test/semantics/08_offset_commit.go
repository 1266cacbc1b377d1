package main

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetCommit: every version by somebody outside a group and by a member, every state, and wrong fields.
func init() {
	versions(2, 10, func(c *C, v int16) {
		t, group := c.topic(), c.name("group")
		c.ask(v, offsetCommit(group, t, 5))
		member := c.stable(c.name("members"))
		req := member.commit(t)
		if v < 7 {
			req.InstanceID = nil
		}
		c.ask(v, req)
	})
	groupStates("by a member", func(c *C, m *member) { c.ask(9, m.commit(c.topic())) })
	groupStates("by a member, v8", func(c *C, m *member) { c.ask(8, m.commit(c.topic())) })
	groupStates("from outside", func(c *C, m *member) { c.ask(9, offsetCommit(m.group, c.topic(), 5)) })
	for _, w := range []struct {
		name   string
		change func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition)
	}{
		{"generation too old", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { req.Generation-- }},
		{"generation too new", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { req.Generation++ }},
		{"unknown member", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.MemberID = "nobody"
		}},
		{"no member, but a generation", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.MemberID = ""
		}},
		{"member without a generation", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.Generation = -1
		}},
		{"instance that is not known", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.InstanceID = ptr("somebody")
		}},
		{"offset -1", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { p.Offset = -1 }},
		{"offset -7", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { p.Offset = -7 }},
		{"metadata of 4096", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			p.Metadata = ptr(strings.Repeat("m", 4096))
		}},
		{"metadata of 4097", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			p.Metadata = ptr(strings.Repeat("m", 4097))
		}},
		{"unknown partition", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { p.Partition = 9 }},
		{"partition -1", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { p.Partition = -1 }},
		{"partition twice", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			second := *p
			second.Offset = 8
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, second)
		}},
		{"topic twice", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.Topics = append(req.Topics, req.Topics[0])
		}},
		{"no partitions", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.Topics[0].Partitions = nil
		}},
		{"no topics", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) { req.Topics = nil }},
		{"empty group", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.Group, req.MemberID, req.Generation = "", "", -1
		}},
		{"leader epoch 7", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			p.LeaderEpoch = c.shown.epoch + 7
		}},
		{"retention time", func(c *C, req *kmsg.OffsetCommitRequest, p *kmsg.OffsetCommitRequestTopicPartition) {
			req.RetentionTimeMillis = 1000
		}},
	} {
		add(w.name, func(c *C) {
			t := c.topic()
			m := c.stable(c.name("group"))
			req := m.commit(t)
			w.change(c, req, &req.Topics[0].Partitions[0])
			c.ask(9, req)
			c.ask(8, offsetFetch(m.group, t, 0, 9))
		})
	}
	for _, v := range []int16{2, 9, 10} {
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) {
			c.ask(v, offsetCommit(c.name("group"), topic{c.name("none"), [16]byte{3, 3}}, 1))
		})
		add(fmt.Sprintf("empty topic, v%d", v), func(c *C) { c.ask(v, offsetCommit(c.name("group"), topic{}, 1)) })
	}
	add("static member that was replaced", func(c *C) {
		t, group := c.topic(), c.name("group")
		instance := func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") }
		first := c.stable(group, instance)
		c.joined(group, instance)
		c.ask(9, first.commit(t))
	})
	add("static member without its instance id", func(c *C) {
		t, group := c.topic(), c.name("group")
		m := c.stable(group, func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") })
		m.instance = nil
		c.ask(9, m.commit(t))
	})
}

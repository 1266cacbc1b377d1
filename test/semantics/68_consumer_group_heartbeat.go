package main

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// beat is a heartbeat that says nothing new.
func beat(group, member string, epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, member, epoch, -1
	return req
}

// enter is the first heartbeat of a member, with a subscription.
func enter(group, member string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := beat(group, member, 0)
	req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.Topics = 30_000, topics, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return req
}

// modern makes a group of KIP-848 with one member that has its assignment, and returns the member's epoch.
func (c *C) modern(group, member string, t topic, change ...func(*kmsg.ConsumerGroupHeartbeatRequest)) int32 {
	req := enter(group, member, t.name)
	for _, f := range change {
		f(req)
	}
	resp := c.get(1, req).(*kmsg.ConsumerGroupHeartbeatResponse)
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(20 * time.Millisecond) {
		if resp.ErrorCode != 0 || time.Now().After(deadline) {
			c.abort("heartbeat: error %d", resp.ErrorCode)
		}
		if resp.Assignment != nil && len(resp.Assignment.Topics) > 0 {
			break
		}
		resp = c.get(1, beat(group, member, resp.MemberEpoch)).(*kmsg.ConsumerGroupHeartbeatResponse)
	}
	own := beat(group, member, resp.MemberEpoch) // it has taken what it was given
	for _, at := range resp.Assignment.Topics {
		own.Topics = append(own.Topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: at.TopicID, Partitions: at.Partitions})
	}
	c.shown.group = c.get(1, own).(*kmsg.ConsumerGroupHeartbeatResponse).MemberEpoch
	return c.shown.group
}

// ConsumerGroupHeartbeat (KIP-848): joining, staying, leaving, static members, wrong fields, and the classic APIs on such a group. An
// assignment may come a moment later than the heartbeat that asks for it, so the first answer of a member is not looked at.
func init() {
	versions(0, 1, func(c *C, v int16) {
		t, group := c.topicOf("topic", 2), c.name("group")
		epoch := c.modern(group, "m", t)
		c.ask(v, beat(group, "m", epoch))
		c.say("leaves")
		c.ask(v, beat(group, "m", -1))
		c.ask(v, beat(group, "m", -1))
		c.ask(v, beat(group, "m", epoch))
	})
	for _, w := range []struct {
		name   string
		change func(req *kmsg.ConsumerGroupHeartbeatRequest)
	}{
		{"empty group", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.Group = "" }},
		{"empty member", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberID = "" }},
		{"epoch 5 of a stranger", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = 5 }},
		{"epoch -1 of a stranger", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = -1 }},
		{"epoch -2 without an instance", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = -2 }},
		{"epoch -2 of a stranger's instance", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch, req.InstanceID = -2, ptr("i") }},
		{"epoch -3", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = -3 }},
		{"no rebalance timeout", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.RebalanceTimeoutMillis = -1 }},
		{"rebalance timeout 0", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.RebalanceTimeoutMillis = 0 }},
		{"null subscription", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.SubscribedTopicNames = nil }},
		{"null partitions", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.Topics = nil }},
		{"partitions owned already", func(req *kmsg.ConsumerGroupHeartbeatRequest) {
			req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{{TopicID: [16]byte{1}, Partitions: []int32{0}}}
		}},
		{"unknown assignor", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.ServerAssignor = ptr("nonsense") }},
		{"empty assignor", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.ServerAssignor = ptr("") }},
		{"empty instance", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.InstanceID = ptr("") }},
		{"empty rack", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.RackID = ptr("") }},
		{"regex that cannot be", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.SubscribedTopicRegex = ptr("[") }},
	} {
		for v := int16(0); v <= 1; v++ {
			add(w.name+map[int16]string{0: ", v0", 1: ", v1"}[v], func(c *C) {
				req := enter(c.name("group"), "m", c.name("nothing"))
				w.change(req)
				c.ask(v, req, func(resp kmsg.Response) {
					r := resp.(*kmsg.ConsumerGroupHeartbeatResponse)
					if r.ErrorCode == 0 {
						r.MemberEpoch, r.Assignment = 0, nil
					}
				})
			})
		}
	}
	for _, w := range []struct {
		name   string
		change func(req *kmsg.ConsumerGroupHeartbeatRequest)
	}{
		{"epoch too new", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch++ }},
		{"epoch too old", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = max(1, req.MemberEpoch-5) }},
		{"another member", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberID = "stranger" }},
		{"an instance it has not", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.InstanceID = ptr("i") }},
		{"an assignor that is not known", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.ServerAssignor = ptr("nonsense") }},
		{"a regex that cannot be", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.SubscribedTopicRegex = ptr("[") }},
		{"static leave without an instance", func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = -2 }},
	} {
		add("stable, "+w.name, func(c *C) {
			t, group := c.topic(), c.name("group")
			req := beat(group, "m", c.modern(group, "m", t))
			w.change(req)
			c.ask(1, req)
		})
	}
	static := func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.InstanceID = ptr("i") }
	add("instance that is in use", func(c *C) {
		t, group := c.topic(), c.name("group")
		c.modern(group, "m", t, static)
		req := enter(group, "n", t.name)
		static(req)
		c.ask(1, req)
	})
	add("static member goes and another comes", func(c *C) {
		t, group := c.topic(), c.name("group")
		epoch := c.modern(group, "m", t, static)
		away := beat(group, "m", -2)
		static(away)
		c.ask(1, away)
		back := enter(group, "n", t.name)
		static(back)
		c.ask(1, back)
		c.say("the first is fenced")
		old := beat(group, "m", epoch)
		static(old)
		c.ask(1, old)
	})
	add("on a classic group with members", func(c *C) {
		m := c.stable(c.name("group"))
		c.ask(1, enter(m.group, "m", c.name("nothing")))
	})
	add("classic APIs on such a group", func(c *C) {
		t, group := c.topic(), c.name("group")
		epoch := c.modern(group, "m", t)
		m := &member{group: group, id: "m", generation: epoch}
		c.ask(9, join(group))
		c.ask(5, m.sync())
		c.ask(4, m.heartbeat())
		c.ask(4, m.leave())
		c.ask(5, describeGroups(group))
		c.ask(6, describeGroups(group))
	})
	for _, v := range []int16{8, 9, 10} {
		for _, ahead := range []int32{-1, 0, 1} {
			add("commit"+map[int16]string{8: " v8", 9: " v9", 10: " v10"}[v]+map[int32]string{-1: ", older epoch", 0: "", 1: ", newer epoch"}[ahead], func(c *C) {
				t, group := c.topic(), c.name("group")
				m := &member{group: group, id: "m", generation: c.modern(group, "m", t) + ahead}
				c.ask(v, m.commit(t))
				m.id = "stranger"
				c.ask(v, m.commit(t))
				c.ask(v, offsetCommit(group, t, 3))
			})
		}
	}
	add("offsets by members", func(c *C) {
		t, group := c.topic(), c.name("group")
		epoch := c.modern(group, "m", t)
		for _, w := range []struct {
			member *string
			epoch  int32
		}{{nil, -1}, {ptr("m"), epoch}, {ptr("m"), epoch + 1}, {ptr("m"), epoch - 1}, {ptr("stranger"), epoch}, {ptr(""), -1}} {
			req := offsetFetch(group, t, 0)
			req.Groups[0].MemberID, req.Groups[0].MemberEpoch = w.member, w.epoch
			c.ask(9, req)
		}
		c.ask(8, offsetFetch(group, t, 0))
	})
	add("deleting what has members", func(c *C) {
		t, group := c.topic(), c.name("group")
		c.modern(group, "m", t)
		del := kmsg.NewPtrDeleteGroupsRequest()
		del.Groups = []string{group}
		c.ask(2, del)
		c.ask(1, beat(group, "m", -1))
		c.ask(2, del)
	})
	add("listed", func(c *C) {
		group := c.name("group")
		c.modern(group, "m", c.topic())
		req := kmsg.NewPtrListGroupsRequest()
		req.TypesFilter = []string{"consumer"}
		c.ask(5, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.ListGroupsResponse)
			var mine []kmsg.ListGroupsResponseGroup
			for _, g := range r.Groups {
				if g.Group == group {
					mine = append(mine, g)
				}
			}
			r.Groups = mine
		})
	})
}

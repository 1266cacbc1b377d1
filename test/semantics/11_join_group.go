package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup: every version, every state, wrong fields, static members, and the choice of a protocol.
func init() {
	versions(0, 9, func(c *C, v int16) {
		req := join(c.name("group"))
		resp := do[*kmsg.JoinGroupResponse](c, v, req)
		if resp.ErrorCode == 79 {
			req.MemberID = resp.MemberID
			resp = do[*kmsg.JoinGroupResponse](c, v, req)
		}
		c.say("again")
		req.MemberID = resp.MemberID
		c.ask(v, req)
	})
	for v := int16(5); v <= 9; v++ {
		add(fmt.Sprintf("static member, v%d", v), func(c *C) {
			req := join(c.name("group"))
			req.InstanceID = ptr("i")
			c.ask(v, req)
			c.say("a second of the same instance")
			c.ask(v, req)
		})
		add(fmt.Sprintf("static member comes back to a stable group, v%d", v), func(c *C) {
			group := c.name("group")
			c.stable(group, func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") })
			req := join(group)
			req.InstanceID = ptr("i")
			c.ask(v, req)
			c.say("with another protocol's metadata")
			req.Protocols[0].Metadata = []byte("other")
			c.ask(v, req)
		})
	}
	for _, w := range []struct {
		name   string
		change func(c *C, req *kmsg.JoinGroupRequest)
	}{
		{"session timeout 0", func(c *C, req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = 0 }},
		{"session timeout 5999", func(c *C, req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = 5999 }},
		{"session timeout 1800001", func(c *C, req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = 1800001 }},
		{"session timeout -1", func(c *C, req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = -1 }},
		{"rebalance timeout -1", func(c *C, req *kmsg.JoinGroupRequest) { req.RebalanceTimeoutMillis = -1 }},
		{"empty group", func(c *C, req *kmsg.JoinGroupRequest) { req.Group = "" }},
		{"unknown member id", func(c *C, req *kmsg.JoinGroupRequest) { req.MemberID = "nobody" }},
		{"no protocols", func(c *C, req *kmsg.JoinGroupRequest) { req.Protocols = nil }},
		{"empty protocol type", func(c *C, req *kmsg.JoinGroupRequest) { req.ProtocolType = "" }},
		{"empty protocol name", func(c *C, req *kmsg.JoinGroupRequest) { req.Protocols[0].Name = "" }},
		{"empty metadata", func(c *C, req *kmsg.JoinGroupRequest) { req.Protocols[0].Metadata = []byte{} }},
		{"protocol twice", func(c *C, req *kmsg.JoinGroupRequest) { req.Protocols = append(req.Protocols, req.Protocols[0]) }},
		{"empty instance id", func(c *C, req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("") }},
		{"strange instance id", func(c *C, req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("a/b c") }},
		{"instance id with an unknown member id", func(c *C, req *kmsg.JoinGroupRequest) { req.InstanceID, req.MemberID = ptr("i"), "nobody" }},
		{"reason", func(c *C, req *kmsg.JoinGroupRequest) { req.Reason = ptr("because") }},
	} {
		for _, v := range []int16{3, 9} {
			add(fmt.Sprintf("%s, v%d", w.name, v), func(c *C) {
				req := join(c.name("group"))
				w.change(c, req)
				c.patience = silentFor
				c.ask(v, req)
				if req.RebalanceTimeoutMillis < 0 { // the wait for the assignment is over at the timer's next turn, whenever that is
					c.awaitState(req.Group, "Empty")
				}
				c.say("the group is %s", c.state(req.Group))
			})
		}
	}
	add("consumer's subscription that cannot be read", func(c *C) {
		req := join(c.name("group"))
		req.ProtocolType, req.Protocols[0].Metadata = "consumer", []byte{0, 1, 0, 0, 0, 9, 0, 7}
		c.patience = silentFor
		c.ask(3, req)
	})
	groupStates("its member again", func(c *C, m *member) {
		req := join(m.group)
		req.MemberID = m.id
		if c.state(m.group) == "PreparingRebalance" {
			c.say("a join would complete the rebalance")
			req.MemberID = "nobody"
		}
		c.ask(9, req)
	})
	groupStates("a stranger's member id", func(c *C, m *member) {
		req := join(m.group)
		req.MemberID = "nobody"
		c.ask(9, req)
	})
	groupStates("another protocol type", func(c *C, m *member) {
		req := join(m.group)
		req.ProtocolType = "other"
		c.ask(3, req)
		c.ask(9, req)
	})
	groupStates("no protocol in common", func(c *C, m *member) {
		req := join(m.group)
		req.Protocols[0].Name = "other"
		if c.state(m.group) == "Dead" || c.state(m.group) == "Empty" {
			c.ask(9, req)
			return
		}
		c.ask(3, req)
		c.ask(9, req)
	})
	add("wrong instance for a member id", func(c *C) {
		m := c.stable(c.name("group"), func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") })
		req := join(m.group)
		req.MemberID, req.InstanceID = m.id, ptr("other")
		c.ask(9, req)
		req.MemberID, req.InstanceID = "nobody", ptr("i")
		c.ask(9, req)
	})
	add("the first protocol that both know", func(c *C) {
		group := c.name("group")
		first := join(group)
		first.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "a", Metadata: []byte("1a")}, {Name: "b", Metadata: []byte("1b")}}
		resp := c.get(3, first).(*kmsg.JoinGroupResponse)
		first.MemberID = resp.MemberID
		c.shown.id("member", resp.MemberID)
		second := join(group)
		second.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "c", Metadata: []byte("2c")}, {Name: "b", Metadata: []byte("2b")}}
		c.apart(func() {
			c.send(3, second)
			waiting, last := c.conn, c.last
			c.conn = nil
			for c.state(group) != "PreparingRebalance" {
				continue
			}
			c.ask(3, first)
			c.hangUp()
			c.conn, c.last = waiting, last
			c.answer(second)
		})
		c.ask(5, describeGroups(group))
	})
	add("a member with new metadata rebalances, one with the same does not", func(c *C) {
		m := c.stable(c.name("group"))
		req := join(m.group)
		req.MemberID = m.id
		c.ask(9, req)
	})
}

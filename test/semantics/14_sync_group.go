package main

import "github.com/twmb/franz-go/pkg/kmsg"

// SyncGroup: every version, every state, and wrong fields.
func init() {
	assign := func(m *member, to string) *kmsg.SyncGroupRequest {
		req := m.sync()
		req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: to, MemberAssignment: []byte("assigned")}}
		return req
	}
	versions(0, 5, func(c *C, v int16) {
		m := c.joined(c.name("group"))
		c.ask(v, assign(m, m.id))
		c.say("again, of the stable group")
		c.ask(v, m.sync())
	})
	groupStates("sync", func(c *C, m *member) { c.ask(5, assign(m, m.id)) })
	groupStates("wrong generation", func(c *C, m *member) { m.generation += 3; c.ask(5, m.sync()) })
	groupStates("unknown member", func(c *C, m *member) { m.id = "nobody-knows"; c.ask(5, m.sync()) })
	for _, w := range []struct {
		name   string
		change func(c *C, req *kmsg.SyncGroupRequest)
	}{
		{"wrong protocol type", func(c *C, req *kmsg.SyncGroupRequest) { req.ProtocolType = ptr("other") }},
		{"wrong protocol", func(c *C, req *kmsg.SyncGroupRequest) { req.Protocol = ptr("other") }},
		{"null protocol type", func(c *C, req *kmsg.SyncGroupRequest) { req.ProtocolType = nil }},
		{"null protocol", func(c *C, req *kmsg.SyncGroupRequest) { req.Protocol = nil }},
		{"unknown instance", func(c *C, req *kmsg.SyncGroupRequest) { req.InstanceID = ptr("nobody") }},
		{"empty group", func(c *C, req *kmsg.SyncGroupRequest) { req.Group = "" }},
		{"empty member", func(c *C, req *kmsg.SyncGroupRequest) { req.MemberID = "" }},
		{"generation -1", func(c *C, req *kmsg.SyncGroupRequest) { req.Generation = -1 }},
		{"assignment for a stranger", func(c *C, req *kmsg.SyncGroupRequest) { req.GroupAssignment[0].MemberID = "nobody" }},
		{"no assignments", func(c *C, req *kmsg.SyncGroupRequest) { req.GroupAssignment = nil }},
		{"empty assignment", func(c *C, req *kmsg.SyncGroupRequest) { req.GroupAssignment[0].MemberAssignment = []byte{} }},
		{"assignment twice", func(c *C, req *kmsg.SyncGroupRequest) {
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: req.MemberID, MemberAssignment: []byte("second")})
		}},
	} {
		add(w.name, func(c *C) {
			m := c.joined(c.name("group"))
			req := assign(m, m.id)
			w.change(c, req)
			c.ask(5, req)
			c.say("the group is %s", c.state(m.group))
		})
		add(w.name+", stable", func(c *C) {
			m := c.stable(c.name("group"))
			req := assign(m, m.id)
			w.change(c, req)
			c.ask(5, req)
		})
	}
	add("static member that was replaced", func(c *C) {
		group := c.name("group")
		static := func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") }
		old := c.stable(group, static)
		c.joined(group, static)
		c.ask(5, old.sync())
	})
}

package main

import "github.com/twmb/franz-go/pkg/kmsg"

// Heartbeat: every version, every state, and wrong fields.
func init() {
	versions(0, 4, func(c *C, v int16) { c.ask(v, c.stable(c.name("group")).heartbeat()) })
	groupStates("heartbeat", func(c *C, m *member) { c.ask(4, m.heartbeat()) })
	groupStates("wrong generation", func(c *C, m *member) {
		req := m.heartbeat()
		req.Generation += 7
		c.ask(4, req)
	})
	groupStates("unknown member", func(c *C, m *member) {
		req := m.heartbeat()
		req.MemberID = "nobody-knows"
		c.ask(4, req)
	})
	groupStates("unknown instance", func(c *C, m *member) {
		req := m.heartbeat()
		req.InstanceID = ptr("nobody")
		c.ask(4, req)
	})
	add("empty group", func(c *C) { c.ask(4, (&member{id: "x"}).heartbeat()) })
	add("empty member", func(c *C) { m := c.stable(c.name("group")); m.id = ""; c.ask(4, m.heartbeat()) })
	add("generation -1", func(c *C) { m := c.stable(c.name("group")); m.generation = -1; c.ask(4, m.heartbeat()) })
	add("static member that was replaced", func(c *C) {
		group := c.name("group")
		static := func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") }
		old := c.stable(group, static)
		c.joined(group, static)
		c.ask(4, old.heartbeat())
		old.instance = nil
		c.ask(4, old.heartbeat())
	})
}

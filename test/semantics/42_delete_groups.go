package main

import "github.com/twmb/franz-go/pkg/kmsg"

// DeleteGroups: every version and every state.
func init() {
	del := func(groups ...string) *kmsg.DeleteGroupsRequest {
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = groups
		return req
	}
	versions(0, 2, func(c *C, v int16) {
		m := c.empty(c.name("group"))
		c.ask(v, del(m.group, c.name("none")))
		c.ask(5, describeGroups(m.group))
	})
	groupStates("delete", func(c *C, m *member) { c.ask(2, del(m.group)) })
	add("empty group id", func(c *C) { c.ask(2, del("")) })
	add("no groups", func(c *C) { c.ask(2, del()) })
	add("group twice", func(c *C) { g := c.empty(c.name("group")).group; c.ask(2, del(g, g)) })
	add("offsets without members", func(c *C) {
		t, g := c.topic(), c.name("group")
		c.committed(g, t, 1)
		c.ask(2, del(g))
		c.ask(8, offsetFetch(g, t, 0))
	})
}

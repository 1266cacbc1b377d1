package main

import "fmt"

// DescribeGroups: every version and every state.
func init() {
	versions(0, 6, func(c *C, v int16) {
		c.ask(v, describeGroups(c.stable(c.name("group")).group))
		c.ask(v, describeGroups(c.name("none")))
	})
	groupStates("describe", func(c *C, m *member) { c.ask(5, describeGroups(m.group)) })
	for v := int16(3); v <= 6; v++ {
		add(fmt.Sprintf("authorized operations, v%d", v), func(c *C) {
			req := describeGroups(c.stable(c.name("group")).group, c.name("none"))
			req.IncludeAuthorizedOperations = true
			c.ask(v, req)
		})
	}
	for _, v := range []int16{0, 5, 6} {
		add(fmt.Sprintf("empty group id, v%d", v), func(c *C) { c.ask(v, describeGroups("")) })
		add(fmt.Sprintf("no groups, v%d", v), func(c *C) { c.ask(v, describeGroups()) })
		add(fmt.Sprintf("group twice, v%d", v), func(c *C) { g := c.stable(c.name("group")).group; c.ask(v, describeGroups(g, g)) })
		add(fmt.Sprintf("offsets without members, v%d", v), func(c *C) {
			t, g := c.topic(), c.name("group")
			c.committed(g, t, 1)
			c.ask(v, describeGroups(g))
		})
	}
}

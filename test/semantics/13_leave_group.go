package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveGroup: every version, every state, and members that are not there.
func init() {
	versions(0, 5, func(c *C, v int16) {
		m := c.stable(c.name("group"))
		c.ask(v, m.leave())
		c.say("the group is %s", c.state(m.group))
		c.ask(v, m.leave())
	})
	groupStates("leave", func(c *C, m *member) {
		c.ask(4, m.leave())
		c.ask(2, m.leave())
	})
	groupStates("unknown member", func(c *C, m *member) {
		m.id = "nobody-knows"
		c.ask(4, m.leave())
		c.ask(2, m.leave())
	})
	for _, v := range []int16{3, 5} {
		add(fmt.Sprintf("no members, v%d", v), func(c *C) {
			req := c.stable(c.name("group")).leave()
			req.Members = nil
			c.ask(v, req)
		})
		add(fmt.Sprintf("by instance id, v%d", v), func(c *C) {
			m := c.stable(c.name("group"), func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") })
			m.id = ""
			c.ask(v, m.leave())
		})
		add(fmt.Sprintf("unknown instance id, v%d", v), func(c *C) {
			m := c.stable(c.name("group"))
			m.id, m.instance = "", ptr("nobody")
			c.ask(v, m.leave())
		})
		add(fmt.Sprintf("instance id of another member, v%d", v), func(c *C) {
			m := c.stable(c.name("group"), func(req *kmsg.JoinGroupRequest) { req.InstanceID = ptr("i") })
			m.id = "another"
			c.ask(v, m.leave())
		})
		add(fmt.Sprintf("one known and one unknown member, v%d", v), func(c *C) {
			req := c.stable(c.name("group")).leave()
			req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{MemberID: "nobody"})
			c.ask(v, req)
		})
		add(fmt.Sprintf("member twice, v%d", v), func(c *C) {
			req := c.stable(c.name("group")).leave()
			req.Members = append(req.Members, req.Members[0])
			c.ask(v, req)
		})
		add(fmt.Sprintf("empty group, v%d", v), func(c *C) { c.ask(v, (&member{id: "x"}).leave()) })
		add(fmt.Sprintf("neither id, v%d", v), func(c *C) { m := c.stable(c.name("group")); m.id = ""; c.ask(v, m.leave()) })
	}
}

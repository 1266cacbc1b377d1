package main

import "github.com/twmb/franz-go/pkg/kmsg"

// ConsumerGroupDescribe (KIP-848): every version, and groups that are none of this kind.
func init() {
	describe := func(groups ...string) *kmsg.ConsumerGroupDescribeRequest {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = groups
		return req
	}
	versions(0, 1, func(c *C, v int16) {
		group := c.name("group")
		c.modern(group, "m", c.topicOf("topic", 2))
		c.ask(v, describe(group))
		req := describe(group, c.name("none"))
		req.IncludeAuthorizedOperations = true
		c.ask(v, req)
		c.ask(1, beat(group, "m", -1))
		c.ask(v, describe(group))
	})
	add("classic group", func(c *C) { c.ask(1, describe(c.stable(c.name("group")).group)) })
	add("offsets without members", func(c *C) {
		g := c.name("group")
		c.committed(g, c.topic(), 1)
		c.ask(1, describe(g))
	})
	add("empty group id", func(c *C) { c.ask(1, describe("")) })
	add("no groups", func(c *C) { c.ask(1, describe()) })
	add("group twice", func(c *C) { g := c.name("none"); c.ask(1, describe(g, g)) })
	add("static member with a rack", func(c *C) {
		group := c.name("group")
		c.modern(group, "m", c.topic(), func(req *kmsg.ConsumerGroupHeartbeatRequest) {
			req.InstanceID, req.RackID, req.ServerAssignor = ptr("i"), ptr("r"), ptr("range")
		})
		c.ask(1, describe(group))
	})
}

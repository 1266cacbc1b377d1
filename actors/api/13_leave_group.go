package api

// LeaveGroup (key 13), versions 0-5: v3 has several members (KIP-345), v4 is flexible, v5 has a reason (KIP-800).

import "github.com/twmb/franz-go/pkg/kmsg"

func init() { register(13, 0, 5, leaveGroup) }

func leaveGroup(c *Call) {
	req := c.Request.(*kmsg.LeaveGroupRequest)
	req.Version = c.Version
	c.coordinate(req.Group, req, c.replyWith)
}

package api

// Heartbeat (key 12), versions 0-4: v3 has an instance id (KIP-345), v4 is flexible.

import "github.com/twmb/franz-go/pkg/kmsg"

func init() { register(12, 0, 4, heartbeat) }

func heartbeat(c *Call) {
	req := c.Request.(*kmsg.HeartbeatRequest)
	c.coordinate(req.Group, req, c.replyWith)
}

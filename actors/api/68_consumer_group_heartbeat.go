package api

// ConsumerGroupHeartbeat (key 68), versions 0-1 (KIP-848).
//
//	v0     the broker makes the member id if the client has none
//	v1     the client makes it (KIP-1082); subscription by regular expression
//
// One heartbeat joins, stays or leaves, by its member epoch: see group.Machine.ConsumerGroupHeartbeat.

import "github.com/twmb/franz-go/pkg/kmsg"

func init() { register(68, 0, 1, consumerGroupHeartbeat) }

func consumerGroupHeartbeat(c *Call) {
	req := c.Request.(*kmsg.ConsumerGroupHeartbeatRequest)
	req.Version = c.Version
	c.coordinate(req.Group, req, c.replyWith)
}

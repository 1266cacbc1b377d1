package api

// JoinGroup (key 11), versions 0-9.
//
//	v1     rebalance time-out (KIP-62)
//	v4     the first answer is MEMBER_ID_REQUIRED (KIP-394)
//	v5     instance id (KIP-345)
//	v6     flexible
//	v7     protocol type in the answer
//	v8     reason (KIP-800)
//	v9     skip assignment (KIP-814)

import "github.com/twmb/franz-go/pkg/kmsg"

func init() { register(11, 0, 9, joinGroup) }

func joinGroup(c *Call) {
	req := c.Request.(*kmsg.JoinGroupRequest)
	req.Version = c.Version
	c.coordinate(req.Group, req, c.replyWith)
}

// replyWith answers with a coordinator's response as it is.
func (c *Call) replyWith(response any) { c.Reply(response.(kmsg.Response)) }

package api

// SyncGroup (key 14), versions 0-5: v3 has an instance id (KIP-345), v4 is flexible, v5 names the protocol (KIP-559).

import "github.com/twmb/franz-go/pkg/kmsg"

func init() { register(14, 0, 5, syncGroup) }

func syncGroup(c *Call) {
	req := c.Request.(*kmsg.SyncGroupRequest)
	req.Version = c.Version
	if c.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		// A client of these versions knows them from its JoinGroup.
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.ErrorCode = inconsistentGroupProtocol
		c.Reply(resp)
		return
	}
	c.coordinate(req.Group, req, c.replyWith)
}

package api

// ConsumerGroupDescribe (key 69), versions 0-1 (KIP-848): v1 tells the type of each member (KIP-1099).

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(69, 0, 1, consumerGroupDescribe) }

func consumerGroupDescribe(c *Call) {
	req := c.Request.(*kmsg.ConsumerGroupDescribeRequest)
	resp := kmsg.NewPtrConsumerGroupDescribeResponse()
	resp.Groups = make([]kmsg.ConsumerGroupDescribeResponseGroup, len(req.Groups))
	all := newGather(len(req.Groups), func() { c.Reply(resp) })
	for i, id := range req.Groups {
		if id == "" {
			resp.Groups[i] = kmsg.NewConsumerGroupDescribeResponseGroup()
			resp.Groups[i].ErrorCode = int16(protocol.ErrInvalidGroupID)
			all.part()
			continue
		}
		c.coordinate(id, group.DescribeConsumer{Group: id}, func(a any) {
			g := a.(*kmsg.ConsumerGroupDescribeResponseGroup)
			if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = groupOperations
			}
			resp.Groups[i] = *g
			all.part()
		})
	}
	all.part()
}

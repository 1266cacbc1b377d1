package api

// DescribeGroups (key 15), versions 0-6.
//
//	v3     authorized operations (KIP-430)
//	v4     instance id (KIP-345)
//	v5     flexible
//	v6     GROUP_ID_NOT_FOUND and a message for what there is not (KIP-1043); before, the state Dead

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
)

func init() { register(15, 0, 6, describeGroups) }

func describeGroups(c *Call) {
	req := c.Request.(*kmsg.DescribeGroupsRequest)
	resp := kmsg.NewPtrDescribeGroupsResponse()
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	all := newGather(len(req.Groups), func() { c.Reply(resp) })
	for i, id := range req.Groups {
		c.coordinate(id, group.Describe{Group: id, Version: c.Version}, func(a any) {
			g := a.(*kmsg.DescribeGroupsResponseGroup)
			if req.IncludeAuthorizedOperations && g.ErrorCode == 0 {
				g.AuthorizedOperations = groupOperations
			}
			resp.Groups[i] = *g
			all.part()
		})
	}
	all.part()
}

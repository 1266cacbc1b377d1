package api

// ListGroups (key 16), versions 0-5: v3 is flexible, v4 filters by state (KIP-518), v5 by type (KIP-848).
//
// Each broker lists the groups that it coordinates.

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(16, 0, 5, listGroups) }

func listGroups(c *Call) {
	req := c.Request.(*kmsg.ListGroupsRequest)
	resp := kmsg.NewPtrListGroupsResponse()
	if c.Broker.Groups == nil {
		c.Reply(resp)
		return
	}
	coordinators := c.Broker.Groups.All()
	numbers := make([]int32, 0, len(coordinators))
	for p := range coordinators {
		numbers = append(numbers, p)
	}
	slices.Sort(numbers)
	lists := make([][]kmsg.ListGroupsResponseGroup, len(numbers))
	failed := make([]group.ListFailed, len(numbers))
	all := newGather(len(numbers), func() {
		resp.Groups = slices.Concat(lists...)
		if i := slices.IndexFunc(failed, func(f group.ListFailed) bool { return f.Code != protocol.ErrNone }); i >= 0 {
			resp.Groups, resp.ErrorCode = nil, int16(failed[i].Code)
		}
		c.Reply(resp)
	})
	for i, p := range numbers {
		c.Broker.System.Send(coordinators[p], &coordinator.Request{Body: group.List{States: req.StatesFilter, Types: req.TypesFilter},
			Answer: func(a any) {
				switch a := a.(type) {
				case []kmsg.ListGroupsResponseGroup:
					lists[i] = a
				case group.ListFailed:
					failed[i] = a
				}
				all.part()
			}})
	}
	all.part()
}

package api

// DeleteGroups (key 42), versions 0-2: v2 is flexible.

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
)

func init() { register(42, 0, 2, deleteGroups) }

func deleteGroups(c *Call) {
	req := c.Request.(*kmsg.DeleteGroupsRequest)
	resp := kmsg.NewPtrDeleteGroupsResponse()
	var ids []string // each once
	for _, id := range req.Groups {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(ids))
	all := newGather(len(ids), func() { c.Reply(resp) })
	for i, id := range ids {
		c.coordinate(id, group.Delete{Group: id}, func(a any) {
			resp.Groups[i] = *a.(*kmsg.DeleteGroupsResponseGroup)
			all.part()
		})
	}
	all.part()
}

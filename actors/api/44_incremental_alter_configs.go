package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// IncrementalAlterConfigs, v0-v1 (v1 is flexible; KIP-339): SET, DELETE, APPEND and SUBTRACT of single values. A broker key
// that is not known is accepted, as Kafka accepts it; wrong broker values are INVALID_REQUEST, wrong topic values
// INVALID_CONFIG.
func init() { register(44, 0, 1, incrementalAlterConfigs) }

func incrementalAlterConfigs(c *Call) {
	req := c.Request.(*kmsg.IncrementalAlterConfigsRequest)
	list := make([]alteration, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		a := &list[i]
		a.kind, a.name = r.ResourceType, r.ResourceName
		a.change = controller.ResourceChange{Kind: byte(r.ResourceType), Name: strings.Clone(r.ResourceName)}
		for _, v := range r.Configs {
			op := controller.ConfigOp{Name: strings.Clone(v.Name), Op: byte(v.Op)}
			if v.Value != nil {
				op.Value = strings.Clone(*v.Value)
			} else if op.Op != controller.OpDelete {
				a.nulls = append(a.nulls, v.Name)
			}
			a.change.Ops = append(a.change.Ops, op)
		}
	}
	c.alter(list, req.ValidateOnly, func(list []alteration) {
		resp := kmsg.NewPtrIncrementalAlterConfigsResponse()
		for i := range list {
			rr := kmsg.NewIncrementalAlterConfigsResponseResource()
			rr.ResourceType, rr.ResourceName = list[i].kind, list[i].name
			rr.ErrorCode, rr.ErrorMessage = list[i].refused.result()
			resp.Resources = append(resp.Resources, rr)
		}
		c.Reply(resp)
	})
}

package api

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// AlterConfigs, v0-v2 (v2 is flexible): each resource's values become exactly those of the request. A resource that is named
// twice is INVALID_REQUEST; Kafka never answers that request.
func init() { register(33, 0, 2, alterConfigs) }

func alterConfigs(c *Call) {
	req := c.Request.(*kmsg.AlterConfigsRequest)
	list := make([]alteration, 0, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		a := newAlteration(r.ResourceType, r.ResourceName, true)
		for _, v := range r.Configs {
			a.add(v.Name, controller.OpSet, v.Value)
		}
		list = append(list, a)
	}
	c.alter(list, req.ValidateOnly, func(list []alteration) {
		resp := kmsg.NewPtrAlterConfigsResponse()
		for i := range list {
			rr := kmsg.NewAlterConfigsResponseResource()
			rr.ResourceType, rr.ResourceName = list[i].kind, list[i].name
			rr.ErrorCode, rr.ErrorMessage = list[i].refused.result()
			resp.Resources = append(resp.Resources, rr)
		}
		c.Reply(resp)
	})
}

package api

import "github.com/twmb/franz-go/pkg/kmsg"

// IncrementalAlterConfigs, v0-v1 (v1 is flexible; KIP-339): SET, DELETE, APPEND and SUBTRACT of single values. A broker key
// that is not known is accepted, as Kafka accepts it; wrong broker values are INVALID_REQUEST, wrong topic values
// INVALID_CONFIG, an operation that does not exist is UNKNOWN_SERVER_ERROR.
func init() { register(44, 0, 1, incrementalAlterConfigs) }

func incrementalAlterConfigs(c *Call) {
	req := c.Request.(*kmsg.IncrementalAlterConfigsRequest)
	list := make([]alteration, 0, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		a := newAlteration(r.ResourceType, r.ResourceName, false)
		for _, v := range r.Configs {
			a.add(v.Name, byte(v.Op), v.Value)
		}
		list = append(list, a)
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

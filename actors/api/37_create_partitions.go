package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// CreatePartitions, v0-v3: v2 is flexible; from v3 on what goes over the client's quota is refused (KIP-599).
func init() { register(37, 0, 3, createPartitions) }

func createPartitions(c *Call) {
	req := c.Request.(*kmsg.CreatePartitionsRequest)
	count := make(map[string]int, len(req.Topics))
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	resp := kmsg.NewPtrCreatePartitionsResponse()
	result := func(name string, code int16, message string) {
		rt := kmsg.NewCreatePartitionsResponseTopic()
		if rt.Topic, rt.ErrorCode = name, code; code != 0 {
			rt.ErrorMessage = &message
		}
		resp.Topics = append(resp.Topics, rt)
	}
	msg := &controller.CreatePartitions{ValidateOnly: req.ValidateOnly}
	image, quota := c.Broker.Metadata.Load(), c.mutations(3)
	for i := range req.Topics {
		t := &req.Topics[i]
		if n := count[t.Topic]; n != 1 {
			if n > 1 {
				result(t.Topic, kerr.InvalidRequest.Code, "the request names the topic twice")
			}
			count[t.Topic] = 0
			continue
		}
		if topic := image.Topic(t.Topic); topic != nil {
			if r := quota.mayChange(int(t.Count) - len(topic.Partitions)); r != nil {
				result(t.Topic, r.code, r.message)
				continue
			}
		}
		more := controller.MorePartitions{Name: strings.Clone(t.Topic), Count: t.Count, Assigned: t.Assignment != nil}
		for _, a := range t.Assignment {
			more.Assignments = append(more.Assignments, a.Replicas)
		}
		msg.Topics = append(msg.Topics, more)
	}
	msg.TimeoutMs = req.TimeoutMillis
	msg.Done = func(a controller.Answer) {
		for i := range msg.Topics {
			if a.Code != 0 {
				result(msg.Topics[i].Name, a.Code, a.Message)
			} else {
				result(msg.Topics[i].Name, a.Results[i].Code, a.Results[i].Message)
			}
		}
		c.Reply(resp)
	}
	c.command(msg, len(msg.Topics), msg.Done)
}

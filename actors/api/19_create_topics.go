package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// CreateTopics, v2-v7.
//
//	v4     -1 partitions or replicas take the broker's default
//	v5     flexible; the answer tells partitions, replication factor and configs
//	v6     what goes over the client's quota is refused (KIP-599)
//	v7     topic id
//
// The answer comes when this broker's partitions of the new topics can be produced to, or REQUEST_TIMED_OUT after the
// request's timeout while the creation goes on.
func init() { register(19, 2, 7, createTopics) }

func createTopics(c *Call) {
	req := c.Request.(*kmsg.CreateTopicsRequest)
	count := make(map[string]int, len(req.Topics))
	for i := range req.Topics {
		count[req.Topics[i].Topic]++
	}
	msg := &controller.CreateTopics{ValidateOnly: req.ValidateOnly}
	var refused []kmsg.CreateTopicsResponseTopic
	image, quota := c.Broker.Metadata.Load(), c.mutations(6)
	for i := range req.Topics {
		t := &req.Topics[i]
		switch n := count[t.Topic]; {
		case n == 0: // a double that was answered
		case n > 1:
			count[t.Topic] = 0
			refused = append(refused, refuseTopic(t.Topic, kerr.InvalidRequest.Code, "the request names the topic twice"))
		default:
			topic, nulls := newTopic(&c.Broker.Settings, t)
			if len(nulls) > 0 {
				refused = append(refused, refuseTopic(t.Topic, kerr.InvalidConfig.Code, "a configuration cannot be set to null: "+strings.Join(nulls, ", ")))
				continue
			}
			if image.Topic(topic.Name) == nil {
				if r := quota.mayChange(max(int(topic.Partitions), len(topic.Assignments))); r != nil {
					refused = append(refused, refuseTopic(t.Topic, r.code, r.message))
					continue
				}
			}
			msg.Topics = append(msg.Topics, topic)
		}
	}
	msg.TimeoutMs = req.TimeoutMillis
	msg.Done = func(a controller.Answer) {
		resp := kmsg.NewPtrCreateTopicsResponse()
		resp.Topics = make([]kmsg.CreateTopicsResponseTopic, 0, len(msg.Topics)+len(refused))
		for i := range msg.Topics {
			resp.Topics = append(resp.Topics, createdTopic(msg.Topics[i].Name, &a, i))
		}
		resp.Topics = append(resp.Topics, refused...)
		c.Reply(resp)
	}
	c.command(msg, len(msg.Topics), msg.Done)
}

// newTopic puts the broker's defaults in; nulls names the configurations without a value.
func newTopic(settings *Settings, t *kmsg.CreateTopicsRequestTopic) (topic controller.NewTopic, nulls []string) {
	topic = controller.NewTopic{Name: strings.Clone(t.Topic), Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}
	for _, a := range t.ReplicaAssignment {
		topic.Assignments = append(topic.Assignments, controller.Assignment{Partition: a.Partition, Replicas: a.Replicas})
	}
	if len(topic.Assignments) == 0 {
		if topic.Partitions == -1 {
			topic.Partitions = settings.NumPartitions
		}
		if topic.ReplicationFactor == -1 {
			topic.ReplicationFactor = settings.ReplicationFactor
		}
	}
	for _, s := range t.Configs {
		if s.Value == nil {
			nulls = append(nulls, s.Name)
			continue
		}
		topic.Configs = append(topic.Configs, controller.Setting{Name: strings.Clone(s.Name), Value: strings.Clone(*s.Value)})
	}
	return topic, nulls
}

func refuseTopic(name string, code int16, message string) kmsg.CreateTopicsResponseTopic {
	rt := kmsg.NewCreateTopicsResponseTopic()
	rt.Topic, rt.ErrorCode, rt.ErrorMessage = name, code, &message
	rt.Configs = []kmsg.CreateTopicsResponseTopicConfig{} // empty, not null
	return rt
}

func createdTopic(name string, a *controller.Answer, i int) kmsg.CreateTopicsResponseTopic {
	if a.Code != 0 {
		return refuseTopic(name, a.Code, a.Message)
	}
	r := &a.Results[i]
	if r.Code != 0 {
		return refuseTopic(name, r.Code, r.Message)
	}
	rt := kmsg.NewCreateTopicsResponseTopic()
	rt.Topic, rt.TopicID = name, r.Topic.ID
	rt.NumPartitions, rt.ReplicationFactor = int32(len(r.Topic.Partitions)), int16(r.Topic.ReplicationFactor())
	for _, e := range a.Image.Layers.Describe(r.Topic.Configs) {
		rc := kmsg.NewCreateTopicsResponseTopicConfig()
		rc.Name, rc.Value, rc.Source = e.Name, &e.Value, int8(e.Source)
		rt.Configs = append(rt.Configs, rc)
	}
	return rt
}

package api

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// Metadata, v0-v13.
//
//	v0     an empty list asks for all topics
//	v1     null asks for all, empty for none; controller id, rack, internal flag
//	v2     cluster id
//	v4     AllowAutoTopicCreation; v0-v3 always allow it
//	v5     offline replicas
//	v7     leader epochs
//	v8     authorized operations on request; those of the cluster went to DescribeCluster with v11
//	v9     flexible
//	v10    topic ids in the answer; asking by id works from v12 on
//	v13    top-level error code (KIP-1102)
//
// The request that creates a topic is answered UNKNOWN_TOPIC_OR_PARTITION at once; the client asks again.
func init() { register(3, 0, 13, metadata) }

// autoCreateTimeoutMs bounds the controller's wait for a topic that nobody waits for.
const autoCreateTimeoutMs = 30_000

func metadata(c *Call) {
	req := c.Request.(*kmsg.MetadataRequest)
	image := c.Broker.Metadata.Load()
	resp := kmsg.NewPtrMetadataResponse()

	all := req.Topics == nil || c.Version == 0 && len(req.Topics) == 0
	if code := metadataRefusal(c.Version, req); code != 0 && !all {
		for _, t := range req.Topics {
			rt := kmsg.NewMetadataResponseTopic()
			name := ""
			if t.Topic != nil {
				name = *t.Topic
			}
			rt.ErrorCode, rt.Topic, rt.TopicID = code, &name, t.TopicID
			resp.Topics = append(resp.Topics, rt)
		}
		if c.Version >= 13 {
			resp.ErrorCode = code
		}
		c.Reply(resp)
		return
	}

	for i := range image.Brokers {
		m := &image.Brokers[i]
		if m.Fenced {
			continue
		}
		rb := kmsg.NewMetadataResponseBroker()
		rb.NodeID, rb.Host, rb.Port, rb.Rack = m.ID, m.Host, m.Port, rackOf(m)
		resp.Brokers = append(resp.Brokers, rb)
	}
	resp.ClusterID = &image.ClusterID
	resp.ControllerID = image.Controller
	if c.Version >= 8 && c.Version <= 10 && req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}

	m := metadataAnswer{c: c, image: image, resp: resp, operations: req.IncludeTopicAuthorizedOperations}
	switch {
	case all:
		resp.Topics = make([]kmsg.MetadataResponseTopic, 0, image.TopicCount())
		image.Topics(m.topic)
	case byID(req):
		m.byID(req.Topics)
	default:
		m.byName(req.Topics, req.AllowAutoTopicCreation || c.Version < 4)
	}
	c.Reply(resp)
}

// metadataRefusal is the error of the whole request, which Kafka puts on each topic: ids are no way to ask before v12, and a
// topic with neither name nor id is none.
func metadataRefusal(version int16, req *kmsg.MetadataRequest) int16 {
	ids := byID(req)
	for _, t := range req.Topics {
		switch {
		case version < 12 && (t.Topic == nil || t.TopicID != [16]byte{}):
			return kerr.InvalidRequest.Code
		case t.Topic == nil && t.TopicID == [16]byte{} && !ids:
			return kerr.UnknownServerError.Code
		}
	}
	return 0
}

func byID(req *kmsg.MetadataRequest) bool {
	for i := range req.Topics {
		if req.Topics[i].TopicID != [16]byte{} {
			return true
		}
	}
	return false
}

// metadataAnswer fills one answer.
type metadataAnswer struct {
	c          *Call
	image      *controller.Image
	resp       *kmsg.MetadataResponse
	operations bool
}

// byID answers the topics that are asked by id; once one is, names are not looked at.
func (m *metadataAnswer) byID(asked []kmsg.MetadataRequestTopic) {
	seen := make(map[[16]byte]bool, len(asked))
	for _, t := range asked {
		if t.TopicID == [16]byte{} || seen[t.TopicID] {
			continue
		}
		seen[t.TopicID] = true
		if topic := m.image.TopicByID(t.TopicID); topic != nil {
			m.topic(topic)
			continue
		}
		rt := kmsg.NewMetadataResponseTopic()
		rt.ErrorCode, rt.TopicID = kerr.UnknownTopicID.Code, t.TopicID
		m.resp.Topics = append(m.resp.Topics, rt)
	}
}

// byName answers the topics that are asked by name, and has those created that may be.
func (m *metadataAnswer) byName(asked []kmsg.MetadataRequestTopic, allowCreation bool) {
	settings := &m.c.Broker.Settings
	seen := make(map[string]bool, len(asked))
	var missing []controller.NewTopic
	for _, t := range asked {
		name := *t.Topic
		if seen[name] {
			continue
		}
		seen[name] = true
		if topic := m.image.Topic(name); topic != nil {
			m.topic(topic)
			continue
		}
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic, rt.IsInternal = &name, controller.InternalTopic(name)
		rt.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if controller.CheckTopicName(name) != nil {
			rt.ErrorCode = kerr.InvalidTopicException.Code
		} else if allowCreation && settings.AutoCreateTopics && !rt.IsInternal {
			missing = append(missing, controller.NewTopic{Name: strings.Clone(name), Partitions: settings.NumPartitions, ReplicationFactor: settings.ReplicationFactor})
		}
		m.operate(&rt)
		m.resp.Topics = append(m.resp.Topics, rt)
	}
	if len(missing) > 0 {
		m.c.mutations(neverStrict).mayChange(len(missing) * int(settings.NumPartitions))
		m.c.Broker.System.Send(m.c.Broker.Controller, &controller.CreateTopics{Ask: controller.Ask{TimeoutMs: autoCreateTimeoutMs}, Topics: missing})
	}
}

func (m *metadataAnswer) operate(rt *kmsg.MetadataResponseTopic) {
	if m.operations && m.c.Version >= 8 {
		rt.AuthorizedOperations = topicOperations
	}
}

func (m *metadataAnswer) topic(topic *controller.Topic) {
	rt := kmsg.NewMetadataResponseTopic()
	rt.Topic, rt.TopicID, rt.IsInternal = &topic.Name, topic.ID, topic.Internal
	rt.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(topic.Partitions))
	for n := range topic.Partitions {
		p := m.c.Broker.placeOf(m.image, topic, int32(n))
		rp := &rt.Partitions[n]
		rp.Default()
		rp.ErrorCode, rp.Partition, rp.Leader, rp.LeaderEpoch = p.code, int32(n), p.leader, p.epoch
		rp.Replicas, rp.ISR, rp.OfflineReplicas = p.replicas, p.isr, p.offline
	}
	m.operate(&rt)
	m.resp.Topics = append(m.resp.Topics, rt)
}

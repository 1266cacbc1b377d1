package coordinator

// This file owns how group.Machine sees the cluster's metadata.

import (
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/groupconfig"
)

// TopicsOf is the topics of the newest image that holder has, for group.Config.
func TopicsOf(holder *controller.Holder) func() group.Topics {
	return func() group.Topics { return imageTopics{holder.Load()} }
}

type imageTopics struct{ image *controller.Image }

func (i imageTopics) Version() int64 { return int64(i.image.Index) }

// Complete implements group.Topics. The one broker publishes no image before it holds all that was committed to its log; one of several may
// lead a coordinator whose former broker knew newer topics.
func (i imageTopics) Complete() bool { return i.image.Index > 0 && len(i.image.Brokers) == 1 }

func (i imageTopics) Topic(name string) (group.TopicInfo, bool) {
	return topicInfo(i.image.Topic(name))
}

func (i imageTopics) TopicByID(id [16]byte) (group.TopicInfo, bool) {
	return topicInfo(i.image.TopicByID(id))
}

func (i imageTopics) Names() []string {
	list := i.image.TopicList()
	names := make([]string, len(list))
	for n, t := range list {
		names[n] = t.Name
	}
	return names
}

func topicInfo(t *controller.Topic) (group.TopicInfo, bool) {
	if t == nil {
		return group.TopicInfo{}, false
	}
	return group.TopicInfo{Name: t.Name, ID: t.ID, Partitions: int32(len(t.Partitions))}, true
}

// ConfigOf is the configuration of one group by the newest image that holder has, for group.Config. A value that a broker's limits no
// longer allow still holds; the time-out is not below the heartbeat interval.
func ConfigOf(holder *controller.Holder) func(string, group.ConsumerConfig) group.ConsumerConfig {
	return func(name string, c group.ConsumerConfig) group.ConsumerConfig {
		image := holder.Load()
		if image.Settings != nil {
			c.AssignmentIntervalMs = image.Settings.AssignmentIntervalMs
		}
		own := image.GroupConfigs[name]
		if own == nil {
			return c
		}
		set := func(to *int32, name string) {
			if ms, ok := groupconfig.Parse(own[name]); ok {
				*to = ms
			}
		}
		set(&c.SessionTimeoutMs, groupconfig.SessionTimeout)
		set(&c.HeartbeatIntervalMs, groupconfig.HeartbeatInterval)
		set(&c.AssignmentIntervalMs, groupconfig.AssignmentInterval)
		c.SessionTimeoutMs = max(c.SessionTimeoutMs, c.HeartbeatIntervalMs)
		return c
	}
}

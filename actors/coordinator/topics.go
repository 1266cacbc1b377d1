package coordinator

// This file owns how group.Machine sees the cluster's metadata.

import (
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator/group"
)

// TopicsOf is the topics of the newest image that holder has, for group.Config.
func TopicsOf(holder *controller.Holder) func() group.Topics {
	return func() group.Topics { return imageTopics{holder.Load()} }
}

type imageTopics struct{ image *controller.Image }

func (i imageTopics) Version() int64 { return int64(i.image.Index) }

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

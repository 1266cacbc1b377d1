package controller

import "github.com/troupe-io/troupe/actors/quota"

// Stage publishes an image put together by hand: for tests of what stands in front of the controller.
func (h *Holder) Stage(brokers []Broker, topics ...*Topic) {
	next := *emptyImage
	next.Brokers, next.sorted = brokers, &sortedTopics{}
	for _, t := range topics {
		next.topics = next.topics.with(t.Name, t)
		next.topicIDs = next.topicIDs.with(t.ID, t)
	}
	h.publish(&next)
}

// StageQuotas publishes the newest image with other quotas.
func (h *Holder) StageQuotas(rules *quota.Rules) {
	next := *h.Load()
	next.Quotas = rules
	h.publish(&next)
}

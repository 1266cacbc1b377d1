package controller

// Staged is a Holder with an image put together by hand: for tests of what stands in front of the controller.
func Staged(brokers []Broker, topics ...*Topic) *Holder {
	next := *emptyImage
	next.Brokers, next.sorted = brokers, &sortedTopics{}
	for _, t := range topics {
		next.topics = next.topics.with(t.Name, t)
		next.topicIDs = next.topicIDs.with(t.ID, t)
	}
	h := &Holder{}
	h.publish(&next)
	return h
}

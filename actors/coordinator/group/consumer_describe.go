package group

// This file owns ConsumerGroupDescribe.

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// The kinds of members that ConsumerGroupDescribe tells apart from version 1 on.
const (
	describedClassic  int8 = 0
	describedConsumer int8 = 1
)

// DescribeConsumerGroup answers one group of API 69 with a *kmsg.ConsumerGroupDescribeResponseGroup.
func (m *Machine) DescribeConsumerGroup(w Waiter, id string) {
	r := kmsg.NewConsumerGroupDescribeResponseGroup()
	r.Group, r.AuthorizedOperations = id, math.MinInt32
	g := m.lookup(id)
	if g == nil || g.consumer == nil {
		message := fmt.Sprintf("Group %s not found.", id)
		if g != nil {
			message = fmt.Sprintf("Group %s is not a consumer group.", id)
		}
		r.ErrorCode, r.ErrorMessage = int16(protocol.ErrGroupIDNotFound), &message
		m.reply(w, &r)
		return
	}
	c, topics := g.consumer, m.topics()
	r.State, r.Epoch, r.AssignmentEpoch = c.stateName(), c.epoch, c.assignmentEpoch
	r.AssignorName = c.preferredAssignor(m.cfg.ConsumerAssignors)
	for _, id := range c.memberIDs() {
		x := c.members[id]
		d := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		d.MemberID, d.InstanceID, d.RackID, d.MemberEpoch = x.id, x.InstanceID, x.RackID, x.epoch
		d.ClientID, d.ClientHost, d.SubscribedTopics, d.SubscribedTopicRegex = x.ClientID, x.ClientHost, x.Topics, x.Regex
		d.Assignment = describedAssignment(topics, x.assigned.union(x.revoking))
		d.TargetAssignment = describedAssignment(topics, c.targets[id])
		if d.MemberType = describedConsumer; x.classic() {
			d.MemberType = describedClassic
		}
		r.Members = append(r.Members, d)
	}
	m.reply(w, &r)
}

func describedAssignment(topics Topics, s partitionSet) kmsg.Assignment {
	a := kmsg.NewAssignment()
	for i := range s {
		if t, ok := topics.TopicByID(s[i].TopicID); ok {
			p := kmsg.NewAssignmentTopicPartition()
			p.TopicID, p.Topic, p.Partitions = s[i].TopicID, t.Name, s[i].Partitions
			a.TopicPartitions = append(a.TopicPartitions, p)
		}
	}
	return a
}

package group

// This file owns the target assignment: when it is computed, from what, and what of it is written.

import (
	"github.com/troupe-io/troupe/actors/coordinator/assignor"
	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// maybeAssign computes the target of the group epoch unless it is there; at most once in an assignment interval, so that many
// members that come at a time cost few rebalances.
func (m *Machine) maybeAssign(e *edit) {
	c := e.c
	interval := int64(m.consumerConfig(c.group.id).AssignmentIntervalMs)
	if c.assignmentEpoch >= c.epoch || c.assignmentMs != 0 && m.nowMs < c.assignmentMs+interval {
		return
	}
	topics := m.topics()
	ids := c.memberIDs()
	members := make([]assignor.Member, len(ids))
	sizes := map[topicID]int32{}
	for i, id := range ids {
		x := c.members[id]
		members[i] = assignor.Member{ID: id, InstanceID: x.InstanceID, Topics: c.subscription(topics, x), Owned: c.targets[id]}
		for _, t := range members[i].Topics {
			if info, ok := topics.TopicByID(t); ok {
				sizes[t] = info.Partitions
			}
		}
	}
	targets := assignor.ByName(c.preferredAssignor(m.cfg.ConsumerAssignors))(members, sizes)
	for i, id := range ids {
		target := partitionSet(targets[i])
		if old, ok := c.targets[id]; !ok || !old.samePartitions(target) {
			e.putTarget(id, target)
		}
	}
	e.put(record.Key{Type: record.TargetAssignmentMetadata}, record.AssignmentEpoch{Epoch: c.epoch, Timestamp: m.nowMs})
}

// preferredAssignor is the one of the broker's that most members ask for, the earlier in the list if several are, the first if none is.
func (c *consumer) preferredAssignor(list []string) string {
	votes := map[string]int{}
	for _, x := range c.members {
		if x.ServerAssignor != nil {
			votes[*x.ServerAssignor]++
		}
	}
	best := list[0]
	for _, name := range list {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

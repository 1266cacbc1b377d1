package group

// This file owns how a member gets from what it has to its target (KIP-848, "member reconciliation"): first it gives up what
// it may not keep, and stays at its epoch until it has said so; then it goes to the target's epoch and gets what nobody else
// holds any more; what others still hold comes with a later heartbeat.

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// reconciliation is one member on its way.
type reconciliation struct {
	c                   *consumer
	subscribed          []topicID // topics that the member is subscribed to now
	target              partitionSet
	targetEpoch         int32
	subscriptionChanged bool
	// owned is what the member says that it has; nil if it did not say.
	owned []kmsg.ConsumerGroupHeartbeatRequestTopic
}

// next is the member's next state, or x itself if nothing changes.
func (r *reconciliation) next(x *consumerMember) (*consumerMember, *refusal) {
	if !r.subscriptionChanged && x.reconciled(r.targetEpoch) {
		return x, nil
	}
	switch x.state {
	case memberStable:
		switch {
		case x.epoch != r.targetEpoch:
			return r.advance(x, x.epoch), nil
		case r.subscriptionChanged:
			return r.dropUnsubscribed(x), nil
		}
		return x, nil
	case memberUnrevokedPartitions:
		switch {
		case !r.holds(x.revoking):
			return r.advance(x, x.epoch), nil
		case r.subscriptionChanged:
			return r.dropUnsubscribed(x), nil
		}
		return x, nil
	case memberUnreleased:
		return r.advance(x, x.epoch), nil
	}
	// A state that a newer broker wrote: it must begin from scratch.
	if r.owned == nil || len(r.owned) > 0 {
		return nil, refuse(protocol.ErrFencedMemberEpoch, "The member is in a state that this broker does not know. It must give up all its partitions and rejoin.")
	}
	return r.advance(x, r.targetEpoch), nil
}

// holds tells whether the member may still have any of these partitions.
func (r *reconciliation) holds(revoking partitionSet) bool {
	if r.owned == nil {
		return true
	}
	for i := range r.owned {
		for _, p := range r.owned[i].Partitions {
			if _, ok := revoking.has(r.owned[i].TopicID, p); ok {
				return true
			}
		}
	}
	return false
}

func (r *reconciliation) isSubscribed(topic topicID) bool {
	_, ok := slices.BinarySearchFunc(r.subscribed, topic, compareTopicID)
	return ok
}

// dropUnsubscribed takes from the member what it is no longer subscribed to; the rest of its way waits.
func (r *reconciliation) dropUnsubscribed(x *consumerMember) *consumerMember {
	keep, drop := x.assigned.split(func(p tp) bool { return r.isSubscribed(p.topic) })
	if len(drop) == 0 {
		return x
	}
	n := *x
	n.assigned, n.previousEpoch = keep, x.epoch
	if revoking := x.revoking.union(drop); r.holds(revoking) {
		n.state, n.revoking = memberUnrevokedPartitions, revoking
	}
	return &n
}

// advance moves the member on; epoch is where it stays while it has to give up partitions.
func (r *reconciliation) advance(x *consumerMember, epoch int32) *consumerMember {
	keep, revoke := x.assigned.split(func(p tp) bool {
		_, ok := r.target.has(p.topic, p.partition)
		return ok && r.isSubscribed(p.topic)
	})
	n := *x
	n.previousEpoch = x.epoch
	if len(revoke) > 0 && r.holds(revoke) {
		n.epoch, n.state, n.assigned, n.revoking = epoch, memberUnrevokedPartitions, keep, revoke
		return &n
	}
	missing, _ := r.target.split(func(p tp) bool {
		_, ok := keep.has(p.topic, p.partition)
		return !ok && r.isSubscribed(p.topic)
	})
	free, held := missing.split(func(p tp) bool {
		owner := r.c.owners[p.topic][p.partition]
		return owner == "" || owner == x.id
	})
	n.epoch, n.assigned, n.revoking, n.state = r.targetEpoch, keep.with(free, r.targetEpoch), nil, memberStable
	if len(held) > 0 {
		n.state = memberUnreleased
	}
	return &n
}

// waitsForRelease tells whether a member's target has partitions that others still hold.
func (c *consumer) waitsForRelease(x *consumerMember) bool {
	if x.state != memberUnreleased {
		return false
	}
	waits := false
	c.targets[x.id].each(func(p tp) {
		if _, ok := x.assigned.has(p.topic, p.partition); !ok && c.owners[p.topic][p.partition] != "" {
			waits = true
		}
	})
	return waits
}

// sameAssignment tells whether two states of a member would be the same record.
func (x *consumerMember) sameAssignment(y *consumerMember) bool {
	return x.epoch == y.epoch && x.previousEpoch == y.previousEpoch && x.state == y.state &&
		x.assigned.equal(y.assigned) && x.revoking.equal(y.revoking)
}

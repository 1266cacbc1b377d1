package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator"
)

// FindCoordinator, v0-v6.
//
//	v1     key types (0 group, 1 transaction), error message
//	v3     flexible
//	v4     several keys at once
//	v6     key type 2 (share groups)
//
// A group's coordinator is the leader of its partition of __consumer_offsets; the first question creates that topic, and is
// answered COORDINATOR_NOT_AVAILABLE, as are those until the partition has a leader. Transactions and share groups are not served: a transactional id is answered
// COORDINATOR_NOT_AVAILABLE with a message, so that clients try again until they give up with that reason.
func init() { register(10, 0, 6, findCoordinator) }

const (
	keyGroup int8 = iota
	keyTransaction
	keyShare
)

func findCoordinator(c *Call) {
	req := c.Request.(*kmsg.FindCoordinatorRequest)
	resp := kmsg.NewPtrFindCoordinatorResponse()
	if c.Version >= 4 {
		resp.Coordinators = make([]kmsg.FindCoordinatorResponseCoordinator, 0, len(req.CoordinatorKeys))
		for _, key := range req.CoordinatorKeys {
			resp.Coordinators = append(resp.Coordinators, coordinatorOf(c, req.CoordinatorType, key))
		}
	} else {
		kind := req.CoordinatorType
		if c.Version == 0 {
			kind = keyGroup
		}
		found := coordinatorOf(c, kind, req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage = found.ErrorCode, found.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = found.NodeID, found.Host, found.Port
	}
	c.Reply(resp)
}

func coordinatorOf(c *Call, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	found := kmsg.NewFindCoordinatorResponseCoordinator()
	found.Key, found.NodeID, found.Port = key, -1, -1
	message := "" // what Kafka says on success
	if c.Version < 4 {
		message = "NONE"
	}
	switch {
	case kind == keyTransaction:
		found.ErrorCode, message = kerr.CoordinatorNotAvailable.Code, "this broker serves no transactions yet"
	case kind != keyGroup:
		found.ErrorCode, message = kerr.InvalidRequest.Code, "this broker has coordinators of groups only"
	default:
		if leader := c.Broker.groupLeader(key); leader != nil {
			found.NodeID, found.Host, found.Port = leader.ID, leader.Host, leader.Port
		} else {
			found.ErrorCode, message = kerr.CoordinatorNotAvailable.Code, "the coordinator is being made or elected"
		}
	}
	found.ErrorMessage = &message
	return found
}

// groupLeader is the broker that leads a group's partition, or nil.
func (b *Broker) groupLeader(groupID string) *controller.Broker {
	image := b.Metadata.Load()
	topic := image.Topic(coordinator.Topic)
	if topic == nil {
		b.createGroupTopic()
		return nil
	}
	p := coordinator.PartitionFor(groupID, int32(len(topic.Partitions)))
	return image.Broker(b.placeOf(image, topic, p).leader)
}

package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FindCoordinator, v0-v6.
//
//	v1     key types (0 group, 1 transaction), error message
//	v3     flexible
//	v4     several keys at once
//	v6     key type 2 (share groups)
//
// A group's coordinator is this broker. Transactions and share groups are not served: a transactional id is answered
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
	self := c.Broker.Metadata.Load().Broker(c.Broker.NodeID)
	message := "NONE" // what Kafka says on success
	switch {
	case kind == keyTransaction:
		found.ErrorCode, message = kerr.CoordinatorNotAvailable.Code, "this broker serves no transactions yet"
	case kind != keyGroup:
		found.ErrorCode, message = kerr.InvalidRequest.Code, "this broker has coordinators of groups only"
	case self == nil:
		found.ErrorCode, message = kerr.CoordinatorNotAvailable.Code, "the broker is starting"
	default:
		found.NodeID, found.Host, found.Port = self.ID, self.Host, self.Port
	}
	found.ErrorMessage = &message
	return found
}

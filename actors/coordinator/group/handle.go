package group

// This file owns the one door for requests, and the answers that need no Machine: those of a coordinator that is loading,
// has moved, or failed.

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// Delete asks to delete one group (API 42).
type Delete struct{ Group string }

// Describe asks for one group (API 15); Version is the request's.
type Describe struct {
	Group   string
	Version int16
}

// DescribeConsumer asks for one group of the consumer protocol (API 69).
type DescribeConsumer struct{ Group string }

// List asks for the groups that pass the filters (API 16).
type List struct{ States, Types []string }

// ListFailed answers a List that could not be served.
type ListFailed struct{ Code protocol.ErrorCode }

// Handle takes a request: a *kmsg.JoinGroupRequest, SyncGroupRequest, HeartbeatRequest, LeaveGroupRequest, OffsetCommitRequest,
// OffsetDeleteRequest or ConsumerGroupHeartbeatRequest, or a Fetch, Delete, Describe, DescribeConsumer or List. What it keeps of the request it copies.
func (m *Machine) Handle(nowMs int64, w Waiter, client Client, request any) {
	m.nowMs = nowMs
	if m.closed != protocol.ErrNone {
		m.reply(w, ErrorResponse(request, m.closed))
		return
	}
	if m.postpone(w, client, request) {
		return
	}
	switch r := request.(type) {
	case *kmsg.ConsumerGroupHeartbeatRequest:
		m.ConsumerGroupHeartbeat(nowMs, w, client, r)
	case DescribeConsumer:
		m.DescribeConsumerGroup(w, r.Group)
	case *kmsg.JoinGroupRequest:
		m.JoinGroup(nowMs, w, client, r)
	case *kmsg.SyncGroupRequest:
		m.SyncGroup(nowMs, w, r)
	case *kmsg.HeartbeatRequest:
		m.Heartbeat(nowMs, w, r)
	case *kmsg.LeaveGroupRequest:
		m.LeaveGroup(nowMs, w, r)
	case *kmsg.OffsetCommitRequest:
		m.OffsetCommit(nowMs, w, r)
	case *kmsg.OffsetDeleteRequest:
		m.OffsetDelete(nowMs, w, r)
	case Fetch:
		m.OffsetFetch(nowMs, w, r)
	case Delete:
		m.DeleteGroup(nowMs, w, r.Group)
	case Describe:
		m.DescribeGroup(w, r.Group, r.Version)
	case List:
		m.ListGroups(w, r.States, r.Types)
	default:
		invariant.Fail("a %T is no request to a group coordinator", request)
	}
}

// ErrorResponse is the answer to a request of Handle that says err and nothing else; nil if it is none of Handle's.
func ErrorResponse(request any, err protocol.ErrorCode) any {
	code := int16(err)
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		return joinError(r.MemberID, err)
	case *kmsg.SyncGroupRequest:
		return syncError(err)
	case *kmsg.HeartbeatRequest:
		h := kmsg.NewPtrHeartbeatResponse()
		if h.ErrorCode = code; err == protocol.ErrCoordinatorLoadInProgress {
			h.ErrorCode = 0 // the member's session begins anew anyhow when the group is loaded
		}
		return h
	case *kmsg.LeaveGroupRequest:
		l := kmsg.NewPtrLeaveGroupResponse()
		l.ErrorCode = code
		return l
	case *kmsg.OffsetCommitRequest:
		return CommitResponse(r, err)
	case *kmsg.OffsetDeleteRequest:
		d := kmsg.NewPtrOffsetDeleteResponse()
		d.ErrorCode = code
		return d
	case *kmsg.ConsumerGroupHeartbeatRequest:
		h := kmsg.NewPtrConsumerGroupHeartbeatResponse()
		h.ErrorCode = code
		return h
	case DescribeConsumer:
		return &kmsg.ConsumerGroupDescribeResponseGroup{Group: r.Group, ErrorCode: code, AuthorizedOperations: math.MinInt32}
	case Fetch:
		return &kmsg.OffsetFetchResponseGroup{Group: r.Group, ErrorCode: code}
	case Delete:
		return &kmsg.DeleteGroupsResponseGroup{Group: r.Group, ErrorCode: code}
	case Describe:
		return &kmsg.DescribeGroupsResponseGroup{Group: r.Group, ErrorCode: code, AuthorizedOperations: math.MinInt32}
	case List:
		if err == protocol.ErrNotCoordinator {
			return []kmsg.ListGroupsResponseGroup{} // its groups are listed elsewhere
		}
		return ListFailed{err}
	}
	return nil
}

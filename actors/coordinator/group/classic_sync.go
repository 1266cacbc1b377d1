package group

// This file owns SyncGroup, Heartbeat and LeaveGroup of the classic protocol.

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// SyncGroup answers API 14; w may wait for the leader.
func (m *Machine) SyncGroup(nowMs int64, w Waiter, req *kmsg.SyncGroupRequest) {
	m.nowMs = nowMs
	g := m.lookup(req.Group)
	switch {
	case req.Group == "":
		m.reply(w, syncError(protocol.ErrInvalidGroupID))
	case g != nil && g.consumer != nil:
		m.syncConsumer(g.consumer, w, req)
	case g == nil || g.classic.state == Empty:
		m.reply(w, syncError(protocol.ErrUnknownMemberID))
	default:
		m.syncClassic(g.classic, w, req)
	}
}

func (m *Machine) syncClassic(c *classic, w Waiter, req *kmsg.SyncGroupRequest) {
	if err := c.validateSync(req); err != protocol.ErrNone {
		m.reply(w, syncError(err))
		return
	}
	x := c.member(req.MemberID)
	switch c.state {
	case PreparingRebalance:
		m.reply(w, syncError(protocol.ErrRebalanceInProgress))
	case Stable:
		m.synced(c, x)
		m.reply(w, c.syncResponse(x))
	case CompletingRebalance:
		m.answerSyncError(x, protocol.ErrRebalanceInProgress) // an older request of the same member
		x.syncWaiter = w
		m.synced(c, x)
		if x.id == c.leader {
			m.leaderSynced(c, req)
		}
	}
}

func (c *classic) validateSync(req *kmsg.SyncGroupRequest) protocol.ErrorCode {
	if err := c.validate(req.MemberID, req.InstanceID); err != protocol.ErrNone {
		return err
	}
	if req.Generation != c.generation {
		return protocol.ErrIllegalGeneration
	}
	differs := func(asked *string, have string) bool { return asked != nil && *asked != have }
	if differs(req.ProtocolType, c.protocolType) || c.protocolName != nil && differs(req.Protocol, *c.protocolName) {
		return protocol.ErrInconsistentGroupProtocol
	}
	return protocol.ErrNone
}

// synced notes that x has synced in this generation.
func (m *Machine) synced(c *classic, x *member) {
	if delete(c.pendingSync, x.id); len(c.pendingSync) == 0 {
		m.timers.stop(&c.sync)
	}
}

// leaderSynced makes the leader's assignment durable, and the group Stable when it is.
func (m *Machine) leaderSynced(c *classic, req *kmsg.SyncGroupRequest) {
	assignment := make(map[string][]byte, len(req.GroupAssignment))
	for i := range req.GroupAssignment {
		assignment[req.GroupAssignment[i].MemberID] = bytes.Clone(req.GroupAssignment[i].MemberAssignment)
	}
	b := m.batch()
	m.putGroup(b, c, func(x *member) []byte { return assignment[x.id] }, false)
	generation := c.generation
	b.append(c.group, func(err protocol.ErrorCode) {
		if c.state != CompletingRebalance || c.generation != generation {
			return // another rebalance began meanwhile, and answered everyone
		}
		if err != protocol.ErrNone {
			m.resetAssignment(c, responseError(err))
			m.prepareRebalance(c)
			return
		}
		for _, x := range c.members {
			x.assignment = assignment[x.id]
		}
		c.transition(m, Stable)
		for _, x := range c.members {
			if x.syncWaiter != nil {
				m.reply(x.syncWaiter, c.syncResponse(x))
				x.syncWaiter = nil
				m.heartbeatSeen(x)
			}
		}
	})
}

func (c *classic) syncResponse(x *member) *kmsg.SyncGroupResponse {
	r := syncError(protocol.ErrNone)
	protocolType := c.protocolType
	r.ProtocolType, r.Protocol, r.MemberAssignment = &protocolType, c.protocolName, x.assignment
	return r
}

func syncError(err protocol.ErrorCode) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.ErrorCode = int16(err)
	return r
}

// answerSyncError answers the SyncGroup that x waits for, if any.
func (m *Machine) answerSyncError(x *member, err protocol.ErrorCode) {
	if x.syncWaiter != nil {
		m.reply(x.syncWaiter, syncError(err))
		x.syncWaiter = nil
	}
}

// Heartbeat answers API 12.
func (m *Machine) Heartbeat(nowMs int64, w Waiter, req *kmsg.HeartbeatRequest) {
	m.nowMs = nowMs
	r := kmsg.NewPtrHeartbeatResponse()
	r.ErrorCode = int16(m.heartbeat(req))
	m.reply(w, r)
}

func (m *Machine) heartbeat(req *kmsg.HeartbeatRequest) protocol.ErrorCode {
	if req.Group == "" {
		return protocol.ErrInvalidGroupID
	}
	g := m.lookup(req.Group)
	if g == nil {
		return protocol.ErrUnknownMemberID
	}
	if g.consumer != nil {
		return m.heartbeatConsumer(g.consumer, req)
	}
	c := g.classic
	if err := c.validate(req.MemberID, req.InstanceID); err != protocol.ErrNone {
		return err
	}
	if req.Generation != c.generation {
		return protocol.ErrIllegalGeneration
	}
	m.heartbeatSeen(c.member(req.MemberID))
	if c.state == PreparingRebalance {
		return protocol.ErrRebalanceInProgress
	}
	return protocol.ErrNone
}

// LeaveGroup answers API 13; from version 3 on it names several members.
func (m *Machine) LeaveGroup(nowMs int64, w Waiter, req *kmsg.LeaveGroupRequest) {
	m.nowMs = nowMs
	r := kmsg.NewPtrLeaveGroupResponse()
	if req.Group == "" {
		r.ErrorCode = int16(protocol.ErrInvalidGroupID)
		m.reply(w, r)
		return
	}
	leaving := req.Members
	if req.Version < 3 {
		leaving = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID}}
	}
	g := m.lookup(req.Group)
	if g != nil && g.consumer != nil {
		m.leaveAsClassic(g.consumer, w, r, leaving, req.Version < 3)
		return
	}
	left := false
	for i := range leaving {
		l := &leaving[i]
		err := protocol.ErrUnknownMemberID
		if g != nil {
			err = m.leave(g.classic, l.MemberID, l.InstanceID)
		}
		left = left || err == protocol.ErrNone
		r.Members = append(r.Members, kmsg.LeaveGroupResponseMember{MemberID: l.MemberID, InstanceID: l.InstanceID, ErrorCode: int16(err)})
	}
	if req.Version < 3 {
		r.ErrorCode, r.Members = r.Members[0].ErrorCode, nil
	}
	before := m.nextID
	if left {
		switch c := g.classic; c.state {
		case Stable, CompletingRebalance:
			m.prepareRebalance(c)
		case PreparingRebalance:
			m.maybeCompleteJoin(c)
		}
	}
	if m.nextID == before {
		m.reply(w, r)
		return
	}
	m.afterAppends(g, func(err protocol.ErrorCode) { // the last member left, and the record says so
		if err != protocol.ErrNone {
			r.ErrorCode, r.Members = int16(responseError(err)), nil
		}
		m.reply(w, r)
	})
}

// leave takes one member out; an instance id without a member id is an administrator's removal of a static member.
func (m *Machine) leave(c *classic, memberID string, instanceID *string) protocol.ErrorCode {
	switch {
	case memberID == unknownMember:
		if instanceID == nil || c.statics[*instanceID] == "" {
			return protocol.ErrUnknownMemberID
		}
		memberID = c.statics[*instanceID]
	case c.pendingJoin[memberID] != nil:
		m.remove(c, memberID)
		return protocol.ErrNone
	default:
		if err := c.validate(memberID, instanceID); err != protocol.ErrNone {
			return err
		}
	}
	x := c.member(memberID)
	m.answerJoinError(c, x, unknownMember, protocol.ErrUnknownMemberID)
	m.answerSyncError(x, protocol.ErrUnknownMemberID)
	m.remove(c, memberID)
	return protocol.ErrNone
}

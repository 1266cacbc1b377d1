package group

// This file owns JoinGroup of the classic protocol: who may join, and what its coming does to the group.

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// From these versions on JoinGroup requires a known member id (KIP-394) and can skip the assignment (KIP-814).
const (
	joinKnownMemberVersion = 4
	joinSkipVersion        = 9
)

// join is one JoinGroup being handled.
type join struct {
	w      Waiter
	client Client
	req    *kmsg.JoinGroupRequest
}

// JoinGroup answers API 11; w may wait for as long as the rebalance takes.
func (m *Machine) JoinGroup(nowMs int64, w Waiter, client Client, req *kmsg.JoinGroupRequest) {
	m.nowMs = nowMs
	j := join{w, client, req}
	if req.Version == 0 {
		req.RebalanceTimeoutMillis = req.SessionTimeoutMillis
	}
	switch {
	case req.Group == "":
		m.reply(w, joinError(req.MemberID, protocol.ErrInvalidGroupID))
		return
	case req.SessionTimeoutMillis < m.cfg.SessionTimeoutMinMs || req.SessionTimeoutMillis > m.cfg.SessionTimeoutMaxMs:
		m.reply(w, joinError(req.MemberID, protocol.ErrInvalidSessionTimeout))
		return
	case !readable(req):
		// Kafka never answers this one.
		m.reply(w, joinError(req.MemberID, protocol.ErrInconsistentGroupProtocol))
		return
	}
	g := m.lookup(req.Group)
	if g != nil && g.consumer != nil {
		m.joinConsumer(g, j)
		return
	}
	created := false
	if g == nil {
		if req.MemberID != unknownMember {
			m.reply(w, joinError(req.MemberID, protocol.ErrUnknownMemberID))
			return
		}
		g = m.entry(req.Group)
		g.classic = m.newClassic(g)
		created = true
	}
	before := m.nextID
	m.joinClassic(g.classic, j)
	if created && m.nextID == before && g.classic != nil {
		b := m.batch()
		m.putGroup(b, g.classic, nil, true)
		b.append(g, func(protocol.ErrorCode) {}) // members are soft state: the record only keeps the group's name
	}
}

// readable tells whether the subscriptions of a consumer can be parsed. One that is too short for a version is let pass, as
// in Kafka.
func readable(req *kmsg.JoinGroupRequest) bool {
	if req.ProtocolType != consumerProtocolType {
		return true
	}
	for i := range req.Protocols {
		if md := req.Protocols[i].Metadata; len(md) >= 2 {
			if _, ok := subscriptionTopics(md); !ok {
				return false
			}
		}
	}
	return true
}

func (m *Machine) joinClassic(c *classic, j join) {
	if !c.accepts(j.req.MemberID, m.cfg.MaxSize) {
		if x := c.member(j.req.MemberID); x != nil {
			m.answerJoinError(c, x, x.id, protocol.ErrGroupMaxSizeReached)
			m.answerSyncError(x, protocol.ErrGroupMaxSizeReached)
		}
		m.remove(c, j.req.MemberID)
		m.reply(j.w, joinError(unknownMember, protocol.ErrGroupMaxSizeReached))
		return
	}
	if !c.supports(j.req.ProtocolType, j.req.Protocols) {
		m.reply(j.w, joinError(j.req.MemberID, protocol.ErrInconsistentGroupProtocol))
		return
	}
	if j.req.MemberID != unknownMember {
		m.joinKnown(c, j)
		return
	}
	prefix := j.client.ID
	if j.req.InstanceID != nil {
		prefix = *j.req.InstanceID
	}
	id := prefix + "-" + m.cfg.NewID()
	switch {
	case j.req.InstanceID != nil && c.statics[*j.req.InstanceID] != "":
		m.replaceStatic(c, j, c.statics[*j.req.InstanceID], id)
	case j.req.InstanceID == nil && j.req.Version >= joinKnownMemberVersion:
		t := &timer{}
		t.fire = func() { m.expirePendingJoin(c, id) }
		if c.pendingJoin == nil {
			c.pendingJoin = map[string]*timer{}
		}
		c.pendingJoin[id] = t
		m.timers.set(t, m.nowMs+int64(j.req.SessionTimeoutMillis))
		m.reply(j.w, joinError(id, protocol.ErrMemberIDRequired))
	default:
		m.addMember(c, j, id)
	}
}

// accepts tells whether a member may join by group.max.size. While preparing, the number of those that have already joined
// counts, so that the last to rejoin a group that is too large are turned away.
func (c *classic) accepts(memberID string, maxSize int) bool {
	x := c.member(memberID)
	switch c.state {
	case PreparingRebalance:
		return x != nil && x.joinWaiter != nil || c.awaiting < maxSize
	case CompletingRebalance, Stable:
		return x != nil || len(c.members) < maxSize
	}
	return true
}

// joinKnown is a JoinGroup with a member id.
func (m *Machine) joinKnown(c *classic, j join) {
	if c.pendingJoin[j.req.MemberID] != nil {
		if j.req.InstanceID != nil { // the id was given to a dynamic member
			m.reply(j.w, joinError(j.req.MemberID, protocol.ErrUnknownMemberID))
			return
		}
		m.addMember(c, j, strings.Clone(j.req.MemberID))
		return
	}
	if err := c.validate(j.req.MemberID, j.req.InstanceID); err != protocol.ErrNone {
		m.reply(j.w, joinError(j.req.MemberID, err))
		return
	}
	x := c.member(j.req.MemberID)
	switch {
	case c.state == PreparingRebalance:
		m.updateAndRebalance(c, x, j)
	case c.state == CompletingRebalance && x.matches(j.req.Protocols):
		// Its first JoinGroup's answer was lost.
		m.reply(j.w, c.joinResponse(x, c.leader))
	case c.state == Stable && c.leader != x.id && x.matches(j.req.Protocols):
		r := c.joinResponse(x, c.leader)
		r.Members = nil
		m.reply(j.w, r)
	case c.state == CompletingRebalance, c.state == Stable:
		// Changed metadata; or the leader asks for a rebalance, for a reason that only it knows (partitions added).
		m.updateAndRebalance(c, x, j)
	default:
		m.reply(j.w, joinError(j.req.MemberID, protocol.ErrUnknownMemberID))
	}
}

func (m *Machine) updateAndRebalance(c *classic, x *member, j join) {
	m.update(c, x, ownProtocols(j.req.Protocols), j.req.RebalanceTimeoutMillis, j.req.SessionTimeoutMillis, j.w)
	m.rebalanceOrComplete(c)
}

func (m *Machine) addMember(c *classic, j join, id string) {
	x := m.newMember(c, &member{
		id: id, clientID: strings.Clone(j.client.ID), clientHost: strings.Clone(j.client.Host),
		instanceID: cloneString(j.req.InstanceID), rebalanceTimeoutMs: j.req.RebalanceTimeoutMillis,
		sessionTimeoutMs: j.req.SessionTimeoutMillis, protocols: ownProtocols(j.req.Protocols), isNew: true,
	})
	if c.state == PreparingRebalance && c.previous == Empty {
		c.newMemberAdded = true
	}
	m.removePending(c, id)
	c.add(x, strings.Clone(j.req.ProtocolType), j.w)
	// It has no id yet, so it cannot send heartbeats, and a lost connection is not seen while its answer waits.
	m.timers.set(&x.session, m.nowMs+m.cfg.NewMemberJoinTimeoutMs)
	m.rebalanceOrComplete(c)
}

// replaceStatic gives a static member that comes back without its member id a new one (KIP-345).
func (m *Machine) replaceStatic(c *classic, j join, oldID, newID string) {
	oldLeader := c.leader
	old := c.member(oldID)
	m.answerJoinError(c, old, oldID, protocol.ErrFencedInstanceID)
	m.answerSyncError(old, protocol.ErrFencedInstanceID)
	x := m.renameStatic(c, old, newID)
	before := *x
	m.update(c, x, ownProtocols(j.req.Protocols), j.req.RebalanceTimeoutMillis, j.req.SessionTimeoutMillis, j.w)
	switch c.state {
	case Stable:
		if c.selectProtocol() != *c.protocolName {
			m.rebalanceOrComplete(c)
			return
		}
		// The assignment stays as it is: only the new id has to be durable.
		b := m.batch()
		m.putGroup(b, c, nil, false)
		generation := c.generation
		b.append(c.group, func(err protocol.ErrorCode) {
			if c.member(newID) != x || x.joinWaiter != j.w || c.state != Stable || c.generation != generation {
				return // a rebalance came in between: the waiter belongs to it
			}
			if err != protocol.ErrNone {
				r := c.joinResponse(x, oldLeader)
				r.MemberID, r.Members, r.ErrorCode = unknownMember, nil, int16(responseError(err))
				m.answerJoin(c, x, r)
				m.update(c, x, before.protocols, before.rebalanceTimeoutMs, before.sessionTimeoutMs, nil)
				m.renameStatic(c, x, oldID)
				return
			}
			r := c.joinResponse(x, c.leader)
			if r.SkipAssignment = c.leader == x.id; j.req.Version < joinSkipVersion {
				r.SkipAssignment, r.Members, r.LeaderID = false, nil, oldLeader
			}
			m.answerJoin(c, x, r)
			m.heartbeatSeen(x)
		})
	case CompletingRebalance:
		// The leader may already be computing an assignment for the old id.
		m.prepareRebalance(c)
	default:
		invariant.Check(c.state == PreparingRebalance, "group %q in state %v has a static member", c.group.id, c.state)
		m.maybeCompleteJoin(c)
	}
}

// renameStatic puts a member with a new id in a static member's place.
func (m *Machine) renameStatic(c *classic, old *member, id string) *member {
	x := m.newMember(c, &member{
		id: id, clientID: old.clientID, clientHost: old.clientHost, instanceID: old.instanceID,
		rebalanceTimeoutMs: old.rebalanceTimeoutMs, sessionTimeoutMs: old.sessionTimeoutMs,
		protocols: old.protocols, assignment: old.assignment,
	})
	m.timers.stop(&old.session)
	for i := range c.members {
		if c.members[i] == old {
			c.members[i] = x
		}
	}
	delete(c.byID, old.id)
	c.byID[id] = x
	if c.leader == old.id {
		c.leader = id
	}
	if c.pendingSync[old.id] {
		delete(c.pendingSync, old.id)
		c.pendingSync[id] = true
	}
	c.statics[*x.instanceID] = id
	m.timers.set(&x.session, m.nowMs+int64(x.sessionTimeoutMs))
	return x
}

// joinResponse is the answer that lets x into the present generation; the leader gets the members.
func (c *classic) joinResponse(x *member, leader string) *kmsg.JoinGroupResponse {
	r := joinError(x.id, protocol.ErrNone)
	protocolType := c.protocolType
	r.Generation, r.ProtocolType, r.Protocol, r.LeaderID = c.generation, &protocolType, c.protocolName, leader
	if x.id == c.leader {
		for _, y := range c.members {
			r.Members = append(r.Members, kmsg.JoinGroupResponseMember{
				MemberID: y.id, InstanceID: y.instanceID, ProtocolMetadata: y.metadata(*c.protocolName),
			})
		}
	}
	return r
}

func joinError(memberID string, err protocol.ErrorCode) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Generation, r.MemberID, r.ErrorCode = -1, memberID, int16(err)
	return r
}

// answerJoin answers the JoinGroup that x waits for; false if it waits for none.
func (m *Machine) answerJoin(c *classic, x *member, r *kmsg.JoinGroupResponse) bool {
	if x.joinWaiter == nil {
		return false
	}
	m.reply(x.joinWaiter, r)
	x.joinWaiter = nil
	c.awaiting--
	return true
}

func (m *Machine) answerJoinError(c *classic, x *member, memberID string, err protocol.ErrorCode) {
	if x.joinWaiter != nil {
		m.answerJoin(c, x, joinError(memberID, err))
	}
}

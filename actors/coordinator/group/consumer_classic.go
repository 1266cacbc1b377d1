package group

// This file owns members of the classic protocol in a consumer group (KIP-848, "Online Migration"): JoinGroup, SyncGroup, Heartbeat
// and LeaveGroup. The coordinator assigns for them as for the others; a JoinGroup stands for a heartbeat with a subscription,
// the SyncGroup after it fetches what the member has, and a Heartbeat tells it to rejoin when there is more to do.

import (
	"bytes"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// joinConsumer answers a JoinGroup to a consumer group.
func (m *Machine) joinConsumer(g *Group, j join) {
	c := g.consumer
	if len(c.members) == 0 {
		m.endEmptyConsumer(g, j)
		return
	}
	if err := m.joinConsumerAs(c, j); err != protocol.ErrNone {
		m.reply(j.w, joinError(j.req.MemberID, err))
	}
}

func (m *Machine) joinConsumerAs(c *consumer, j join) protocol.ErrorCode {
	known := c.members[j.req.MemberID]
	id := strings.Clone(j.req.MemberID)
	if id == unknownMember {
		id = m.cfg.NewID()
	}
	subscription := kmsg.ConsumerMemberMetadata{}
	switch {
	case m.cfg.ConsumerMigration == MigrationDisabled:
		return protocol.ErrInconsistentGroupProtocol
	case len(c.members) >= m.cfg.ConsumerMaxSize && known == nil:
		return protocol.ErrGroupMaxSizeReached
	case !c.supportsClassic(j.req):
		return protocol.ErrInconsistentGroupProtocol
	case j.req.MemberID == unknownMember && j.req.InstanceID == nil && j.req.Version >= joinKnownMemberVersion:
		m.reply(j.w, joinError(id, protocol.ErrMemberIDRequired))
		return protocol.ErrNone
	case classicSize(j.req) > memberBytesMax || subscription.ReadFrom(j.req.Protocols[0].Metadata) != nil:
		return protocol.ErrInconsistentGroupProtocol
	}
	before, err := c.classicJoiner(j.req, id)
	if err != protocol.ErrNone {
		return err
	}
	static := c.static(j.req.InstanceID)
	e := m.edit(c)
	x, r := m.memberStep(e, before, classicMember(before, j, &subscription), m.ownedIDs(subscription.OwnedPartitions))
	if r != nil {
		e.append(func(protocol.ErrorCode) {})
		return r.code
	}
	resp := joinError(x.id, protocol.ErrNone)
	protocolType, protocolName := consumerProtocolType, x.Classic.Protocols[0].Name
	resp.Generation, resp.ProtocolType, resp.Protocol = x.epoch, &protocolType, &protocolName
	syncMs := int64(max(j.req.RebalanceTimeoutMillis, 0))
	e.append(func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			m.reply(j.w, joinError(unknownMember, responseError(err)))
			return
		}
		if y := c.members[x.id]; y != nil && y.classic() && c.group.consumer == c {
			t := m.timersOf(c, y.id)
			m.timers.stop(&t.join)
			m.sessionSeen(c, y)
			m.timers.set(&t.sync, m.nowMs+syncMs)
		}
		m.reply(j.w, resp)
	})
	m.renewTimers(c)
	if static != nil && !static.classic() {
		m.maybeDowngrade(c)
	}
	return protocol.ErrNone
}

// supportsClassic tells whether a protocol of the request is one that all classic members of the group have.
func (c *consumer) supportsClassic(req *kmsg.JoinGroupRequest) bool {
	if req.ProtocolType != consumerProtocolType || len(req.Protocols) == 0 {
		return false
	}
	counts := c.classicProtocols()
	return slices.ContainsFunc(req.Protocols, func(p kmsg.JoinGroupRequestProtocol) bool { return counts[p.Name] == c.classicMembers })
}

// classicProtocols counts how many classic members support each protocol.
func (c *consumer) classicProtocols() map[string]int {
	counts := map[string]int{}
	for _, x := range c.members {
		if x.classic() {
			for i := range x.Classic.Protocols {
				counts[x.Classic.Protocols[i].Name]++
			}
		}
	}
	return counts
}

// classicJoiner finds or makes the member that joins.
func (c *consumer) classicJoiner(req *kmsg.JoinGroupRequest, id string) (*consumerMember, protocol.ErrorCode) {
	x := c.members[id]
	static := c.static(req.InstanceID)
	switch {
	case req.InstanceID == nil && x != nil, static != nil && static == x:
		return x, protocol.ErrNone
	case req.InstanceID != nil && req.MemberID != unknownMember && static == nil:
		return nil, protocol.ErrUnknownMemberID
	case req.InstanceID != nil && req.MemberID != unknownMember:
		return nil, protocol.ErrFencedInstanceID
	case static != nil:
		return replacement(static, id), protocol.ErrNone
	}
	return newConsumerMember(id), protocol.ErrNone
}

// classicMember is before with what a JoinGroup tells; what is kept is copied.
func classicMember(before *consumerMember, j join, s *kmsg.ConsumerMemberMetadata) *consumerMember {
	n := *before
	if j.req.InstanceID != nil {
		n.InstanceID = cloneString(j.req.InstanceID)
	}
	if s.Rack != nil && *s.Rack != "" {
		n.RackID = cloneString(s.Rack)
	}
	n.RebalanceTimeoutMs = j.req.RebalanceTimeoutMillis
	n.Topics = ownStrings(s.Topics)
	n.Regex = new(string)
	n.ClientID, n.ClientHost = strings.Clone(j.client.ID), strings.Clone(j.client.Host)
	n.Classic = &record.ClassicMember{SessionTimeoutMs: j.req.SessionTimeoutMillis}
	for i := range j.req.Protocols {
		p := &j.req.Protocols[i]
		n.Classic.Protocols = append(n.Classic.Protocols, record.ClassicProtocol{Name: strings.Clone(p.Name), Metadata: bytes.Clone(p.Metadata)})
	}
	return &n
}

func classicSize(req *kmsg.JoinGroupRequest) (n int) {
	for i := range req.Protocols {
		n += len(req.Protocols[i].Name) + 2*len(req.Protocols[i].Metadata) // the topics are kept twice
	}
	return n + len(req.MemberID)
}

// ownedIDs is what a classic member says that it has, never nil.
func (m *Machine) ownedIDs(owned []kmsg.ConsumerMemberMetadataOwnedPartition) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	list := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	topics := m.topics()
	for i := range owned {
		if t, ok := topics.Topic(owned[i].Topic); ok {
			list = append(list, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: t.ID, Partitions: owned[i].Partitions})
		}
	}
	return list
}

// classicRequest finds the member that sends a request of the classic protocol, and checks its generation.
func (c *consumer) classicRequest(memberID string, instanceID *string, generation int32) (*consumerMember, protocol.ErrorCode) {
	x := c.members[memberID]
	if instanceID != nil {
		x = c.static(instanceID)
	}
	switch {
	case x == nil:
		return nil, protocol.ErrUnknownMemberID
	case x.id != memberID:
		return nil, protocol.ErrFencedInstanceID
	case !x.classic():
		return nil, protocol.ErrUnknownMemberID
	case x.epoch != generation:
		return nil, protocol.ErrIllegalGeneration
	}
	return x, protocol.ErrNone
}

// syncConsumer answers a SyncGroup to a consumer group.
func (m *Machine) syncConsumer(c *consumer, w Waiter, req *kmsg.SyncGroupRequest) {
	x, err := c.classicRequest(req.MemberID, req.InstanceID, req.Generation)
	switch {
	case err != protocol.ErrNone:
	case req.ProtocolType != nil && *req.ProtocolType != consumerProtocolType, req.Protocol != nil && *req.Protocol != x.Classic.Protocols[0].Name:
		err = protocol.ErrInconsistentGroupProtocol
	case c.assignmentEpoch > x.epoch && x.state != memberUnrevokedPartitions:
		m.awaitJoin(c, x)
		err = protocol.ErrRebalanceInProgress
	}
	if err != protocol.ErrNone {
		m.reply(w, syncError(err))
		return
	}
	r := syncError(protocol.ErrNone)
	r.ProtocolType, r.Protocol = cloneString(req.ProtocolType), cloneString(req.Protocol)
	r.MemberAssignment = classicAssignment(m.topics(), x.assigned, x.Classic.Protocols[0].Metadata)
	id := x.id
	m.afterAppends(c.group, func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			m.reply(w, syncError(responseError(err)))
			return
		}
		if y := c.members[id]; y != nil && y.classic() && c.group.consumer == c {
			m.timers.stop(&m.timersOf(c, id).sync)
			m.sessionSeen(c, y)
		}
		m.reply(w, r)
	})
}

// classicAssignment is a set of partitions as a classic consumer reads it, in the version of its subscription.
func classicAssignment(topics Topics, s partitionSet, subscription []byte) []byte {
	a := kmsg.ConsumerMemberAssignment{}
	if len(subscription) >= 2 {
		a.Version = int16(subscription[0])<<8 | int16(subscription[1])
	}
	for i := range s {
		if t, ok := topics.TopicByID(s[i].TopicID); ok {
			a.Topics = append(a.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.Name, Partitions: s[i].Partitions})
		}
	}
	return a.AppendTo(nil)
}

// heartbeatConsumer answers a Heartbeat to a consumer group: REBALANCE_IN_PROGRESS when the member should rejoin, because there is a new
// target, because it has something to give up, or because what it waits for has become free.
func (m *Machine) heartbeatConsumer(c *consumer, req *kmsg.HeartbeatRequest) protocol.ErrorCode {
	x, err := c.classicRequest(req.MemberID, req.InstanceID, req.Generation)
	if err != protocol.ErrNone {
		return err
	}
	m.sessionSeen(c, x)
	if x.epoch < c.assignmentEpoch || x.state == memberUnrevokedPartitions || x.state == memberUnreleased && !c.waitsForRelease(x) {
		m.awaitJoin(c, x)
		return protocol.ErrRebalanceInProgress
	}
	return protocol.ErrNone
}

// leaveAsClassic answers a LeaveGroup to a consumer group: members of either protocol may be taken out.
func (m *Machine) leaveAsClassic(c *consumer, w Waiter, r *kmsg.LeaveGroupResponse, leaving []kmsg.LeaveGroupRequestMember, single bool) {
	var ids []string
	for i := range leaving {
		l := &leaving[i]
		x, err := c.members[l.MemberID], protocol.ErrNone
		if l.InstanceID != nil {
			x = c.static(l.InstanceID)
		}
		switch {
		case x == nil:
			err = protocol.ErrUnknownMemberID
		case l.InstanceID != nil && l.MemberID != unknownMember && x.id != l.MemberID:
			err = protocol.ErrFencedInstanceID
		case !slices.Contains(ids, x.id):
			ids = append(ids, x.id)
		}
		r.Members = append(r.Members, kmsg.LeaveGroupResponseMember{MemberID: l.MemberID, InstanceID: l.InstanceID, ErrorCode: int16(err)})
	}
	if single {
		r.ErrorCode, r.Members = r.Members[0].ErrorCode, nil
	}
	m.fenceMembers(c, ids, func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			r.ErrorCode, r.Members = int16(responseError(err)), nil
		}
		m.reply(w, r)
	})
}

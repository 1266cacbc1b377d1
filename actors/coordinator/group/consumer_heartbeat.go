package group

// This file owns ConsumerGroupHeartbeat (API 68): joining, staying and leaving. A heartbeat goes three steps: the member is made or
// updated, which may begin a group epoch; if the group epoch is ahead of the target assignment a new target is computed;
// the member moves on towards its target.

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// From this version on the client makes the member id (KIP-1082).
const heartbeatClientIDVersion = 1

// memberBytesMax bounds what a member's record may hold: topic names, ids and classic metadata.
const memberBytesMax = 512 << 10

// refusal is an error with the message that the client gets.
type refusal struct {
	code    protocol.ErrorCode
	message string
}

func refuse(code protocol.ErrorCode, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

func (r *refusal) heartbeat() *kmsg.ConsumerGroupHeartbeatResponse {
	h := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	h.ErrorCode, h.ErrorMessage = int16(r.code), &r.message
	return h
}

// ConsumerGroupHeartbeat answers API 68. The answer waits until what it says is committed.
func (m *Machine) ConsumerGroupHeartbeat(nowMs int64, w Waiter, client Client, req *kmsg.ConsumerGroupHeartbeatRequest) {
	m.nowMs = nowMs
	r := m.checkHeartbeat(req)
	if r == nil {
		if req.MemberEpoch == leaveEpoch || req.MemberEpoch == staticLeaveEpoch {
			r = m.leaveConsumer(w, req)
		} else {
			r = m.consumerHeartbeat(w, client, req)
		}
	}
	if r != nil {
		m.reply(w, r.heartbeat())
	}
}

func blank(s *string) bool { return s != nil && strings.TrimSpace(*s) == "" }

// checkHeartbeat checks the request by itself.
func (m *Machine) checkHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	invalid := func(message string) *refusal { return refuse(protocol.ErrInvalidRequest, "%s", message) }
	e := req.MemberEpoch
	switch {
	case (req.Version >= heartbeatClientIDVersion || e > 0 || e == leaveEpoch) && blank(&req.MemberID):
		return invalid("MemberId can't be empty.")
	case blank(&req.Group):
		return invalid("GroupId can't be empty.")
	case blank(req.InstanceID):
		return invalid("InstanceId can't be empty.")
	case blank(req.RackID):
		return invalid("RackId can't be empty.")
	case e == joinEpoch && req.RebalanceTimeoutMillis == -1:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case e == joinEpoch && (req.Topics == nil || len(req.Topics) > 0):
		return invalid("TopicPartitions must be empty when (re-)joining.")
	case e == joinEpoch && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case e == staticLeaveEpoch && req.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case e < staticLeaveEpoch:
		return invalid("MemberEpoch is invalid.")
	case req.ServerAssignor != nil && !slices.Contains(m.cfg.ConsumerAssignors, *req.ServerAssignor):
		return refuse(protocol.ErrUnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: %s.",
			*req.ServerAssignor, strings.Join(m.cfg.ConsumerAssignors, ", "))
	}
	size := len(req.MemberID) + len(req.Group)
	for _, t := range req.SubscribedTopicNames {
		size += len(t)
	}
	for _, s := range []*string{req.InstanceID, req.RackID, req.SubscribedTopicRegex} {
		if s != nil {
			size += len(*s)
		}
	}
	if size > memberBytesMax || len(req.MemberID) > math.MaxInt16 || len(req.Group) > math.MaxInt16 {
		return refuse(protocol.ErrInvalidRequest, "The member's ids and subscription are %d bytes; a broker keeps at most %d of a member.", size, memberBytesMax)
	}
	return nil
}

// consumerGroup finds the group for a heartbeat, or makes it for a join. With again set the group is being converted: the
// request is to be handled when that is done.
func (m *Machine) consumerGroup(id string, join bool) (c *consumer, again *Group, r *refusal) {
	g := m.lookup(id)
	switch {
	case g == nil && !join:
		return nil, nil, refuse(protocol.ErrGroupIDNotFound, "Consumer group %s not found.", id)
	case g == nil:
		return m.newConsumer(m.entry(id)), nil, nil // becomes the group's with its first member
	case g.consumer != nil:
		return g.consumer, nil, nil
	case !join:
		return nil, nil, refuse(protocol.ErrGroupIDNotFound, "Group %s is not a consumer group.", id)
	}
	if r := m.upgrade(g); r != nil {
		return nil, nil, r
	}
	return nil, g, nil
}

func (m *Machine) consumerHeartbeat(w Waiter, client Client, req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	join := req.MemberEpoch == joinEpoch
	if join {
		// Before a group is made or converted for nothing.
		if r := m.checkRegex(req); r != nil {
			return r
		}
	}
	c, again, r := m.consumerGroup(req.Group, join)
	if r != nil {
		return r
	}
	if again != nil {
		m.afterConversion(again, w, client, req)
		return nil
	}
	x, r := m.heartbeatMember(c, req)
	if r == nil && !join {
		r = m.checkRegex(req)
	}
	var updated *consumerMember
	if r == nil {
		updated = updatedMember(x, client, req)
		updated, r = m.heartbeatApply(c, w, x, updated, req)
	}
	if r != nil && c.group.consumer == nil {
		m.forgetIfNothing(c.group)
	}
	return r
}

// heartbeatMember finds the member that sends req, or makes it: then it is not in the group yet. Nothing is changed.
func (m *Machine) heartbeatMember(c *consumer, req *kmsg.ConsumerGroupHeartbeatRequest) (*consumerMember, *refusal) {
	join := req.MemberEpoch == joinEpoch
	x := c.members[req.MemberID]
	if len(c.members) >= m.cfg.ConsumerMaxSize && x == nil {
		return nil, refuse(protocol.ErrGroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", m.cfg.ConsumerMaxSize)
	}
	id := strings.Clone(req.MemberID)
	if id == "" {
		id = m.cfg.NewID()
	}
	if req.InstanceID == nil {
		if x == nil && !join {
			return nil, unknownConsumerMember(req.MemberID, c)
		}
		if x == nil {
			return newConsumerMember(id), nil
		}
		return x, checkEpoch(x, req)
	}
	static := c.static(req.InstanceID)
	switch {
	case !join && static == nil:
		return nil, refuse(protocol.ErrUnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
	case !join && static.id != req.MemberID:
		return nil, refuse(protocol.ErrFencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", req.MemberID, *req.InstanceID, static.id)
	case !join:
		return static, checkEpoch(static, req)
	case static == nil && x != nil:
		return x, nil
	case static == nil:
		return newConsumerMember(id), nil
	case !static.classic() && static.epoch != staticLeaveEpoch:
		return nil, refuse(protocol.ErrUnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.", id, *req.InstanceID, static.id)
	}
	return replacement(static, id), nil
}

// replacement is a static member under its new id.
func replacement(static *consumerMember, id string) *consumerMember {
	x := *static
	x.id, x.epoch, x.previousEpoch = id, 0, 0
	return &x
}

func unknownConsumerMember(id string, c *consumer) *refusal {
	return refuse(protocol.ErrUnknownMemberID, "Member %s is not a member of group %s.", id, c.group.id)
}

// checkEpoch fences a member whose epoch is not the coordinator's. The previous epoch passes if the member has nothing that
// it must not have: the answer that brought the new one may have been lost.
func checkEpoch(x *consumerMember, req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	than := ""
	switch {
	case req.MemberEpoch == joinEpoch:
	case req.MemberEpoch > x.epoch:
		than = "greater"
	case req.MemberEpoch < x.epoch && !(req.MemberEpoch == x.previousEpoch && holdsOnly(req.Topics, x.assigned)):
		than = "smaller"
	}
	if than == "" {
		return nil
	}
	return refuse(protocol.ErrFencedMemberEpoch, "The consumer group member has a %s member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.",
		than, req.MemberEpoch, x.epoch)
}

func holdsOnly(owned []kmsg.ConsumerGroupHeartbeatRequestTopic, assigned partitionSet) bool {
	if owned == nil {
		return false
	}
	for i := range owned {
		for _, p := range owned[i].Partitions {
			if _, ok := assigned.has(owned[i].TopicID, p); !ok {
				return false
			}
		}
	}
	return true
}

// updatedMember is x with what the request tells of it; fields that it leaves out stay. What is kept is copied.
func updatedMember(x *consumerMember, client Client, req *kmsg.ConsumerGroupHeartbeatRequest) *consumerMember {
	n := *x
	set := func(to **string, s *string) {
		if s != nil && (*to == nil || **to != *s) {
			*to = cloneString(s)
		}
	}
	set(&n.InstanceID, req.InstanceID)
	set(&n.RackID, req.RackID)
	set(&n.ServerAssignor, req.ServerAssignor)
	set(&n.Regex, req.SubscribedTopicRegex)
	if req.RebalanceTimeoutMillis != -1 {
		n.RebalanceTimeoutMs = req.RebalanceTimeoutMillis
	}
	if req.SubscribedTopicNames != nil {
		n.Topics = ownStrings(req.SubscribedTopicNames)
	}
	if n.ClientID != client.ID || n.ClientHost != client.Host {
		n.ClientID, n.ClientHost = strings.Clone(client.ID), strings.Clone(client.Host)
	}
	n.Classic = nil
	return &n
}

// ownStrings is a copy of list, sorted, each once.
func ownStrings(list []string) []string {
	own := make([]string, len(list))
	for i, s := range list {
		own[i] = strings.Clone(s)
	}
	return sortedUnique(own)
}

// heartbeatApply carries a heartbeat out: before is the member as it was, updated as the request wants it.
func (m *Machine) heartbeatApply(c *consumer, w Waiter, before, updated *consumerMember, req *kmsg.ConsumerGroupHeartbeatRequest) (*consumerMember, *refusal) {
	c.group.consumer = c
	e := m.edit(c)
	x, r := m.memberStep(e, before, updated, req.Topics)
	if r != nil {
		e.append(func(protocol.ErrorCode) {})
		return nil, r
	}
	m.sessionSeen(c, x)
	h := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	h.MemberID, h.MemberEpoch, h.HeartbeatIntervalMillis = &x.id, x.epoch, m.consumerConfig(c.group.id).HeartbeatIntervalMs
	full := req.MemberEpoch == joinEpoch ||
		req.RebalanceTimeoutMillis != -1 && (req.SubscribedTopicNames != nil || req.SubscribedTopicRegex != nil) && req.Topics != nil
	if full || !before.assigned.equal(x.assigned) {
		h.Assignment = heartbeatAssignment(x.assigned)
	}
	e.append(func(err protocol.ErrorCode) { m.replyHeartbeat(w, h, err) })
	return x, nil
}

func (m *Machine) replyHeartbeat(w Waiter, h *kmsg.ConsumerGroupHeartbeatResponse, err protocol.ErrorCode) {
	if err != protocol.ErrNone {
		h = kmsg.NewPtrConsumerGroupHeartbeatResponse()
		h.ErrorCode = int16(responseError(err))
	}
	m.reply(w, h)
}

func heartbeatAssignment(s partitionSet) *kmsg.ConsumerGroupHeartbeatResponseAssignment {
	a := kmsg.NewConsumerGroupHeartbeatResponseAssignment()
	for i := range s {
		t := kmsg.NewConsumerGroupHeartbeatResponseAssignmentTopic()
		t.TopicID, t.Partitions = s[i].TopicID, s[i].Partitions
		a.Topics = append(a.Topics, t)
	}
	return &a
}

// memberStep puts updated in the place of before, computes a new target if it is due, and moves the member on. It gives back
// the member as it is then. owned is what the member says that it has, nil if it does not say.
func (m *Machine) memberStep(e *edit, before, updated *consumerMember, owned []kmsg.ConsumerGroupHeartbeatRequestTopic) (*consumerMember, *refusal) {
	c := e.c
	if static := c.static(updated.InstanceID); static != nil && static.id != updated.id {
		e.replaceStatic(static, before)
	}
	subscription, regex := false, regexSame
	if known := c.members[updated.id]; known == nil || !reflect.DeepEqual(known.Member, updated.Member) {
		e.putMember(updated)
		subscription = !slices.Equal(before.Topics, updated.Topics)
		regex = m.regexStep(e, before.regex(), updated.regex())
	}
	m.armRegexRefresh(c)
	if bump := subscription || regex == regexResolved; bump || c.seen != m.topics().Version() {
		m.compareTopics(e, bump)
	}
	m.maybeAssign(e)
	x := c.members[updated.id]
	way := reconciliation{c: c, subscribed: c.subscription(m.topics(), x), target: c.targets[x.id], targetEpoch: c.assignmentEpoch,
		subscriptionChanged: subscription || regex != regexSame, owned: owned}
	n, r := way.next(x)
	if r != nil {
		return nil, r
	}
	if n != x && !n.sameAssignment(x) {
		e.putCurrent(n)
		m.awaitRevocation(c, c.members[n.id])
	}
	return c.members[n.id], nil
}

// replaceStatic puts a static member's successor, who has its assignment, in its place.
func (e *edit) replaceStatic(old, successor *consumerMember) {
	target := e.c.targets[old.id]
	e.removeMember(old.id)
	e.m.stopTimers(e.c, old.id)
	e.putMember(successor)
	e.putTarget(successor.id, target)
	e.putCurrent(successor)
}

// compareTopics looks whether the topics of the group have changed, and begins a group epoch if they have or if bump says so.
func (m *Machine) compareTopics(e *edit, bump bool) {
	c, topics := e.c, m.topics()
	c.seen = topics.Version()
	hash := metadataHash(topics, c.subscribedTopics())
	if bump || hash != c.hash {
		e.bumpEpoch(hash)
	}
	if c.oldMetadata {
		e.put(record.Key{Type: record.PartitionMetadata}, nil)
	}
}

// leaveConsumer takes a member out (KIP-848: epoch -1), or notes that a static one will come back (-2).
func (m *Machine) leaveConsumer(w Waiter, req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	c, _, r := m.consumerGroup(req.Group, false)
	if r != nil {
		return r
	}
	h := kmsg.NewPtrConsumerGroupHeartbeatResponse()
	id := strings.Clone(req.MemberID)
	h.MemberID, h.MemberEpoch = &id, req.MemberEpoch
	x := c.members[id]
	if req.InstanceID != nil {
		x = c.static(req.InstanceID)
	}
	switch {
	case x == nil && req.InstanceID == nil:
		return unknownConsumerMember(id, c)
	case x == nil:
		return refuse(protocol.ErrUnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
	case x.id != id:
		return refuse(protocol.ErrFencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", id, *req.InstanceID, x.id)
	}
	answer := func(err protocol.ErrorCode) { m.replyHeartbeat(w, h, err) }
	if req.InstanceID == nil || req.MemberEpoch == leaveEpoch {
		m.fenceMembers(c, []string{x.id}, answer)
		return nil
	}
	n := *x
	n.epoch, n.revoking, n.assigned = staticLeaveEpoch, nil, x.assigned.atEpoch(0)
	e := m.edit(c)
	e.putCurrent(&n)
	m.timers.stop(&m.timersOf(c, x.id).rebalance)
	e.append(answer)
	return nil
}

// fenceMembers takes members out and begins a group epoch; answer, which may be nil, gets the fate of that. If only members of
// the classic protocol are left the group becomes a classic one.
func (m *Machine) fenceMembers(c *consumer, ids []string, answer func(protocol.ErrorCode)) {
	e := m.edit(c)
	for _, id := range ids {
		x := c.members[id]
		if x == nil {
			continue
		}
		m.stopTimers(c, id)
		e.removeMember(id)
		if x.regex() != "" && c.regexUsers[x.regex()] == 0 {
			e.put(record.Key{Type: record.RegularExpression, Regex: x.regex()}, nil)
		}
	}
	if len(e.changes) > 0 {
		e.bumpEpoch(metadataHash(m.topics(), c.subscribedTopics()))
	}
	if answer == nil {
		answer = func(protocol.ErrorCode) {}
	}
	e.append(answer)
	m.maybeDowngrade(c)
}

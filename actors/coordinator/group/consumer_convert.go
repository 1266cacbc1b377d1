package group

// This file owns the conversion of a group from one protocol to the other while it runs (KIP-848, "Online Migration"), and the end of
// consumer groups. Invariant: while converting is set the group does not change: requests to it wait, time-outs are put off.
// What it becomes comes into force when the one Append that says so is committed; if that fails nothing has happened.

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// Migration says which conversions are allowed (group.consumer.migration.policy).
type Migration int8

// The policies. Empty groups are converted whatever the policy.
const (
	MigrationDisabled Migration = iota
	MigrationUpgrade
	MigrationDowngrade
	MigrationBidirectional
)

func (p Migration) upgrades() bool   { return p == MigrationUpgrade || p == MigrationBidirectional }
func (p Migration) downgrades() bool { return p == MigrationDowngrade || p == MigrationBidirectional }

// convert appends b, which replaces the group's records; done gets its fate and puts what the group is then into force.
func (m *Machine) convert(g *Group, b *batch, done func(err protocol.ErrorCode)) {
	g.converting = true
	b.append(g, func(err protocol.ErrorCode) {
		g.converting = false
		done(err)
	})
}

// afterConversion handles a request again when the conversion that it has begun is over, or answers it with what went wrong.
func (m *Machine) afterConversion(g *Group, w Waiter, client Client, request any) {
	m.afterAppends(g, func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			m.reply(w, ErrorResponse(request, responseError(err)))
			return
		}
		m.Handle(m.nowMs, w, client, request)
	})
}

// postpone keeps a request back while its group is converted, or while a conversion that it wants has to wait; it tells whether it did.
func (m *Machine) postpone(w Waiter, client Client, request any) bool {
	g := m.groups[groupOf(request)]
	if g == nil || g.appends == 0 || !g.converting && !m.wantsConversion(g, request) {
		return false
	}
	m.afterAppends(g, func(protocol.ErrorCode) { m.Handle(m.nowMs, w, client, request) })
	return true
}

// wantsConversion tells whether a request may convert the group.
func (m *Machine) wantsConversion(g *Group, request any) bool {
	switch r := request.(type) {
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return g.classic != nil && r.MemberEpoch == joinEpoch
	case *kmsg.JoinGroupRequest:
		return g.consumer != nil && len(g.consumer.members) == 0
	}
	return false
}

// groupOf is the group that a request of Handle is for; "" if it is for none or only looks.
func groupOf(request any) string {
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		return r.Group
	case *kmsg.SyncGroupRequest:
		return r.Group
	case *kmsg.HeartbeatRequest:
		return r.Group
	case *kmsg.LeaveGroupRequest:
		return r.Group
	case *kmsg.OffsetCommitRequest:
		return r.Group
	case *kmsg.OffsetDeleteRequest:
		return r.Group
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return r.Group
	case Delete:
		return r.Group
	}
	return ""
}

// upgrade makes a classic group a consumer group, or says why it cannot be one.
func (m *Machine) upgrade(g *Group) *refusal {
	c := g.classic
	b := m.batch()
	b.tombstone(&record.Key{Type: record.GroupMetadata, Group: g.id})
	if c.state == Empty {
		m.freeze(c)
		m.convert(g, b, func(err protocol.ErrorCode) {
			if err == protocol.ErrNone {
				g.classic = nil
			}
		})
		return nil
	}
	cannot := func(why string) *refusal {
		return refuse(protocol.ErrGroupIDNotFound, "Cannot upgrade classic group %s to consumer group because %s.", g.id, why)
	}
	switch {
	case !m.cfg.ConsumerMigration.upgrades():
		return cannot("online upgrade is disabled")
	case !c.usesConsumerProtocol():
		return cannot("the group does not use the consumer embedded protocol")
	case len(c.members) > m.cfg.ConsumerMaxSize:
		return cannot("the group size exceeds the consumer group maximum size")
	}
	n, why := m.consumerOf(c)
	if why != "" {
		return cannot(why)
	}
	n.encode(b)
	m.freeze(c)
	m.convert(g, b, func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			m.thaw(c)
			return
		}
		g.classic, g.consumer = nil, n
		m.renewTimers(n)
	})
	return nil
}

// consumerOf is a classic group as a consumer group: all its members are stable with what they were last assigned.
func (m *Machine) consumerOf(c *classic) (n *consumer, why string) {
	n, topics := m.newConsumer(c.group), m.topics()
	n.epoch, n.assignmentEpoch, n.written = c.generation, c.generation, true
	for _, y := range c.members {
		name := y.protocols[0].Name
		if c.protocolName != nil {
			name = *c.protocolName
		}
		s := kmsg.ConsumerMemberMetadata{}
		if s.ReadFrom(y.metadata(name)) != nil {
			return nil, "the embedded consumer protocol is malformed"
		}
		var assigned []tp
		if len(y.assignment) > 0 {
			a := kmsg.ConsumerMemberAssignment{}
			if a.ReadFrom(y.assignment) != nil {
				return nil, "the embedded consumer protocol is malformed"
			}
			if len(a.UserData) > 0 {
				return nil, "an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade"
			}
			for i := range a.Topics {
				if t, ok := topics.Topic(a.Topics[i].Topic); ok {
					for _, p := range a.Topics[i].Partitions {
						if n.owners[t.ID][p] == "" { // a client's assignor may have given it twice
							assigned = append(assigned, tp{t.ID, p, c.generation})
						}
					}
				}
			}
		}
		x := newConsumerMember(y.id)
		x.epoch, x.previousEpoch = c.generation, c.generation
		x.assigned = newPartitionSet(assigned, true)
		x.InstanceID, x.ClientID, x.ClientHost, x.RebalanceTimeoutMs = y.instanceID, y.clientID, y.clientHost, y.rebalanceTimeoutMs
		if s.Rack != nil && *s.Rack != "" {
			x.RackID = cloneString(s.Rack)
		}
		x.Topics = ownStrings(s.Topics)
		x.Classic = &record.ClassicMember{SessionTimeoutMs: y.sessionTimeoutMs}
		for i := range y.protocols {
			x.Classic.Protocols = append(x.Classic.Protocols, record.ClassicProtocol{Name: y.protocols[i].Name, Metadata: y.protocols[i].Metadata})
		}
		n.members[x.id] = x
		n.targets[x.id] = x.assigned.withoutEpochs()
		n.index(nil, x)
	}
	n.hash = metadataHash(topics, n.subscribedTopics())
	return n, ""
}

// encode writes the whole group.
func (c *consumer) encode(b *batch) {
	put := func(key record.Key, value any) {
		key.Group = c.group.id
		(&change{key, value}).encode(b)
	}
	ids := c.memberIDs()
	for _, id := range ids {
		put(record.Key{Type: record.MemberMetadata, Member: id}, &c.members[id].Member)
	}
	put(record.Key{Type: record.ConsumerGroupMetadata}, record.GroupEpoch{Epoch: c.epoch, MetadataHash: c.hash})
	for _, id := range ids {
		put(record.Key{Type: record.TargetAssignmentMember, Member: id}, c.targets[id])
	}
	put(record.Key{Type: record.TargetAssignmentMetadata}, record.AssignmentEpoch{Epoch: c.assignmentEpoch, Timestamp: c.assignmentMs})
	for _, id := range ids {
		put(record.Key{Type: record.CurrentMemberAssignment, Member: id}, c.members[id].current())
	}
}

// encodeEnd writes the tombstones of the whole group.
func (c *consumer) encodeEnd(b *batch) {
	end := func(key record.Key) {
		key.Group = c.group.id
		b.tombstone(&key)
	}
	ids := c.memberIDs()
	for _, id := range ids {
		end(record.Key{Type: record.CurrentMemberAssignment, Member: id})
	}
	for _, id := range slices.Sorted(maps.Keys(c.targets)) {
		end(record.Key{Type: record.TargetAssignmentMember, Member: id})
	}
	end(record.Key{Type: record.TargetAssignmentMetadata})
	for _, id := range ids {
		end(record.Key{Type: record.MemberMetadata, Member: id})
	}
	for _, regex := range slices.Sorted(maps.Keys(c.regexes)) {
		end(record.Key{Type: record.RegularExpression, Regex: regex})
	}
	end(record.Key{Type: record.PartitionMetadata})
	end(record.Key{Type: record.ConsumerGroupMetadata})
}

// freeze stops a classic group that is about to be a consumer group: everyone who waits is told to rejoin.
func (m *Machine) freeze(c *classic) {
	for _, y := range c.members {
		m.answerJoinError(c, y, y.id, protocol.ErrRebalanceInProgress)
		m.answerSyncError(y, protocol.ErrRebalanceInProgress)
		m.timers.stop(&y.session)
	}
	for id := range c.pendingJoin {
		m.removePending(c, id)
	}
	m.timers.stop(&c.join)
	m.timers.stop(&c.sync)
}

// thaw lets a classic group go on whose conversion failed.
func (m *Machine) thaw(c *classic) {
	for _, y := range c.members {
		m.heartbeatSeen(y)
	}
	switch c.state {
	case PreparingRebalance:
		m.awaitJoins(c)
	case CompletingRebalance:
		m.timers.set(&c.sync, m.nowMs+c.rebalanceTimeoutMs())
	}
}

// maybeDowngrade makes a consumer group of which only classic members are left a classic group.
func (m *Machine) maybeDowngrade(c *consumer) {
	g := c.group
	if g.consumer != c || g.converting || len(c.members) == 0 || c.classicMembers < len(c.members) ||
		!m.cfg.ConsumerMigration.downgrades() || len(c.members) > m.cfg.MaxSize {
		return
	}
	shared := false
	for _, n := range c.classicProtocols() {
		shared = shared || n == c.classicMembers
	}
	if !shared {
		return
	}
	n := m.classicOf(c)
	b := m.batch()
	c.encodeEnd(b)
	m.putGroup(b, n, nil, false)
	m.convert(g, b, func(err protocol.ErrorCode) {
		if err != protocol.ErrNone {
			return // it stays what it is until the next member leaves
		}
		m.dropConsumer(c)
		g.classic = n
		for _, y := range n.members {
			m.heartbeatSeen(y)
		}
		m.prepareRebalance(n)
	})
}

// classicOf is a consumer group of classic members as a classic group, stable with the target assignment.
func (m *Machine) classicOf(c *consumer) *classic {
	n, topics := m.newClassic(c.group), m.topics()
	for _, id := range c.memberIDs() {
		x := c.members[id]
		y := m.newMember(n, &member{id: id, clientID: x.ClientID, clientHost: x.ClientHost, instanceID: x.InstanceID,
			rebalanceTimeoutMs: x.RebalanceTimeoutMs, sessionTimeoutMs: x.Classic.SessionTimeoutMs})
		for i := range x.Classic.Protocols {
			y.protocols = append(y.protocols, kmsg.JoinGroupRequestProtocol{Name: x.Classic.Protocols[i].Name, Metadata: x.Classic.Protocols[i].Metadata})
		}
		n.state = Empty // add checks protocols against the members so far, which is right for none
		n.add(y, consumerProtocolType, nil)
	}
	n.state, n.generation = Stable, c.epoch
	name := n.selectProtocol()
	n.protocolName = &name
	n.computeSubscribed()
	for _, y := range n.members {
		y.assignment = classicAssignment(topics, c.targets[y.id], y.metadata(name))
	}
	return n
}

// endEmptyConsumer ends a consumer group without members, for a JoinGroup that makes it a classic one.
func (m *Machine) endEmptyConsumer(g *Group, j join) {
	b := m.batch()
	g.consumer.encodeEnd(b)
	m.convert(g, b, func(err protocol.ErrorCode) {
		if err == protocol.ErrNone {
			m.dropConsumer(g.consumer)
		}
	})
	m.afterConversion(g, j.w, j.client, j.req)
}

// deleteConsumer answers DeleteGroups for a consumer group.
func (m *Machine) deleteConsumer(g *Group, answer func(protocol.ErrorCode)) {
	if len(g.consumer.members) > 0 {
		answer(protocol.ErrNonEmptyGroup)
		return
	}
	m.endConsumer(g, g.allGone(), answer)
}

// endConsumer writes the end of a consumer group without members, and of offsets.
func (m *Machine) endConsumer(g *Group, gone []committed, answer func(protocol.ErrorCode)) {
	b := m.batch()
	m.writeOffsets(b, g, gone)
	c := g.consumer
	c.encodeEnd(b)
	m.convert(g, b, func(err protocol.ErrorCode) {
		if g.settle(gone, err); err == protocol.ErrNone {
			m.dropConsumer(c)
		}
		answer(err)
	})
}

// expireConsumer takes the offsets of a consumer group away that are past their time and of topics that nobody is subscribed
// to, and the group if it holds nothing more.
func (m *Machine) expireConsumer(g *Group) {
	c := g.consumer
	if g.converting {
		return
	}
	var gone []committed
	all := true
	for _, topic := range g.topics() {
		subscribed := c.isSubscribed(topic)
		for _, p := range g.partitions(topic) {
			if o := g.offsets[topic][p]; !subscribed && o.pending == 0 && m.expired(&o, -1) {
				gone = append(gone, committed{topic, p, nil})
			} else {
				all = false
			}
		}
	}
	if all && len(c.members) == 0 && len(c.underWay) == 0 {
		m.endConsumer(g, gone, func(protocol.ErrorCode) {})
		return
	}
	b := m.batch()
	m.writeOffsets(b, g, gone)
	b.append(g, func(err protocol.ErrorCode) { g.settle(gone, err) })
}

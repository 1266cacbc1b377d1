package group

// This file owns the way between state and log: the record of a classic group, reading records back, and the beginning and
// end of a coordinator's term. Invariant: replaying the committed records gives the durable part of the state that wrote
// them.

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// putGroup adds the record of a classic group. assignment tells what each member gets, nil what it has. asEmpty writes a group
// as it is before its first generation.
func (m *Machine) putGroup(b *batch, c *classic, assignment func(*member) []byte, asEmpty bool) {
	v := kmsg.NewGroupMetadataValue()
	v.CurrentStateTimestamp = c.sinceMs
	if !asEmpty {
		v.ProtocolType, v.Generation, v.Protocol = c.protocolType, c.generation, c.protocolName
		if c.leader != "" {
			v.Leader = &c.leader
		}
		for _, x := range c.members {
			r := kmsg.GroupMetadataValueMember{
				MemberID: x.id, InstanceID: x.instanceID, ClientID: x.clientID, ClientHost: x.clientHost,
				RebalanceTimeoutMillis: x.rebalanceTimeoutMs, SessionTimeoutMillis: x.sessionTimeoutMs,
				Subscription: x.metadata(*c.protocolName), Assignment: x.assignment,
			}
			if assignment != nil {
				r.Assignment = assignment(x)
			}
			v.Members = append(v.Members, r)
		}
	}
	b.put(&record.Key{Type: record.GroupMetadata, Group: c.group.id}, func(dst []byte) []byte { return record.AppendGroup(dst, &v) })
}

// Replay takes one record of the log, in order; only before Loaded. A nil value is a tombstone. Records of types that are
// not known are skipped; an error says that a record cannot be read, and that it was skipped.
func (m *Machine) Replay(nowMs int64, key, value []byte) error {
	m.nowMs = nowMs
	k, err := record.ParseKey(key)
	if errors.Is(err, record.ErrUnknownType) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := m.replay(&k, value); err != nil {
		return fmt.Errorf("group %q: %w", k.Group, err)
	}
	if g := m.groups[k.Group]; g != nil {
		m.forgetIfNothing(g)
	}
	return nil
}

func (m *Machine) replay(k *record.Key, value []byte) error {
	switch k.Type {
	case record.OffsetCommitV0, record.OffsetCommit:
		return m.replayOffset(k, value)
	case record.GroupMetadata:
		return m.replayGroup(k.Group, value)
	}
	return m.replayConsumer(k, value)
}

func (m *Machine) replayOffset(k *record.Key, value []byte) error {
	g := m.entry(k.Group)
	if value == nil {
		g.store(k.Topic, k.Partition, offset{})
		return nil
	}
	o, err := record.ParseOffset(value)
	if err != nil {
		return err
	}
	g.store(k.Topic, k.Partition, offset{Offset: o, committed: true})
	return nil
}

func (m *Machine) replayGroup(id string, value []byte) error {
	g := m.entry(id)
	if value == nil {
		g.classic = nil
		return nil
	}
	v, err := record.ParseGroup(value)
	if err != nil {
		return err
	}
	c := m.newClassic(g)
	c.protocolType, c.generation, c.protocolName, c.sinceMs = v.ProtocolType, v.Generation, v.Protocol, v.CurrentStateTimestamp
	if v.Leader != nil {
		c.leader = *v.Leader
	}
	if len(v.Members) > 0 && v.Protocol == nil {
		return fmt.Errorf("%d members and no protocol", len(v.Members))
	}
	for i := range v.Members {
		r := &v.Members[i]
		if c.byID[r.MemberID] != nil || r.InstanceID != nil && c.statics[*r.InstanceID] != "" {
			return fmt.Errorf("member %q stands there twice", r.MemberID)
		}
		if r.RebalanceTimeoutMillis == -1 {
			r.RebalanceTimeoutMillis = r.SessionTimeoutMillis
		}
		c.state = Empty // add checks protocols against the members so far, which is right for none
		x := m.newMember(c, &member{
			id: r.MemberID, clientID: r.ClientID, clientHost: r.ClientHost, instanceID: r.InstanceID,
			rebalanceTimeoutMs: r.RebalanceTimeoutMillis, sessionTimeoutMs: r.SessionTimeoutMillis, assignment: r.Assignment,
			protocols: []kmsg.JoinGroupRequestProtocol{{Name: *v.Protocol, Metadata: r.Subscription}},
		})
		if v.ProtocolType == "" {
			return fmt.Errorf("%d members and no protocol type", len(v.Members))
		}
		c.add(x, v.ProtocolType, nil)
		c.state = Stable
	}
	if c.leader != "" && c.byID[c.leader] == nil {
		c.leader = ""
		if len(c.members) > 0 {
			c.leader = c.members[0].id
		}
	}
	c.computeSubscribed()
	g.classic, g.consumer = c, nil
	return nil
}

// Loaded ends the replay: sessions begin anew, offsets of topics that were deleted meanwhile go, and requests may come.
func (m *Machine) Loaded(nowMs int64) {
	m.nowMs = nowMs
	for _, g := range m.sorted() {
		if !g.exists() { // offsets only
			g.classic = m.newClassic(g)
		}
		if g.consumer != nil {
			m.consumerLoaded(g.consumer)
			continue
		}
		c := g.classic
		for _, x := range c.members {
			m.heartbeatSeen(x)
		}
		if len(c.members) > m.cfg.MaxSize {
			m.prepareRebalance(c)
		}
	}
	m.dropDeleted()
	m.timers.set(&m.retention, nowMs+m.cfg.RetentionCheckMs)
}

// Unload ends the term: everyone who waits hears err, and the Machine is not to be used again, except for Replies.
func (m *Machine) Unload(nowMs int64, err protocol.ErrorCode) {
	m.nowMs, m.closed = nowMs, err
	for _, g := range m.sorted() {
		if c := g.classic; c != nil {
			for _, x := range c.members {
				m.answerJoinError(c, x, x.id, err)
				m.answerSyncError(x, err)
			}
			c.transition(m, Dead)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.inflight)) {
		m.Appended(nowMs, id, protocol.ErrNotLeaderForPartition) // nobody will tell
	}
	m.timers.clear()
	m.appends = nil
}

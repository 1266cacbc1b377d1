package group

// This file owns the way of a consumer group's changes to the log, and back if the log refuses them. Invariants:
//
//   - the records of an edit are one Append, in the order of its changes;
//   - while Appends of a group are under way, base is what its ledger would be without them, and underWay what they change;
//   - when an Append fails, the ledger becomes base with what is still under way: what the log will give on replay. What is under
//     way was built on what failed; when it is settled repair mends what does not fit together.

import (
	"errors"
	"maps"
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// edit gathers changes of one group. They are in force at once.
type edit struct {
	m       *Machine
	c       *consumer
	changes []change
}

func (m *Machine) edit(c *consumer) *edit { return &edit{m: m, c: c} }

// put makes a change; a nil value is a tombstone.
func (e *edit) put(key record.Key, value any) {
	c := e.c
	if len(e.changes) == 0 && len(c.underWay) == 0 {
		base := c.ledger.clone()
		c.base = &base
	}
	key.Group = c.group.id
	e.changes = append(e.changes, change{key, value})
	c.change(&e.changes[len(e.changes)-1])
}

func (e *edit) putMember(x *consumerMember) {
	member := x.Member
	e.put(record.Key{Type: record.MemberMetadata, Member: x.id}, &member)
}

func (e *edit) putCurrent(x *consumerMember) {
	e.put(record.Key{Type: record.CurrentMemberAssignment, Member: x.id}, x.current())
}

func (e *edit) putTarget(member string, target partitionSet) {
	e.put(record.Key{Type: record.TargetAssignmentMember, Member: member}, target)
}

// removeMember writes the end of a member, in Kafka's order.
func (e *edit) removeMember(id string) {
	e.put(record.Key{Type: record.CurrentMemberAssignment, Member: id}, nil)
	e.put(record.Key{Type: record.TargetAssignmentMember, Member: id}, nil)
	e.put(record.Key{Type: record.MemberMetadata, Member: id}, nil)
}

// append hands the changes out; done runs when they are committed or refused. An edit without changes waits for what the group
// has under way, on which the answer builds.
func (e *edit) append(done func(err protocol.ErrorCode)) {
	c := e.c
	if len(e.changes) == 0 {
		e.m.afterAppends(c.group, done)
		return
	}
	b := e.m.batch()
	for i := range e.changes {
		e.changes[i].encode(b)
	}
	c.underWay = append(c.underWay, e.changes)
	b.append(c.group, func(err protocol.ErrorCode) {
		e.m.settleConsumer(c, err)
		done(err)
	})
}

// settleConsumer takes the fate of the oldest edit under way.
func (m *Machine) settleConsumer(c *consumer, err protocol.ErrorCode) {
	invariant.Check(len(c.underWay) > 0, "group %q: records are settled that are not under way", c.group.id)
	first := c.underWay[0]
	c.underWay = slices.Delete(c.underWay, 0, 1)
	if err == protocol.ErrNone {
		for i := range first {
			c.base.apply(&first[i])
		}
	} else {
		c.ledger = c.base.clone()
		for _, changes := range c.underWay {
			for i := range changes {
				c.ledger.apply(&changes[i])
			}
		}
		c.derive()
		c.seen, c.regexSeen = -1, -1 // what came of the last look is lost
		c.torn = true
		m.renewTimers(c)
	}
	if len(c.underWay) > 0 {
		return
	}
	if c.torn && c.group.consumer == c && !c.group.converting {
		m.repair(c)
	}
	if len(c.underWay) > 0 {
		return
	}
	if c.base = nil; !c.written && len(c.members) == 0 && c.group.consumer == c {
		m.dropConsumer(c) // it was never there, or has ended
	}
}

// repair mends a ledger in which an edit is missing that later ones were built on: members that hold what another holds, or are
// whom another is, are out and have to join anew; so is what was assigned to nobody.
func (m *Machine) repair(c *consumer) {
	c.torn = false
	var out []string
	for _, id := range c.memberIDs() {
		x := c.members[id]
		conflict := x.InstanceID != nil && c.statics[*x.InstanceID] != id
		look := func(p tp) { conflict = conflict || c.owners[p.topic][p.partition] != id }
		x.assigned.each(look)
		x.revoking.each(look)
		if conflict {
			out = append(out, id)
		}
	}
	e := m.edit(c)
	for _, id := range slices.Sorted(maps.Keys(c.targets)) {
		if c.members[id] == nil {
			e.put(record.Key{Type: record.TargetAssignmentMember, Member: id}, nil)
		}
	}
	if len(e.changes) > 0 {
		e.append(func(protocol.ErrorCode) {})
	}
	if len(out) > 0 {
		m.fenceMembers(c, out, nil)
	}
}

// dropConsumer takes the group away; offsets stay.
func (m *Machine) dropConsumer(c *consumer) {
	for id := range c.timers {
		m.stopTimers(c, id)
	}
	m.timers.stop(&c.regexRefresh)
	if c.group.consumer == c {
		c.group.consumer = nil
	}
}

// encode adds the change's record to b.
func (ch *change) encode(b *batch) {
	if ch.value == nil {
		b.tombstone(&ch.key)
		return
	}
	b.put(&ch.key, func(dst []byte) []byte {
		switch v := ch.value.(type) {
		case record.GroupEpoch:
			return record.AppendGroupEpoch(dst, &v)
		case *record.Member:
			return record.AppendMember(dst, v)
		case record.AssignmentEpoch:
			return record.AppendAssignmentEpoch(dst, &v)
		case partitionSet:
			return record.AppendTarget(dst, v)
		case *record.CurrentAssignment:
			return record.AppendCurrent(dst, v)
		case *record.ResolvedRegex:
			return record.AppendRegex(dst, v)
		}
		invariant.Fail("a %T is no value of a consumer group's record", ch.value)
		return dst
	})
}

// decodeChange is a change as a record has it; the strings of key are the change's own.
func decodeChange(key record.Key, value []byte) (change, error) {
	ch := change{key: key}
	switch key.Type {
	case record.MemberMetadata, record.TargetAssignmentMember, record.CurrentMemberAssignment:
		if key.Member == "" {
			return ch, errors.New("a member without an id")
		}
	}
	if value == nil {
		return ch, nil
	}
	var err error
	switch key.Type {
	case record.ConsumerGroupMetadata:
		ch.value, err = record.ParseGroupEpoch(value)
	case record.PartitionMetadata:
		ch.value = struct{}{}
	case record.MemberMetadata:
		var v record.Member
		if v, err = record.ParseMember(value); v.Regex == nil {
			v.Regex = new(string)
		}
		if err == nil && v.Classic != nil && len(v.Classic.Protocols) == 0 {
			err = errors.New("a member of the classic protocol without a protocol")
		}
		v.Topics = sortedUnique(v.Topics)
		ch.value = &v
	case record.TargetAssignmentMetadata:
		ch.value, err = record.ParseAssignmentEpoch(value)
	case record.TargetAssignmentMember:
		var v []record.TopicPartitions
		v, err = record.ParseTarget(value)
		ch.value = readPartitionSet(v, false, 0)
	case record.CurrentMemberAssignment:
		var v record.CurrentAssignment
		v, err = record.ParseCurrent(value)
		v.Assigned = readPartitionSet(v.Assigned, true, v.MemberEpoch)
		v.PendingRevocation = readPartitionSet(v.PendingRevocation, true, v.MemberEpoch)
		ch.value = &v
	case record.RegularExpression:
		var v record.ResolvedRegex
		v, err = record.ParseRegex(value)
		v.Topics = sortedUnique(v.Topics)
		ch.value = &v
	}
	return ch, err
}

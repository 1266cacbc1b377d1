package group

// This file owns the state of a KIP-848 consumer group. All that is durable of it is in ledger, which is nothing but the group's
// records applied in the order of the log; every change goes through change, so what memory holds and what a replay of the
// log gives cannot differ. Values in a ledger are immutable: a change puts a new one in the place of the old.
//
// A change counts in memory at once, since the next heartbeat builds on it, but is answered when it is committed. If its append
// fails the group goes back to what the log has: see consumer_edit.go.
//
// Invariants:
//   - owners[topic][partition] is the member that has the partition, assigned or pending revocation; unless torn there is one at most;
//   - statics[instance] is the id of the one member with that instance id;
//   - regexUsers[regex] is the number of members subscribed with regex, topicUsers and classicMembers likewise.

import (
	"maps"
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// The states of a member (KIP-848), as they stand in its record.
const (
	memberStable              int8 = 1
	memberUnrevokedPartitions int8 = 2
	memberUnreleased          int8 = 3
)

// Member epochs with a meaning of their own (KIP-848).
const (
	joinEpoch        int32 = 0
	leaveEpoch       int32 = -1
	staticLeaveEpoch int32 = -2
)

// consumerMember is a member as its records describe it. Immutable.
type consumerMember struct {
	id string
	// Member's Topics are sorted, each once; Regex is never nil.
	record.Member
	epoch, previousEpoch int32
	state                int8
	assigned             partitionSet // with epochs
	revoking             partitionSet // with epochs: the member has to give them up
}

func newConsumerMember(id string) *consumerMember {
	none := ""
	return &consumerMember{id: id, previousEpoch: -1, state: memberStable, Member: record.Member{Regex: &none, RebalanceTimeoutMs: -1}}
}

func (x *consumerMember) classic() bool { return x.Classic != nil }

func (x *consumerMember) regex() string {
	if x.Regex == nil {
		return ""
	}
	return *x.Regex
}

// reconciled tells whether the member has its target of an assignment epoch.
func (x *consumerMember) reconciled(epoch int32) bool {
	return x.state == memberStable && x.epoch == epoch
}

// current is the member's assignment as its record has it.
func (x *consumerMember) current() *record.CurrentAssignment {
	return &record.CurrentAssignment{MemberEpoch: x.epoch, PreviousMemberEpoch: x.previousEpoch, State: x.state,
		Assigned: x.assigned, PendingRevocation: x.revoking}
}

// ledger is the durable state of a consumer group.
type ledger struct {
	epoch           int32
	hash            int64 // metadataHash of what the group is subscribed to
	assignmentEpoch int32
	assignmentMs    int64 // when the target was computed; 0: not known
	members         map[string]*consumerMember
	targets         map[string]partitionSet
	regexes         map[string]*record.ResolvedRegex // topics sorted
	oldMetadata     bool                             // the log has a PartitionMetadata record of an older broker
	written         bool                             // the log has any record of the group
}

// The epoch of a group before its first member.
const firstGroupEpoch = 1

func newLedger() ledger {
	return ledger{epoch: firstGroupEpoch, members: map[string]*consumerMember{}, targets: map[string]partitionSet{}, regexes: map[string]*record.ResolvedRegex{}}
}

func (l *ledger) clone() ledger {
	c := *l
	c.members, c.targets, c.regexes = maps.Clone(l.members), maps.Clone(l.targets), maps.Clone(l.regexes)
	return c
}

// change is one record of a consumer group, decoded. value is nil for a tombstone, else by the key's type a record.GroupEpoch,
// *record.Member, record.AssignmentEpoch, partitionSet, *record.CurrentAssignment, *record.ResolvedRegex, or any value for
// PartitionMetadata.
type change struct {
	key   record.Key
	value any
}

// apply takes one change; whatever came before it is accepted.
func (l *ledger) apply(ch *change) {
	id := ch.key.Member
	l.written = true
	switch ch.key.Type {
	case record.ConsumerGroupMetadata:
		if v, ok := ch.value.(record.GroupEpoch); ok {
			l.epoch, l.hash = v.Epoch, v.MetadataHash
		} else {
			*l = newLedger() // the group has ended
		}
	case record.PartitionMetadata:
		l.oldMetadata = ch.value != nil
	case record.MemberMetadata:
		if v, ok := ch.value.(*record.Member); ok {
			x := l.memberToChange(id)
			x.Member = *v
			l.members[id] = x
		} else {
			delete(l.members, id)
		}
	case record.TargetAssignmentMetadata:
		if v, ok := ch.value.(record.AssignmentEpoch); ok {
			l.assignmentEpoch, l.assignmentMs = v.Epoch, v.Timestamp
		} else {
			l.assignmentEpoch, l.assignmentMs = -1, 0
		}
	case record.TargetAssignmentMember:
		if v, ok := ch.value.(partitionSet); ok {
			l.targets[id] = v
		} else {
			delete(l.targets, id)
		}
	case record.CurrentMemberAssignment:
		v, ok := ch.value.(*record.CurrentAssignment)
		switch {
		case ok:
			x := l.memberToChange(id)
			x.epoch, x.previousEpoch, x.state = v.MemberEpoch, v.PreviousMemberEpoch, v.State
			x.assigned, x.revoking = v.Assigned, v.PendingRevocation
			l.members[id] = x
		case l.members[id] != nil:
			x := l.memberToChange(id)
			x.epoch, x.previousEpoch, x.assigned, x.revoking = leaveEpoch, leaveEpoch, nil, nil
			l.members[id] = x
		}
	case record.RegularExpression:
		if v, ok := ch.value.(*record.ResolvedRegex); ok {
			l.regexes[ch.key.Regex] = v
		} else {
			delete(l.regexes, ch.key.Regex)
		}
	}
}

// memberToChange is a copy of a member, or a new one.
func (l *ledger) memberToChange(id string) *consumerMember {
	if x := l.members[id]; x != nil {
		c := *x
		return &c
	}
	return newConsumerMember(id)
}

// consumer is a group of the consumer protocol.
type consumer struct {
	group *Group
	ledger
	// derived from the ledger:
	owners         map[topicID]map[int32]string
	statics        map[string]string
	regexUsers     map[string]int
	topicUsers     map[string]int // by name alone
	classicMembers int

	// while records are under way: the state without them, and them in order
	base     *ledger
	underWay [][]change
	torn     bool // an edit is missing that later ones were built on: see repair

	// soft state
	timers       map[string]*memberTimers
	seen         int64 // Version of the topics that the group was last compared with; -1: none yet
	regexRefresh timer
	regexMs      int64 // when the regular expressions were last resolved
	regexSeen    int64 // Version of the topics at that time
	resolving    *resolution
}

func (m *Machine) newConsumer(g *Group) *consumer {
	c := &consumer{group: g, ledger: newLedger(), timers: map[string]*memberTimers{}, seen: -1}
	c.regexRefresh.fire = func() { m.refreshRegexes(c) }
	c.derive()
	return c
}

// derive computes what is derived from the ledger.
func (c *consumer) derive() {
	c.owners, c.statics, c.regexUsers, c.topicUsers, c.classicMembers = map[topicID]map[int32]string{}, map[string]string{}, map[string]int{}, map[string]int{}, 0
	for _, id := range c.memberIDs() {
		c.index(nil, c.members[id])
	}
}

// change applies ch and keeps what is derived up to date.
func (c *consumer) change(ch *change) {
	id := ch.key.Member
	before := c.members[id]
	c.ledger.apply(ch)
	switch after := c.members[id]; {
	case ch.key.Type == record.ConsumerGroupMetadata && ch.value == nil:
		c.derive()
	case before != after:
		c.index(before, after)
	}
}

// index takes before out of what is derived, and after in.
func (c *consumer) index(before, after *consumerMember) {
	add := func(counts map[string]int, key string, n int) {
		if counts[key] += n; counts[key] == 0 {
			delete(counts, key)
		}
	}
	count := func(x *consumerMember, n int) {
		if x.regex() != "" {
			add(c.regexUsers, x.regex(), n)
		}
		for _, t := range x.Topics {
			add(c.topicUsers, t, n)
		}
		if x.classic() {
			c.classicMembers += n
		}
	}
	if before != nil {
		count(before, -1)
		if before.InstanceID != nil && c.statics[*before.InstanceID] == before.id {
			delete(c.statics, *before.InstanceID)
		}
		release := func(x tp) {
			if t := c.owners[x.topic]; t[x.partition] == before.id {
				if delete(t, x.partition); len(t) == 0 {
					delete(c.owners, x.topic)
				}
			}
		}
		before.assigned.each(release)
		before.revoking.each(release)
	}
	if after != nil {
		count(after, 1)
		if after.InstanceID != nil {
			c.statics[*after.InstanceID] = after.id
		}
		claim := func(x tp) {
			t := c.owners[x.topic]
			if t == nil {
				t = map[int32]string{}
				c.owners[x.topic] = t
			}
			if t[x.partition] == "" {
				t[x.partition] = after.id
			}
		}
		after.assigned.each(claim)
		after.revoking.each(claim)
	}
}

// memberIDs lists the members by id.
func (c *consumer) memberIDs() []string { return slices.Sorted(maps.Keys(c.members)) }

// static is the member with an instance id, or nil.
func (c *consumer) static(instanceID *string) *consumerMember {
	if instanceID == nil {
		return nil
	}
	return c.members[c.statics[*instanceID]]
}

// stateName is Kafka's name of the group's state.
func (c *consumer) stateName() string {
	switch {
	case len(c.members) == 0:
		return "Empty"
	case c.epoch > c.assignmentEpoch:
		return "Assigning"
	}
	for _, x := range c.members {
		if !x.reconciled(c.assignmentEpoch) {
			return "Reconciling"
		}
	}
	return "Stable"
}

// subscribedTopics lists the topics that members are subscribed to by name or by what their regular expressions were
// resolved to, sorted.
func (c *consumer) subscribedTopics() []string {
	names := slices.Collect(maps.Keys(c.topicUsers))
	for regex := range c.regexUsers {
		if r := c.regexes[regex]; r != nil {
			names = append(names, r.Topics...)
		}
	}
	return sortedUnique(names)
}

func (c *consumer) isSubscribed(topic string) bool {
	if c.topicUsers[topic] > 0 {
		return true
	}
	for regex := range c.regexUsers {
		if r := c.regexes[regex]; r != nil {
			if _, ok := slices.BinarySearch(r.Topics, topic); ok {
				return true
			}
		}
	}
	return false
}

// subscription lists the ids of the existing topics that a member is subscribed to, sorted.
func (c *consumer) subscription(topics Topics, x *consumerMember) []topicID {
	var ids []topicID
	add := func(names []string) {
		for _, name := range names {
			if t, ok := topics.Topic(name); ok {
				ids = append(ids, t.ID)
			}
		}
	}
	add(x.Topics)
	if r := c.regexes[x.regex()]; r != nil && x.regex() != "" {
		add(r.Topics)
	}
	slices.SortFunc(ids, compareTopicID)
	return slices.Compact(ids)
}

package group

// This file owns the state of a classic group: its members, the protocols they share, the leader, the generation.
// Invariants:
//
//   - supported[p] is the number of members that support p;
//   - awaiting is the number of members with a join waiter;
//   - the leader, if there is one, is a member;
//   - statics[instance] is the id of the one member with that instance id.

import (
	"bytes"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// State is a classic group's state, by Kafka's names.
type State int8

// The states of a classic group.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

// String is Kafka's name of the state.
func (s State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

const (
	consumerProtocolType = "consumer"
	unknownMember        = ""
)

// classic is a group of the classic protocol.
type classic struct {
	group           *Group
	state, previous State
	sinceMs         int64 // when it got into state; -1: the record did not tell
	protocolType    string
	protocolName    *string
	generation      int32
	leader          string    // "": none
	members         []*member // in order of joining
	byID            map[string]*member
	statics         map[string]string
	pendingJoin     map[string]*timer // member ids handed out (KIP-394), with their time-out
	pendingSync     map[string]bool   // members that have not synced in this generation
	supported       map[string]int
	awaiting        int
	newMemberAdded  bool            // since the initial delay was last extended
	subscribed      map[string]bool // topics; nil: not known
	join, sync      timer           // the rebalance's time-out, the sync's
	initialLeftMs   int64           // how much longer the initial rebalance may still be delayed
}

// member is a member of a classic group. What it holds is its own copy, never a slice of a request.
type member struct {
	id, clientID, clientHost string
	instanceID               *string
	rebalanceTimeoutMs       int32
	sessionTimeoutMs         int32
	protocols                []kmsg.JoinGroupRequestProtocol
	assignment               []byte
	joinWaiter, syncWaiter   Waiter
	isNew                    bool // has never had an answer to its JoinGroup
	session                  timer
}

func (m *Machine) newClassic(g *Group) *classic {
	c := &classic{group: g, state: Empty, previous: Dead, sinceMs: m.nowMs}
	c.sync.fire = func() { m.expirePendingSync(c) }
	return c
}

func (m *Machine) newMember(c *classic, x *member) *member {
	x.session.fire = func() { m.expireSession(c, x) }
	return x
}

func (c *classic) transition(m *Machine, to State) {
	valid := map[State][]State{
		Empty: {PreparingRebalance}, PreparingRebalance: {Stable, CompletingRebalance, Empty},
		CompletingRebalance: {PreparingRebalance}, Stable: {CompletingRebalance},
		Dead: {Empty, PreparingRebalance, CompletingRebalance, Stable, Dead},
	}[to]
	invariant.Check(slices.Contains(valid, c.state), "group %q goes from %v to %v", c.group.id, c.state, to)
	c.previous, c.state, c.sinceMs = c.state, to, m.nowMs
}

// canRebalance tells whether PreparingRebalance may follow.
func (c *classic) canRebalance() bool {
	return c.state == Stable || c.state == CompletingRebalance || c.state == Empty
}

func (c *classic) member(id string) *member { return c.byID[id] }

func (c *classic) usesConsumerProtocol() bool { return c.protocolType == consumerProtocolType }

// add makes x a member, waiting for its JoinGroup's answer if w is not nil.
func (c *classic) add(x *member, protocolType string, w Waiter) {
	if c.byID == nil {
		c.byID, c.supported = map[string]*member{}, map[string]int{}
	}
	if x.instanceID != nil {
		if c.statics == nil {
			c.statics = map[string]string{}
		}
		invariant.Check(c.statics[*x.instanceID] == "", "instance %q of group %q is added twice", *x.instanceID, c.group.id)
		c.statics[*x.instanceID] = x.id
	}
	if len(c.members) == 0 {
		c.protocolType = protocolType
	}
	invariant.Check(c.protocolType == protocolType && c.supports(protocolType, x.protocols),
		"member %q does not fit the protocols of group %q", x.id, c.group.id)
	if c.leader == "" {
		c.leader = x.id
	}
	c.members = append(c.members, x)
	c.byID[x.id] = x
	c.count(x, 1)
	if x.joinWaiter = w; w != nil {
		c.awaiting++
	}
}

func (c *classic) count(x *member, by int) {
	for i := range x.protocols {
		name := x.protocols[i].Name
		if slices.ContainsFunc(x.protocols[:i], func(p kmsg.JoinGroupRequestProtocol) bool { return p.Name == name }) {
			continue // it names the protocol twice; Kafka's count goes wrong then, and the join is never answered
		}
		if c.supported[name] += by; c.supported[name] == 0 {
			delete(c.supported, name)
		}
	}
}

// remove drops a member or a pending member and its timers. Its waiters must have been answered.
func (m *Machine) remove(c *classic, id string) {
	if x := c.byID[id]; x != nil {
		invariant.Check(x.joinWaiter == nil && x.syncWaiter == nil, "member %q of group %q is removed while it waits", id, c.group.id)
		delete(c.byID, id)
		c.members = slices.DeleteFunc(c.members, func(y *member) bool { return y == x })
		c.count(x, -1)
		if x.instanceID != nil {
			delete(c.statics, *x.instanceID)
		}
		m.timers.stop(&x.session)
	}
	if c.leader == id {
		c.leader = ""
		if len(c.members) > 0 {
			c.leader = c.members[0].id
		}
	}
	m.removePending(c, id)
	delete(c.pendingSync, id)
}

func (m *Machine) removePending(c *classic, id string) {
	if t := c.pendingJoin[id]; t != nil {
		m.timers.stop(t)
		delete(c.pendingJoin, id)
	}
}

// update takes over what a JoinGroup says of a member, and its waiter.
func (m *Machine) update(c *classic, x *member, protocols []kmsg.JoinGroupRequestProtocol, rebalanceMs, sessionMs int32, w Waiter) {
	c.count(x, -1)
	x.protocols = protocols
	c.count(x, 1)
	x.rebalanceTimeoutMs, x.sessionTimeoutMs = rebalanceMs, sessionMs
	// An older JoinGroup of the same member has been overtaken: most likely its connection is gone.
	m.answerJoinError(c, x, x.id, protocol.ErrRebalanceInProgress)
	if x.joinWaiter = w; w != nil {
		c.awaiting++
	}
}

// electJoinedLeader makes a member that has rejoined the leader if the present one has not; false if there is none.
func (c *classic) electJoinedLeader() bool {
	if c.leader == "" {
		return false
	}
	if c.byID[c.leader].joinWaiter != nil {
		return true
	}
	for _, x := range c.members {
		if x.joinWaiter != nil {
			c.leader = x.id
			return true
		}
	}
	return false
}

func (c *classic) allJoined() bool { return len(c.members) == c.awaiting && len(c.pendingJoin) == 0 }

// rebalanceTimeoutMs is the longest that any member asks for.
func (c *classic) rebalanceTimeoutMs() int64 {
	t := int32(0)
	for _, x := range c.members {
		t = max(t, x.rebalanceTimeoutMs)
	}
	return int64(t)
}

// validate checks that a request comes from a member, and from the one that holds its instance id.
func (c *classic) validate(memberID string, instanceID *string) protocol.ErrorCode {
	if instanceID != nil {
		switch id, ok := c.statics[*instanceID]; {
		case !ok:
			return protocol.ErrUnknownMemberID
		case id != memberID:
			return protocol.ErrFencedInstanceID
		}
	}
	if c.byID[memberID] == nil {
		return protocol.ErrUnknownMemberID
	}
	return protocol.ErrNone
}

// supports tells whether a member with these protocols can join.
func (c *classic) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if c.state == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	if c.protocolType != protocolType {
		return false
	}
	for i := range protocols {
		if c.supported[protocols[i].Name] == len(c.members) {
			return true
		}
	}
	return false
}

// selectProtocol lets each member vote for the first of its protocols that all support.
func (c *classic) selectProtocol() string {
	votes := map[string]int{}
	best := ""
	for _, x := range c.members {
		for i := range x.protocols {
			if name := x.protocols[i].Name; c.supported[name] == len(c.members) {
				votes[name]++
				break
			}
		}
	}
	for _, x := range c.members { // in members' order, so that a tie has one outcome
		for i := range x.protocols {
			if name := x.protocols[i].Name; votes[name] > votes[best] {
				best = name
			}
		}
	}
	invariant.Check(votes[best] > 0, "the members of group %q share no protocol", c.group.id)
	return best
}

// nextGeneration begins a generation with the members there are.
func (c *classic) nextGeneration(m *Machine) {
	c.generation++
	if len(c.members) > 0 {
		name := c.selectProtocol()
		c.protocolName = &name
		c.computeSubscribed()
		c.transition(m, CompletingRebalance)
	} else {
		c.protocolName = nil
		c.computeSubscribed()
		c.transition(m, Empty)
	}
	clear(c.pendingSync)
}

// computeSubscribed learns the topics of a group of consumers, or that they cannot be known.
func (c *classic) computeSubscribed() {
	c.subscribed = nil
	if !c.usesConsumerProtocol() || len(c.members) > 0 && c.protocolName == nil {
		return
	}
	topics := map[string]bool{}
	for _, x := range c.members {
		list, ok := subscriptionTopics(x.metadata(*c.protocolName))
		if !ok {
			return
		}
		for _, t := range list {
			topics[t] = true
		}
	}
	c.subscribed = topics
}

// isSubscribed tells whether the group may be consuming a topic.
func (c *classic) isSubscribed(topic string) bool {
	if c.subscribed != nil {
		return c.subscribed[topic]
	}
	return c.usesConsumerProtocol()
}

func (x *member) metadata(protocolName string) []byte {
	for i := range x.protocols {
		if x.protocols[i].Name == protocolName {
			return x.protocols[i].Metadata
		}
	}
	return nil
}

// matches tells whether a JoinGroup brings what the member already has.
func (x *member) matches(protocols []kmsg.JoinGroupRequestProtocol) bool {
	return slices.EqualFunc(x.protocols, protocols, func(a, b kmsg.JoinGroupRequestProtocol) bool {
		return a.Name == b.Name && bytes.Equal(a.Metadata, b.Metadata)
	})
}

// waiting tells whether the member cannot send heartbeats because the coordinator has not answered it.
func (x *member) waiting() bool { return !x.isNew && (x.joinWaiter != nil || x.syncWaiter != nil) }

// ownProtocols copies what a request holds.
func ownProtocols(list []kmsg.JoinGroupRequestProtocol) []kmsg.JoinGroupRequestProtocol {
	own := make([]kmsg.JoinGroupRequestProtocol, len(list))
	for i := range list {
		own[i] = kmsg.JoinGroupRequestProtocol{Name: strings.Clone(list[i].Name), Metadata: bytes.Clone(list[i].Metadata)}
	}
	return own
}

func cloneString(s *string) *string {
	if s == nil {
		return nil
	}
	c := strings.Clone(*s)
	return &c
}

// subscriptionTopics reads the topics of a consumer's subscription; version 0 is the beginning of every version. ok is false if it
// is none.
func subscriptionTopics(metadata []byte) (topics []string, ok bool) {
	if len(metadata) < 6 {
		return nil, false
	}
	n := int32(metadata[2])<<24 | int32(metadata[3])<<16 | int32(metadata[4])<<8 | int32(metadata[5])
	b := metadata[6:]
	if n < 0 || int(n) > len(b)/2 {
		return nil, false
	}
	for range n {
		if len(b) < 2 {
			return nil, false
		}
		size := int(int16(b[0])<<8 | int16(b[1]))
		if size < 0 || size > len(b)-2 {
			return nil, false
		}
		topics, b = append(topics, string(b[2:2+size])), b[2+size:]
	}
	return topics, true
}

package group

// This file owns what can be seen of groups: ListGroups and DescribeGroups.

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// ListGroups answers this coordinator's part of API 16 with a []kmsg.ListGroupsResponseGroup. Empty filters let all pass;
// filters do not mind case.
func (m *Machine) ListGroups(w Waiter, states, types []string) {
	has := func(filter []string, name string) bool {
		return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), name) })
	}
	list := []kmsg.ListGroupsResponseGroup{}
	for _, g := range m.sorted() {
		if !g.exists() {
			continue
		}
		l := kmsg.ListGroupsResponseGroup{Group: g.id}
		if g.consumer != nil {
			l.ProtocolType, l.GroupState, l.GroupType = consumerProtocolType, g.consumer.stateName(), "consumer"
		} else {
			l.ProtocolType, l.GroupState, l.GroupType = g.classic.protocolType, g.classic.state.String(), "classic"
		}
		if has(states, l.GroupState) && has(types, l.GroupType) {
			list = append(list, l)
		}
	}
	m.reply(w, list)
}

// DescribeGroups from this version on says GROUP_ID_NOT_FOUND where it said that the group is Dead (KIP-1043).
const describeNotFoundVersion = 6

// DescribeGroup answers one group of API 15 with a *kmsg.DescribeGroupsResponseGroup.
func (m *Machine) DescribeGroup(w Waiter, id string, version int16) {
	r := &kmsg.DescribeGroupsResponseGroup{Group: id, AuthorizedOperations: math.MinInt32}
	g := m.lookup(id)
	if g == nil || g.consumer != nil {
		r.State = Dead.String()
		if version >= describeNotFoundVersion {
			message := fmt.Sprintf("Group %s not found.", id)
			if g != nil {
				message = fmt.Sprintf("Group %s is not a classic group.", id)
			}
			r.ErrorCode, r.ErrorMessage = int16(protocol.ErrGroupIDNotFound), &message
		}
		m.reply(w, r)
		return
	}
	c := g.classic
	r.State, r.ProtocolType = c.state.String(), c.protocolType
	if c.state == Stable {
		r.Protocol = *c.protocolName
	}
	for _, x := range c.members {
		d := kmsg.DescribeGroupsResponseGroupMember{
			MemberID: x.id, InstanceID: x.instanceID, ClientID: x.clientID, ClientHost: x.clientHost, MemberAssignment: x.assignment,
		}
		if c.state == Stable {
			d.ProtocolMetadata = x.metadata(*c.protocolName)
		}
		r.Members = append(r.Members, d)
	}
	m.reply(w, r)
}

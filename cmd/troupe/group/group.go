// Package group is `troupe group`: consumer groups of both protocols (classic, and KIP-848's "consumer"), who is in them, how
// far they are behind, and their committed offsets.
//
// What changes offsets shows first what it would do, and does it only with --execute.
package group

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// New makes `troupe group`.
func New() *cobra.Command {
	return cli.Group("group", "Look at consumer groups, and change their offsets", newList(), newDescribe(), newDelete(),
		newResetOffsets(), newDeleteOffsets(), newExportOffsets())
}

// Types and states that matter here, as the broker writes them.
const (
	typeClassic  = "classic"
	typeConsumer = "consumer" // KIP-848
	stateEmpty   = "Empty"
	stateDead    = "Dead"
)

// listed is one group as ListGroups tells of it.
type listed struct {
	Group        string `json:"group"`
	Type         string `json:"type"`
	State        string `json:"state"`
	ProtocolType string `json:"protocol_type"`
	Coordinator  int32  `json:"coordinator"`
}

// list asks every broker for its groups. Older brokers do not tell the type; theirs are all classic.
func list(ctx context.Context, conn *cli.Conn, states, types []string) ([]listed, error) {
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter, req.TypesFilter = states, types
	var out []listed
	for _, shard := range conn.Kafka.RequestSharded(ctx, req) {
		err := shard.Err
		if err == nil {
			err = kerr.ErrorForCode(shard.Resp.(*kmsg.ListGroupsResponse).ErrorCode)
		}
		if err != nil {
			return nil, cli.Explain(fmt.Sprintf("list the groups of broker %d", shard.Meta.NodeID), err, "")
		}
		for _, g := range shard.Resp.(*kmsg.ListGroupsResponse).Groups {
			l := listed{g.Group, g.GroupType, g.GroupState, g.ProtocolType, shard.Meta.NodeID}
			if l.Type == "" {
				l.Type = typeClassic
			}
			out = append(out, l)
		}
	}
	return out, nil
}

// member is one member of a group.
type member struct {
	MemberID   string       `json:"member_id"`
	InstanceID string       `json:"instance_id"` // "" if it is not static
	ClientID   string       `json:"client_id"`
	Host       string       `json:"host"`
	Epoch      *int32       `json:"member_epoch"` // null in a classic group
	Protocol   string       `json:"member_type"`  // classic or consumer
	Topics     []string     `json:"subscribed_topics"`
	Regex      string       `json:"subscribed_regex"`
	Assigned   []assignment `json:"assigned"`
	Target     []assignment `json:"target"` // what the group wants it to have, where that differs yet
}

// assignment is the partitions of one topic.
type assignment struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

// state is a group without its offsets.
type state struct {
	Group           string   `json:"group"`
	Type            string   `json:"type"`
	State           string   `json:"state"`
	ProtocolType    string   `json:"protocol_type"`
	Assignor        string   `json:"assignor"`
	Coordinator     int32    `json:"coordinator"`
	Epoch           *int32   `json:"epoch"`            // null in a classic group
	AssignmentEpoch *int32   `json:"assignment_epoch"` // null in a classic group
	Members         []member `json:"members"`
}

// active says whether somebody consumes: offsets must not be changed under its feet.
func (s *state) active() bool {
	return len(s.Members) > 0 || s.State != stateEmpty && s.State != stateDead && s.State != ""
}

// describe asks for one group's state, by the protocol it uses. A group that does not exist is kerr.GroupIDNotFound.
func describe(ctx context.Context, conn *cli.Conn, name, kind string) (*state, error) {
	if kind == typeConsumer {
		s, err := describeConsumer(ctx, conn, name)
		if !errors.Is(err, kerr.GroupIDNotFound) && !errors.Is(err, kerr.UnsupportedVersion) {
			return s, err
		}
		// It has become a classic group meanwhile, or it is an old broker.
	}
	s, err := describeClassic(ctx, conn, name)
	if err == nil && s.State == stateDead {
		err = kerr.GroupIDNotFound
	}
	if kind != typeConsumer && errors.Is(err, kerr.GroupIDNotFound) {
		if c, cerr := describeConsumer(ctx, conn, name); cerr == nil {
			return c, nil
		}
	}
	return s, err
}

func describeClassic(ctx context.Context, conn *cli.Conn, name string) (*state, error) {
	described, err := conn.DescribeGroups(ctx, name)
	if err != nil {
		return nil, err
	}
	g, err := described.On(name, nil)
	if err == nil {
		err = g.Err
	}
	if err != nil {
		return nil, err
	}
	s := &state{Group: name, Type: typeClassic, State: g.State, ProtocolType: g.ProtocolType, Assignor: g.Protocol, Coordinator: g.Coordinator.NodeID, Members: []member{}}
	for _, m := range g.Members {
		v := member{MemberID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Protocol: typeClassic, Topics: []string{}, Assigned: []assignment{}, Target: []assignment{}}
		if m.InstanceID != nil {
			v.InstanceID = *m.InstanceID
		}
		if j, ok := m.Join.AsConsumer(); ok {
			v.Topics = append(v.Topics, j.Topics...)
		}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				v.Assigned = append(v.Assigned, assignment{t.Topic, t.Partitions})
			}
		}
		s.Members = append(s.Members, v)
	}
	s.sort()
	return s, nil
}

func describeConsumer(ctx context.Context, conn *cli.Conn, name string) (*state, error) {
	described, err := conn.DescribeConsumerGroups(ctx, name)
	if err != nil {
		return nil, err
	}
	g, ok := described[name]
	switch {
	case !ok:
		return nil, kerr.GroupIDNotFound
	case g.Err != nil:
		return nil, g.Err
	}
	s := &state{Group: name, Type: typeConsumer, State: g.State, ProtocolType: "consumer", Assignor: g.AssignorName, Coordinator: g.Coordinator.NodeID,
		Epoch: &g.Epoch, AssignmentEpoch: &g.AssignmentEpoch, Members: []member{}}
	for _, m := range g.Members {
		v := member{MemberID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost, Epoch: &m.MemberEpoch, Protocol: typeConsumer,
			Topics: append([]string{}, m.SubscribedTopics...), Assigned: assignments(m.Assignment), Target: assignments(m.TargetAssignment)}
		if m.InstanceID != nil {
			v.InstanceID = *m.InstanceID
		}
		if m.SubscribedTopicRegex != nil {
			v.Regex = *m.SubscribedTopicRegex
		}
		if m.MemberType == memberTypeClassic {
			v.Protocol = typeClassic
		}
		s.Members = append(s.Members, v)
	}
	s.sort()
	return s, nil
}

// memberTypeClassic is ConsumerGroupDescribe's MemberType of a member that speaks the classic protocol (v1).
const memberTypeClassic = 0

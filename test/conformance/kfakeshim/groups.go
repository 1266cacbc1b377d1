package kfakeshim

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// This file answers, through the public admin API, what kfake's tests ask of a group.

// askWithin bounds one question; pollEvery is the pause between two.
const (
	askWithin = 5 * time.Second
	pollEvery = 20 * time.Millisecond
)

// GroupCommit is a committed offset.
type GroupCommit struct {
	Offset      int64
	LeaderEpoch int32
	Metadata    string
}

// GroupMember is a member of either protocol with its partitions.
type GroupMember struct {
	MemberID   string
	InstanceID *string
	Assignment map[string][]int32
}

// NumAssigned is the number of partitions.
func (m *GroupMember) NumAssigned() (n int) {
	for _, partitions := range m.Assignment {
		n += len(partitions)
	}
	return n
}

// GroupInfo is what is known of a group.
type GroupInfo struct {
	Group, State string
	Epoch        int32
	Members      []GroupMember
	Commits      map[string]map[int32]GroupCommit
}

// NumAssigned is the number of partitions of all members.
func (g *GroupInfo) NumAssigned() (n int) {
	for i := range g.Members {
		n += g.Members[i].NumAssigned()
	}
	return n
}

// GroupInfo describes a group; nil if there is none.
func (c *Cluster) GroupInfo(group string) *GroupInfo {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	g := &GroupInfo{Group: group, Commits: c.commits(ctx, group)}
	if !c.describeConsumer(ctx, g) && !c.describeClassic(ctx, g) && len(g.Commits) == 0 {
		return nil
	}
	return g
}

func (c *Cluster) commits(ctx context.Context, group string) map[string]map[int32]GroupCommit {
	commits := map[string]map[int32]GroupCommit{}
	offsets, err := c.adm.FetchOffsets(ctx, group)
	if err != nil {
		return commits
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Err != nil || o.At < 0 {
			return
		}
		if commits[o.Topic] == nil {
			commits[o.Topic] = map[int32]GroupCommit{}
		}
		commits[o.Topic][o.Partition] = GroupCommit{o.At, o.LeaderEpoch, o.Metadata}
	})
	return commits
}

func alive(state string) bool { return state != "" && state != "Dead" }

// describeConsumer looks for a group of KIP-848's protocol.
func (c *Cluster) describeConsumer(ctx context.Context, g *GroupInfo) bool {
	described, err := c.adm.DescribeConsumerGroups(ctx, g.Group)
	d := described[g.Group]
	if err != nil || d.Err != nil || !alive(d.State) {
		return false
	}
	g.State, g.Epoch = d.State, d.Epoch
	for _, m := range d.Members {
		assigned := map[string][]int32{}
		for topic, partitions := range m.Assignment {
			for p := range partitions {
				assigned[topic] = append(assigned[topic], p)
			}
		}
		g.Members = append(g.Members, GroupMember{m.MemberID, m.InstanceID, assigned})
	}
	return true
}

// describeClassic looks for a group of the classic protocol.
func (c *Cluster) describeClassic(ctx context.Context, g *GroupInfo) bool {
	described, err := c.adm.DescribeGroups(ctx, g.Group)
	d := described[g.Group]
	if err != nil || d.Err != nil || !alive(d.State) {
		return false
	}
	g.State = d.State
	for _, m := range d.Members {
		assigned := map[string][]int32{}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				assigned[t.Topic] = t.Partitions
			}
		}
		g.Members = append(g.Members, GroupMember{m.MemberID, m.InstanceID, assigned})
	}
	return true
}

// WaitGroupStable waits until a group is stable with a number of members.
func (c *Cluster) WaitGroupStable(ctx context.Context, group string, members int) (*GroupInfo, error) {
	for {
		if g := c.GroupInfo(group); g != nil && g.State == "Stable" && len(g.Members) == members {
			return g, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pollEvery):
		}
	}
}

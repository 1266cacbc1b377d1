package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file makes what cases need before they begin: topics, producer ids, groups and their members.

// topic is one that a case has made.
type topic struct {
	name string
	id   [16]byte
}

// topic creates a topic of one partition with configurations (name, value, …) and waits until it has a leader.
func (c *C) topic(configs ...string) topic { return c.topicOf("topic", 1, configs...) }

// topicOf is topic with a label and a number of partitions.
func (c *C) topicOf(label string, partitions int32, configs ...string) topic {
	name := c.name(label)
	req := kmsg.NewPtrCreateTopicsRequest()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req.Topics = append(req.Topics, rt)
	req.TimeoutMillis = 10_000
	made := c.get(7, req).(*kmsg.CreateTopicsResponse).Topics[0]
	if made.ErrorCode != 0 {
		c.abort("create topic %s: error %d", name, made.ErrorCode)
	}
	t := topic{name, made.TopicID}
	c.shown.names[fmt.Sprintf("%x", t.id)] = "$" + label + "-id"
	c.settle(t, partitions)
	return t
}

// settle waits until all partitions of a topic have a leader that answers.
func (c *C) settle(t topic, partitions int32) {
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		ready := true
		resp := c.get(4, listOffsets(t, -1, partitions)).(*kmsg.ListOffsetsResponse)
		for _, p := range resp.Topics[0].Partitions {
			ready = ready && p.ErrorCode == 0
		}
		meta := kmsg.NewPtrMetadataRequest()
		meta.Topics = []kmsg.MetadataRequestTopic{{Topic: &t.name}}
		parts := c.get(9, meta).(*kmsg.MetadataResponse).Topics[0].Partitions
		ready = ready && len(parts) == int(partitions)
		for _, p := range parts {
			ready = ready && p.ErrorCode == 0
		}
		if ready {
			c.shown.epoch = parts[0].LeaderEpoch
			return
		}
		if time.Now().After(deadline) {
			c.abort("topic %s has no leaders", t.name)
		}
	}
}

// listOffsets asks for a timestamp in the first partitions of a topic.
func listOffsets(t topic, timestamp int64, partitions int32) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = t.name
	for p := range partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p, timestamp, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// truncate deletes the records before an offset.
func (c *C) truncate(t topic, offset int64) {
	if p := c.get(2, deleteRecords(t, offset)).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 {
		c.abort("delete records: error %d", p.ErrorCode)
	}
}

func newInitProducerID() *kmsg.InitProducerIDRequest {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	return req
}

// producer asks for a new producer id.
func (c *C) producer() int64 {
	resp := c.get(4, newInitProducerID()).(*kmsg.InitProducerIDResponse)
	if resp.ErrorCode != 0 {
		c.abort("InitProducerId: error %d", resp.ErrorCode)
	}
	return resp.ProducerID
}

// member is one of a classic group.
type member struct {
	group, id  string
	instance   *string
	generation int32
	conn       *C
}

// join asks for a place in a group, without an id.
func join(group string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = group, 30_000, 30_000, "sem"
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte("meta")}}
	return req
}

// joined makes a new group with one member, up to the generation (its state is CompletingRebalance).
func (c *C) joined(group string, change ...func(*kmsg.JoinGroupRequest)) *member {
	req := join(group)
	for _, f := range change {
		f(req)
	}
	resp := c.get(9, req).(*kmsg.JoinGroupResponse)
	if resp.ErrorCode == 79 {
		req.MemberID = resp.MemberID
		resp = c.get(9, req).(*kmsg.JoinGroupResponse)
	}
	if resp.ErrorCode != 0 {
		c.abort("join: error %d", resp.ErrorCode)
	}
	c.shown.id("member", resp.MemberID)
	return &member{group: group, id: resp.MemberID, instance: req.InstanceID, generation: resp.Generation}
}

// stable is joined with the assignment made: the group's state is Stable.
func (c *C) stable(group string, change ...func(*kmsg.JoinGroupRequest)) *member {
	m := c.joined(group, change...)
	req := m.sync()
	req.ProtocolType = nil
	req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: m.id, MemberAssignment: []byte("assigned")}}
	if resp := c.get(4, req).(*kmsg.SyncGroupResponse); resp.ErrorCode != 0 {
		c.abort("sync: error %d", resp.ErrorCode)
	}
	return m
}

// preparing is stable with a second member's join waiting on a connection of its own: the group's state is PreparingRebalance.
func (c *C) preparing(group string, then func(m *member)) {
	m := c.stable(group)
	req := join(group)
	c.apart(func() {
		resp := c.get(9, req).(*kmsg.JoinGroupResponse)
		if resp.ErrorCode != 79 {
			c.abort("second join: error %d", resp.ErrorCode)
		}
		req.MemberID = resp.MemberID
		c.shown.id("member", resp.MemberID)
		c.send(9, req)
		waiting, last := c.conn, c.last
		c.conn = nil
		c.awaitState(group, "PreparingRebalance")
		then(m)
		c.hangUp()
		c.conn, c.last = waiting, last
	})
}

// state is a group's.
func (c *C) state(group string) string {
	return c.get(5, describeGroups(group)).(*kmsg.DescribeGroupsResponse).Groups[0].State
}

// awaitState waits until a group is in a state.
func (c *C) awaitState(group, state string) {
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		is := c.state(group)
		if is == state {
			return
		}
		if time.Now().After(deadline) {
			c.abort("the group is %s and does not become %s", is, state)
		}
	}
}

// empty makes a group whose only member has left: its state is Empty.
func (c *C) empty(group string) *member {
	m := c.stable(group)
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.id}}
	if resp := c.get(4, req).(*kmsg.LeaveGroupResponse); resp.ErrorCode != 0 {
		c.abort("leave: error %d", resp.ErrorCode)
	}
	return m
}

// groupStates has a case for each state that a group can be in; f is called with a member of it (of one that is no more in Empty, of
// one that never was in Dead).
func groupStates(what string, f func(c *C, m *member)) {
	for _, s := range []struct {
		state string
		make  func(c *C, group string, then func(*member))
	}{
		{"Dead", func(c *C, group string, then func(*member)) { then(&member{group: group, id: "nobody", generation: 1}) }},
		{"Empty", func(c *C, group string, then func(*member)) { then(c.empty(group)) }},
		{"PreparingRebalance", func(c *C, group string, then func(*member)) { c.preparing(group, then) }},
		{"CompletingRebalance", func(c *C, group string, then func(*member)) { then(c.joined(group)) }},
		{"Stable", func(c *C, group string, then func(*member)) { then(c.stable(group)) }},
	} {
		addFrom(2, what+" in "+s.state, func(c *C) {
			s.make(c, c.name("group"), func(m *member) { f(c, m) })
		})
	}
}

func (m *member) sync() *kmsg.SyncGroupRequest {
	req := kmsg.NewPtrSyncGroupRequest()
	kind, protocol := "sem", "p"
	req.Group, req.MemberID, req.Generation, req.InstanceID, req.ProtocolType, req.Protocol = m.group, m.id, m.generation, m.instance, &kind, &protocol
	return req
}

func (m *member) heartbeat() *kmsg.HeartbeatRequest {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation, req.InstanceID = m.group, m.id, m.generation, m.instance
	return req
}

func (m *member) leave() *kmsg.LeaveGroupRequest {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group, req.MemberID = m.group, m.id
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.id, InstanceID: m.instance}}
	return req
}

// commit commits offset 5 of partition 0.
func (m *member) commit(t topic) *kmsg.OffsetCommitRequest {
	req := offsetCommit(m.group, t, 5)
	req.MemberID, req.Generation, req.InstanceID = m.id, m.generation, m.instance
	return req
}

func describeGroups(groups ...string) *kmsg.DescribeGroupsRequest {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = groups
	return req
}

// offsetCommit commits for partition 0 as somebody outside the group.
func offsetCommit(group string, t topic, offset int64) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.RetentionTimeMillis = group, -1, -1
	rt := kmsg.NewOffsetCommitRequestTopic()
	rt.Topic, rt.TopicID = t.name, t.id
	rp := kmsg.NewOffsetCommitRequestTopicPartition()
	rp.Offset, rp.LeaderEpoch = offset, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// committed commits an offset that must be taken.
func (c *C) committed(group string, t topic, offset int64) {
	if p := c.get(8, offsetCommit(group, t, offset)).(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 {
		c.abort("commit: error %d", p.ErrorCode)
	}
}

func deleteRecords(t topic, offset int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 5000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = t.name
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// ptr is a value's address.
func ptr[T any](v T) *T { return &v }

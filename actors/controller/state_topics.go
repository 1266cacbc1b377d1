package controller

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file owns how topics and partitions come to be: names, counts, placement. Placement is round-robin over the brokers
// that are not fenced, so it is a function of the state and the command alone.

func (s *state) createTopics(c *createTopics, out *outcome) {
	asked := 0
	for i := range c.topics {
		asked += max(int(c.topics[i].Partitions), len(c.topics[i].Assignments), 0)
	}
	for i := range c.topics {
		t := &c.topics[i]
		if asked > PartitionsPerRequestMax {
			out.results = append(out.results, refused(kerr.PolicyViolation,
				"the request asks for %d partitions; one request may create at most %d", asked, PartitionsPerRequestMax))
			continue
		}
		topic, r := s.newTopic(t)
		if r.Code == 0 {
			s.put(topic)
			if key := collisionKey(t.Name); key != "" {
				s.collisions = s.collisions.with(key, t.Name)
			}
			s.partitions += len(topic.Partitions)
			s.nextGroup += wal.GroupID(len(topic.Partitions))
			out.created = append(out.created, idRange{t.ID, 0, int32(len(topic.Partitions))})
			out.changed = true
			r.Topic = topic
		}
		out.results = append(out.results, r)
	}
}

// newTopic checks t against the state and makes the topic.
func (s *state) newTopic(t *NewTopic) (*Topic, Result) {
	if err := CheckTopicName(t.Name); err != nil {
		return nil, refused(kerr.InvalidTopicException, "%v", err)
	}
	if t.Name == ClusterMetadataTopic {
		return nil, refused(kerr.InvalidRequest, "the name %s is the controller's own", t.Name)
	}
	if _, exists := s.topics.get(t.Name); exists {
		return nil, refused(kerr.TopicAlreadyExists, "topic %q already exists", t.Name)
	}
	if key := collisionKey(t.Name); key != "" {
		if other, collides := s.collisions.get(key); collides {
			return nil, refused(kerr.InvalidTopicException,
				"the topic's name %q differs from the existing topic %q only in '.' against '_'", t.Name, other)
		}
	}
	if _, twice := s.topicIDs.get(t.ID); twice || t.ID == (TopicID{}) {
		return nil, refused(kerr.InconsistentTopicID, "the topic's id is in use or zero; try again")
	}
	own := make(map[string]string, len(t.Configs))
	for _, c := range t.Configs {
		own[c.Name] = c.Value
	}
	if err := topicconfig.Validate(own); err != nil {
		return nil, refused(kerr.InvalidConfig, "%v", err)
	}
	var partitions []Partition
	var r Result
	if len(t.Assignments) > 0 {
		partitions, r = s.assigned(t)
	} else {
		partitions, r = s.spread(t.Partitions, t.ReplicationFactor)
	}
	if r.Code != 0 {
		return nil, r
	}
	if len(own) == 0 {
		own = nil
	}
	return &Topic{Name: t.Name, ID: t.ID, Internal: t.Internal, Partitions: partitions, Configs: own, Config: s.resolve(own)}, Result{}
}

// assigned takes a manual assignment.
func (s *state) assigned(t *NewTopic) ([]Partition, Result) {
	switch {
	case t.ReplicationFactor != -1:
		return nil, refused(kerr.InvalidRequest, "with a manual assignment the replication factor must be -1, not %d", t.ReplicationFactor)
	case t.Partitions != -1:
		return nil, refused(kerr.InvalidRequest, "with a manual assignment the number of partitions must be -1, not %d", t.Partitions)
	}
	if r := s.roomFor(len(t.Assignments)); r.Code != 0 {
		return nil, r
	}
	partitions := make([]Partition, len(t.Assignments))
	for _, a := range t.Assignments {
		if a.Partition < 0 || int(a.Partition) >= len(partitions) {
			return nil, refused(kerr.InvalidReplicaAssignment, "partitions must be numbered from 0 to %d without a gap; found %d", len(partitions)-1, a.Partition)
		}
		p := &partitions[a.Partition]
		if p.Replicas != nil {
			return nil, refused(kerr.InvalidReplicaAssignment, "partition %d is assigned more than once", a.Partition)
		}
		if r := s.checkReplicas(a.Replicas, len(t.Assignments[0].Replicas)); r.Code != 0 {
			return nil, r
		}
		*p = Partition{Group: s.nextGroup + wal.GroupID(a.Partition), Replicas: a.Replicas}
	}
	return partitions, Result{}
}

// checkReplicas checks one partition's manual replica list.
func (s *state) checkReplicas(replicas []int32, factor int) Result {
	if len(replicas) == 0 {
		return refused(kerr.InvalidReplicaAssignment, "a manual assignment has a partition without replicas")
	}
	if len(replicas) != factor {
		return refused(kerr.InvalidReplicaAssignment, "a manual assignment has a partition with %d replicas where others have %d", len(replicas), factor)
	}
	if len(replicas) > len(s.brokers) {
		return refused(kerr.InvalidReplicaAssignment, "a manual assignment has %d replicas of a partition; the cluster has %d brokers", len(replicas), len(s.brokers))
	}
	active := false
	for i, id := range replicas {
		at := slices.IndexFunc(s.brokers, func(b Broker) bool { return b.ID == id })
		if at < 0 {
			return refused(kerr.InvalidReplicaAssignment, "a manual assignment names broker %d, which is not registered", id)
		}
		if slices.Contains(replicas[:i], id) {
			return refused(kerr.InvalidReplicaAssignment, "a manual assignment names broker %d twice for one partition", id)
		}
		active = active || !s.brokers[at].Fenced
	}
	if !active {
		return refused(kerr.InvalidReplicaAssignment, "all brokers of a manual assignment's partition are fenced")
	}
	return Result{}
}

// spread places count partitions.
func (s *state) spread(count int32, factor int16) ([]Partition, Result) {
	if factor <= 0 {
		return nil, refused(kerr.InvalidReplicationFactor, "the replication factor must be at least 1, or -1 for the broker's default; it is %d", factor)
	}
	if count <= 0 {
		return nil, refused(kerr.InvalidPartitions, "the number of partitions must be at least 1, or -1 for the broker's default; it is %d", count)
	}
	if r := s.roomFor(int(count)); r.Code != 0 {
		return nil, r
	}
	lists, err := s.rotations(int(factor))
	if err != nil {
		return nil, refused(kerr.InvalidReplicationFactor, "%v", err)
	}
	partitions := make([]Partition, count)
	for i := range partitions {
		group := s.nextGroup + wal.GroupID(i)
		partitions[i] = Partition{Group: group, Replicas: lists[int(group)%len(lists)]}
	}
	return partitions, Result{}
}

// rotations lists the replica sets that round-robin hands out in turn; partitions share them.
func (s *state) rotations(factor int) ([][]int32, error) {
	var active []int32
	for _, b := range s.brokers {
		if !b.Fenced {
			active = append(active, b.ID)
		}
	}
	if factor > len(active) {
		return nil, fmt.Errorf("the replication factor is %d; only %d brokers can take a replica", factor, len(active))
	}
	lists := make([][]int32, len(active))
	for first := range active {
		list := make([]int32, factor)
		for j := range list {
			list[j] = active[(first+j)%len(active)]
		}
		lists[first] = list
	}
	return lists, nil
}

func (s *state) roomFor(more int) Result {
	if more > PartitionsPerRequestMax {
		return refused(kerr.PolicyViolation, "the request asks for %d partitions; one request may create at most %d", more, PartitionsPerRequestMax)
	}
	if s.partitions+more > PartitionsMax {
		return refused(kerr.PolicyViolation, "the cluster has %d partitions; with %d more it would pass its limit of %d", s.partitions, more, PartitionsMax)
	}
	return Result{}
}

func (s *state) createPartitions(c *createPartitions, out *outcome) {
	for i := range c.topics {
		r := s.enlarge(&c.topics[i], out)
		out.results = append(out.results, r)
	}
}

func (s *state) enlarge(m *MorePartitions, out *outcome) Result {
	t, ok := s.topics.get(m.Name)
	if !ok {
		return refused(kerr.UnknownTopicOrPartition, "there is no topic %q", m.Name)
	}
	have := int32(len(t.Partitions))
	if m.Count <= have {
		return refused(kerr.InvalidPartitions, "topic %q has %d partitions; %d would not be more", m.Name, have, m.Count)
	}
	more := int(m.Count - have)
	if m.Assigned && len(m.Assignments) != more {
		return refused(kerr.InvalidReplicaAssignment, "%d partitions are to be added, but %d are assigned", more, len(m.Assignments))
	}
	if r := s.roomFor(more); r.Code != 0 {
		return r
	}
	factor := t.ReplicationFactor()
	lists, err := s.rotations(factor)
	if err != nil && !m.Assigned {
		return refused(kerr.InvalidReplicationFactor, "%v", err)
	}
	partitions := make([]Partition, m.Count)
	copy(partitions, t.Partitions)
	for i := range more {
		p := &partitions[int(have)+i]
		p.Group = s.nextGroup + wal.GroupID(i)
		if m.Assigned {
			if r := s.checkReplicas(m.Assignments[i], factor); r.Code != 0 {
				return r
			}
			p.Replicas = m.Assignments[i]
		} else {
			p.Replicas = lists[int(p.Group)%len(lists)]
		}
	}
	larger := *t
	larger.Partitions = partitions
	s.put(&larger)
	s.partitions += more
	s.nextGroup += wal.GroupID(more)
	out.created = append(out.created, idRange{t.ID, have, m.Count})
	out.changed = true
	return Result{Topic: &larger}
}

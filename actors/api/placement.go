package api

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/controller"
)

// This file owns how a partition's place is told to clients (Metadata, DescribeTopicPartitions), and the bit fields of
// authorized operations (KIP-430), which without an authorizer hold every operation of the resource.

const (
	// topicOperations: READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
	topicOperations = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11
	// clusterOperations: CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
	clusterOperations = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12
)

// place is where one partition is to be found.
type place struct {
	code                   int16 // LEADER_NOT_AVAILABLE while nobody leads
	leader                 int32 // -1: nobody
	epoch                  int32
	replicas, isr, offline []int32
}

// placeOf says where partition number of topic is. Leader and epoch are its raft group's, as the local replica knows them. A new
// partition's only replica is named before its group has elected it, as Kafka's controller does: nobody else can lead, and there are clients
// that give a topic up which has a partition without a leader. Until it leads it answers NOT_LEADER_OR_FOLLOWER, and they try again.
func (b *Broker) placeOf(image *controller.Image, topic *controller.Topic, number int32) place {
	p := place{leader: -1, epoch: -1, replicas: topic.Partitions[number].Replicas, isr: []int32{}, offline: []int32{}}
	gone := int32(-1) // this broker, if its replica was given up
	r := b.Replicas.Lookup(topic.ID, number)
	if r != nil {
		l := r.Leadership()
		p.leader, p.epoch = l.Leader, l.Epoch
		if r.Offline() != "" {
			gone = b.NodeID
		}
	}
	for _, id := range p.replicas {
		if m := image.Broker(id); m == nil || m.Fenced || id == gone {
			p.offline = append(p.offline, id)
		} else {
			p.isr = append(p.isr, id)
		}
	}
	if p.leader == gone || p.leader >= 0 && image.Broker(p.leader) == nil {
		p.leader = -1
	}
	if p.leader < 0 && len(p.replicas) == 1 && len(p.isr) == 1 && (r == nil || len(r.Epochs()) == 0) {
		p.leader, p.epoch = p.isr[0], 0
	}
	if p.leader < 0 {
		p.code = kerr.LeaderNotAvailable.Code
	}
	return p
}

func rackOf(m *controller.Broker) *string {
	if m.Rack == "" {
		return nil
	}
	return &m.Rack
}

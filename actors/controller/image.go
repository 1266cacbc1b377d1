// Package controller is the cluster's metadata: a state machine on raft group 1, its immutable images, placement of partitions.
package controller

import (
	"sync/atomic"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/wal"
)

// Group is the controller's raft group.
const Group wal.GroupID = 1

// TopicID is a KIP-516 topic id.
type TopicID = [16]byte

// Image is the cluster's metadata at one applied index of the controller's log. Immutable: a change makes a new Image that shares what did not change.
type Image struct {
	Index      uint64 // applied index of the controller's log
	ClusterID  string
	Controller int32 // node id of the controller group's leader, -1: nobody
	Brokers    []Broker
	topics     map[string]*Topic // by name
	topicIDs   map[TopicID]*Topic
	// + broker configs, default configs, next group id, producer id block, …
}

// Broker is a member of the cluster.
type Broker struct {
	ID     int32
	Host   string // advertised
	Port   int32
	Rack   string
	Fenced bool
}

// Topic is one topic.
type Topic struct {
	Name       string
	ID         TopicID
	Internal   bool
	Partitions []Partition       // index = partition number
	Configs    map[string]string // the topic's own values, by Kafka's names
	Config     *topicconfig.Config
}

// Partition is the placement of one partition. Leader and epoch come from its raft group (partition.Replica for local ones).
type Partition struct {
	Group    wal.GroupID
	Replicas []int32
}

// Topic finds a topic by name, or nil.
func (i *Image) Topic(name string) *Topic { return i.topics[name] }

// TopicByID finds a topic by id, or nil.
func (i *Image) TopicByID(id TopicID) *Topic { return i.topicIDs[id] }

// Topics calls f for every topic, in order of name.
func (i *Image) Topics(f func(*Topic)) { panic("contract") }

// Holder publishes the newest Image. Safe for concurrent use.
type Holder struct{ image atomic.Pointer[Image] }

// Load returns the newest image; never nil.
func (h *Holder) Load() *Image { return h.image.Load() }

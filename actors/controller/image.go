// Package controller is the cluster's metadata: a state machine on raft group 1, its immutable images, placement of partitions.
//
// Rooms: command.go and codec.go are what stands in the log, state.go and its apply_*.go files the state machine, snapshot.go its
// checkpoints; messages.go what the actor takes and answers, actor.go the actor; image.go what everybody else reads.
//
// Invariants: the state is a pure function of the committed commands (a command carries every random or timed value it
// needs); every rule is checked when a command is applied, so it holds whatever order commands were proposed in; an Image is
// never changed once it is published.
package controller

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/wal"
)

// Group is the controller's raft group.
const Group wal.GroupID = 1

// TopicID is a KIP-516 topic id.
type TopicID = [16]byte

// Image is the cluster's metadata at one applied index of the controller's log. Immutable: a change makes a new Image that
// shares what did not change.
type Image struct {
	Index      uint64 // applied index of the controller's log
	ClusterID  string // "" until the cluster has been created
	Controller int32  // node id of the controller group's leader, -1: nobody
	Brokers    []Broker
	// Layers are the broker-level defaults of topics as they hold on this broker.
	Layers topicconfig.Layers
	// Settings are this broker's own that can be changed while it runs, as they are in force; nil before the metadata is current.
	Settings *brokerconfig.Config
	// GroupConfigs are the own values of consumer groups, by Kafka's names. Nobody may change it.
	GroupConfigs map[string]map[string]string

	topics   shards[string, *Topic]
	topicIDs shards[TopicID, *Topic]
	sorted   *sortedTopics
}

// sortedTopics is made when first asked for; images with the same topics share it.
type sortedTopics struct {
	once sync.Once
	list []*Topic
}

// Broker is a member of the cluster.
type Broker struct {
	ID     int32
	Host   string // advertised
	Port   int32
	Rack   string // "": none
	Fenced bool
}

// Topic is one topic. Immutable.
type Topic struct {
	Name       string
	ID         TopicID
	Internal   bool
	Partitions []Partition       // index = partition number
	Configs    map[string]string // the topic's own values, by Kafka's names
	Config     *topicconfig.Config
}

// ReplicationFactor is the number of replicas of the first partition.
func (t *Topic) ReplicationFactor() int { return len(t.Partitions[0].Replicas) }

// Partition is the placement of one partition. Leader and epoch come from its raft group (partition.Replica for local ones).
type Partition struct {
	Group    wal.GroupID
	Replicas []int32 // the preferred leader first
}

var emptyImage = &Image{Controller: -1, topics: newTopics(), topicIDs: newTopicIDs(), sorted: &sortedTopics{}}

func newTopics() shards[string, *Topic]    { return shards[string, *Topic]{hash: hashName} }
func newTopicIDs() shards[TopicID, *Topic] { return shards[TopicID, *Topic]{hash: hashID} }

// Topic finds a topic by name, or nil.
func (i *Image) Topic(name string) *Topic { t, _ := i.topics.get(name); return t }

// TopicByID finds a topic by id, or nil.
func (i *Image) TopicByID(id TopicID) *Topic { t, _ := i.topicIDs.get(id); return t }

// TopicCount is the number of topics.
func (i *Image) TopicCount() int { return i.topics.len() }

// Topics calls f for every topic, in order of name.
func (i *Image) Topics(f func(*Topic)) {
	for _, t := range i.TopicList() {
		f(t)
	}
}

// TopicList lists every topic in order of name. The caller must not change it.
func (i *Image) TopicList() []*Topic {
	i.sorted.once.Do(func() {
		list := make([]*Topic, 0, i.topics.len())
		i.topics.all(func(_ string, t *Topic) { list = append(list, t) })
		slices.SortFunc(list, func(a, b *Topic) int { return cmp.Compare(a.Name, b.Name) })
		i.sorted.list = list
	})
	return i.sorted.list
}

// Broker finds a member by id, or nil.
func (i *Image) Broker(id int32) *Broker {
	for n := range i.Brokers {
		if i.Brokers[n].ID == id {
			return &i.Brokers[n]
		}
	}
	return nil
}

// Holder publishes the newest Image. Safe for concurrent use; the zero value holds an empty image.
type Holder struct{ image atomic.Pointer[Image] }

// Load returns the newest image; never nil.
func (h *Holder) Load() *Image {
	if i := h.image.Load(); i != nil {
		return i
	}
	return emptyImage
}

// Settings are this broker's own as they are in force, or what it was started with as long as the metadata is not current.
func (h *Holder) Settings(started *brokerconfig.Config) *brokerconfig.Config {
	if s := h.Load().Settings; s != nil {
		return s
	}
	return started
}

// publish makes i the newest image. Only the controller's actor calls it.
func (h *Holder) publish(i *Image) { h.image.Store(i) }

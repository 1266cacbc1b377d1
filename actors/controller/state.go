package controller

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file owns the metadata state machine. apply is pure: it gives the next state and what came of the command, and leaves
// the old state as it was, so a request that is only to be validated is applied to the state and the result thrown away.
//
// Invariants:
//   - topics, topicIDs and collisions list the same topics.
//   - 2 <= every partition's group < nextGroup, and no two partitions have the same.
//   - partitions is the number of all topics' partitions, at most PartitionsMax.
//   - what follows from `local` (Topic.Config) is a view for this broker: it is in no snapshot and decides nothing.

// Limits of the metadata.
const (
	// PartitionsPerRequestMax bounds the partitions that one request may create, as Kafka bounds it.
	PartitionsPerRequestMax = 10_000
	// PartitionsMax bounds the cluster's partitions.
	PartitionsMax = 200_000
	// brokerValuesMax bounds the dynamic values kept for one broker or for all.
	brokerValuesMax = 1_000
	// ProducerIDBlock is how many producer ids a broker gets at a time (KIP-730).
	ProducerIDBlock = 1_000

	firstPartitionGroup wal.GroupID = 2
)

// state is the metadata. It is a value: copies share what is in them, and nothing in them is ever written.
type state struct {
	clusterID      string
	brokers        []Broker // by id
	topics         shards[string, *Topic]
	topicIDs       shards[TopicID, *Topic]
	collisions     shards[string, string] // collisionKey → topic
	partitions     int
	nextGroup      wal.GroupID
	nextProducerID int64
	defaults       map[string]string            // dynamic defaults of all brokers
	brokerConfigs  map[int32]map[string]string  // dynamic values of one broker
	groupConfigs   map[string]map[string]string // values of one consumer group

	local    local
	base     *topicconfig.Config  // of a topic without values of its own
	settings *brokerconfig.Config // of this broker
}

// local is what this broker adds to the replicated state to compute its views.
type local struct {
	node   int32
	static map[string]string // its configuration, by Kafka's broker names
	// started is what it was started with of the settings that can change.
	started brokerconfig.Config
}

func newState(l local) state {
	s := state{nextGroup: firstPartitionGroup, local: l, topics: newTopics(), topicIDs: newTopicIDs(),
		collisions: shards[string, string]{hash: hashName}}
	s.resolveBroker()
	return s
}

// resolveBroker computes anew what follows from the brokers' values alone.
func (s *state) resolveBroker() {
	s.base = nil
	s.base = s.resolve(nil)
	l := s.layers()
	s.settings = brokerconfig.Resolve(s.local.started, &l)
}

func (s *state) layers() topicconfig.Layers {
	return topicconfig.Layers{Broker: s.brokerConfigs[s.local.node], Cluster: s.defaults, Static: s.local.static}
}

func (s *state) resolve(own map[string]string) *topicconfig.Config {
	if len(own) == 0 && s.base != nil {
		return s.base
	}
	l := s.layers()
	return l.Resolve(own)
}

// Result is what came of one item of a request. Code 0 is success.
type Result struct {
	Code    int16
	Message string
	Topic   *Topic // created, enlarged, altered or deleted
}

func refused(e *kerr.Error, format string, args ...any) Result {
	return Result{Code: e.Code, Message: fmt.Sprintf(format, args...)}
}

// outcome is what came of a command.
type outcome struct {
	results         []Result // in the order of the command's items
	firstProducerID int64
	changed         bool // the state differs from the one before
	created         []idRange
	deleted         []*Topic
	reconfigured    []TopicID
	allReconfigured bool
}

// idRange is a run of partitions that began to exist.
type idRange struct {
	topic      TopicID
	first, end int32
}

// apply gives the state after c.
func (s state) apply(c command) (state, outcome) {
	var out outcome
	switch c := c.(type) {
	case *createCluster:
		if s.clusterID == "" {
			s.clusterID, s.defaults, out.changed = c.id, c.defaults, true
			s.reconfigureAll(&out)
		}
	case *registerBroker:
		s.brokers = slices.Clone(s.brokers)
		at, found := slices.BinarySearchFunc(s.brokers, c.broker.ID, func(b Broker, id int32) int { return cmp.Compare(b.ID, id) })
		if found {
			s.brokers[at] = c.broker
		} else {
			s.brokers = slices.Insert(s.brokers, at, c.broker)
		}
		out.changed = true
	case *createTopics:
		s.createTopics(c, &out)
	case *deleteTopics:
		s.deleteTopics(c, &out)
	case *createPartitions:
		s.createPartitions(c, &out)
	case *alterConfigs:
		s.alterConfigs(c, &out)
	case *allocateProducerIDs:
		if c.count > 0 && s.nextProducerID <= 1<<62 {
			out.firstProducerID = s.nextProducerID
			s.nextProducerID += int64(c.count)
			out.changed = true
		}
	}
	return s, out
}

func (s *state) deleteTopics(c *deleteTopics, out *outcome) {
	for _, id := range c.ids {
		t, ok := s.topicIDs.get(id)
		if !ok {
			out.results = append(out.results, refused(kerr.UnknownTopicID, "no topic has this id; it may have been deleted already"))
			continue
		}
		s.topics = s.topics.without(t.Name)
		s.topicIDs = s.topicIDs.without(id)
		if key := collisionKey(t.Name); key != "" {
			s.collisions = s.collisions.without(key)
		}
		s.partitions -= len(t.Partitions)
		out.deleted = append(out.deleted, t)
		out.results = append(out.results, Result{Topic: t})
		out.changed = true
	}
}

func (s *state) alterConfigs(c *alterConfigs, out *outcome) {
	for i := range c.resources {
		change := &c.resources[i]
		var r Result
		switch change.Kind {
		case ResourceTopic:
			r = s.alterTopic(change, out)
		case ResourceBroker:
			r = s.alterBroker(change, out)
		case ResourceGroup:
			r = s.alterGroup(change, out)
		default:
			r = refused(kerr.InvalidRequest, "a resource of type %d has no configuration that can be altered", change.Kind)
		}
		out.results = append(out.results, r)
	}
}

func (s *state) alterTopic(change *ResourceChange, out *outcome) Result {
	if err := CheckTopicName(change.Name); err != nil {
		return refused(kerr.InvalidTopicException, "%v", err)
	}
	t, exists := s.topics.get(change.Name)
	var own map[string]string
	if exists {
		own = t.Configs
	}
	next, r := change.over(own, func(name string) string {
		if k := topicconfig.Lookup(name); k != nil {
			return k.Default
		}
		return ""
	})
	if r.Code != 0 {
		return r
	}
	if err := topicconfig.Validate(next); err != nil {
		return refused(kerr.InvalidConfig, "%v", err)
	}
	if !exists {
		return refused(kerr.UnknownTopicOrPartition, "there is no topic %q", change.Name)
	}
	if maps.Equal(own, next) {
		return Result{Topic: t}
	}
	altered := *t
	altered.Configs, altered.Config = next, s.resolve(next)
	s.put(&altered)
	out.reconfigured = append(out.reconfigured, t.ID)
	out.changed = true
	return Result{Topic: &altered}
}

// alterBroker changes dynamic values of brokers. A name that Troupe does not know is kept, as Kafka keeps it; a wrong value
// for one that it knows is INVALID_REQUEST.
func (s *state) alterBroker(change *ResourceChange, out *outcome) Result {
	own, id := s.defaults, int64(-1)
	if change.Name != "" {
		var err error
		if id, err = strconv.ParseInt(change.Name, 10, 32); err != nil {
			return refused(kerr.InvalidRequest, "%q is not a broker's id", change.Name)
		}
		own = s.brokerConfigs[int32(id)]
	}
	next, r := change.over(own, func(name string) string {
		if k := topicconfig.LookupBroker(name); k != nil {
			return k.Default
		}
		return ""
	})
	if r.Code != 0 {
		return r
	}
	if len(next) > brokerValuesMax {
		return refused(kerr.InvalidRequest, "a broker keeps at most %d dynamic values", brokerValuesMax)
	}
	for name, value := range next {
		if k := brokerconfig.Lookup(name); k != nil && k.Enforced() {
			if err := k.Check(value); err != nil {
				return refused(kerr.InvalidRequest, "%v", err)
			}
		}
		if known, err := topicconfig.ValidateBroker(name, value); known && err != nil {
			return refused(kerr.InvalidRequest, "%v", err)
		}
		if len(name) > TopicNameLengthMax || len(value) > topicconfig.ValueBytesMax {
			return refused(kerr.InvalidRequest, "a dynamic value has at most %d bytes, its name %d", topicconfig.ValueBytesMax, TopicNameLengthMax)
		}
	}
	if maps.Equal(own, next) {
		return Result{}
	}
	if change.Name == "" {
		s.defaults = next
	} else {
		s.brokerConfigs = maps.Clone(s.brokerConfigs)
		if s.brokerConfigs == nil {
			s.brokerConfigs = map[int32]map[string]string{}
		}
		s.brokerConfigs[int32(id)] = next
		if len(next) == 0 {
			delete(s.brokerConfigs, int32(id))
		}
	}
	ofTopics := func(op ConfigOp) bool { return topicconfig.LookupBroker(op.Name) != nil }
	if change.Replace || slices.ContainsFunc(change.Ops, ofTopics) {
		s.reconfigureAll(out)
	} else {
		s.resolveBroker() // no topic's configuration is another
	}
	out.changed = true
	return Result{}
}

// over lays the change over a resource's own values.
func (c *ResourceChange) over(own map[string]string, defaultOf func(string) string) (map[string]string, Result) {
	next := make(map[string]string, len(own)+len(c.Ops))
	if !c.Replace {
		maps.Copy(next, own)
	}
	for _, op := range c.Ops {
		switch op.Op {
		case OpSet:
			next[op.Name] = op.Value
		case OpDelete:
			delete(next, op.Name)
		case OpAppend, OpSubtract:
			k := topicconfig.Lookup(op.Name)
			if c.Kind == ResourceBroker {
				k = topicconfig.LookupBroker(op.Name)
			}
			if k == nil || !k.List() {
				return nil, refused(kerr.InvalidConfig, "%s is not a list, so nothing can be appended to it or subtracted from it", op.Name)
			}
			current, set := next[op.Name]
			if !set {
				current = defaultOf(op.Name)
			}
			next[op.Name] = topicconfig.IncrementalList(current, op.Value, op.Op == OpAppend)
		default:
			return nil, refused(kerr.InvalidRequest, "operation %d on %s is none of SET, DELETE, APPEND and SUBTRACT", op.Op, op.Name)
		}
	}
	if len(next) == 0 {
		next = nil
	}
	return next, Result{}
}

// put stores a topic that exists already, or a new one.
func (s *state) put(t *Topic) {
	s.topics = s.topics.with(t.Name, t)
	s.topicIDs = s.topicIDs.with(t.ID, t)
}

// reconfigureAll computes every topic's configuration anew, after a broker-level value changed.
func (s *state) reconfigureAll(out *outcome) {
	s.resolveBroker()
	topics, ids := newBuilder(s.topics), newBuilder(s.topicIDs)
	s.topics.all(func(_ string, t *Topic) {
		next := *t
		next.Config = s.resolve(t.Configs)
		topics.put(t.Name, &next)
		ids.put(t.ID, &next)
	})
	s.topics, s.topicIDs = topics.done(), ids.done()
	out.allReconfigured = true
}

// image is the state as everybody else sees it. prev shares its sorted list if the topics are the same.
func (s *state) image(index uint64, leader int32, prev *Image) *Image {
	i := &Image{Index: index, ClusterID: s.clusterID, Controller: leader, Brokers: s.brokers, Layers: s.layers(), Settings: s.settings, GroupConfigs: s.groupConfigs,
		topics: s.topics, topicIDs: s.topicIDs, sorted: &sortedTopics{}}
	if prev != nil && prev.topics.parts == s.topics.parts {
		i.sorted = prev.sorted
	}
	return i
}

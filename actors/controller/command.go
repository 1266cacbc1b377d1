package controller

// This file owns what can stand in the controller's log. A command carries everything its outcome depends on besides the
// state: ids that are random were drawn by whoever proposed it.

// command is one entry of the controller's log.
type command interface {
	kind() byte
	write(w *writer)
}

// The kinds of commands, the second byte of an entry. Numbers are never reused.
const (
	kindCreateCluster = iota + 1
	kindRegisterBroker
	kindCreateTopics
	kindDeleteTopics
	kindCreatePartitions
	kindAlterConfigs
	kindAllocateProducerIDs
	kindAlterQuotas
)

// createCluster names the cluster, once; a second one changes nothing.
type createCluster struct {
	id string
	// defaults are the first dynamic defaults of brokers, by Kafka's names.
	defaults map[string]string
}

// registerBroker puts a broker's addresses into the metadata. A leader proposes it for itself at the start of each of its
// terms; its commit also tells that everything of earlier terms has been applied.
type registerBroker struct{ broker Broker }

// createTopics creates each topic that may be, independently of the others.
type createTopics struct{ topics []NewTopic }

// NewTopic is a topic to be. Assignments, if there are any, decide its partitions and replicas (Partitions and
// ReplicationFactor are -1 then); else Partitions and ReplicationFactor do, and the broker's defaults stand in them already.
type NewTopic struct {
	Name              string
	ID                TopicID // drawn by the controller's actor when it proposes
	Internal          bool
	Partitions        int32
	ReplicationFactor int16
	Assignments       []Assignment
	Configs           []Setting
}

// Assignment places one partition by hand.
type Assignment struct {
	Partition int32
	Replicas  []int32
}

// Setting is one configuration value.
type Setting struct{ Name, Value string }

// deleteTopics deletes topics by id.
type deleteTopics struct{ ids []TopicID }

// createPartitions raises topics' partition counts.
type createPartitions struct{ topics []MorePartitions }

// MorePartitions raises one topic's count to Count.
type MorePartitions struct {
	Name        string
	Count       int32
	Assigned    bool      // assignments were given, even if none
	Assignments [][]int32 // replicas of the new partitions, in order
}

// alterConfigs changes configurations, resource by resource: all of a resource's changes or none.
type alterConfigs struct{ resources []ResourceChange }

// The kinds of resources whose configuration can be altered, by Kafka's numbers.
const (
	ResourceTopic  byte = 2
	ResourceBroker byte = 4
	ResourceGroup  byte = 32
)

// ResourceChange is what is to become of one resource's own values.
type ResourceChange struct {
	Kind byte   // ResourceTopic, ResourceBroker or ResourceGroup
	Name string // topic, group, node id, or "" for the dynamic defaults of all brokers
	// Replace drops every value that Ops do not set (legacy AlterConfigs).
	Replace bool
	Ops     []ConfigOp
}

// The operations on one value, by Kafka's numbers (KIP-339).
const (
	OpSet byte = iota
	OpDelete
	OpAppend
	OpSubtract
)

// ConfigOp is one change of one value.
type ConfigOp struct {
	Name  string
	Op    byte // OpSet, …
	Value string
}

// allocateProducerIDs gives a broker the next block of producer ids (KIP-730).
type allocateProducerIDs struct {
	broker int32
	count  int32
}

func (*createCluster) kind() byte       { return kindCreateCluster }
func (*registerBroker) kind() byte      { return kindRegisterBroker }
func (*createTopics) kind() byte        { return kindCreateTopics }
func (*deleteTopics) kind() byte        { return kindDeleteTopics }
func (*createPartitions) kind() byte    { return kindCreatePartitions }
func (*alterConfigs) kind() byte        { return kindAlterConfigs }
func (*allocateProducerIDs) kind() byte { return kindAllocateProducerIDs }

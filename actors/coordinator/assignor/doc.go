// Package assignor distributes the partitions of topics over the members of a KIP-848 consumer group. Pure functions: the same
// input gives the same assignment, whatever broker computes it.
//
// What every assignor keeps: each partition of a subscribed topic goes to exactly one member, and that member is subscribed
// to its topic.
package assignor

import (
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// TopicID is a KIP-516 topic id.
type TopicID = [16]byte

// Member is what an assignor knows of a member.
type Member struct {
	ID         string
	InstanceID *string   // of a static member
	Topics     []TopicID // subscribed and existing, sorted, each once
	// Owned is the member's present target assignment: topics sorted, each once, and so are the partitions of each.
	Owned []record.TopicPartitions
}

// Assignor computes the target assignment of members, which are in order of their ids. partitions has every topic that a
// member is subscribed to. The result is in the order of members; the lists are sorted and are the caller's.
type Assignor func(members []Member, partitions map[TopicID]int32) [][]record.TopicPartitions

// The names of the assignors (KIP-848).
const (
	UniformName = "uniform"
	RangeName   = "range"
)

// ByName finds an assignor, or nil.
func ByName(name string) Assignor {
	switch name {
	case UniformName:
		return Uniform
	case RangeName:
		return Range
	}
	return nil
}

// CompareID orders topic ids.
func CompareID(a, b TopicID) int { return slices.Compare(a[:], b[:]) }

// homogeneous tells whether all members are subscribed to the same topics.
func homogeneous(members []Member) bool {
	for i := range members {
		if !slices.Equal(members[i].Topics, members[0].Topics) {
			return false
		}
	}
	return true
}

// subscribed tells whether a sorted list has a topic.
func subscribed(topics []TopicID, id TopicID) bool {
	_, ok := slices.BinarySearchFunc(topics, id, CompareID)
	return ok
}

package group

// This file owns sets of partitions: lists of record.TopicPartitions, sorted by topic id, each topic once and none empty, the
// partitions of each sorted, each once; Epochs are the epochs of assignment, or nil for those that have none. Sets are
// immutable: each operation makes a new one or gives back one that it got.

import (
	"slices"
	"sort"

	"github.com/troupe-io/troupe/actors/coordinator/assignor"
	"github.com/troupe-io/troupe/actors/coordinator/record"
)

type topicID = [16]byte

// partitionSet is such a list.
type partitionSet []record.TopicPartitions

// tp is one partition with its epoch.
type tp struct {
	topic     topicID
	partition int32
	epoch     int32
}

// has tells whether a partition is in the set, and its epoch.
func (s partitionSet) has(topic topicID, partition int32) (epoch int32, ok bool) {
	i, ok := slices.BinarySearchFunc(s, topic, func(t record.TopicPartitions, id topicID) int { return assignor.CompareID(t.TopicID, id) })
	if !ok {
		return 0, false
	}
	k, ok := slices.BinarySearch(s[i].Partitions, partition)
	if !ok {
		return 0, false
	}
	if s[i].Epochs != nil {
		epoch = s[i].Epochs[k]
	}
	return epoch, true
}

// each calls f for every partition, in order.
func (s partitionSet) each(f func(tp)) {
	for i := range s {
		for k, p := range s[i].Partitions {
			x := tp{topic: s[i].TopicID, partition: p}
			if s[i].Epochs != nil {
				x.epoch = s[i].Epochs[k]
			}
			f(x)
		}
	}
}

// split puts every partition into one of two sets.
func (s partitionSet) split(first func(tp) bool) (yes, no partitionSet) {
	var a, b []tp
	s.each(func(x tp) {
		if first(x) {
			a = append(a, x)
		} else {
			b = append(b, x)
		}
	})
	switch {
	case b == nil:
		return s, nil
	case a == nil:
		return nil, s
	}
	return newPartitionSet(a, s.hasEpochs()), newPartitionSet(b, s.hasEpochs())
}

func (s partitionSet) hasEpochs() bool { return len(s) > 0 && s[0].Epochs != nil }

// with adds the partitions of other, all with the given epoch.
func (s partitionSet) with(other partitionSet, epoch int32) partitionSet {
	if len(other) == 0 {
		return s
	}
	var list []tp
	s.each(func(x tp) { list = append(list, x) })
	other.each(func(x tp) { list = append(list, tp{x.topic, x.partition, epoch}) })
	return newPartitionSet(list, true)
}

// union adds the partitions of other with their own epochs.
func (s partitionSet) union(other partitionSet) partitionSet {
	if len(s) == 0 || len(other) == 0 {
		return append(s, other...)
	}
	var list []tp
	s.each(func(x tp) { list = append(list, x) })
	other.each(func(x tp) { list = append(list, x) })
	return newPartitionSet(list, true)
}

// atEpoch gives every partition the same epoch.
func (s partitionSet) atEpoch(epoch int32) partitionSet {
	out := make(partitionSet, len(s))
	for i := range s {
		out[i] = record.TopicPartitions{TopicID: s[i].TopicID, Partitions: s[i].Partitions, Epochs: slices.Repeat([]int32{epoch}, len(s[i].Partitions))}
	}
	return out
}

// withoutEpochs is the same partitions as a target has them.
func (s partitionSet) withoutEpochs() partitionSet {
	out := make(partitionSet, len(s))
	for i := range s {
		out[i] = record.TopicPartitions{TopicID: s[i].TopicID, Partitions: s[i].Partitions}
	}
	return out
}

// newPartitionSet makes a set of a list in any order; of doubles the first is kept.
func newPartitionSet(list []tp, epochs bool) partitionSet {
	sort.SliceStable(list, func(i, k int) bool {
		if c := assignor.CompareID(list[i].topic, list[k].topic); c != 0 {
			return c < 0
		}
		return list[i].partition < list[k].partition
	})
	var out partitionSet
	for i, x := range list {
		if i > 0 && x.topic == list[i-1].topic && x.partition == list[i-1].partition {
			continue
		}
		if n := len(out); n == 0 || out[n-1].TopicID != x.topic {
			out = append(out, record.TopicPartitions{TopicID: x.topic})
		}
		t := &out[len(out)-1]
		t.Partitions = append(t.Partitions, x.partition)
		if epochs {
			t.Epochs = append(t.Epochs, x.epoch)
		}
	}
	return out
}

// readPartitionSet makes a set of what a record holds, whatever its order; where epochs are wanted and the record has none (an older
// broker wrote it) they are epoch.
func readPartitionSet(list []record.TopicPartitions, epochs bool, epoch int32) partitionSet {
	var out []tp
	for i := range list {
		for k, p := range list[i].Partitions {
			x := tp{list[i].TopicID, p, max(epoch, 0)}
			if list[i].Epochs != nil {
				x.epoch = list[i].Epochs[k]
			}
			out = append(out, x)
		}
	}
	return newPartitionSet(out, epochs)
}

func (s partitionSet) equal(other partitionSet) bool {
	return slices.EqualFunc(s, other, func(a, b record.TopicPartitions) bool {
		return a.TopicID == b.TopicID && slices.Equal(a.Partitions, b.Partitions) && slices.Equal(a.Epochs, b.Epochs)
	})
}

// samePartitions tells whether two sets have the same partitions, whatever their epochs.
func (s partitionSet) samePartitions(other partitionSet) bool {
	return slices.EqualFunc(s, other, func(a, b record.TopicPartitions) bool {
		return a.TopicID == b.TopicID && slices.Equal(a.Partitions, b.Partitions)
	})
}

func compareTopicID(a, b topicID) int { return assignor.CompareID(a, b) }

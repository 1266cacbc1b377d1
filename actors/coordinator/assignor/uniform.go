package assignor

// This file owns `uniform` for members that are all subscribed to the same topics: everyone gets the same number of
// partitions or one more, and keeps as much of what it has as that allows.
//
// With n partitions and m members, n%m members get n/m+1. Whoever already has that many is chosen first, so no partition moves
// that need not.

import (
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// Uniform is the assignor `uniform`.
func Uniform(members []Member, partitions map[TopicID]int32) [][]record.TopicPartitions {
	if len(members) == 0 {
		return nil
	}
	if !homogeneous(members) {
		return uniformMixed(members, partitions)
	}
	return uniformEqual(members, partitions)
}

func uniformEqual(members []Member, partitions map[TopicID]int32) [][]record.TopicPartitions {
	topics := members[0].Topics
	total := 0
	for _, t := range topics {
		total += int(partitions[t])
	}
	owners := newOwners(topics, partitions)
	counts := make([]int, len(members))
	for i := range members {
		counts[i] = owners.claim(i, members[i].Owned)
	}
	base, extra := total/len(members), total%len(members)
	quotas := make([]int, len(members))
	for i := range quotas {
		if quotas[i] = base; counts[i] > base && extra > 0 {
			quotas[i]++
			extra--
		}
	}
	for i := range quotas { // what is left of the extras goes to the first members that have none
		if extra > 0 && quotas[i] == base {
			quotas[i]++
			extra--
		}
	}
	// Take from those that have too much, from the end; then give what is free to those that have too little, topic by topic.
	for k := len(topics) - 1; k >= 0; k-- {
		list := owners[topics[k]]
		for p := len(list) - 1; p >= 0; p-- {
			if i := list[p]; i >= 0 && counts[i] > quotas[i] {
				counts[i]--
				list[p] = nobody
			}
		}
	}
	next := 0
	for _, t := range topics {
		list := owners[t]
		for p := range list {
			if list[p] != nobody {
				continue
			}
			for counts[next] == quotas[next] {
				next++
			}
			list[p] = next
			counts[next]++
		}
	}
	return owners.lists(topics, len(members))
}

const nobody = -1

// owners is, for each topic, the index of the member that has each partition.
type owners map[TopicID][]int

func newOwners(topics []TopicID, partitions map[TopicID]int32) owners {
	o := make(owners, len(topics))
	for _, t := range topics {
		o[t] = slices.Repeat([]int{nobody}, int(partitions[t]))
	}
	return o
}

// claim gives a member what it owned as far as that exists and nobody has it; it tells how many that is.
func (o owners) claim(member int, owned []record.TopicPartitions) (n int) {
	for i := range owned {
		list := o[owned[i].TopicID]
		for _, p := range owned[i].Partitions {
			if p >= 0 && int(p) < len(list) && list[p] == nobody {
				list[p] = member
				n++
			}
		}
	}
	return n
}

// lists turns owners into each member's list.
func (o owners) lists(topics []TopicID, members int) [][]record.TopicPartitions {
	out := make([][]record.TopicPartitions, members)
	for _, t := range topics {
		for p, i := range o[t] {
			if i == nobody {
				continue
			}
			if n := len(out[i]); n == 0 || out[i][n-1].TopicID != t {
				out[i] = append(out[i], record.TopicPartitions{TopicID: t})
			}
			last := &out[i][len(out[i])-1]
			last.Partitions = append(last.Partitions, int32(p))
		}
	}
	return out
}

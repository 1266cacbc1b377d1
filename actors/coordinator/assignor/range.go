package assignor

// This file owns `range`: of every topic each subscribed member gets one run of partitions, the first members one more where
// it does not come out even. Members that share their subscription get the same partition numbers of all topics that have
// equally many, so that streams keyed alike can be joined. Static members come first, in order of their instance ids, so
// that a restart under a new member id changes nothing.

import (
	"cmp"
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// Range is the assignor `range`.
func Range(members []Member, partitions map[TopicID]int32) [][]record.TopicPartitions {
	order := make([]int, len(members))
	subscribers := map[TopicID]int32{}
	for i := range members {
		order[i] = i
		for _, t := range members[i].Topics {
			subscribers[t]++
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return compareStaticFirst(&members[a], &members[b]) })
	out := make([][]record.TopicPartitions, len(members))
	turn := make(map[TopicID]int32, len(subscribers)) // subscribers of the topic that have had theirs
	for _, i := range order {
		for _, t := range members[i].Topics {
			size, extra := partitions[t]/subscribers[t], partitions[t]%subscribers[t]
			k := turn[t]
			turn[t]++
			first := k*size + min(k, extra)
			if k < extra {
				size++
			}
			if size == 0 {
				continue
			}
			run := make([]int32, size)
			for n := range run {
				run[n] = first + int32(n)
			}
			out[i] = append(out[i], record.TopicPartitions{TopicID: t, Partitions: run})
		}
	}
	return out
}

func compareStaticFirst(a, b *Member) int {
	switch {
	case a.InstanceID != nil && b.InstanceID != nil:
		return cmp.Compare(*a.InstanceID, *b.InstanceID)
	case a.InstanceID != nil:
		return -1
	case b.InstanceID != nil:
		return 1
	}
	return cmp.Compare(a.ID, b.ID)
}

package assignor

// This file owns `uniform` for members with different subscriptions. Everyone keeps what it has and may have; what is free goes
// to the subscriber with the fewest partitions; then partitions move, topic by topic, from the subscriber with the most to
// the one with the fewest while those differ by more than one. A topic's move can unsettle another topic, so this is
// repeated until nothing moves, at most roundsMax times.
//
// When it settles, for every topic and any two of its subscribers: the one that has a partition of the topic has at most one
// partition more, in all, than the other.

import (
	"cmp"
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

const roundsMax = 32

func uniformMixed(members []Member, partitions map[TopicID]int32) [][]record.TopicPartitions {
	subscribers := map[TopicID][]int{}
	var topics []TopicID
	for i := range members {
		for _, t := range members[i].Topics {
			if subscribers[t] == nil {
				topics = append(topics, t)
			}
			subscribers[t] = append(subscribers[t], i)
		}
	}
	slices.SortFunc(topics, CompareID)
	owners := newOwners(topics, partitions)
	loads := make([]int, len(members))
	for i := range members {
		var may []record.TopicPartitions
		for _, tp := range members[i].Owned {
			if subscribed(members[i].Topics, tp.TopicID) {
				may = append(may, tp)
			}
		}
		loads[i] = owners.claim(i, may)
	}
	// The topics that load their subscribers most come first: the others can level out what those leave uneven.
	order := slices.Clone(topics)
	slices.SortFunc(order, func(a, b TopicID) int {
		na, nb := int64(len(subscribers[a])), int64(len(subscribers[b]))
		return cmp.Or(cmp.Compare(int64(partitions[b])*na, int64(partitions[a])*nb), cmp.Compare(na, nb), CompareID(a, b))
	})
	for _, t := range order {
		h := newLoadHeap(subscribers[t], loads)
		for p, owner := range owners[t] {
			if owner == nobody {
				i := h.least()
				owners[t][p] = i
				loads[i]++
				h.sink()
			}
		}
	}
	for range roundsMax {
		moved := false
		for _, t := range order {
			moved = level(owners[t], subscribers[t], loads) || moved
		}
		if !moved {
			break
		}
	}
	return owners.lists(topics, len(members))
}

// level moves partitions of one topic until no subscriber that has one is two ahead of another; it tells whether any moved.
func level(list []int, subscribers []int, loads []int) (moved bool) {
	least, most := loads[subscribers[0]], loads[subscribers[0]]
	for _, i := range subscribers {
		least, most = min(least, loads[i]), max(most, loads[i])
	}
	if most-least < 2 {
		return false
	}
	held := map[int][]int{} // member, its partitions of the topic
	for p, i := range list {
		held[i] = append(held[i], p)
	}
	givers := slices.DeleteFunc(slices.Clone(subscribers), func(i int) bool { return len(held[i]) == 0 })
	takers := newLoadHeap(subscribers, loads)
	for len(givers) > 0 {
		from := 0
		for n := range givers {
			if loads[givers[n]] > loads[givers[from]] {
				from = n
			}
		}
		giver, taker := givers[from], takers.least()
		if loads[giver]-loads[taker] < 2 {
			break
		}
		mine := held[giver]
		p := mine[len(mine)-1]
		if held[giver] = mine[:len(mine)-1]; len(held[giver]) == 0 {
			givers = slices.Delete(givers, from, from+1)
		}
		list[p] = taker
		loads[giver]--
		loads[taker]++
		takers.fix(giver)
		takers.sink()
		moved = true
	}
	return moved
}

// loadHeap orders members by load, then index: the least loaded is first.
type loadHeap struct {
	members []int
	at      map[int]int // member, where it stands
	loads   []int
}

func newLoadHeap(members []int, loads []int) *loadHeap {
	h := &loadHeap{members: slices.Clone(members), at: make(map[int]int, len(members)), loads: loads}
	slices.SortFunc(h.members, func(a, b int) int { return cmp.Or(cmp.Compare(loads[a], loads[b]), cmp.Compare(a, b)) })
	for n, i := range h.members {
		h.at[i] = n
	}
	return h
}

func (h *loadHeap) least() int { return h.members[0] }

func (h *loadHeap) less(a, b int) bool {
	i, j := h.members[a], h.members[b]
	return h.loads[i] < h.loads[j] || h.loads[i] == h.loads[j] && i < j
}

func (h *loadHeap) swap(a, b int) {
	h.members[a], h.members[b] = h.members[b], h.members[a]
	h.at[h.members[a]], h.at[h.members[b]] = a, b
}

// sink restores the order after the first one's load has grown.
func (h *loadHeap) sink() {
	for n := 0; ; {
		next := 2*n + 1
		if next+1 < len(h.members) && h.less(next+1, next) {
			next++
		}
		if next >= len(h.members) || !h.less(next, n) {
			return
		}
		h.swap(n, next)
		n = next
	}
}

// fix restores the order after a member's load has shrunk.
func (h *loadHeap) fix(member int) {
	for n := h.at[member]; n > 0 && h.less(n, (n-1)/2); n = (n - 1) / 2 {
		h.swap(n, (n-1)/2)
	}
}

package controller

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/troupe-io/troupe/storage/wal"
)

// This file owns the state's form in a checkpoint (raftactor.Checkpoint.Data). It is deterministic: equal states give equal
// bytes. A topic's replica lists stand once each and its partitions refer to them, so 10,000 partitions take about 40 KB.

// snapshot encodes s.
func (s *state) snapshot() []byte {
	w := writer{b: make([]byte, 0, 256+64*s.topics.len()+4*s.partitions)}
	w.byte(snapshotVersion)
	w.string(s.clusterID)
	w.uint(uint64(s.nextGroup))
	w.int(s.nextProducerID)
	w.uint(uint64(len(s.brokers)))
	for _, b := range s.brokers {
		w.broker(b)
	}
	w.values(s.defaults)
	ids := make([]int32, 0, len(s.brokerConfigs))
	for id := range s.brokerConfigs {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	w.uint(uint64(len(ids)))
	for _, id := range ids {
		w.int(int64(id))
		w.values(s.brokerConfigs[id])
	}
	topics := make([]*Topic, 0, s.topics.len())
	s.topics.all(func(_ string, t *Topic) { topics = append(topics, t) })
	slices.SortFunc(topics, func(a, b *Topic) int { return cmp.Compare(a.Name, b.Name) })
	w.uint(uint64(len(topics)))
	for _, t := range topics {
		w.topic(t)
	}
	if len(s.groupConfigs) > 0 { // since groups have configurations; older checkpoints end here
		w.uint(uint64(len(s.groupConfigs)))
		for _, name := range slices.Sorted(maps.Keys(s.groupConfigs)) {
			w.string(name)
			w.values(s.groupConfigs[name])
		}
	}
	return w.b
}

func (w *writer) topic(t *Topic) {
	w.string(t.Name)
	w.id(t.ID)
	w.bool(t.Internal)
	w.values(t.Configs)
	var lists [][]int32
	refs := make([]int, len(t.Partitions))
	seen := map[*int32]int{} // by first element: partitions share their lists
	for i, p := range t.Partitions {
		at, ok := seen[&p.Replicas[0]]
		if !ok {
			at = slices.IndexFunc(lists, func(l []int32) bool { return slices.Equal(l, p.Replicas) })
			if at < 0 {
				at = len(lists)
				lists = append(lists, p.Replicas)
			}
			seen[&p.Replicas[0]] = at
		}
		refs[i] = at
	}
	w.uint(uint64(len(lists)))
	for _, l := range lists {
		w.ints(l)
	}
	w.uint(uint64(len(t.Partitions)))
	last := uint64(0)
	for i, p := range t.Partitions {
		w.uint(uint64(p.Group) - last) // groups of a topic rise
		w.uint(uint64(refs[i]))
		last = uint64(p.Group)
	}
}

// restore decodes a snapshot; nil is the state before the first command.
func restore(b []byte, l local) (state, error) {
	s := newState(l)
	if b == nil {
		return s, nil
	}
	r := reader{b: b}
	if v := r.byte(); r.err == nil && v != snapshotVersion {
		return s, fmt.Errorf("decode metadata snapshot: version 0x%x, this broker knows 0x%x", v, snapshotVersion)
	}
	s.clusterID = r.string()
	s.nextGroup = wal.GroupID(r.uint())
	s.nextProducerID = r.int(0, math.MaxInt64)
	for range r.count(5) {
		s.brokers = append(s.brokers, r.broker())
	}
	s.defaults = r.values()
	if n := r.count(2); n > 0 {
		s.brokerConfigs = make(map[int32]map[string]string, n)
		for range n {
			id := r.int32()
			s.brokerConfigs[id] = r.values()
		}
	}
	s.resolveBroker()
	topics, ids, collisions := newBuilder(s.topics), newBuilder(s.topicIDs), newBuilder(s.collisions)
	for range r.count(21) {
		t := r.topic(s.nextGroup)
		if r.err != nil {
			break
		}
		t.Config = s.resolve(t.Configs)
		topics.put(t.Name, t)
		ids.put(t.ID, t)
		if key := collisionKey(t.Name); key != "" {
			collisions.put(key, t.Name)
		}
		s.partitions += len(t.Partitions)
	}
	if r.err == nil && len(r.b) > 0 {
		n := r.count(2)
		s.groupConfigs = make(map[string]map[string]string, n)
		for range n {
			name := r.string()
			s.groupConfigs[name] = r.values()
		}
	}
	if err := r.end(); err != nil {
		return s, fmt.Errorf("decode metadata snapshot of %d bytes: %w", len(b), err)
	}
	s.topics, s.topicIDs, s.collisions = topics.done(), ids.done(), collisions.done()
	return s, nil
}

func (r *reader) topic(nextGroup wal.GroupID) *Topic {
	t := &Topic{Name: r.string(), ID: r.id(), Internal: r.bool(), Configs: r.values()}
	lists := make([][]int32, r.count(2))
	for i := range lists {
		if lists[i] = r.ints(); len(lists[i]) == 0 {
			r.fail(fmt.Errorf("topic %q has an empty replica list", t.Name))
			return t
		}
	}
	n := r.count(2)
	if n == 0 {
		r.fail(fmt.Errorf("topic %q has no partitions", t.Name))
		return t
	}
	t.Partitions = make([]Partition, n)
	last := uint64(0)
	for i := range t.Partitions {
		step, ref := r.uint(), r.uint()
		group := last + step
		if r.err != nil || group <= last || group < uint64(firstPartitionGroup) || group >= uint64(nextGroup) || ref >= uint64(len(lists)) {
			r.fail(fmt.Errorf("topic %q partition %d: group %d, replica list %d of %d: %w", t.Name, i, group, ref, len(lists), errTruncated))
			return t
		}
		t.Partitions[i] = Partition{Group: wal.GroupID(group), Replicas: lists[ref]}
		last = group
	}
	return t
}

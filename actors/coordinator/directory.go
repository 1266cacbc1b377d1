package coordinator

// This file owns the way from a group id to its coordinator.

import (
	"maps"
	"sync/atomic"
	"unicode/utf8"

	"github.com/asynkron/protoactor-go/actor"
)

// Topic is the topic whose partitions hold the groups.
const Topic = "__consumer_offsets"

// PartitionFor is the partition of a group id among n: Java's String.hashCode without its sign, modulo n.
func PartitionFor(groupID string, n int32) int32 {
	var h uint32
	for i := 0; i < len(groupID); {
		c, size := utf8.DecodeRuneInString(groupID[i:])
		i += size
		if c > 0xffff { // two UTF-16 units
			c -= 0x10000
			h = 31*h + uint32(0xd800+(c>>10))
			c = 0xdc00 + c&0x3ff
		}
		h = 31*h + uint32(c)
	}
	return int32(h&0x7fffffff) % n
}

// Directory lists the coordinators of this broker. Readers never block; one goroutine at a time may change it.
type Directory struct {
	byPartition atomic.Pointer[map[int32]*actor.PID]
}

// Lookup is the coordinator of a partition, or nil. It may be on standby and answer NOT_COORDINATOR.
func (d *Directory) Lookup(partition int32) *actor.PID {
	if m := d.byPartition.Load(); m != nil {
		return (*m)[partition]
	}
	return nil
}

// All returns the map in force; the caller must not change it.
func (d *Directory) All() map[int32]*actor.PID {
	if m := d.byPartition.Load(); m != nil {
		return *m
	}
	return nil
}

// Set enters the coordinator of a partition, or with nil takes it out.
func (d *Directory) Set(partition int32, pid *actor.PID) {
	m := maps.Clone(d.All())
	if m == nil {
		m = map[int32]*actor.PID{}
	}
	if pid == nil {
		delete(m, partition)
	} else {
		m[partition] = pid
	}
	d.byPartition.Store(&m)
}

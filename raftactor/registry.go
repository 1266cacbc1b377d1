package raftactor

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/storage/wal"
)

// registry is what outlives an incarnation of the raft actor: who owns which group, so that a restart can be told to all
// owners, and how many incarnations there were. Only the running incarnation touches it.
type registry struct {
	incarnation uint64
	owners      map[wal.GroupID]*actor.PID
}

// groups lists the owned groups in ascending order.
func (r *registry) groups() []wal.GroupID {
	ids := make([]wal.GroupID, 0, len(r.owners))
	for id := range r.owners {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

package partition

import (
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/wal"
)

// Replica is the public face of a partition replica on this broker: where to send messages, and what may be read without
// asking its actor. It outlives restarts of the actor. Safe for concurrent use.
type Replica struct {
	Topic     string
	TopicID   [16]byte
	Partition int32
	Group     wal.GroupID
	PID       *actor.PID

	supervisor *actor.PID

	reader atomic.Pointer[segment.Reader]
	leader atomic.Pointer[Leadership]
	epochs atomic.Pointer[[]EpochStart]
	config atomic.Pointer[topicconfig.Config]
	fault  atomic.Pointer[string]
	stays  atomic.Uint64
}

// Leadership is who leads a partition, as its raft group says.
type Leadership struct {
	Leader int32 // node id; -1: nobody
	Epoch  int32 // see leaderEpoch
	Self   bool  // this broker leads and has applied everything from before its term: reads and ListOffsets are current
	// Stay numbers the times that Self came about, from 1 on; 0 without Self. Between two, batches may have got into the log whose
	// producers heard otherwise.
	Stay uint64
}

// firstTerm is the term of a raft group's first leader: the group is born in term 1, its first election begins term 2.
const firstTerm = 2

// leaderEpoch is the leader epoch of a raft term. As in Kafka a new partition's is 0: clients have come to know that.
func leaderEpoch(term uint64) int32 { return int32(max(term, firstTerm) - firstTerm) }

// EpochStart is the first offset of a leader epoch (OffsetForLeaderEpoch, KIP-101).
type EpochStart struct {
	Epoch int32
	Start int64
}

// Reader is the log's read side; nil while the replica opens for the first time.
func (r *Replica) Reader() *segment.Reader { return r.reader.Load() }

// Leadership is never nil.
func (r *Replica) Leadership() Leadership {
	if l := r.leader.Load(); l != nil {
		return *l
	}
	return Leadership{Leader: -1}
}

// Epochs lists the leader epochs in the log, oldest first. The caller must not change it.
func (r *Replica) Epochs() []EpochStart {
	if e := r.epochs.Load(); e != nil {
		return *e
	}
	return nil
}

// Config is the topic's configuration in force; never nil once the replica is in the directory.
func (r *Replica) Config() *topicconfig.Config { return r.config.Load() }

// Offline is why the replica has been given up by its supervisor, or "".
func (r *Replica) Offline() string {
	if f := r.fault.Load(); f != nil {
		return *f
	}
	return ""
}

// Directory lists the replicas of this broker. Readers never block.
type Directory struct {
	byKey atomic.Pointer[map[Key]*Replica]
}

// Key names a partition.
type Key struct {
	TopicID   [16]byte
	Partition int32
}

// Lookup returns the local replica of a partition, or nil.
func (d *Directory) Lookup(topicID [16]byte, partition int32) *Replica {
	if m := d.byKey.Load(); m != nil {
		return (*m)[Key{topicID, partition}]
	}
	return nil
}

// All returns the map in force; the caller must not change it.
func (d *Directory) All() map[Key]*Replica {
	if m := d.byKey.Load(); m != nil {
		return *m
	}
	return nil
}

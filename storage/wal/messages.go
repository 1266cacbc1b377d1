// Package wal is the one write-ahead log that all raft groups of a broker share, and the one actor that writes it.
package wal

import (
	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"
)

// GroupID names a raft group. 1 is the controller's; partitions get theirs from the controller.
type GroupID uint64

// Location is where an entry's record stands: for Reader.ReadEntry.
type Location struct {
	File   uint64 // sequence number of the WAL file
	Offset uint32 // of the record in the file, bytes
	Size   uint32 // of the payload, bytes
}

// Append asks the writer to make everything in Groups durable with one write. The sender owns the Append and every slice
// in it; none may change until the Appended comes back. Answers come in the order of the Appends.
//
// Every message of this package is sent as a pointer.
type Append struct {
	Groups []GroupAppend
	Reply  *actor.PID // gets *Appended
	// Incarnation and Seq are echoed: answers to a former incarnation are dropped by its successor.
	Incarnation, Seq uint64
	// Sync is false when nothing here needs to be durable before the answer (a commit index alone).
	Sync bool

	answer Appended // what Reply gets: no allocation an append
}

// GroupAppend is one group's part of an Append. Zero fields are absent.
type GroupAppend struct {
	Group     GroupID
	HardState raftpb.HardState
	// Entries are appended at Entries[0].Index; all entries of the group at or above it are discarded first.
	Entries []raftpb.Entry
	// Checkpoint says that entries up to its Index are no longer needed.
	Checkpoint *Checkpoint
	// Remove forgets the group altogether.
	Remove bool
	// Locations is filled by the writer, one for each of Entries.
	Locations []Location
}

// Checkpoint is a group's durable point of restart.
type Checkpoint struct {
	Index, Term uint64           // of the last entry contained in Data's state
	ConfState   raftpb.ConfState // at Index
	Data        []byte           // the state machine's own; opaque here
}

// Appended answers an Append.
type Appended struct {
	Append *Append
	// Err is final (the broker is fenced): nothing of the Append may be acknowledged.
	Err error
}

// Recover asks for the state of every group as the files hold it, after all Appends queued before it. Reply gets *Recovered.
type Recover struct {
	Reply       *actor.PID
	Incarnation uint64
	// Wants limits the answer (a raft actor asks for its shard); nil is all.
	Wants func(GroupID) bool
}

// Recovered answers Recover.
type Recovered struct {
	Incarnation uint64
	Groups      map[GroupID]*GroupState
	Err         error
}

// GroupState is what the WAL holds of one group. The receiver owns it.
type GroupState struct {
	HardState  raftpb.HardState
	Checkpoint Checkpoint // Index 0: none yet
	// Entries above the checkpoint, contiguous from Checkpoint.Index+1.
	Entries []EntryRef
}

// EntryRef describes an entry whose payload is still on disk.
type EntryRef struct {
	Index, Term uint64
	Type        raftpb.EntryType
	Location    Location
}

// Pressure asks the owners of groups to checkpoint, so that the oldest WAL file can be recycled. The writer sends it to
// the PID given in its Config, naming every group that pins the file; it repeats as the size limit comes nearer.
type Pressure struct {
	Groups []GroupID
	Urgent bool // the size limit is reached: appends wait until these groups have checkpointed
}

// Moved says that live entries of a slow group were copied forward out of a file that is to be recycled. It is sent to
// the PID of Pressure before the old file goes.
type Moved struct {
	Group   GroupID
	Entries []EntryRef
}

// Reader reads payloads of live entries. Safe for concurrent use; it does blocking reads.
type Reader interface {
	// ReadEntry appends the payload at loc to dst. The record's checksum is verified.
	ReadEntry(dst []byte, loc Location) ([]byte, error)
}

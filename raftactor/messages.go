// Package raftactor is consensus: the raft actor that owns the RawNodes of its groups, the owned committed batch it hands
// to state machines, configuration changes and the link actors between brokers.
package raftactor

import (
	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/wal"
)

// NodeID is a broker's id as raft sees it: the broker's node.id (must be >= 1).
type NodeID = uint64

// All messages are sent as pointers, to the raft actor and from it. The sender must not touch a message, or a slice in it, after
// the send.

// Messages to the raft actor.

// OpenGroup attaches Owner as the state machine of Group. Owner gets Opened, then, after its Resume, what is committed.
// An owner that restarted sends OpenGroup again; what the raft actor had for the former one is dropped.
type OpenGroup struct {
	Group wal.GroupID
	Owner *actor.PID
	// Voters is the first configuration, used only if the WAL knows nothing of the group.
	Voters []NodeID
}

// Resume says that Owner's state is that of Applied, which must be the index in Opened; delivery of Committed goes on from Applied+1.
// A Resume that answers no Opened, or a former one, is ignored. Proposals are taken only after it.
type Resume struct {
	Group   wal.GroupID
	Applied uint64
}

// Propose appends entries to the group's log if this node leads it. Ownership of every proposal's Data and Frame passes
// to the raft actor.
type Propose struct {
	Group     wal.GroupID
	Proposals []Proposal
}

// Proposal is one entry to be.
type Proposal struct {
	Data []byte
	// Frame, if not nil, is released once nothing needs Data any more.
	Frame protocol.Releaser
	// Waiter comes back with the committed entry on the node that proposed it, or in Dropped.
	Waiter any
}

// ProposeConfChange proposes a change of the group's configuration. It takes effect when its entry is applied: the owner
// gets ConfChanged, or Dropped with ErrConfChange, ErrNotLeader or ErrOverwritten.
type ProposeConfChange struct {
	Group  wal.GroupID
	Change raftpb.ConfChangeV2
	Waiter any
}

// TransferLeadership asks that To lead the group; nothing happens if this node does not lead it or To does not catch up.
type TransferLeadership struct {
	Group wal.GroupID
	To    NodeID
}

// Applied says that the owner has applied everything up to Index and holds no slice of those entries' Data.
type Applied struct {
	Group wal.GroupID
	Index uint64
}

// Checkpoint makes Data the group's point of restart; the owner gets CheckpointDurable. Index must not exceed the last Applied.
type Checkpoint struct {
	Group wal.GroupID
	Index uint64
	Data  []byte
}

// CloseGroup detaches the owner and drops the RawNode; with Remove the WAL forgets the group. Reply (may be nil) gets Closed.
type CloseGroup struct {
	Group  wal.GroupID
	Remove bool
	Reply  *actor.PID
}

// Messages to the owner of a group.

// Opened answers OpenGroup. Checkpoint.Data is what the owner last checkpointed (nil: none); its state must become that
// of Checkpoint.Index, then it sends Resume.
type Opened struct {
	Group      wal.GroupID
	Checkpoint wal.Checkpoint
}

// LeaderChanged tells who leads the group now; Leader 0 is nobody. Sent after Resume and at each change, in order with Committed.
// A leader has applied everything that was ever acknowledged once it got a Committed whose Term is that of its leadership and has
// applied Committed: what lies between may have been acknowledged, in this very term, by the owner before it lost its state.
type LeaderChanged struct {
	Group  wal.GroupID
	Term   uint64
	Leader NodeID
	// Committed is the index up to which entries have been handed to the owner, or to its former self.
	Committed uint64
}

// Dropped returns proposals that were not appended or were overwritten. They may be retried by whoever waits.
type Dropped struct {
	Group   wal.GroupID
	Waiters []any
	Err     error // ErrNotLeader, ErrTooMuch (uncommitted size), ErrStorage, …; see errors.go
}

// ConfChanged tells of an applied configuration change, after the Committed that Index is part of.
type ConfChanged struct {
	Group     wal.GroupID
	Index     uint64
	ConfState raftpb.ConfState
	Waiter    any // of the ProposeConfChange, on the node that proposed it; else nil
}

// CheckpointDurable says that a restart will begin at Index or later.
type CheckpointDurable struct {
	Group wal.GroupID
	Index uint64
}

// CheckpointWanted asks the owner for a Checkpoint soon; Urgent: the WAL is at its limit and appends wait.
type CheckpointWanted struct {
	Group  wal.GroupID
	Urgent bool
}

// Restarted tells an owner that the raft actor lost its state: the owner sends OpenGroup again. All its waiting proposals
// are as good as Dropped (their outcome is unknown).
type Restarted struct{ Group wal.GroupID }

// Closed answers CloseGroup.
type Closed struct{ Group wal.GroupID }

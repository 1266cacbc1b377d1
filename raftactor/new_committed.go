package raftactor

import "github.com/troupe-io/troupe/storage/wal"

// NewCommitted makes an owned batch, for those who stand in for the raft actor: tests and the simulator.
func NewCommitted(group wal.GroupID, first, last uint64, entries []Entry) *Committed {
	return &Committed{Group: group, First: first, Last: last, entries: entries}
}

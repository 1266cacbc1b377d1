package raftactor

import "errors"

// Why proposals come back in Dropped. All but ErrStorage may be retried, on the node that leads.
var (
	// ErrNotLeader: this node does not lead the group, or stopped leading before the entry was known to be committed.
	// In the latter case the entry may still be committed by the next leader.
	ErrNotLeader = errors.New("this broker does not lead the raft group; ask the leader")
	// ErrTooMuch: the group's uncommitted entries are at their limit.
	ErrTooMuch = errors.New("too many bytes wait to be committed in this raft group; try again later")
	// ErrOverwritten: another leader's entry stands where this one was appended. It is not committed and never will be.
	ErrOverwritten = errors.New("another leader's entry took this one's place in the raft log; propose it again")
	// ErrConfChange: raft refuses the configuration change in the group's present configuration.
	ErrConfChange = errors.New("configuration change refused: another one is pending, or the group is not in the right state for it")
	// ErrRestarted: the raft actor lost its state; the outcome is unknown.
	ErrRestarted = errors.New("the raft actor was restarted; the outcome of the proposal is unknown")
	// ErrStorage: the write-ahead log failed. The broker is fenced.
	ErrStorage = errors.New("the write-ahead log failed; this broker takes no more writes until it is started again")
	// ErrClosed: the group is not open on this broker.
	ErrClosed = errors.New("the raft group is not open on this broker")
)

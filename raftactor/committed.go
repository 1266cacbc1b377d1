package raftactor

import "github.com/troupe-io/troupe/storage/wal"

// Entry is one committed normal entry.
type Entry struct {
	Index, Term uint64
	Data        []byte // valid until the owner sends Applied for this index or a later one
	Waiter      any    // of the Proposal, on the node that proposed it; else nil
}

// Committed is an owned batch of committed entries: First..Last in the group's log, of which Take yields
// the normal ones. Configuration changes, and the empty entry that begins each leader's term, are not among them: Take may yield
// nothing, and the owner still answers Applied{Index: Last}.
type Committed struct {
	Group       wal.GroupID
	First, Last uint64
	Term        uint64 // of the entry at Last
	entries     []Entry
	taken       bool
}

// Take yields the entries, once. A second Take panics: a batch cannot be applied twice.
func (c *Committed) Take() []Entry {
	if c.taken {
		panic("raftactor: committed batch taken twice")
	}
	c.taken = true
	entries := c.entries
	c.entries = nil
	return entries
}

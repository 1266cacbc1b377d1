// Package rawnode is the only place that holds an etcd raft RawNode. It exists for what it hides.
//
// With AsyncStorageWrites a raft.Ready carries its work twice: as messages to the local append and apply threads, and
// again in the fields Entries, CommittedEntries and HardState. Whoever reads both applies everything twice. And Advance must
// never be called. So a Ready of this package has messages only, and there is no Advance.
//
// The caller owes raft this (doc.go of etcd raft, "Usage with Asynchronous Storage Writes"):
//   - messages to raft.LocalAppendThread are written in order; their Responses are delivered in that order, only after the
//     write is durable and after the Storage shows it;
//   - messages to raft.LocalApplyThread are applied in order; their Responses are delivered after that, while the entries
//     they alias are still intact.
package rawnode

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// Node is one group's consensus state machine. Not safe for concurrent use.
type Node struct {
	raw *raft.RawNode
	id  uint64

	// What Ready reported last.
	lead, leadTerm uint64

	// uncommitted mirrors raft's own estimate of the proposed bytes not yet applied, which it does not show; it tells a
	// proposal that is too much from one that has no leader.
	uncommitted, uncommittedMax uint64
	term                        uint64
	state                       raft.StateType
}

// New starts a node. cfg's AsyncStorageWrites is set here.
func New(cfg raft.Config) (*Node, error) {
	cfg.AsyncStorageWrites = true
	raw, err := raft.NewRawNode(&cfg)
	if err != nil {
		return nil, err
	}
	n := &Node{raw: raw, id: cfg.ID, uncommittedMax: cfg.MaxUncommittedEntriesSize}
	n.observe()
	return n, nil
}

// Ready is what the node wants done: nothing but messages, and who leads if that has changed.
type Ready struct {
	Messages []raftpb.Message
	// LeaderChanged says that Leader (0: nobody) or its term is not that of the Ready before.
	LeaderChanged bool
	Leader, Term  uint64
}

// HasReady says whether Ready would hold anything.
func (n *Node) HasReady() bool { return n.raw.HasReady() }

// Ready takes the outstanding work. All of it must be done.
func (n *Node) Ready() Ready {
	rd := n.raw.Ready()
	st := n.raw.BasicStatus()
	out := Ready{Messages: rd.Messages, Leader: st.Lead, Term: st.Term}
	if st.Lead != n.lead || (st.Lead != raft.None && st.Term != n.leadTerm) {
		n.lead, n.leadTerm = st.Lead, st.Term
		out.LeaderChanged = true
	}
	return out
}

// Step hands the node a message from a peer or a response to one of its own.
func (n *Node) Step(m raftpb.Message) error {
	if m.Type == raftpb.MsgStorageApplyResp {
		n.uncommitted -= min(n.uncommitted, payloadSize(m.Entries))
	}
	err := n.raw.Step(m)
	n.observe()
	return err
}

// Propose appends entries if this node leads; their Index and Term are set then. The slice may be reused afterwards; the
// Data may not. raft.ErrProposalDropped: nothing was appended. A conf change that raft refuses becomes an empty normal entry.
func (n *Node) Propose(entries []raftpb.Entry) error {
	err := n.raw.Step(raftpb.Message{Type: raftpb.MsgProp, From: n.id, Entries: entries})
	if err == nil {
		n.uncommitted += payloadSize(entries)
	}
	n.observe()
	return err
}

// Room says whether raft would take a proposal of size bytes after one of pending bytes, as far as MaxUncommittedEntriesSize goes.
func (n *Node) Room(pending, size uint64) bool {
	before := n.uncommitted + pending
	return before == 0 || size == 0 || before+size <= n.uncommittedMax
}

// ApplyConfChange must be called exactly once for each committed conf change, in order.
func (n *Node) ApplyConfChange(cc raftpb.ConfChangeI) raftpb.ConfState {
	cs := n.raw.ApplyConfChange(cc)
	n.observe()
	return *cs
}

// Campaign starts an election, beginning with the pre-vote.
func (n *Node) Campaign() {
	_ = n.raw.Campaign()
	n.observe()
}

// CampaignAlone starts an election without pre-vote: for a node that is the only voter, whose election costs nobody anything.
func (n *Node) CampaignAlone() {
	_ = n.raw.Step(raftpb.Message{Type: raftpb.MsgTimeoutNow, From: n.id, To: n.id})
	n.observe()
}

// TransferLeader asks that another voter lead.
func (n *Node) TransferLeader(to uint64) { n.raw.TransferLeader(to) }

// ReportUnreachable says that a message to a peer was lost.
func (n *Node) ReportUnreachable(peer uint64) { n.raw.ReportUnreachable(peer) }

// TickLeader moves a leader's clock: heartbeats and the check of its quorum.
func (n *Node) TickLeader() {
	n.raw.Tick()
	n.observe()
}

// TickFollower moves the clock of a node that does not lead, for its leader's lease only. Raft's own election timer draws from
// a random source that no seed reaches, so the owner keeps the election timer and calls Campaign.
func (n *Node) TickFollower() { n.raw.TickQuiesced() }

// Status tells the node's state. It does not allocate.
func (n *Node) Status() raft.BasicStatus { return n.raw.BasicStatus() }

// Leads says whether this node is the leader.
func (n *Node) Leads() bool { return n.state == raft.StateLeader }

// Campaigns says whether this node is a candidate.
func (n *Node) Campaigns() bool { return n.state == raft.StateCandidate }

// Term is the current term.
func (n *Node) Term() uint64 { return n.term }

// Members counts the voters and learners of the active configuration, and says whether this node is among them.
func (n *Node) Members() (count int, self bool) {
	n.raw.WithProgress(func(id uint64, _ raft.ProgressType, _ tracker.Progress) {
		count++
		self = self || id == n.id
	})
	return count, self
}

// SlowestMatch is the lowest index that every other member is known to have; meaningful on the leader.
func (n *Node) SlowestMatch() (match uint64) {
	match = ^uint64(0)
	n.raw.WithProgress(func(id uint64, _ raft.ProgressType, pr tracker.Progress) {
		if id != n.id {
			match = min(match, pr.Match)
		}
	})
	return match
}

// observe notices raft's resets, which forget the uncommitted size.
func (n *Node) observe() {
	st := n.raw.BasicStatus()
	if st.Term != n.term || st.RaftState != n.state {
		n.term, n.state, n.uncommitted = st.Term, st.RaftState, 0
	}
}

func payloadSize(entries []raftpb.Entry) (size uint64) {
	for i := range entries {
		size += uint64(len(entries[i].Data))
	}
	return size
}

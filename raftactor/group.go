package raftactor

import (
	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/raftactor/internal/rawnode"
	"github.com/troupe-io/troupe/storage/wal"
)

// group is one raft group of this broker. It should stay small: 10,000 of them are ordinary.
type group struct {
	id     wal.GroupID
	node   *rawnode.Node
	view   logView
	logger raftLogger
	owner  *actor.PID
	dirty  bool // stands in Raft.dirty
	closed bool

	// Proposed in this drain.
	pending     []Proposal
	pendingConf []*ProposeConfChange
	// received are this drain's messages from peers whose frames have not found their entries yet.
	received []*Received

	waiters waiters
	frames  frames

	// To the WAL: what append.go owns.
	inflight inflights
	handed   uint64           // last entry handed to the WAL
	boot     *wal.Checkpoint  // goes with the first append of a new group
	hard     raftpb.HardState // as raft last wanted it durable
	partSeq  uint64           // the append under construction that has a part for this group,
	part     int              // and which

	// To the owner: what deliver.go owns. applied <= delivered <= committed.
	committed uint64 // last entry raft handed over to be applied; every conf change up to it has been applied to node
	delivered uint64 // last entry sent to the owner
	applied   uint64 // last entry the owner has applied
	responded uint64 // last entry whose application was reported to raft; > applied after the owner restarted
	resumed   bool
	reopening bool               // the owner has opened the group again and was not answered
	applies   [][]raftpb.Message // responses owed to raft, in order; each is one message, with its entries
	confs     []confAt           // configurations since the checkpoint, the first is that of the checkpoint

	// Elections: what tick.go owns.
	sole      bool // this node is the only member of its group
	ticking   bool // wants ticks
	listed    bool // stands in Raft.tickers
	countdown int  // ticks until an election

	leader, leaderTerm uint64 // as last told to the owner
}

// confAt is the configuration from index on.
type confAt struct {
	index uint64
	state raftpb.ConfState
}

func (g *group) confStateAt(index uint64) raftpb.ConfState {
	at := len(g.confs) - 1
	for at > 0 && g.confs[at].index > index {
		at--
	}
	return g.confs[at].state
}

// inflights are the appends of one group that the WAL has not answered, oldest first.
type inflights struct {
	queue []inflight
	head  int
}

// respond adds responses, which raft made for us alone.
func (i *inflight) respond(responses []raftpb.Message) {
	if i.responses == nil {
		i.responses = responses
	} else {
		i.responses = append(i.responses, responses...)
	}
}

type inflight struct {
	seq        uint64
	first      uint64 // first entry; 0: none
	checkpoint uint64 // index; 0: none
	responses  []raftpb.Message
}

func (q *inflights) empty() bool { return q.head == len(q.queue) }

func (q *inflights) last() *inflight { return &q.queue[len(q.queue)-1] }

func (q *inflights) push(i inflight) *inflight {
	if q.empty() {
		q.queue, q.head = q.queue[:0], 0
	} else if len(q.queue) == cap(q.queue) && q.head > 0 {
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	q.queue = append(q.queue, i)
	return q.last()
}

func (q *inflights) pop() inflight {
	i := q.queue[q.head]
	q.queue[q.head] = inflight{}
	q.head++
	return i
}

// holdsCheckpoint says that a checkpoint is on its way into the WAL.
func (q *inflights) holdsCheckpoint() bool {
	for i := range q.queue[q.head:] {
		if q.queue[q.head+i].checkpoint != 0 {
			return true
		}
	}
	return false
}

// settled is the last append up to which all are answered.
func (q *inflights) settled() uint64 {
	if q.empty() {
		return ^uint64(0)
	}
	return q.queue[q.head].seq - 1
}

// newest is the last append that was begun, 0 if all are answered.
func (q *inflights) newest() uint64 {
	if q.empty() {
		return 0
	}
	return q.last().seq
}

// overwrittenFrom is the lowest entry that an append still in flight writes.
func (q *inflights) overwrittenFrom() uint64 {
	from := ^uint64(0)
	for i := q.head; i < len(q.queue); i++ {
		if f := q.queue[i].first; f != 0 {
			from = min(from, f)
		}
	}
	return from
}

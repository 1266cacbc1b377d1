package raftactor

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/wal"
)

// Peers carries messages to the raft actors of other brokers. Messages may be lost, delayed or reordered: raft copes.
type Peers interface {
	// Send must not block. It takes over every Frame; the Data of the messages' entries stays intact until they are released.
	Send(to NodeID, messages []Outgoing)
}

// Outgoing is one message to a peer.
type Outgoing struct {
	Group   wal.GroupID
	Message raftpb.Message
	// Frames hold the Data of Message.Entries; each must be released once, when the message has been written or given up.
	Frames []protocol.Releaser
}

// Received is a message from a peer, sent to the raft actor by the link it came over.
type Received struct {
	Group   wal.GroupID
	Message raftpb.Message
	// Frame, if not nil, is released once nothing needs the Data of Message.Entries.
	Frame protocol.Releaser
}

// SnapshotSource makes the snapshot that a follower gets which needs entries below the leader's checkpoint. Without one (a
// single broker has no followers) such a follower is not helped: raft asks again and again.
type SnapshotSource interface {
	// Snapshot describes the group's state at checkpoint; raft.ErrSnapshotTemporarilyUnavailable makes raft ask later.
	Snapshot(group wal.GroupID, checkpoint wal.Checkpoint) (raftpb.Snapshot, error)
}

// retainer is a frame that can be shared with a link.
type retainer interface{ Retain(n int32) }

// postbox gathers what one drain has for the peers.
type postbox struct {
	peers Peers
	to    []NodeID
	boxes map[NodeID][]Outgoing
}

// post queues m for its receiver. m's entries may alias raft's and the view's slices, so their headers are copied; their
// bytes are shared where the frame can be retained.
func (p *postbox) post(g *group, m raftpb.Message) {
	if p.peers == nil {
		return
	}
	out := Outgoing{Group: g.id, Message: m}
	if len(m.Entries) > 0 {
		out.Message.Entries = slices.Clone(m.Entries)
		var last protocol.Releaser
		for i := range out.Message.Entries {
			e := &out.Message.Entries[i]
			frame := g.frames.of(e.Index)
			if frame == nil || frame == last || len(e.Data) == 0 {
				continue
			}
			if r, ok := frame.(retainer); ok {
				r.Retain(1)
				out.Frames = append(out.Frames, frame)
				last = frame
			} else {
				e.Data = slices.Clone(e.Data)
			}
		}
	}
	if p.boxes == nil {
		p.boxes = map[NodeID][]Outgoing{}
	}
	if len(p.boxes[m.To]) == 0 {
		p.to = append(p.to, m.To)
	}
	p.boxes[m.To] = append(p.boxes[m.To], out)
}

// flush hands everything over, peers in ascending order.
func (p *postbox) flush() {
	if len(p.to) == 0 {
		return
	}
	slices.Sort(p.to)
	for _, to := range p.to {
		p.peers.Send(to, p.boxes[to])
		p.boxes[to] = nil // the receiver owns the slice
	}
	p.to = p.to[:0]
}

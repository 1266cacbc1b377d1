package api

// This file owns finding the replica that a request speaks of, and why there is none: the checks that Produce, Fetch, ListOffsets and
// their like share.

import (
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

// noEpoch is CurrentLeaderEpoch of a client that does not know one.
const noEpoch int32 = -1

// replica finds the local replica of a partition.
func (b *Broker) replica(topic *controller.Topic, number int32) (*partition.Replica, protocol.ErrorCode) {
	if topic == nil || number < 0 || int(number) >= len(topic.Partitions) {
		return nil, protocol.ErrUnknownTopicOrPartition
	}
	r := b.Replicas.Lookup(topic.ID, number)
	if r == nil {
		return nil, protocol.ErrNotLeaderForPartition // not here, or not yet: clients look at the metadata again
	}
	if r.Offline() != "" {
		return r, protocol.ErrKafkaStorageError
	}
	return r, protocol.ErrNone
}

// leading finds the replica of a partition that this broker leads and can read. currentEpoch is what the client believes (KIP-320).
func (b *Broker) leading(topic *controller.Topic, number, currentEpoch int32) (*partition.Replica, protocol.ErrorCode) {
	r, code := b.replica(topic, number)
	if code != protocol.ErrNone {
		return r, code
	}
	l := r.Leadership()
	switch {
	case currentEpoch != noEpoch && currentEpoch < l.Epoch:
		return r, protocol.ErrFencedLeaderEpoch
	case currentEpoch != noEpoch && currentEpoch > l.Epoch:
		return r, protocol.ErrUnknownLeaderEpoch
	case l.Leader != b.NodeID || !l.Self || r.Reader() == nil:
		return r, protocol.ErrNotLeaderForPartition
	}
	return r, protocol.ErrNone
}

// leaderHint is where clients should turn instead (KIP-951), nil if nobody is known to lead.
func leaderHint(r *partition.Replica, code protocol.ErrorCode) *protocol.LeaderHint {
	if r == nil || code != protocol.ErrNotLeaderForPartition && code != protocol.ErrFencedLeaderEpoch {
		return nil
	}
	l := r.Leadership()
	if l.Leader < 0 {
		return nil
	}
	return &protocol.LeaderHint{NodeID: l.Leader, Epoch: l.Epoch}
}

// endpoint is how to reach a broker that a hint names.
func (b *Broker) endpoint(node int32) (protocol.NodeEndpoint, bool) {
	image := b.Metadata.Load()
	for i := range image.Brokers {
		if m := &image.Brokers[i]; m.ID == node {
			e := protocol.NodeEndpoint{NodeID: m.ID, Host: m.Host, Port: m.Port}
			if m.Rack != "" {
				e.Rack = &m.Rack
			}
			return e, true
		}
	}
	return protocol.NodeEndpoint{}, false
}

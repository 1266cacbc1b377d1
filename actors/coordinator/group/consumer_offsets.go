package group

// This file owns what a consumer group's members may do with offsets.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

// validateCommit checks who commits. A member that has moved on since may still commit what it had at the epoch it names: each
// partition remembers since when the member has it (KIP-1251).
func (c *consumer) validateCommit(req *kmsg.OffsetCommitRequest) protocol.ErrorCode {
	if req.Generation < 0 && len(c.members) == 0 {
		return protocol.ErrNone // an administrator, or a consumer that assigns partitions by itself
	}
	x := c.members[req.MemberID]
	if x == nil {
		return protocol.ErrUnknownMemberID
	}
	stale := protocol.ErrStaleMemberEpoch
	if x.classic() {
		stale = protocol.ErrIllegalGeneration
	}
	switch {
	case !x.classic() && req.Version < commitGroupNotFoundVersion:
		return protocol.ErrUnsupportedVersion
	case req.Generation == x.epoch:
		return protocol.ErrNone
	case req.Generation > x.epoch:
		return stale
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		for k := range t.Partitions {
			since, ok := x.assigned.has(t.TopicID, t.Partitions[k].Partition)
			if !ok {
				since, ok = x.revoking.has(t.TopicID, t.Partitions[k].Partition)
			}
			if !ok || req.Generation < since {
				return stale
			}
		}
	}
	return protocol.ErrNone
}

// validateFetch checks who fetches; a request without a member is let pass.
func (c *consumer) validateFetch(f *Fetch) protocol.ErrorCode {
	if f.MemberID == nil && f.MemberEpoch < 0 {
		return protocol.ErrNone
	}
	id := ""
	if f.MemberID != nil {
		id = *f.MemberID
	}
	switch x := c.members[id]; {
	case x == nil:
		return protocol.ErrUnknownMemberID
	case f.MemberEpoch == x.epoch:
		return protocol.ErrNone
	case x.classic():
		return protocol.ErrIllegalGeneration
	}
	return protocol.ErrStaleMemberEpoch
}

// isSubscribed tells whether the group may be consuming a topic, whatever its protocol.
func (g *Group) isSubscribed(topic string) bool {
	if g.consumer != nil {
		return g.consumer.isSubscribed(topic)
	}
	return g.classic.isSubscribed(topic)
}

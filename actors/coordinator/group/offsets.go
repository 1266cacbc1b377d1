package group

// This file owns committed offsets: OffsetCommit, OffsetFetch and OffsetDelete. Invariant: what the map holds has been
// committed to the log; a commit under way only counts in pending.

import (
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// offset is one partition's committed offset.
type offset struct {
	record.Offset
	committed bool  // Offset is valid
	pending   int32 // commits under way
}

// OffsetCommit from this version on says GROUP_ID_NOT_FOUND for an unknown group (KIP-848).
const commitGroupNotFoundVersion = 9

// OffsetCommit answers API 8. The handler has turned topic ids into names, and names into ids where it knows them
// (OffsetCommitRequestTopic has both then), and has answered for topics that there are not.
func (m *Machine) OffsetCommit(nowMs int64, w Waiter, req *kmsg.OffsetCommitRequest) {
	m.nowMs = nowMs
	g := m.lookup(req.Group)
	if err := m.validateCommit(g, req); err != protocol.ErrNone {
		m.reply(w, CommitResponse(req, err))
		return
	}
	if g == nil {
		// A consumer that uses the group only for its offsets.
		g = m.entry(req.Group)
		g.classic = m.newClassic(g)
	}
	m.commitMaintainsSession(g, req.MemberID)
	expire := int64(-1)
	if req.Version >= 2 && req.Version <= 4 && req.RetentionTimeMillis != -1 {
		expire = nowMs + req.RetentionTimeMillis
	}
	r := CommitResponse(req, protocol.ErrNone)
	b := m.batch()
	var written []committed
	for i := range req.Topics {
		t := &req.Topics[i]
		for k := range t.Partitions {
			p := &t.Partitions[k]
			o := record.Offset{
				Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, CommitTimestamp: nowMs, ExpireTimestamp: expire, TopicID: t.TopicID,
			}
			if p.Metadata != nil {
				if metadataLength(*p.Metadata) > m.cfg.OffsetMetadataMaxBytes {
					r.Topics[i].Partitions[k].ErrorCode = int16(protocol.ErrOffsetMetadataTooLarge)
					continue
				}
				o.Metadata = strings.Clone(*p.Metadata)
			}
			written = append(written, committed{t.Topic, p.Partition, &o})
		}
	}
	m.writeOffsets(b, g, written)
	b.append(g, func(err protocol.ErrorCode) {
		g.settle(written, err)
		if err == protocol.ErrNone {
			m.reply(w, r)
			return
		}
		code := int16(responseError(err))
		for i := range r.Topics {
			for k := range r.Topics[i].Partitions {
				if e := &r.Topics[i].Partitions[k].ErrorCode; *e == 0 {
					*e = code
				}
			}
		}
		m.reply(w, r)
	})
}

// metadataLength counts as Kafka does, in UTF-16 units.
func metadataLength(s string) int {
	n := 0
	for _, c := range s {
		if n++; c > 0xffff {
			n++
		}
	}
	return n
}

func (m *Machine) validateCommit(g *Group, req *kmsg.OffsetCommitRequest) protocol.ErrorCode {
	switch {
	case g != nil && g.consumer != nil:
		return g.consumer.validateCommit(req)
	case g != nil:
		return g.classic.validateCommit(req)
	case req.Generation < 0:
		return protocol.ErrNone
	case req.Version >= commitGroupNotFoundVersion:
		return protocol.ErrGroupIDNotFound
	}
	return protocol.ErrIllegalGeneration
}

func (c *classic) validateCommit(req *kmsg.OffsetCommitRequest) protocol.ErrorCode {
	if req.Generation < 0 && c.state == Empty {
		return protocol.ErrNone // an administrator, or a consumer that assigns partitions by itself
	}
	if req.Generation < 0 && req.MemberID == "" && req.InstanceID == nil {
		return protocol.ErrUnknownMemberID
	}
	if err := c.validate(req.MemberID, req.InstanceID); err != protocol.ErrNone {
		return err
	}
	if req.Generation != c.generation {
		return protocol.ErrIllegalGeneration
	}
	if c.state == CompletingRebalance {
		return protocol.ErrRebalanceInProgress
	}
	return protocol.ErrNone
}

// commitMaintainsSession takes a member's commit for a heartbeat.
func (m *Machine) commitMaintainsSession(g *Group, memberID string) {
	c := g.classic
	if c == nil { // a consumer group's members send heartbeats for that
		return
	}
	if x := c.member(memberID); x != nil && (c.state == Stable || c.state == PreparingRebalance) {
		m.heartbeatSeen(x)
	}
}

// CommitResponse is the answer that says err for every partition of req.
func CommitResponse(req *kmsg.OffsetCommitRequest, err protocol.ErrorCode) *kmsg.OffsetCommitResponse {
	r := kmsg.NewPtrOffsetCommitResponse()
	r.Topics = make([]kmsg.OffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		t := &req.Topics[i]
		parts := make([]kmsg.OffsetCommitResponseTopicPartition, len(t.Partitions))
		for k := range t.Partitions {
			parts[k].Partition, parts[k].ErrorCode = t.Partitions[k].Partition, int16(err)
		}
		r.Topics[i] = kmsg.OffsetCommitResponseTopic{Topic: t.Topic, TopicID: t.TopicID, Partitions: parts}
	}
	return r
}

// committed is one offset being written; a nil offset is a tombstone.
type committed struct {
	topic     string
	partition int32
	offset    *record.Offset
}

// writeOffsets adds the records of list to b and counts them as pending.
func (m *Machine) writeOffsets(b *batch, g *Group, list []committed) {
	for i := range list {
		w := &list[i]
		key := record.Key{Type: record.OffsetCommit, Group: g.id, Topic: w.topic, Partition: w.partition}
		if w.offset == nil {
			b.tombstone(&key)
		} else {
			b.put(&key, func(dst []byte) []byte { return record.AppendOffset(dst, w.offset) })
		}
		parts := g.topic(w.topic)
		o := parts[w.partition]
		o.pending++
		parts[w.partition] = o
	}
}

// topic finds or makes the partitions of a topic.
func (g *Group) topic(name string) map[int32]offset {
	parts := g.offsets[name]
	if parts == nil {
		if g.offsets == nil {
			g.offsets = map[string]map[int32]offset{}
		}
		parts = map[int32]offset{}
		g.offsets[strings.Clone(name)] = parts
	}
	return parts
}

// settle applies what writeOffsets announced, now that its fate is known.
func (g *Group) settle(list []committed, err protocol.ErrorCode) {
	for i := range list {
		w := &list[i]
		parts := g.offsets[w.topic]
		o := parts[w.partition]
		o.pending--
		if err == protocol.ErrNone {
			if o.committed = w.offset != nil; o.committed {
				o.Offset = *w.offset
			} else {
				o.Offset = record.Offset{}
			}
		}
		g.store(w.topic, w.partition, o)
	}
}

// store keeps o, or forgets the partition if o is nothing.
func (g *Group) store(topic string, partition int32, o offset) {
	parts := g.offsets[topic]
	if o.committed || o.pending > 0 {
		if parts == nil {
			parts = g.topic(topic)
		}
		parts[partition] = o
		return
	}
	if delete(parts, partition); len(parts) == 0 {
		delete(g.offsets, topic)
	}
}

// Fetch is one group of an OffsetFetch.
type Fetch struct {
	Group       string
	MemberID    *string // KIP-848 members only
	MemberEpoch int32   // -1: none
	// Topics asks for these partitions; nil asks for all. The handler has turned ids into names.
	Topics []kmsg.OffsetFetchRequestGroupTopic
	// Stable waits for commits under way.
	Stable bool
}

// OffsetFetch answers one group of API 9 with a *kmsg.OffsetFetchResponseGroup.
func (m *Machine) OffsetFetch(nowMs int64, w Waiter, f Fetch) {
	m.nowMs = nowMs
	if g := m.lookup(f.Group); g != nil && f.Stable {
		m.afterAppends(g, func(err protocol.ErrorCode) {
			r := m.fetch(&f)
			if err == protocol.ErrNotLeaderForPartition {
				r.Topics, r.ErrorCode = nil, int16(protocol.ErrNotCoordinator)
			}
			m.reply(w, r)
		})
		return
	}
	m.reply(w, m.fetch(&f))
}

func (m *Machine) fetch(f *Fetch) *kmsg.OffsetFetchResponseGroup {
	g := m.lookup(f.Group)
	r := &kmsg.OffsetFetchResponseGroup{Group: f.Group}
	if g != nil && g.consumer != nil {
		if err := g.consumer.validateFetch(f); err != protocol.ErrNone {
			r.ErrorCode = int16(err)
			return r
		}
	}
	if f.Topics == nil {
		if g != nil {
			r.Topics = g.allOffsets()
		}
		return r
	}
	r.Topics = make([]kmsg.OffsetFetchResponseGroupTopic, len(f.Topics))
	for i := range f.Topics {
		t := &f.Topics[i]
		parts := make([]kmsg.OffsetFetchResponseGroupTopicPartition, len(t.Partitions))
		for k, p := range t.Partitions {
			var o offset
			if g != nil {
				o = g.offsets[t.Topic][p]
			}
			// An offset of a topic that was deleted and made anew is not this topic's.
			if none := [16]byte{}; o.TopicID != t.TopicID && o.TopicID != none && t.TopicID != none {
				o.committed = false
			}
			parts[k] = o.response(p)
		}
		r.Topics[i] = kmsg.OffsetFetchResponseGroupTopic{Topic: t.Topic, TopicID: t.TopicID, Partitions: parts}
	}
	return r
}

func (o *offset) response(partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	r := kmsg.OffsetFetchResponseGroupTopicPartition{Partition: partition, Offset: -1, LeaderEpoch: -1}
	metadata := ""
	if o.committed {
		r.Offset, r.LeaderEpoch, metadata = o.Offset.Offset, o.LeaderEpoch, o.Metadata
	}
	r.Metadata = &metadata
	return r
}

func (g *Group) allOffsets() []kmsg.OffsetFetchResponseGroupTopic {
	var list []kmsg.OffsetFetchResponseGroupTopic
	for _, topic := range g.topics() {
		t := kmsg.OffsetFetchResponseGroupTopic{Topic: topic}
		for _, p := range g.partitions(topic) {
			if o := g.offsets[topic][p]; o.committed {
				t.TopicID = o.TopicID
				t.Partitions = append(t.Partitions, o.response(p))
			}
		}
		if len(t.Partitions) > 0 {
			list = append(list, t)
		}
	}
	return list
}

func (g *Group) topics() []string {
	list := make([]string, 0, len(g.offsets))
	for t := range g.offsets {
		list = append(list, t)
	}
	sort.Strings(list)
	return list
}

func (g *Group) partitions(topic string) []int32 {
	list := make([]int32, 0, len(g.offsets[topic]))
	for p := range g.offsets[topic] {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}

// OffsetDelete answers API 47. The handler has answered for topics and partitions that there are not.
func (m *Machine) OffsetDelete(nowMs int64, w Waiter, req *kmsg.OffsetDeleteRequest) {
	m.nowMs = nowMs
	r := kmsg.NewPtrOffsetDeleteResponse()
	g := m.lookup(req.Group)
	switch {
	case req.Group == "":
		r.ErrorCode = int16(protocol.ErrInvalidGroupID)
	case g == nil:
		r.ErrorCode = int16(protocol.ErrGroupIDNotFound)
	case g.classic != nil && g.classic.state != Empty && !g.classic.usesConsumerProtocol():
		r.ErrorCode = int16(protocol.ErrNonEmptyGroup)
	}
	if r.ErrorCode != 0 {
		m.reply(w, r)
		return
	}
	var gone []committed
	for i := range req.Topics {
		t := &req.Topics[i]
		rt := kmsg.OffsetDeleteResponseTopic{Topic: t.Topic}
		subscribed := g.isSubscribed(t.Topic)
		for k := range t.Partitions {
			p := kmsg.OffsetDeleteResponseTopicPartition{Partition: t.Partitions[k].Partition}
			if subscribed {
				p.ErrorCode = int16(protocol.ErrGroupSubscribedToTopic)
			} else if _, ok := g.offsets[t.Topic][p.Partition]; ok {
				gone = append(gone, committed{t.Topic, p.Partition, nil})
			}
			rt.Partitions = append(rt.Partitions, p)
		}
		r.Topics = append(r.Topics, rt)
	}
	b := m.batch()
	m.writeOffsets(b, g, gone)
	b.append(g, func(err protocol.ErrorCode) {
		if g.settle(gone, err); err != protocol.ErrNone {
			r.ErrorCode, r.Topics = int16(responseError(err)), nil
		}
		m.reply(w, r)
	})
}

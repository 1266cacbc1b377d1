package group

// This file owns the end of offsets and groups: expiry (KIP-211), deleted topics, DeleteGroups.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// expireOffsets looks for offsets past their time in all groups, and for groups that hold nothing more.
func (m *Machine) expireOffsets() {
	m.dropDeleted()
	for _, g := range m.sorted() {
		if g.exists() {
			m.expireGroup(g)
		}
	}
	m.timers.set(&m.retention, m.nowMs+m.cfg.RetentionCheckMs)
}

func (m *Machine) expireGroup(g *Group) {
	if g.consumer != nil {
		m.expireConsumer(g)
		return
	}
	since, may := g.expiryBase()
	if !may {
		if len(g.offsets) > 0 {
			return
		}
	}
	var gone []committed
	all := true
	for _, topic := range g.topics() {
		if g.classic.isSubscribed(topic) {
			all = false
			continue
		}
		for _, p := range g.partitions(topic) {
			if o := g.offsets[topic][p]; o.pending == 0 && m.expired(&o, since) {
				gone = append(gone, committed{topic, p, nil})
			} else {
				all = false
			}
		}
	}
	b := m.batch()
	m.writeOffsets(b, g, gone)
	if all && !g.converting && g.classic.state == Empty && len(g.classic.pendingJoin) == 0 {
		m.appendEnd(b, g, gone, func(protocol.ErrorCode) {})
		return
	}
	b.append(g, func(err protocol.ErrorCode) { g.settle(gone, err) })
}

// expiryBase is the time from which the retention of a group's offsets counts: since -1 is each offset's own commit. may
// is false while no offset of the group may expire.
func (g *Group) expiryBase() (since int64, may bool) {
	c := g.classic
	switch {
	case c.protocolType == "":
		return -1, true
	case c.state == Empty:
		return c.sinceMs, true
	case c.usesConsumerProtocol() && c.subscribed != nil && c.state == Stable:
		return -1, true // of the topics that nobody consumes any more
	}
	return 0, false
}

func (m *Machine) expired(o *offset, since int64) bool {
	if o.ExpireTimestamp != -1 {
		return m.nowMs >= o.ExpireTimestamp
	}
	if since == -1 {
		since = o.CommitTimestamp
	}
	return m.nowMs-since >= m.cfg.OffsetsRetentionMs
}

// appendEnd appends b and the group's own tombstone, and takes the group away. If it fails the group is there again, unless
// the name has been taken.
func (m *Machine) appendEnd(b *batch, g *Group, gone []committed, answer func(protocol.ErrorCode)) {
	b.tombstone(&record.Key{Type: record.GroupMetadata, Group: g.id})
	c := g.classic
	for id := range c.pendingJoin {
		m.removePending(c, id)
	}
	g.classic = nil
	b.append(g, func(err protocol.ErrorCode) {
		if g.settle(gone, err); err != protocol.ErrNone && g.classic == nil {
			g.classic = c
		}
		answer(err)
	})
}

// allGone lists every offset of the group, committed or under way, as to be deleted.
func (g *Group) allGone() (gone []committed) {
	for _, topic := range g.topics() {
		for _, p := range g.partitions(topic) {
			gone = append(gone, committed{topic, p, nil})
		}
	}
	return gone
}

// DeleteGroup answers one group of API 42 with a *kmsg.DeleteGroupsResponseGroup.
func (m *Machine) DeleteGroup(nowMs int64, w Waiter, id string) {
	m.nowMs = nowMs
	r := &kmsg.DeleteGroupsResponseGroup{Group: id}
	g := m.lookup(id)
	switch {
	case g == nil:
		r.ErrorCode = int16(protocol.ErrGroupIDNotFound)
	case g.consumer != nil:
		m.deleteConsumer(g, func(err protocol.ErrorCode) {
			r.ErrorCode = int16(responseError(err))
			m.reply(w, r)
		})
		return
	case g.classic.state != Empty:
		r.ErrorCode = int16(protocol.ErrNonEmptyGroup)
	default:
		gone := g.allGone()
		b := m.batch()
		m.writeOffsets(b, g, gone)
		m.appendEnd(b, g, gone, func(err protocol.ErrorCode) {
			r.ErrorCode = int16(responseError(err))
			m.reply(w, r)
		})
		return
	}
	m.reply(w, r)
}

// dropDeleted drops the offsets of topics that are there no more, of whose end the coordinator was not told, or could not write it: the
// broker stopped in between, the log refused the records, or the coordinator was loading. Without
// complete topics nothing is dropped.
func (m *Machine) dropDeleted() {
	topics := m.topics()
	if !topics.Complete() {
		return
	}
	for _, g := range m.sorted() {
		var gone []committed
		for _, topic := range g.topics() {
			t, ok := topics.Topic(topic)
			for _, p := range g.partitions(topic) {
				o := g.offsets[topic][p]
				if stale := !ok || o.TopicID != t.ID && o.TopicID != [16]byte{}; stale && o.committed && o.pending == 0 {
					gone = append(gone, committed{topic, p, nil})
				}
			}
		}
		b := m.batch()
		m.writeOffsets(b, g, gone)
		b.append(g, func(err protocol.ErrorCode) { g.settle(gone, err) })
	}
}

// TopicDeleted drops the offsets that groups have of a topic, but those of another topic that has its name by now.
func (m *Machine) TopicDeleted(nowMs int64, topic string, id [16]byte) {
	m.nowMs = nowMs
	for _, g := range m.sorted() {
		var gone []committed
		for _, p := range g.partitions(topic) {
			if o := g.offsets[topic][p]; !o.committed || o.TopicID == id || o.TopicID == [16]byte{} || id == [16]byte{} {
				gone = append(gone, committed{topic, p, nil})
			}
		}
		b := m.batch()
		m.writeOffsets(b, g, gone)
		b.append(g, func(err protocol.ErrorCode) { g.settle(gone, err) })
	}
}

package group

// This file owns the time-outs of a consumer group's members. Invariant: every member has a session time-out running, but for
// the moment between its appearance and the end of the call that brought it.

import "github.com/troupe-io/troupe/actors/coordinator/record"

// memberTimers are the time-outs of one member. session: no heartbeat came. rebalance: partitions were not given up in time
// (at the epoch rebalanceEpoch). join and sync: a member of the classic protocol did not rejoin, or did not sync.
type memberTimers struct {
	session, rebalance, join, sync timer
	rebalanceEpoch                 int32
}

// conversionRetryMs is when a time-out is tried again that fell due while the group was being converted.
const conversionRetryMs = 1000

// timersOf finds or makes the timers of a member.
func (m *Machine) timersOf(c *consumer, id string) *memberTimers {
	t := c.timers[id]
	if t != nil {
		return t
	}
	t = &memberTimers{}
	c.timers[id] = t
	fence := func(timer *timer, may func() bool) func() {
		return func() {
			switch {
			case c.group.converting:
				m.timers.set(timer, m.nowMs+conversionRetryMs)
			case c.members[id] == nil:
				m.stopTimers(c, id)
			case may == nil || may():
				m.fenceMembers(c, []string{id}, nil)
			}
		}
	}
	t.session.fire = fence(&t.session, nil)
	t.rebalance.fire = fence(&t.rebalance, func() bool { return c.members[id].epoch == t.rebalanceEpoch })
	t.join.fire = fence(&t.join, nil)
	t.sync.fire = fence(&t.sync, nil)
	return t
}

// stopTimers forgets the timers of a member.
func (m *Machine) stopTimers(c *consumer, id string) {
	if t := c.timers[id]; t != nil {
		for _, x := range []*timer{&t.session, &t.rebalance, &t.join, &t.sync} {
			m.timers.stop(x)
		}
		delete(c.timers, id)
	}
}

// sessionSeen gives a member a new session time-out.
func (m *Machine) sessionSeen(c *consumer, x *consumerMember) {
	ms := int64(m.consumerConfig(c.group.id).SessionTimeoutMs)
	if x.classic() {
		ms = int64(x.Classic.SessionTimeoutMs)
	}
	m.timers.set(&m.timersOf(c, x.id).session, m.nowMs+ms)
}

// awaitRevocation starts or ends the rebalance time-out of a member whose assignment has changed.
func (m *Machine) awaitRevocation(c *consumer, x *consumerMember) {
	t := m.timersOf(c, x.id)
	m.timers.stop(&t.rebalance)
	if x.state == memberUnrevokedPartitions && !x.classic() && x.epoch >= 0 {
		t.rebalanceEpoch = x.epoch
		m.timers.set(&t.rebalance, m.nowMs+int64(max(x.RebalanceTimeoutMs, 0)))
	}
}

// awaitJoin starts the time-out for a classic member to rejoin unless it runs.
func (m *Machine) awaitJoin(c *consumer, x *consumerMember) {
	if t := m.timersOf(c, x.id); t.join.index == 0 {
		m.timers.set(&t.join, m.nowMs+int64(max(x.RebalanceTimeoutMs, 0)))
	}
}

// renewTimers makes the timers fit the members after the ledger was read or went back.
func (m *Machine) renewTimers(c *consumer) {
	for id := range c.timers {
		if c.members[id] == nil {
			m.stopTimers(c, id)
		}
	}
	for _, id := range c.memberIDs() {
		if t := m.timersOf(c, id); t.session.index == 0 {
			m.sessionSeen(c, c.members[id])
		}
		m.awaitRevocation(c, c.members[id])
	}
}

// ConsumerConfig is what can be set for one consumer group. Milliseconds.
type ConsumerConfig struct {
	SessionTimeoutMs     int32 // consumer.session.timeout.ms
	HeartbeatIntervalMs  int32 // consumer.heartbeat.interval.ms
	AssignmentIntervalMs int32 // consumer.assignment.interval.ms
}

// consumerConfig is the group's configuration: its own, else the broker's.
func (m *Machine) consumerConfig(group string) ConsumerConfig {
	if m.cfg.ConsumerOf != nil {
		return m.cfg.ConsumerOf(group, m.cfg.Consumer)
	}
	return m.cfg.Consumer
}

// bumpEpoch begins a new group epoch.
func (e *edit) bumpEpoch(hash int64) {
	e.put(record.Key{Type: record.ConsumerGroupMetadata}, record.GroupEpoch{Epoch: e.c.epoch + 1, MetadataHash: hash})
}

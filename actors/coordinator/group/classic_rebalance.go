package group

// This file owns how a classic group gets from one generation to the next: PreparingRebalance gathers the members, CompletingRebalance
// waits for the leader's assignment, Stable has it.

import (
	"github.com/troupe-io/troupe/protocol"
)

// rebalanceOrComplete begins a rebalance, or, if one is being prepared, looks whether all have joined.
func (m *Machine) rebalanceOrComplete(c *classic) {
	if c.canRebalance() {
		m.prepareRebalance(c)
	} else {
		m.maybeCompleteJoin(c)
	}
}

func (m *Machine) prepareRebalance(c *classic) {
	if c.state == CompletingRebalance {
		m.resetAssignment(c, protocol.ErrRebalanceInProgress)
	}
	clear(c.pendingSync)
	m.timers.stop(&c.sync)
	initial := c.state == Empty
	if initial {
		// The group is new: give the others a moment, so that they do not cause a rebalance each.
		delay := int64(m.cfg.InitialRebalanceDelayMs)
		c.initialLeftMs = max(c.rebalanceTimeoutMs()-delay, 0)
		c.join.fire = func() { m.initialDelayOver(c, delay) }
		m.timers.set(&c.join, m.nowMs+delay)
	}
	c.transition(m, PreparingRebalance)
	if initial {
		return
	}
	if c.allJoined() {
		m.completeJoin(c)
	} else {
		m.awaitJoins(c)
	}
}

// awaitJoins gives the members until the rebalance time-out to join.
func (m *Machine) awaitJoins(c *classic) {
	c.join.fire = func() { m.completeJoin(c) }
	m.timers.stop(&c.join)
	m.timers.set(&c.join, m.nowMs+c.rebalanceTimeoutMs())
}

// initialDelayOver completes the first rebalance, or waits on if members came during the delay.
func (m *Machine) initialDelayOver(c *classic, delay int64) {
	if !c.newMemberAdded || c.initialLeftMs == 0 {
		m.completeJoin(c)
		return
	}
	c.newMemberAdded = false
	next := min(int64(m.cfg.InitialRebalanceDelayMs), c.initialLeftMs)
	c.initialLeftMs = max(c.initialLeftMs-delay, 0)
	c.join.fire = func() { m.initialDelayOver(c, next) }
	m.timers.set(&c.join, m.nowMs+next)
}

// maybeCompleteJoin completes the rebalance being prepared if all have joined; the first one has its delay.
func (m *Machine) maybeCompleteJoin(c *classic) {
	if c.state == PreparingRebalance && c.previous != Empty && c.allJoined() {
		m.completeJoin(c)
	}
}

// completeJoin ends PreparingRebalance: dynamic members that have not rejoined are out, the others get the new generation.
func (m *Machine) completeJoin(c *classic) {
	m.timers.stop(&c.join)
	if c.state != PreparingRebalance {
		return
	}
	for i := 0; i < len(c.members); {
		if x := c.members[i]; x.joinWaiter == nil && x.instanceID == nil {
			m.answerSyncError(x, protocol.ErrUnknownMemberID)
			m.remove(c, x.id)
		} else {
			i++
		}
	}
	if !c.electJoinedLeader() && len(c.members) > 0 {
		// Only static members that have not come back: wait until their sessions end.
		m.awaitJoins(c)
		return
	}
	c.nextGeneration(m)
	if c.state == Empty {
		b := m.batch()
		m.putGroup(b, c, nil, false)
		// If this is lost the former generation is loaded again, and its members time out.
		b.append(c.group, func(protocol.ErrorCode) {})
		return
	}
	if c.pendingSync == nil {
		c.pendingSync = map[string]bool{}
	}
	for _, x := range c.members {
		if x.joinWaiter != nil {
			m.answerJoin(c, x, c.joinResponse(x, c.leader))
		}
		m.heartbeatSeen(x)
		x.isNew = false
		c.pendingSync[x.id] = true
	}
	m.timers.stop(&c.sync)
	m.timers.set(&c.sync, m.nowMs+c.rebalanceTimeoutMs())
}

// resetAssignment takes the assignment back and tells those that wait for it why.
func (m *Machine) resetAssignment(c *classic, err protocol.ErrorCode) {
	for _, x := range c.members {
		x.assignment = nil
		if x.syncWaiter != nil {
			m.answerSyncError(x, err)
			m.heartbeatSeen(x)
		}
	}
}

// heartbeatSeen gives a member a new session time-out.
func (m *Machine) heartbeatSeen(x *member) {
	m.timers.set(&x.session, m.nowMs+int64(x.sessionTimeoutMs))
}

// expireSession is a member's session time-out. One that waits for an answer of ours cannot send heartbeats and is kept.
func (m *Machine) expireSession(c *classic, x *member) {
	if x.waiting() {
		return
	}
	// A new member may still wait for its join's answer: with UNKNOWN_MEMBER_ID it tries again if it is still there.
	m.answerJoinError(c, x, unknownMember, protocol.ErrUnknownMemberID)
	m.answerSyncError(x, protocol.ErrUnknownMemberID)
	m.remove(c, x.id)
	m.afterRemoval(c)
}

// afterRemoval rebalances, or completes a rebalance that waited only for who is now gone.
func (m *Machine) afterRemoval(c *classic) {
	switch {
	case c.state == Stable || c.state == CompletingRebalance:
		m.prepareRebalance(c)
	case c.state == PreparingRebalance && c.allJoined():
		m.completeJoin(c)
	}
}

// expirePendingJoin forgets a member id that nobody came to use.
func (m *Machine) expirePendingJoin(c *classic, id string) {
	m.remove(c, id)
	if c.state == PreparingRebalance && c.allJoined() {
		m.completeJoin(c)
	}
}

// expirePendingSync removes the members that joined a generation and never synced in it.
func (m *Machine) expirePendingSync(c *classic) {
	if c.state != CompletingRebalance && c.state != Stable || len(c.pendingSync) == 0 {
		return
	}
	for i := 0; i < len(c.members); {
		if x := c.members[i]; c.pendingSync[x.id] {
			m.answerJoinError(c, x, unknownMember, protocol.ErrUnknownMemberID)
			m.answerSyncError(x, protocol.ErrUnknownMemberID)
			m.remove(c, x.id)
		} else {
			i++
		}
	}
	m.prepareRebalance(c)
}

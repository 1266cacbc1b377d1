package group

// This file owns reading a consumer group back from the log.

import (
	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// replayConsumer takes one record of a consumer group. The later record wins where a group has records of both protocols.
func (m *Machine) replayConsumer(k *record.Key, value []byte) error {
	ch, err := decodeChange(*k, value)
	if err != nil {
		return err
	}
	g := m.groups[k.Group]
	if value == nil && (g == nil || g.consumer == nil) {
		return nil
	}
	g = m.entry(k.Group)
	if g.consumer == nil {
		g.classic, g.consumer = nil, m.newConsumer(g)
	}
	g.consumer.ledger.apply(&ch)
	if !g.consumer.written {
		g.consumer = nil
	}
	return nil
}

// consumerLoaded makes a group that has been read ready to serve: sessions begin anew.
func (m *Machine) consumerLoaded(c *consumer) {
	c.derive()
	for _, r := range c.regexes {
		c.regexMs, c.regexSeen = max(c.regexMs, r.Timestamp), max(c.regexSeen, r.Version)
	}
	m.renewTimers(c)
	m.repair(c)
	m.maybeDowngrade(c)
}

package group

// This file owns subscriptions by regular expression (KIP-848: RE2 syntax, matched against whole topic names). Expressions are
// resolved a moment after the heartbeat that brought them, all of a group at once, and again when topics have come or gone, but
// not more often than every regexPauseMs. What they were resolved to is durable, and only a difference begins a group epoch.

import (
	"errors"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

const (
	// regexPauseMs is the least time between two resolutions of a group's expressions.
	regexPauseMs = 10_000
	// regexBytesMax bounds an expression; topic names have 249 bytes at most.
	regexBytesMax = 8 << 10
)

// regexChange is what a heartbeat did to a member's expression.
type regexChange int

const (
	regexSame regexChange = iota
	regexUnresolved
	regexResolved // and what the member gets by it is known: the group has to rebalance
)

func compileRegex(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// checkRegex refuses an expression that cannot be compiled.
func (m *Machine) checkRegex(req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	if req.SubscribedTopicRegex == nil || *req.SubscribedTopicRegex == "" {
		return nil
	}
	pattern := *req.SubscribedTopicRegex
	if g := m.lookup(req.Group); g != nil && g.consumer != nil && g.consumer.regexUsers[pattern] > 0 {
		return nil
	}
	if len(pattern) > regexBytesMax {
		return refuse(protocol.ErrInvalidRegularExpression, "SubscribedTopicRegex has %d bytes; %d are allowed.", len(pattern), regexBytesMax)
	}
	// Alone first: what closes a bracket too many would fit into the frame for whole names.
	_, err := regexp.Compile(pattern)
	if err == nil {
		_, err = compileRegex(pattern)
	}
	if err == nil {
		return nil
	}
	reason := err.Error()
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		reason = string(e.Code)
	}
	return refuse(protocol.ErrInvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %s.", pattern, reason)
}

// regexStep takes a member's change of expression; the member has been updated.
func (m *Machine) regexStep(e *edit, before, after string) regexChange {
	c := e.c
	if before == after {
		return regexSame
	}
	if before != "" && c.regexUsers[before] == 0 {
		e.put(record.Key{Type: record.RegularExpression, Regex: before}, nil)
	}
	if after == "" || c.regexes[after] != nil {
		return regexResolved
	}
	return regexUnresolved
}

// armRegexRefresh has the expressions resolved if there is a reason to.
func (m *Machine) armRegexRefresh(c *consumer) {
	if len(c.regexUsers) == 0 || c.regexRefresh.index != 0 || c.regexMs != 0 && len(c.regexes) > 0 && m.nowMs <= c.regexMs+regexPauseMs {
		return
	}
	if len(c.regexUsers) != len(c.regexes) || c.regexSeen != m.topics().Version() || m.nowMs > c.regexMs+m.cfg.ConsumerRegexRefreshMs {
		m.timers.set(&c.regexRefresh, m.nowMs)
	}
}

// refreshRegexes resolves all expressions of a group.
func (m *Machine) refreshRegexes(c *consumer) {
	if c.group.consumer != c || c.group.converting {
		return
	}
	topics := m.topics()
	c.regexMs, c.regexSeen = m.nowMs, topics.Version()
	e := m.edit(c)
	bump := false
	for _, pattern := range slices.Sorted(maps.Keys(c.regexUsers)) {
		var found []string
		if re, err := compileRegex(pattern); err == nil { // one that a newer broker took and this one cannot read matches nothing
			for _, name := range topics.Names() {
				if re.MatchString(name) {
					found = append(found, name)
				}
			}
		}
		old := c.regexes[pattern]
		if old != nil && slices.Equal(old.Topics, found) {
			continue
		}
		bump = bump || old != nil || len(found) > 0
		e.put(record.Key{Type: record.RegularExpression, Regex: strings.Clone(pattern)},
			&record.ResolvedRegex{Topics: found, Version: c.regexSeen, Timestamp: m.nowMs})
	}
	if hash := metadataHash(topics, c.subscribedTopics()); bump || hash != c.hash {
		e.bumpEpoch(hash)
	}
	e.append(func(protocol.ErrorCode) {})
}

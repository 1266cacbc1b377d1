package group

// This file owns subscriptions by regular expression (KIP-848: RE2 syntax, matched against whole topic names). Expressions are
// resolved a moment after the heartbeat that brought them, all of a group at once, and again when topics have come or gone, but
// not more often than every regexPauseMs. What they were resolved to is durable, and only a difference begins a group epoch.
//
// Anybody may bring an expression that takes long to run, and the coordinator serves others too. Invariants: an expression's program is
// at most regexProgramMax, which is known before it is compiled; one Tick matches at most about regexWorkMax steps' worth of names,
// for all groups together, and the rest waits for a Tick regexStepMs or more later.

import (
	"errors"
	"fmt"
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
	// regexProgramMax bounds what an expression compiles to, instructions: repetitions make it many times the expression's length.
	regexProgramMax = 10_000
	// regexWorkMax is how much matching one Tick does, bytes of names times instructions: some ten milliseconds at worst, and with usual
	// expressions a fraction of that. A single name may cost more.
	regexWorkMax = 1 << 19
	// regexStepMs is the pause before matching goes on, and longer after a Tick that did more.
	regexStepMs = 20
)

// regexChange is what a heartbeat did to a member's expression.
type regexChange int

const (
	regexSame regexChange = iota
	regexUnresolved
	regexResolved // and what the member gets by it is known: the group has to rebalance
)

// compileRegex compiles an expression for whole names; size is that of its program, at least.
func compileRegex(pattern string) (re *regexp.Regexp, size int, err error) {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	if size = programSize(parsed); size > regexProgramMax {
		return nil, size, fmt.Errorf("it is too large: its repetitions make it %d steps, %d are allowed", size, regexProgramMax)
	}
	re, err = regexp.Compile(`\A(?:` + pattern + `)\z`)
	return re, size, err
}

// programSize is about how many instructions an expression compiles to, or more than regexProgramMax if it is more.
func programSize(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2 // a class has ranges of two, which cost time too; a literal's runes are an instruction each
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		if n += programSize(sub); n > regexProgramMax {
			break
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, regexProgramMax+1)
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
	_, _, err := compileRegex(pattern)
	if err == nil {
		return nil
	}
	reason := err.Error()
	if e := (*syntax.Error)(nil); errors.As(err, &e) {
		reason = string(e.Code)
	}
	return refuse(protocol.ErrInvalidRegularExpression, "SubscribedTopicRegex `%.200s` is not a valid regular expression: %s.", pattern, reason)
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

// resolution is the expressions of a group being resolved.
type resolution struct {
	topics   Topics
	names    []string // of topics
	patterns []string
	found    map[string][]string // by pattern: the topics of those that are done

	re      *regexp.Regexp // of the pattern in hand, which is patterns[len(found)]; nil before it begins, and if it matches nothing
	size    int
	begun   bool
	next    int // of names
	matched []string
}

// step does some of it, and less than there is if work, which it takes down, is used up before; it says whether all is done.
func (r *resolution) step(work *int) (done bool) {
	for len(r.found) < len(r.patterns) {
		pattern := r.patterns[len(r.found)]
		if *work <= 0 {
			return false
		}
		if !r.begun {
			// One that a newer broker took and this one cannot read matches nothing.
			r.re, r.size, _ = compileRegex(pattern)
			r.begun, r.next, r.matched = true, 0, nil
			*work -= 100 * r.size // compiling costs about as much
		}
		for ; r.re != nil && r.next < len(r.names); r.next++ {
			if *work <= 0 {
				return false
			}
			name := r.names[r.next]
			if *work -= (1 + len(name)) * r.size; r.re.MatchString(name) {
				r.matched = append(r.matched, name)
			}
		}
		r.found[pattern] = r.matched
		r.re, r.begun = nil, false
	}
	return true
}

// refreshRegexes resolves all expressions of a group, or a part of them.
func (m *Machine) refreshRegexes(c *consumer) {
	if c.group.consumer != c || c.group.converting {
		c.resolving = nil
		return
	}
	if c.resolving == nil {
		topics := m.topics()
		c.regexMs, c.regexSeen = m.nowMs, topics.Version()
		c.resolving = &resolution{topics: topics, names: topics.Names(), patterns: slices.Sorted(maps.Keys(c.regexUsers)), found: map[string][]string{}}
	}
	if !c.resolving.step(&m.regexWork) {
		m.timers.set(&c.regexRefresh, m.nowMs+int64(regexStepMs*(regexWorkMax-m.regexWork)/regexWorkMax))
		return
	}
	r := c.resolving
	c.resolving = nil
	e := m.edit(c)
	bump := false
	for _, pattern := range r.patterns {
		if c.regexUsers[pattern] == 0 {
			continue // whoever brought it has left meanwhile
		}
		found, old := r.found[pattern], c.regexes[pattern]
		if old != nil && slices.Equal(old.Topics, found) {
			continue
		}
		bump = bump || old != nil || len(found) > 0
		e.put(record.Key{Type: record.RegularExpression, Regex: strings.Clone(pattern)},
			&record.ResolvedRegex{Topics: found, Version: r.topics.Version(), Timestamp: m.nowMs})
	}
	if hash := metadataHash(m.topics(), c.subscribedTopics()); bump || hash != c.hash {
		e.bumpEpoch(hash)
	}
	e.append(func(protocol.ErrorCode) {})
}

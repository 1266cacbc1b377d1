package api

// This file owns how requests count towards clients' quotas. Invariants: without quotas it costs a request a load of the metadata's
// pointer; a throttle is told in the answer, which goes out at once, and the connection is not read for that long (KIP-219), whatever the
// request's version.

import (
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/quota"
)

// rules are the quotas that are set; nil: none.
func (b *Broker) rules() *quota.Rules {
	if b.Quotas == nil {
		return nil
	}
	return b.Metadata.Load().Quotas
}

// throttle has the answer tell the client to wait, and the connection not read from, for ms; 0 does nothing.
func (c *Call) throttle(ms int32) {
	if ms > c.ThrottleMs {
		c.ThrottleMs = ms
		c.Mute(ms)
	}
}

// Timed says that the time that c takes counts: whoever works for it adds that to SpentNs.
func (c *Call) Timed() bool { return c.Broker.rules().Has(quota.Request) }

// ChargeTime counts SpentNs. Before the answer is encoded.
func (c *Call) ChargeTime() {
	if spent := c.SpentNs; spent > 0 {
		c.SpentNs = 0
		if rules := c.Broker.rules(); rules != nil {
			c.throttle(c.Broker.Quotas.Charge(rules, quota.Request, quota.Anonymous, c.ClientID, spent, c.Broker.nowMs()))
		}
	}
}

// chargeProduce counts the bytes of a Produce request.
func (c *Call) chargeProduce(bytes int, nowMs int64) {
	if rules := c.Broker.rules(); rules != nil {
		c.throttle(c.Broker.Quotas.Charge(rules, quota.Produce, quota.Anonymous, c.ClientID, int64(bytes), nowMs))
	}
}

// chargeFetch counts the bytes of an answer to Fetch, or throttles it. rules must not be nil.
func (c *Call) chargeFetch(rules *quota.Rules, bytes int64) {
	c.throttle(c.Broker.Quotas.Fetched(rules, quota.Anonymous, c.ClientID, bytes, c.Broker.nowMs()))
}

// mutations are what one request does to topics and partitions (KIP-599).
type mutations struct {
	c      *Call
	rules  *quota.Rules
	strict bool
}

// neverStrict is for mutations of a request that has no strict version.
const neverStrict = math.MaxInt16

// mutations counts for c, whose versions from strictSince on are refused what goes over the quota; what earlier ones ask for is done, and
// the client throttled.
func (c *Call) mutations(strictSince int16) mutations {
	return mutations{c, c.Broker.rules(), c.Version >= strictSince}
}

// mayChange counts the creation or deletion of partitions; the refusal, or nil.
func (m mutations) mayChange(partitions int) *refusal {
	if m.rules == nil || partitions <= 0 || partitions > controller.PartitionsPerRequestMax { // the last is refused anyway
		return nil
	}
	ms, refused := m.c.Broker.Quotas.Mutate(m.rules, quota.Anonymous, m.c.ClientID, int64(partitions), m.c.Broker.nowMs(), m.strict)
	if ms > 0 && m.c.ThrottleMs == 0 {
		m.c.Broker.Quotas.Throttled(quota.Mutation, ms)
	}
	m.c.throttle(ms)
	if refused {
		return refuseWith(kerr.ThrottlingQuotaExceeded, "the quota %s is used up; try again in %d ms", quota.Mutation.Key(), ms)
	}
	return nil
}

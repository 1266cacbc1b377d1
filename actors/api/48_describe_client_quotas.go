package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/quota"
)

// DescribeClientQuotas, v0-v1 (v1 is flexible; KIP-546): the quotas of the entities that a filter matches. Strict: only of those that have
// no parts besides those of the filter. A type of entity that is not known is UNSUPPORTED_VERSION, any other fault of the filter
// INVALID_REQUEST, for the request as a whole.
func init() { register(48, 0, 1, describeClientQuotas) }

func describeClientQuotas(c *Call) {
	req := c.Request.(*kmsg.DescribeClientQuotasRequest)
	resp := kmsg.NewPtrDescribeClientQuotasResponse()
	f, refused := newQuotaFilter(req)
	if refused != nil {
		resp.ErrorCode, resp.ErrorMessage = refused.result()
		c.Reply(resp)
		return
	}
	none := ""
	resp.ErrorMessage = &none
	resp.Entries = []kmsg.DescribeClientQuotasResponseEntry{} // empty, not null
	rules := c.Broker.Metadata.Load().Quotas
	for _, e := range rules.Entities() {
		if !f.matches(e) {
			continue
		}
		entry := kmsg.NewDescribeClientQuotasResponseEntry()
		for _, p := range e.Parts() {
			part := kmsg.NewDescribeClientQuotasResponseEntryEntity()
			part.Type, part.Name = p.Type, p.Name.Pointer()
			entry.Entity = append(entry.Entity, part)
		}
		for k, v := range rules.Values(e) {
			if v != 0 {
				entry.Values = append(entry.Values, kmsg.DescribeClientQuotasResponseEntryValue{Key: quota.Kind(k).Key(), Value: v})
			}
		}
		resp.Entries = append(resp.Entries, entry)
	}
	c.Reply(resp)
}

// quotaFilter is what a request asks for, by type of entity.
type quotaFilter struct {
	parts  map[string]quotaMatch
	strict bool
}

// quotaMatch is what one part of an entity must be: any, or this one.
type quotaMatch struct {
	any  bool
	name quota.Name
}

// The ways to match, by Kafka's numbers.
const (
	quotaMatchExact kmsg.QuotasMatchType = iota
	quotaMatchDefault
	quotaMatchAny
)

func newQuotaFilter(req *kmsg.DescribeClientQuotasRequest) (f quotaFilter, refused *refusal) {
	f = quotaFilter{map[string]quotaMatch{}, req.Strict}
	for i := range req.Components {
		m := &req.Components[i]
		_, twice := f.parts[m.EntityType]
		known := (&quota.Entity{}).Part(m.EntityType) != nil
		switch {
		case m.EntityType == "":
			return f, refuseWith(kerr.InvalidRequest, "a component of the filter has no type of entity")
		case twice:
			return f, refuseWith(kerr.InvalidRequest, "the filter names the type of entity %q twice", m.EntityType)
		case !known:
			return f, refuseWith(kerr.UnsupportedVersion, "there is no type of entity %q; there are user, client-id and ip", m.EntityType)
		case m.MatchType < quotaMatchExact || m.MatchType > quotaMatchAny:
			return f, refuseWith(kerr.InvalidRequest, "there is no type of match %d; there are 0 (exact), 1 (default) and 2 (any)", m.MatchType)
		case (m.MatchType == quotaMatchExact) != (m.Match != nil):
			return f, refuseWith(kerr.InvalidRequest, "an exact match of the %s needs a name, any other match none", m.EntityType)
		}
		f.parts[m.EntityType] = quotaMatch{m.MatchType == quotaMatchAny, quota.Named(m.Match)}
	}
	if _, ip := f.parts[quota.TypeIP]; ip && len(f.parts) > 1 {
		return f, refuseWith(kerr.InvalidRequest, "no entity is an ip and something else")
	}
	return f, nil
}

func (f *quotaFilter) matches(e quota.Entity) bool {
	for kind, m := range f.parts {
		if n := *e.Part(kind); !n.Given || !m.any && n != m.name {
			return false
		}
	}
	return !f.strict || len(e.Parts()) == len(f.parts)
}

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DescribeClientQuotas: each version, each kind of match on each kind of entity, strict or not, and filters that cannot be.
func init() {
	versions(0, 1, func(c *C, v int16) {
		user := c.name("user")
		c.quota(v, "producer_byte_rate", 1000, "user", user)
		c.describeQuotas(v, true, matchOf(exactly, "user", &user))
	})
	// entities makes one of each kind with names of the case's own.
	entities := func(c *C) (user, client string) {
		user, client = c.name("user"), c.name("client")
		c.quota(1, "producer_byte_rate", 1000, "user", user)
		c.quota(1, "consumer_byte_rate", 2000.0, "client-id", client)
		c.quota(1, "request_percentage", 12.5, "user", user, "client-id", client)
		c.quota(1, "controller_mutation_rate", 0.5, "user", user, "client-id", "")
		return user, client
	}
	for _, strict := range []bool{true, false} {
		for _, w := range []struct {
			name  string
			match func(user, client string) []match
		}{
			{"user", func(u, _ string) []match { return []match{matchOf(exactly, "user", &u)} }},
			{"client", func(_, cl string) []match { return []match{matchOf(exactly, "client-id", &cl)} }},
			{"user and client", func(u, cl string) []match {
				return []match{matchOf(exactly, "user", &u), matchOf(exactly, "client-id", &cl)}
			}},
			{"user and default client", func(u, _ string) []match {
				return []match{matchOf(exactly, "user", &u), matchOf(byDefault, "client-id", nil)}
			}},
			{"user and any client", func(u, _ string) []match {
				return []match{matchOf(exactly, "user", &u), matchOf(specified, "client-id", nil)}
			}},
			{"any user and client", func(_, cl string) []match {
				return []match{matchOf(specified, "user", nil), matchOf(exactly, "client-id", &cl)}
			}},
			{"default user and client", func(_, cl string) []match {
				return []match{matchOf(byDefault, "user", nil), matchOf(exactly, "client-id", &cl)}
			}},
			{"any user", func(string, string) []match { return []match{matchOf(specified, "user", nil)} }},
			{"any client", func(string, string) []match { return []match{matchOf(specified, "client-id", nil)} }},
			{"nothing", func(string, string) []match { return nil }},
		} {
			add(fmt.Sprintf("%s, strict %v", w.name, strict), func(c *C) {
				c.describeQuotas(1, strict, w.match(entities(c))...)
			})
		}
	}
	none := "none"
	empty := ""
	for _, w := range []struct {
		name  string
		match []match
	}{
		{"who has none", []match{matchOf(exactly, "user", &none)}},
		{"empty name", []match{matchOf(exactly, "user", &empty)}},
		{"exact without a name", []match{matchOf(exactly, "user", nil)}},
		{"default with a name", []match{matchOf(byDefault, "user", &none)}},
		{"any with a name", []match{matchOf(specified, "user", &none)}},
		{"match type 3", []match{matchOf(3, "user", nil)}}, {"match type -1", []match{matchOf(-1, "user", nil)}},
		{"empty type", []match{matchOf(exactly, "", &none)}}, {"unknown type", []match{matchOf(exactly, "group", &none)}},
		{"type in capitals", []match{matchOf(exactly, "USER", &none)}},
		{"type twice", []match{matchOf(exactly, "user", &none), matchOf(specified, "user", nil)}},
		{"ip and user", []match{matchOf(exactly, "ip", &none), matchOf(exactly, "user", &none)}},
		{"ip and client", []match{matchOf(specified, "ip", nil), matchOf(byDefault, "client-id", nil)}},
		{"ip that is none", []match{matchOf(exactly, "ip", &none)}},
		{"unknown type and type twice", []match{matchOf(exactly, "group", &none), matchOf(exactly, "group", &none)}},
	} {
		add(w.name, func(c *C) { c.describeQuotas(1, false, w.match...) })
	}
}

// The ways to match an entity.
const (
	exactly kmsg.QuotasMatchType = iota
	byDefault
	specified
)

type match = kmsg.DescribeClientQuotasRequestComponent

func matchOf(how kmsg.QuotasMatchType, kind string, name *string) match {
	return match{EntityType: kind, MatchType: how, Match: name}
}

// quotaEntity is (type, name, type, name, …) as requests have it; "" is the default of a type.
func quotaEntity(parts ...string) (e []kmsg.AlterClientQuotasRequestEntryEntity) {
	for i := 0; i < len(parts); i += 2 {
		p := kmsg.AlterClientQuotasRequestEntryEntity{Type: parts[i]}
		if parts[i+1] != "" {
			p.Name = &parts[i+1]
		}
		e = append(e, p)
	}
	return e
}

// quota sets one quota, which must work, and waits until it is shown.
func (c *C) quota(v int16, key string, value float64, entity ...string) {
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = []kmsg.AlterClientQuotasRequestEntry{{Entity: quotaEntity(entity...), Ops: []kmsg.AlterClientQuotasRequestEntryOp{{Key: key, Value: value}}}}
	if code := c.get(v, req).(*kmsg.AlterClientQuotasResponse).Entries[0].ErrorCode; code != 0 {
		c.abort("set %s of %v: error %d", key, entity, code)
	}
	c.quotaSettled(key, value, entity...)
}

// quotaSettled waits until an entity has a quota; 0: not that one any more. Kafka's broker learns of it a moment after the answer.
func (c *C) quotaSettled(key string, value float64, entity ...string) {
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Strict = true
	for _, p := range quotaEntity(entity...) {
		m := matchOf(exactly, p.Type, p.Name)
		if p.Name == nil {
			m.MatchType = byDefault
		}
		req.Components = append(req.Components, m)
	}
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		got := 0.0
		for _, e := range c.get(1, req).(*kmsg.DescribeClientQuotasResponse).Entries {
			for _, v := range e.Values {
				if v.Key == key {
					got = v.Value
				}
			}
		}
		if got == value {
			return
		}
		if time.Now().After(deadline) {
			c.abort("%s of %v does not become %v", key, entity, value)
		}
	}
}

// describeQuotas asks for quotas and writes down those of entities that the case has named, or that have only a default's name.
func (c *C) describeQuotas(v int16, strict bool, matches ...match) {
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	req.Components, req.Strict = matches, strict
	c.ask(v, req, func(resp kmsg.Response) {
		r := resp.(*kmsg.DescribeClientQuotasResponse)
		if r.ErrorCode != 0 {
			return
		}
		r.Entries = slices.DeleteFunc(r.Entries, func(e kmsg.DescribeClientQuotasResponseEntry) bool {
			return !slices.ContainsFunc(e.Entity, func(p kmsg.DescribeClientQuotasResponseEntryEntity) bool {
				return p.Name != nil && (c.shown.names[*p.Name] != "")
			})
		})
		if r.Entries == nil {
			r.Entries = []kmsg.DescribeClientQuotasResponseEntry{}
		}
	})
}

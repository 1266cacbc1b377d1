package main

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// AlterClientQuotas: each version, each key on each kind of entity, values that cannot be, entities that cannot be, what comes twice,
// removal, validation only.
func init() {
	type op = kmsg.AlterClientQuotasRequestEntryOp
	type entry = kmsg.AlterClientQuotasRequestEntry
	alter := func(c *C, v int16, only bool, entries ...entry) {
		req := kmsg.NewPtrAlterClientQuotasRequest()
		req.Entries, req.ValidateOnly = entries, only
		c.ask(v, req)
	}
	ofUser := func(name string) match { return matchOf(exactly, "user", &name) }
	versions(0, 1, func(c *C, v int16) {
		user := c.name("user")
		alter(c, v, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "producer_byte_rate", Value: 1000}, {Key: "consumer_byte_rate", Value: 2000}}})
		c.quotaSettled("consumer_byte_rate", 2000, "user", user)
		c.describeQuotas(1, true, ofUser(user))
		alter(c, v, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "producer_byte_rate", Remove: true}}})
		c.quotaSettled("producer_byte_rate", 0, "user", user)
		c.describeQuotas(1, true, ofUser(user))
		alter(c, v, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "consumer_byte_rate", Remove: true}}})
		c.quotaSettled("consumer_byte_rate", 0, "user", user)
		c.describeQuotas(1, true, ofUser(user))
	})
	for _, key := range []string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate", "no_such_rate", "",
		"Producer_byte_rate", "SCRAM-SHA-256"} {
		for _, what := range []string{"user", "client-id", "user and client-id", "ip"} {
			add(fmt.Sprintf("%q of %s", key, what), func(c *C) {
				entity := map[string][]string{"user": {"user", c.name("u")}, "client-id": {"client-id", c.name("c")},
					"user and client-id": {"user", c.name("u"), "client-id", c.name("c")}, "ip": {"ip", "192.0.2.1"}}[what]
				alter(c, 1, true, entry{Entity: quotaEntity(entity...), Ops: []op{{Key: key, Value: 1}}})
				alter(c, 1, true, entry{Entity: quotaEntity(entity...), Ops: []op{{Key: key, Remove: true}}})
			})
		}
	}
	for _, value := range []float64{0, -1, -0.5, 0.5, 1.5, 1e-9, 1 + 1e-7, 1 + 1e-5, 32768, 2147483647, 2147483648, 9223372036854775807, 1e19, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		for _, key := range []string{"producer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate"} {
			add(fmt.Sprintf("%s %v", key, value), func(c *C) {
				entity := []string{"user", c.name("u")}
				if key == "connection_creation_rate" {
					entity = []string{"ip", "192.0.2.1"}
				}
				alter(c, 1, true, entry{Entity: quotaEntity(entity...), Ops: []op{{Key: key, Value: value}}})
			})
		}
	}
	one := []op{{Key: "producer_byte_rate", Value: 1}}
	none := ""
	for _, w := range []struct {
		name   string
		entity []kmsg.AlterClientQuotasRequestEntryEntity
		ops    []op
	}{
		{"no entity", nil, one}, {"no entity, no operations", nil, nil}, {"no operations", quotaEntity("user", "u"), nil},
		{"empty user", []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "user", Name: &none}}, one},
		{"empty client", []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "client-id", Name: &none}}, one},
		{"empty ip", []kmsg.AlterClientQuotasRequestEntryEntity{{Type: "ip", Name: &none}}, []op{{Key: "connection_creation_rate", Value: 1}}},
		{"unknown type", quotaEntity("group", "g"), one}, {"empty type", quotaEntity("", "g"), one}, {"type in capitals", quotaEntity("User", "u"), one},
		{"good and unknown type", quotaEntity("user", "u", "group", "g"), one},
		{"type twice", quotaEntity("user", "u", "user", "v"), one},
		{"ip and user", quotaEntity("ip", "192.0.2.1", "user", "u"), one}, {"ip and client", quotaEntity("ip", "192.0.2.1", "client-id", "c"), one},
		{"ip that is none", quotaEntity("ip", "300.1.1.1.1"), []op{{Key: "connection_creation_rate", Value: 1}}},
		{"ip of version 6", quotaEntity("ip", "2001:db8::1"), []op{{Key: "connection_creation_rate", Value: 1}}},
		{"ip that is a host's name", quotaEntity("ip", "localhost"), []op{{Key: "connection_creation_rate", Value: 1}}},
		{"ip that is none, nothing to change", quotaEntity("ip", "300.1.1.1.1"), nil},
		{"default ip", quotaEntity("ip", ""), []op{{Key: "connection_creation_rate", Value: 1000000}}},
		{"default user", quotaEntity("user", ""), []op{{Key: "producer_byte_rate", Value: 1e15}}},
		{"default client", quotaEntity("client-id", ""), []op{{Key: "producer_byte_rate", Value: 1e15}}},
		{"default user and client", quotaEntity("user", "", "client-id", ""), []op{{Key: "producer_byte_rate", Value: 1e15}}},
		{"key twice", quotaEntity("user", "u"), []op{{Key: "producer_byte_rate", Value: 1}, {Key: "producer_byte_rate", Value: 2}}},
		{"key set and removed", quotaEntity("user", "u"), []op{{Key: "producer_byte_rate", Value: 1}, {Key: "producer_byte_rate", Remove: true}}},
		{"unknown key twice", quotaEntity("user", "u"), []op{{Key: "x", Value: 1}, {Key: "x", Value: 1}}},
		{"bad and good", quotaEntity("user", "u"), []op{{Key: "producer_byte_rate", Value: -1}, {Key: "consumer_byte_rate", Value: 1}}},
		{"removal with a value", quotaEntity("user", "u"), []op{{Key: "producer_byte_rate", Value: -5, Remove: true}}},
	} {
		add(w.name, func(c *C) { alter(c, 1, true, entry{Entity: w.entity, Ops: w.ops}) })
	}
	add("validation only changes nothing", func(c *C) {
		user := c.name("user")
		alter(c, 1, true, entry{Entity: quotaEntity("user", user), Ops: one})
		c.describeQuotas(1, true, ofUser(user))
	})
	add("one bad key keeps the others of the entity out", func(c *C) {
		user, other := c.name("user"), c.name("other")
		alter(c, 1, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "consumer_byte_rate", Value: 1}, {Key: "x", Value: 1}}},
			entry{Entity: quotaEntity("user", other), Ops: one})
		c.quotaSettled("producer_byte_rate", 1, "user", other)
		c.describeQuotas(1, true, ofUser(user))
		c.describeQuotas(1, true, ofUser(other))
	})
	add("entity twice", func(c *C) {
		user := c.name("user")
		alter(c, 1, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "producer_byte_rate", Value: 7}}},
			entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "consumer_byte_rate", Value: 8}}})
		c.quotaSettled("producer_byte_rate", 7, "user", user)
		c.describeQuotas(1, true, ofUser(user))
	})
	add("entity twice, the first bad", func(c *C) {
		user := c.name("user")
		alter(c, 1, false, entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "producer_byte_rate", Value: -7}}},
			entry{Entity: quotaEntity("user", user), Ops: []op{{Key: "consumer_byte_rate", Value: 8}}})
		c.describeQuotas(1, true, ofUser(user))
	})
	add("a value takes another's place", func(c *C) {
		user := c.name("user")
		c.quota(1, "producer_byte_rate", 5, "user", user)
		c.quota(1, "producer_byte_rate", 6, "user", user)
		c.describeQuotas(1, true, ofUser(user))
	})
	add("type twice, then look", func(c *C) {
		user, other := c.name("user"), c.name("other")
		alter(c, 1, false, entry{Entity: quotaEntity("user", other, "user", user), Ops: one})
		c.quotaSettled("producer_byte_rate", 1, "user", user)
		c.describeQuotas(1, true, ofUser(user))
		c.describeQuotas(1, true, ofUser(other))
	})
	add("removal of what is not set", func(c *C) {
		alter(c, 1, false, entry{Entity: quotaEntity("user", c.name("user")), Ops: []op{{Key: "producer_byte_rate", Remove: true}}})
	})
	add("nothing", func(c *C) { alter(c, 1, false) })
	add("names are kept as they are", func(c *C) {
		user := c.name("a user/with <default> & \u00fcml\u00e4ute %2F")
		c.quota(1, "producer_byte_rate", 5, "user", user)
		c.describeQuotas(1, true, ofUser(user))
	})
	add("a name that stands for the default in tools", func(c *C) {
		alter(c, 1, true, entry{Entity: quotaEntity("user", "<default>"), Ops: one})
	})
}

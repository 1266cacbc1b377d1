// Package quota is what clients may take of a broker in a second: who has which quota (entity.go, values.go, rules.go), how much of it
// has been used (rate.go, bucket.go, meters.go), and what is shown of it (metrics.go). Source: KIP-13, KIP-55, KIP-124, KIP-219, KIP-546,
// KIP-599, KIP-612, and Apache Kafka's own precedence of entities.
//
// Rules are part of the cluster's metadata: immutable, and replaced as a whole when a quota changes. Meters are this broker's own: counters
// that all connections share, without locks. Nothing here waits, and nothing here reads a clock.
package quota

import (
	"cmp"
	"strings"
)

// Anonymous is the user of every client: there is no authentication.
const Anonymous = "ANONYMOUS"

// The types of an entity's parts, by Kafka's names.
const (
	TypeUser     = "user"
	TypeClientID = "client-id"
	TypeIP       = "ip"
)

// Name is one part of an entity. The zero value: the entity has no such part.
type Name struct {
	Given   bool
	Default bool // it stands for every name that has no quota of its own; Text is empty
	Text    string
}

// Named is the part with that name; nil is the default.
func Named(text *string) Name {
	if text == nil {
		return Name{Given: true, Default: true}
	}
	return Name{Given: true, Text: *text}
}

// Pointer is the name as the wire has it: null for the default.
func (n Name) Pointer() *string {
	if n.Default {
		return nil
	}
	text := n.Text
	return &text
}

// Entity is whom a quota is set for: a user, a client id, both, or an IP address. Comparable.
type Entity struct{ User, ClientID, IP Name }

// Part is one part of an entity with its type.
type Part struct {
	Type string
	Name Name
}

// Parts lists the parts that e has, in a fixed order.
func (e Entity) Parts() []Part {
	list := make([]Part, 0, 2)
	for _, p := range [...]Part{{TypeUser, e.User}, {TypeClientID, e.ClientID}, {TypeIP, e.IP}} {
		if p.Name.Given {
			list = append(list, p)
		}
	}
	return list
}

// Part finds a part by its type; nil if there is no such type.
func (e *Entity) Part(kind string) *Name {
	switch kind {
	case TypeUser:
		return &e.User
	case TypeClientID:
		return &e.ClientID
	case TypeIP:
		return &e.IP
	}
	return nil
}

// Compare orders entities, for lists and snapshots.
func (e Entity) Compare(o Entity) int {
	return cmp.Or(e.User.compare(o.User), e.ClientID.compare(o.ClientID), e.IP.compare(o.IP))
}

func (n Name) compare(o Name) int {
	rank := func(n Name) int {
		switch {
		case !n.Given:
			return 0
		case n.Default:
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(n), rank(o)), strings.Compare(n.Text, o.Text))
}

// String names e in messages.
func (e Entity) String() string {
	var words []string
	for _, p := range e.Parts() {
		if p.Name.Default {
			words = append(words, "default "+p.Type)
		} else {
			words = append(words, p.Type+" "+p.Name.Text)
		}
	}
	if len(words) == 0 {
		return "nobody"
	}
	return strings.Join(words, ", ")
}

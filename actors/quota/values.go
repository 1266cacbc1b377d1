package quota

// This file owns which quotas there are and which values they may have. Invariant: a value that is kept passed Check, so it is above 0 and a
// number.

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// Kind is what a quota bounds.
type Kind uint8

// The kinds. They stand in logs and snapshots: numbers are never reused.
const (
	Produce    Kind = iota // bytes of Produce requests, a second
	Fetch                  // bytes of Fetch answers, a second
	Request                // time that requests take, per cent of one core
	Mutation               // partitions created or deleted, a second
	Connection             // connections accepted from an address, a second
	Kinds
)

var keys = [Kinds]string{"producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate"}

// Key is Kafka's name of the quota.
func (k Kind) Key() string { return keys[k] }

// KindOf finds a quota by Kafka's name.
func KindOf(key string) (Kind, bool) {
	for k, name := range keys {
		if name == key {
			return Kind(k), true
		}
	}
	return 0, false
}

// Values are the quotas of one entity, by Kind; 0: not set.
type Values [Kinds]float64

// Bounds of what is kept.
const (
	// EntitiesMax bounds the entities with quotas.
	EntitiesMax = 10_000
	// NameBytesMax bounds a name.
	NameBytesMax = 1_024
)

// Check says why e can have no quotas at all; nil if it can.
func (e Entity) Check() error {
	if e == (Entity{}) {
		return errors.New("a quota needs a user, a client-id, both, or an ip")
	}
	for _, p := range e.Parts() {
		switch n := p.Name; {
		case !n.Default && n.Text == "":
			return fmt.Errorf("the name of the %s is empty; the default has no name (null)", p.Type)
		case len(n.Text) > NameBytesMax:
			return fmt.Errorf("the name of the %s has %d bytes; at most %d are allowed", p.Type, len(n.Text), NameBytesMax)
		}
	}
	if !e.IP.Given {
		return nil
	}
	if e.User.Given || e.ClientID.Given {
		return errors.New("a quota of an ip cannot be for a user or a client-id too")
	}
	if !e.IP.Default {
		if _, err := netip.ParseAddr(e.IP.Text); err != nil {
			return fmt.Errorf("%q is not an IP address; names of hosts are not looked up", e.IP.Text)
		}
	}
	return nil
}

// CheckValue says why e cannot have that value for key; nil if it can.
func (e Entity) CheckValue(key string, value float64) (Kind, error) {
	k, known := KindOf(key)
	if !known || e.IP.Given != (k == Connection) {
		allowed := keys[Produce:Connection]
		if e.IP.Given {
			allowed = keys[Connection:]
		}
		return 0, fmt.Errorf("%q is no quota of %s; allowed: %q", key, e, allowed)
	}
	top := math.Inf(1)
	switch k {
	case Produce, Fetch:
		top = math.MaxInt64
	case Connection:
		top = math.MaxInt32
	}
	const whole = 1e-6 // how far from a whole number Kafka lets one be
	switch {
	case !(value > 0):
		return 0, fmt.Errorf("%s is %v; it must be greater than 0", key, value)
	case value > top:
		return 0, fmt.Errorf("%s is %v; at most %.0f is allowed", key, value, top)
	case k != Request && k != Mutation && math.Mod(value, 1) > whole:
		return 0, fmt.Errorf("%s is %v; it must be a whole number", key, value)
	}
	return k, nil
}

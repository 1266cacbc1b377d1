// Package groupconfig is the configurations that a consumer group can have of its own (Kafka's resource type GROUP): their names,
// limits and defaults. Pure functions.
package groupconfig

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// The names, by Kafka's.
const (
	SessionTimeout     = "consumer.session.timeout.ms"
	HeartbeatInterval  = "consumer.heartbeat.interval.ms"
	AssignmentInterval = "consumer.assignment.interval.ms"
)

// Key is one configuration.
type Key struct {
	Name string
	Doc  string
	// What the broker says: its own value, which groups without one have, and what a group's may be, both ends included.
	Default, Min, Max int32
	IsDefault         bool // Default is Kafka's, nobody has set it
}

// BrokerName is the broker's setting that is the default.
func (k *Key) BrokerName() string { return "group." + k.Name }

// Keys are the configurations of a broker, by name.
type Keys []Key

// Default is Kafka's defaults.
func Default() Keys {
	return Keys{
		{Name: AssignmentInterval, Default: 1000, Min: 0, Max: 15_000, IsDefault: true,
			Doc: "The least time between two assignments of the group."},
		{Name: HeartbeatInterval, Default: 5000, Min: 5000, Max: 15_000, IsDefault: true,
			Doc: "How often the group's members are told to send heartbeats."},
		{Name: SessionTimeout, Default: 45_000, Min: 45_000, Max: 60_000, IsDefault: true,
			Doc: "How long a member of the group may be silent before it is out."},
	}
}

// Lookup finds a key, or nil.
func (k Keys) Lookup(name string) *Key {
	for i := range k {
		if k[i].Name == name {
			return &k[i]
		}
	}
	return nil
}

// valuesMax bounds the numbers: what fits into Kafka's INT.
const valuesMax = 1<<31 - 1

// Parse reads a value that has passed Check; ok is false if it has not.
func Parse(text string) (ms int32, ok bool) {
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil && n >= 0 && n <= valuesMax
}

// CheckNames checks values by themselves, as every broker would: known names, numbers, and the rule between two that are both set.
func CheckNames(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if Default().Lookup(name) == nil {
			return fmt.Errorf("%q is no configuration of a group that Troupe enforces; these are: %s, %s, %s", name, SessionTimeout, HeartbeatInterval, AssignmentInterval)
		}
		if _, ok := Parse(values[name]); !ok {
			return fmt.Errorf("%s: %q is not a number of milliseconds", name, values[name])
		}
	}
	session, both := Parse(values[SessionTimeout])
	if heartbeat, set := Parse(values[HeartbeatInterval]); both && set {
		return checkOrder(session, heartbeat)
	}
	return nil
}

// Check checks the values that a group is to have against the broker's limits.
func (k Keys) Check(values map[string]string) error {
	if err := CheckNames(values); err != nil {
		return err
	}
	for i := range k {
		text, set := values[k[i].Name]
		if ms, _ := Parse(text); set && (ms < k[i].Min || ms > k[i].Max) {
			return fmt.Errorf("%s: %d is not allowed; allowed on this broker: %d to %d", k[i].Name, ms, k[i].Min, k[i].Max)
		}
	}
	return checkOrder(k.Value(values, SessionTimeout), k.Value(values, HeartbeatInterval))
}

// checkOrder refuses a session that ends before the heartbeat that would keep it.
func checkOrder(session, heartbeat int32) error {
	if session <= heartbeat {
		return fmt.Errorf("%s: %d is not allowed; allowed: more than %s, which is %d", SessionTimeout, session, HeartbeatInterval, heartbeat)
	}
	return nil
}

// Value is what a group with these values has.
func (k Keys) Value(values map[string]string, name string) int32 {
	if ms, ok := Parse(values[name]); ok {
		return ms
	}
	return k.Lookup(name).Default
}

// Package brokerconfig knows which broker configurations can be changed while a broker runs (KIP-226), save those that are defaults of
// topics, which package topicconfig owns. Pure functions.
//
// Rooms: this file is what Troupe enforces, kafka.go what it only keeps and what it refuses, names.go Kafka's names. A value is looked
// up in order of precedence: this broker's dynamic one, the dynamic default of all brokers, what the broker was started with.
package brokerconfig

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/topicconfig"
)

// Config is what is in force of the settings that can change. Immutable once shared.
type Config struct {
	MaxConnections        int64
	MaxConnectionsPerIP   int64
	CleanerBackoffMs      int64
	CleanerMapBytes       int64
	CleanerBytesPerSecond float64 // below 0: no limit
	ProducerIDExpiryMs    int64
	AssignmentIntervalMs  int32 // of KIP-848 groups without one of their own
}

// Key is one configuration.
type Key struct {
	Name string
	Type kmsg.ConfigType
	// Min and Max bound a number, both included; Also is one more that is allowed. A Double has Min only.
	Min, Max int64
	Also     *int64
	set      func(*Config, float64, int64) // nil: kept, without effect
}

func whole(name string, t kmsg.ConfigType, least int64, set func(*Config, int64)) Key {
	k := Key{Name: name, Type: t, Min: least, Max: math.MaxInt64}
	if t == kmsg.ConfigTypeInt {
		k.Max = math.MaxInt32
	}
	if set != nil {
		k.set = func(c *Config, _ float64, n int64) { set(c, n) }
	}
	return k
}

func (k Key) upTo(most int64) Key { k.Max = most; return k }
func (k Key) or(also int64) Key   { k.Also = &also; return k }

// The names that have an effect.
const (
	MaxConnections      = "max.connections"
	MaxConnectionsPerIP = "max.connections.per.ip"
	CleanerBackoff      = "log.cleaner.backoff.ms"
	CleanerMapBytes     = "log.cleaner.dedupe.buffer.size"
	CleanerIO           = "log.cleaner.io.max.bytes.per.second"
	ProducerIDExpiry    = "producer.id.expiration.ms"
	AssignmentInterval  = "group.consumer.assignment.interval.ms"
)

var enforced = []Key{
	whole(MaxConnections, kmsg.ConfigTypeInt, 1, func(c *Config, n int64) { c.MaxConnections = n }),
	whole(MaxConnectionsPerIP, kmsg.ConfigTypeInt, 1, func(c *Config, n int64) { c.MaxConnectionsPerIP = n }),
	whole(CleanerBackoff, kmsg.ConfigTypeLong, 0, func(c *Config, n int64) { c.CleanerBackoffMs = n }),
	whole(CleanerMapBytes, kmsg.ConfigTypeLong, 1<<20+1, func(c *Config, n int64) { c.CleanerMapBytes = n }),
	Key{Name: CleanerIO, Type: kmsg.ConfigTypeDouble, Min: 1, set: func(c *Config, f float64, _ int64) { c.CleanerBytesPerSecond = f }}.or(-1),
	whole(ProducerIDExpiry, kmsg.ConfigTypeInt, 1, func(c *Config, n int64) { c.ProducerIDExpiryMs = n }),
	whole(AssignmentInterval, kmsg.ConfigTypeInt, 0, func(c *Config, n int64) { c.AssignmentIntervalMs = int32(n) }).upTo(15_000),
}

var byName = func() map[string]*Key {
	m := map[string]*Key{}
	for _, list := range [][]Key{enforced, kept} {
		for i := range list {
			m[list[i].Name] = &list[i]
		}
	}
	return m
}()

// Keys lists what has an effect. The caller must not change it.
func Keys() []Key { return enforced }

// Lookup finds a configuration that can be changed, or nil.
func Lookup(name string) *Key { return byName[name] }

// Enforced says that a value has an effect.
func (k *Key) Enforced() bool { return k.set != nil }

// Resolve lays the dynamic values of l over what the broker was started with. A value that is not valid (an older version kept it) is
// passed over.
func Resolve(started Config, l *topicconfig.Layers) *Config {
	c := started
	for i := range enforced {
		k := &enforced[i]
		for _, values := range []map[string]string{l.Broker, l.Cluster} {
			if text, ok := values[k.Name]; ok {
				if f, n, err := k.number(text); err == nil {
					k.set(&c, f, n)
					break
				}
			}
		}
	}
	return &c
}

// Check says whether value is one that the key allows.
func (k *Key) Check(value string) error {
	if len(value) > topicconfig.ValueBytesMax {
		return &topicconfig.Error{Name: k.Name, Value: value, Why: fmt.Sprintf("the value has %d bytes; at most %d are allowed", len(value), topicconfig.ValueBytesMax)}
	}
	if k.Type == kmsg.ConfigTypeBoolean {
		if _, ok := parseBool(value); !ok {
			return &topicconfig.Error{Name: k.Name, Value: value, Why: "allowed are true and false"}
		}
		return nil
	}
	_, _, err := k.number(value)
	return err
}

// number reads a value; a Double comes as f, others as n.
func (k *Key) number(text string) (f float64, n int64, err error) {
	if k.Type == kmsg.ConfigTypeDouble {
		f, ok := topicconfig.ParseDouble(text)
		if !ok || !(f >= float64(k.Min) || k.Also != nil && f == float64(*k.Also)) {
			return 0, 0, &topicconfig.Error{Name: k.Name, Value: text, Why: "allowed is a number " + k.bounds()}
		}
		return f, 0, nil
	}
	n, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || (n < k.Min || n > k.Max) && (k.Also == nil || n != *k.Also) {
		return 0, 0, &topicconfig.Error{Name: k.Name, Value: text, Why: "allowed is a whole number " + k.bounds()}
	}
	return 0, n, nil
}

func (k *Key) bounds() string {
	say := fmt.Sprintf("from %d on", k.Min)
	switch {
	case k.Min == math.MinInt64:
		say = fmt.Sprintf("up to %d", k.Max)
	case k.Max > 0 && k.Max < math.MaxInt64:
		say = fmt.Sprintf("from %d to %d", k.Min, k.Max)
	}
	if k.Also != nil {
		say += fmt.Sprintf(", or %d", *k.Also)
	}
	return say
}

func parseBool(text string) (v, ok bool) {
	text = strings.TrimSpace(text)
	v = strings.EqualFold(text, "true")
	return v, v || strings.EqualFold(text, "false")
}

// Canonical is a valid value as DescribeConfigs shows it: trimmed, as Java writes it.
func (k *Key) Canonical(value string) string {
	switch k.Type {
	case kmsg.ConfigTypeBoolean:
		if v, ok := parseBool(value); ok {
			return strconv.FormatBool(v)
		}
	case kmsg.ConfigTypeDouble:
		if f, ok := topicconfig.ParseDouble(value); ok {
			return topicconfig.JavaDouble(f)
		}
	default:
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	return strings.TrimSpace(value)
}

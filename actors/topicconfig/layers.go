package topicconfig

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the order of precedence (KIP-226): topic, then this broker's dynamic value, then the cluster's dynamic
// default, then the broker's configuration, then the built-in default. Within one layer the most specific synonym wins.

// Layers are the broker-level values under a topic's own, by the broker's names. Immutable once shared.
type Layers struct {
	Broker  map[string]string // dynamic, this broker (config source 2)
	Cluster map[string]string // dynamic default of the cluster (3)
	Static  map[string]string // the broker's own configuration, where it was set (4)
}

// Value is one value that a configuration has somewhere.
type Value struct {
	Name, Value string
	Source      kmsg.ConfigSource
}

// Entry is one configuration as DescribeConfigs shows it.
type Entry struct {
	Key    *Key
	Name   string // the topic's or the broker's name, as was asked
	Value  string
	Source kmsg.ConfigSource
	// Synonyms are all values that could hold, the one in force first.
	Synonyms []Value
}

// synonyms lists the broker-level values of k in order of precedence.
func (l *Layers) synonyms(k *Key) []Value {
	var out []Value
	for _, layer := range []struct {
		values map[string]string
		source kmsg.ConfigSource
	}{
		{l.Broker, kmsg.ConfigSourceDynamicBrokerConfig},
		{l.Cluster, kmsg.ConfigSourceDynamicDefaultBrokerConfig},
		{l.Static, kmsg.ConfigSourceStaticBrokerConfig},
	} {
		for _, s := range k.Broker {
			if v, ok := layer.values[s.Name]; ok {
				out = append(out, Value{s.Name, v, layer.source})
			}
		}
	}
	for _, s := range k.Broker {
		if s.Default != "" {
			out = append(out, Value{s.Name, s.Default, kmsg.ConfigSourceDefaultConfig})
		}
	}
	return out
}

// listed is what Kafka lists of synonyms: from the first value of the broker's own name for k on. A value that comes from another
// unit's name (log.retention.hours) shows only behind one of that.
func (l *Layers) listed(k *Key) []Value {
	all := l.synonyms(k)
	at := slices.IndexFunc(all, func(v Value) bool { return v.Name == k.BrokerName() })
	if at < 0 {
		return nil
	}
	return all[at:]
}

// inForce is the broker-level value of k in k's own unit.
func (l *Layers) inForce(k *Key) string {
	for _, v := range l.synonyms(k) {
		if s, ok := k.scaled(v); ok {
			return s
		}
	}
	return k.Default
}

// scaled turns a synonym's value into k's own unit; a value that is not valid (an older version stored it) is passed over.
func (k *Key) scaled(v Value) (string, bool) {
	for _, s := range k.Broker {
		if s.Name != v.Name {
			continue
		}
		if k.Clamped && s.Unit == 1 {
			n, err := k.clamped(v.Value)
			return strconv.FormatInt(n, 10), err == nil
		}
		if s.Unit == 1 {
			return k.Canonical(v.Value), k.Check(v.Value) == nil
		}
		n, err := k.number(v.Value, s.Unit)
		return strconv.FormatInt(n, 10), err == nil
	}
	return "", false
}

// Resolve computes the configuration in force. own has been validated.
func (l *Layers) Resolve(own map[string]string) *Config {
	get := func(name string) (*Key, string) {
		k := byName[name]
		if v, ok := own[name]; ok && k.Check(v) == nil {
			return k, k.Canonical(v)
		}
		return k, l.inForce(k)
	}
	number := func(name string) int64 {
		k, v := get(name)
		n, err := k.number(v, 1)
		if err != nil { // only a default of the table could be wrong; a test keeps them right
			panic("topicconfig: " + err.Error())
		}
		return n
	}
	_, timestampType := get("message.timestamp.type")
	_, compression := get("compression.type")
	k, policy := get("cleanup.policy")
	policies, _ := k.list(policy)
	c := &Config{
		RetentionMs:        number("retention.ms"),
		RetentionBytes:     max(-1, number("retention.bytes")),
		SegmentBytes:       number("segment.bytes"),
		SegmentMs:          number("segment.ms"),
		MaxMessageBytes:    number("max.message.bytes"),
		LogAppendTime:      timestampType == "LogAppendTime",
		TimestampBeforeMs:  number("message.timestamp.before.max.ms"),
		TimestampAfterMs:   number("message.timestamp.after.max.ms"),
		CompressionType:    compression,
		MinInsyncReplicas:  int32(number("min.insync.replicas")),
		DeleteRetentionMs:  number("delete.retention.ms"),
		MinCompactionLagMs: number("min.compaction.lag.ms"),
		MaxCompactionLagMs: number("max.compaction.lag.ms"),
		IndexIntervalBytes: number("index.interval.bytes"),
		FileDeleteDelayMs:  number("file.delete.delay.ms"),
	}
	k, ratio := get("min.cleanable.dirty.ratio")
	c.MinCleanableRatio, _ = k.ratio(ratio)
	for _, p := range policies {
		c.CleanupDelete = c.CleanupDelete || p == "delete"
		c.CleanupCompact = c.CleanupCompact || p == "compact"
	}
	return c
}

// Describe lists every configuration of a topic with its own values, by name.
func (l *Layers) Describe(own map[string]string) []Entry {
	out := make([]Entry, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		e := Entry{Key: k, Name: k.Name, Synonyms: l.listed(k)}
		if v, ok := own[k.Name]; ok {
			e.Value = v // as it was set: so CreateTopics answers
			e.Synonyms = append([]Value{{k.Name, e.Value, kmsg.ConfigSourceDynamicTopicConfig}}, e.Synonyms...)
		} else {
			e.Value = l.inForce(k)
		}
		e.Source = kmsg.ConfigSourceDefaultConfig
		if len(e.Synonyms) > 0 {
			e.Source = e.Synonyms[0].Source
		}
		out = append(out, e)
	}
	return out
}

// DescribeBroker lists the broker configurations behind the table, by the name that may be altered (log.retention.ms, …).
func (l *Layers) DescribeBroker() []Entry {
	out := make([]Entry, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		e := Entry{Key: k, Name: k.BrokerName(), Value: l.inForce(k), Synonyms: l.listed(k), Source: kmsg.ConfigSourceDefaultConfig}
		if len(e.Synonyms) > 0 {
			e.Source = e.Synonyms[0].Source
			if k.Clamped { // shown as it was set
				e.Value = k.Canonical(e.Synonyms[0].Value)
			}
		}
		out = append(out, e)
	}
	return out
}

package topicconfig

import (
	"math"
	"sort"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the table of configurations. Names, types, defaults and bounds are those of Apache Kafka's topic
// configurations (documentation, "Topic Configs"); the texts are ours.

// Key is one topic configuration.
type Key struct {
	Name    string
	Type    kmsg.ConfigType
	Default string
	// Min is the least value of a number; Max follows from Type.
	Min int64
	// Clamped says that a broker's value in the key's own unit may be any number: below Min it means Min.
	Clamped bool
	// Allowed lists the words of a string or a list; nil for numbers.
	Allowed []string
	// Broker lists the broker configurations that give the default, the most specific first. The first one is what
	// DescribeConfigs shows for a broker and what may be altered dynamically.
	Broker []Synonym
	Doc    string
}

// Synonym is a broker configuration behind a topic configuration.
type Synonym struct {
	Name string
	// Unit is how many of the topic configuration's units one of this synonym's is (log.retention.hours: 3,600,000 ms).
	Unit int64
	// Default is listed as the last synonym; "" if the name has none of its own.
	Default string
}

const (
	minuteMs = int64(60 * 1000)
	hourMs   = 60 * minuteMs
)

// maxOf is the largest number a type holds.
func maxOf(t kmsg.ConfigType) int64 {
	switch t {
	case kmsg.ConfigTypeInt:
		return math.MaxInt32
	case kmsg.ConfigTypeShort:
		return math.MaxInt16
	}
	return math.MaxInt64
}

// BrokerName is the broker configuration that stands for the key.
func (k *Key) BrokerName() string { return k.Broker[0].Name }

func same(name, value string) []Synonym { return []Synonym{{name, 1, value}} }

var keys = []Key{
	{Name: "cleanup.policy", Type: kmsg.ConfigTypeList, Default: "delete", Allowed: []string{"compact", "delete"},
		Broker: same("log.cleanup.policy", "delete"),
		Doc: "What happens to old segments: \"delete\" removes those that are past retention.ms or retention.bytes; \"compact\" keeps " +
			"the last record of each key; both do both, and an empty list keeps everything."},
	{Name: "compression.type", Type: kmsg.ConfigTypeString, Default: "producer",
		Allowed: []string{"uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"},
		Broker:  same("compression.type", "producer"),
		Doc:     "The codec that batches are stored with. \"producer\" keeps the producer's own; any other codec recompresses what comes with a different one."},
	{Name: "delete.retention.ms", Type: kmsg.ConfigTypeLong, Default: "86400000", Min: 0,
		Broker: same("log.cleaner.delete.retention.ms", "86400000"),
		Doc:    "How long delete markers of a compacted topic are kept, in milliseconds. Without effect while cleanup.policy has no \"compact\"."},
	{Name: "file.delete.delay.ms", Type: kmsg.ConfigTypeLong, Default: "60000", Min: 0,
		Broker: same("log.segment.delete.delay.ms", "60000"),
		Doc:    "How long the files of a deleted segment stay on disk before they are removed, in milliseconds."},
	{Name: "index.interval.bytes", Type: kmsg.ConfigTypeInt, Default: "4096", Min: 0,
		Broker: same("log.index.interval.bytes", "4096"),
		Doc:    "About how many bytes of log lie between two entries of the offset index. Smaller values find an offset with less reading and make the index larger."},
	{Name: "max.message.bytes", Type: kmsg.ConfigTypeInt, Default: "1048588", Min: 0,
		Broker: same("message.max.bytes", "1048588"),
		Doc:    "The largest record batch that is accepted, in bytes, compressed as it comes."},
	{Name: "max.compaction.lag.ms", Type: kmsg.ConfigTypeLong, Default: "9223372036854775807", Min: 1,
		Broker: same("log.cleaner.max.compaction.lag.ms", "9223372036854775807"),
		Doc:    "How long a record of a compacted topic may wait for compaction, in milliseconds, however small the part that is new."},
	{Name: "message.timestamp.after.max.ms", Type: kmsg.ConfigTypeLong, Default: "3600000", Min: 0,
		Broker: same("log.message.timestamp.after.max.ms", "3600000"),
		Doc:    "How far a record's timestamp may lie ahead of the broker's clock, in milliseconds, with message.timestamp.type=CreateTime."},
	{Name: "message.timestamp.before.max.ms", Type: kmsg.ConfigTypeLong, Default: "9223372036854775807", Min: 0,
		Broker: same("log.message.timestamp.before.max.ms", "9223372036854775807"),
		Doc:    "How far a record's timestamp may lie behind the broker's clock, in milliseconds, with message.timestamp.type=CreateTime."},
	{Name: "message.timestamp.type", Type: kmsg.ConfigTypeString, Default: "CreateTime", Allowed: []string{"CreateTime", "LogAppendTime"},
		Broker: same("log.message.timestamp.type", "CreateTime"),
		Doc:    "Whether a record carries the time at which the producer made it or the time at which the broker appended it."},
	{Name: "min.cleanable.dirty.ratio", Type: kmsg.ConfigTypeDouble, Default: "0.5",
		Broker: same("log.cleaner.min.cleanable.ratio", "0.5"),
		Doc:    "Which share of a compacted log must be new, from 0 to 1, before it is compacted again."},
	{Name: "min.compaction.lag.ms", Type: kmsg.ConfigTypeLong, Default: "0", Min: 0,
		Broker: same("log.cleaner.min.compaction.lag.ms", "0"),
		Doc:    "How long a record of a compacted topic stays at least, in milliseconds, whatever comes after it."},
	{Name: "min.insync.replicas", Type: kmsg.ConfigTypeInt, Default: "1", Min: 1,
		Broker: same("min.insync.replicas", "1"),
		Doc:    "How many replicas must have a record before a produce with acks=all succeeds; it counts at most as many as the partition has."},
	{Name: "retention.bytes", Type: kmsg.ConfigTypeLong, Default: "-1", Min: math.MinInt64,
		Broker: same("log.retention.bytes", "-1"),
		Doc:    "How large a partition may grow before its oldest segments are deleted, in bytes; -1 is no limit."},
	{Name: "retention.ms", Type: kmsg.ConfigTypeLong, Default: "604800000", Min: -1, Clamped: true,
		Broker: []Synonym{{"log.retention.ms", 1, ""}, {"log.retention.minutes", minuteMs, ""}, {"log.retention.hours", hourMs, "168"}},
		Doc:    "How long a segment is kept after its newest record, in milliseconds; -1 is no limit."},
	{Name: "segment.bytes", Type: kmsg.ConfigTypeInt, Default: "1073741824", Min: 1 << 20,
		Broker: same("log.segment.bytes", "1073741824"),
		Doc:    "How large a segment file grows before the next one is begun, in bytes."},
	{Name: "segment.ms", Type: kmsg.ConfigTypeLong, Default: "604800000", Min: 1,
		Broker: []Synonym{{"log.roll.ms", 1, ""}, {"log.roll.hours", hourMs, "168"}},
		Doc:    "How old a segment may grow before the next one is begun even if it is not full, in milliseconds."},
}

var (
	byName   = map[string]*Key{}
	byBroker = map[string]*Key{} // every synonym
	names    string
)

func init() {
	sort.Slice(keys, func(i, j int) bool { return keys[i].Name < keys[j].Name })
	all := make([]string, len(keys))
	for i := range keys {
		k := &keys[i]
		byName[k.Name] = k
		for _, s := range k.Broker {
			byBroker[s.Name] = k
		}
		all[i] = k.Name
	}
	names = strings.Join(all, ", ")
}

// Keys lists all configurations by name. The caller must not change them.
func Keys() []Key { return keys }

// Lookup finds a configuration by its topic name, or nil.
func Lookup(name string) *Key { return byName[name] }

// LookupBroker finds the topic configuration whose default a broker configuration gives (log.retention.hours → retention.ms), or nil.
func LookupBroker(name string) *Key { return byBroker[name] }

// List says whether the key's value is a comma-separated list (KIP-339: only such take APPEND and SUBTRACT).
func (k *Key) List() bool { return k.Type == kmsg.ConfigTypeList }

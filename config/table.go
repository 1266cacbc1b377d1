package config

import (
	"math"
	"strings"
	"time"
)

// This file is the table of settings. A setting that is not enforced must not stand here.

// Setting describes one setting.
type Setting struct {
	Key  string
	Kind Kind
	// Default as text; Auto computes it where it depends on the machine.
	Default string
	Auto    func() string
	// Bounds of Int and Bytes (as numbers) and Duration (nanoseconds), both included.
	Min, Max   int64
	Unlimited  bool     // -1 is allowed and means no limit
	MayBeEmpty bool     // "" is allowed
	Choices    []string // of Enum; words an Addr takes instead of an address
	Doc        string

	field func(*Settings) any // pointer to the field
}

// Env is the setting's environment variable.
func (d *Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(d.Key))
}

// IsKafka says whether the key is one of Apache Kafka's broker configurations.
func (d *Setting) IsKafka() bool { return strings.Contains(d.Key, ".") }

// EnvPrefix begins every environment variable that Troupe reads.
const EnvPrefix = "TROUPE_"

const (
	week  = "604800000"
	noMax = math.MaxInt64
)

// Table lists every setting. The caller must not change it.
func Table() []*Setting { return table }

// Lookup finds a setting by its key.
func Lookup(key string) *Setting { return byKey[key] }

var table = []*Setting{
	{Key: "node-id", Kind: Int, Default: "1", Min: 1, Max: math.MaxInt32,
		Doc:   "This broker's id. It is written into the data directory and cannot change afterwards.",
		field: func(s *Settings) any { return &s.NodeID }},
	{Key: "data-dir", Kind: String, Default: "data",
		Doc:   "Where everything durable lives: the write-ahead log and the partitions' segments. One broker a directory.",
		field: func(s *Settings) any { return &s.DataDir }},
	{Key: "kafka-addr", Kind: Addr, Default: "127.0.0.1:9092",
		Doc:   "Where Kafka clients are listened for. Port 0 takes any free port.",
		field: func(s *Settings) any { return &s.KafkaAddr }},
	{Key: "advertised-addr", Kind: Addr, MayBeEmpty: true,
		Doc:   "What clients are told to connect to; empty is kafka-addr, with this machine's address where that listens on all (0.0.0.0 is never advertised). Port 0 is the port in use.",
		field: func(s *Settings) any { return &s.AdvertisedAddr }},
	{Key: "admin-addr", Kind: Addr, Default: "127.0.0.1:9644", Choices: []string{"off"},
		Doc:   "Where /metrics, /healthz, /readyz, /v1/… and /debug/pprof are served, without authentication.",
		field: func(s *Settings) any { return &s.AdminAddr }},
	{Key: "broker.rack", Kind: String, MayBeEmpty: true,
		Doc:   "The rack that clients are told this broker stands in.",
		field: func(s *Settings) any { return &s.Rack }},
	{Key: "memory-limit", Kind: Bytes, Auto: defaultMemoryLimit, Min: 64 << 20, Max: noMax,
		Doc:   "What the broker may use in all; the default is a quarter of the machine's (or the container's) memory. Overload beyond it is back pressure.",
		field: func(s *Settings) any { return &s.MemoryLimit }},
	{Key: "shutdown-timeout", Kind: Duration, Default: "20s", Min: int64(time.Second), Max: int64(time.Hour),
		Doc:   "How long a stop (SIGTERM, SIGINT) may take to answer what is in flight.",
		field: func(s *Settings) any { return &s.ShutdownTimeout }},
	{Key: "log-level", Kind: Enum, Default: "info", Choices: []string{"debug", "info", "warn", "error"},
		Doc:   "The least important log lines to write.",
		field: func(s *Settings) any { return &s.LogLevel }},
	{Key: "log-format", Kind: Enum, Default: "auto", Choices: []string{"auto", "console", "json"},
		Doc:   "How log lines are written to standard error; auto is console on a terminal and json elsewhere.",
		field: func(s *Settings) any { return &s.LogFormat }},

	{Key: "wal-file-size", Kind: Bytes, Default: "64MiB", Min: 1 << 20, Max: 1 << 30,
		Doc:   "Size of one file of the write-ahead log; files are recycled.",
		field: func(s *Settings) any { return &s.WALFileSize }},
	{Key: "wal-size-limit", Kind: Bytes, Default: "512MiB", Min: 8 << 20, Max: noMax,
		Doc:   "Size of the whole write-ahead log; it bounds how long a restart takes.",
		field: func(s *Settings) any { return &s.WALSizeLimit }},
	{Key: "tail-cache", Kind: Bytes, Auto: defaultTailCache, Min: 8 << 20, Max: noMax,
		Doc:   "Memory for the newest records of all partitions, from which consumers at the tail are served; the default is a quarter of memory-limit, at most 64MiB.",
		field: func(s *Settings) any { return &s.TailCache }},
	{Key: "open-segment-files", Kind: Int, Default: "256", Min: 16, Max: 1 << 20,
		Doc:   "How many segment files are kept open at most.",
		field: func(s *Settings) any { return &s.OpenSegmentFiles }},

	{Key: "auto.create.topics.enable", Kind: Bool, Default: "true",
		Doc:   "Create a topic when a client asks for its metadata.",
		field: func(s *Settings) any { return &s.AutoCreateTopics }},
	{Key: "num.partitions", Kind: Int, Default: "1", Min: 1, Max: 10_000,
		Doc:   "Partitions of a topic that is created without a number.",
		field: func(s *Settings) any { return &s.NumPartitions }},
	{Key: "default.replication.factor", Kind: Int, Default: "1", Min: 1, Max: math.MaxInt16,
		Doc:   "Replicas of a topic that is created without a number.",
		field: func(s *Settings) any { return &s.ReplicationFactor }},

	{Key: "max.connections", Kind: Int, Default: "10000", Min: 1, Max: math.MaxInt32,
		Doc:   "Client connections at a time; further ones are closed at once.",
		field: func(s *Settings) any { return &s.MaxConnections }},
	{Key: "max.connections.per.ip", Kind: Int, Default: "2147483647", Min: 1, Max: math.MaxInt32,
		Doc:   "Client connections at a time from one address.",
		field: func(s *Settings) any { return &s.MaxConnectionsPerIP }},
	{Key: "connections.max.idle.ms", Kind: Int, Default: "600000", Min: 1000, Max: noMax, Unlimited: true,
		Doc:   "A connection on which nothing was asked for this long is closed.",
		field: func(s *Settings) any { return &s.ConnectionsMaxIdleMs }},
	{Key: "in-flight-bytes-per-connection", Kind: Bytes, Default: "16MiB", Min: 1 << 20, Max: noMax,
		Doc:   "Bytes of unanswered requests above which a connection is not read from.",
		field: func(s *Settings) any { return &s.InFlightPerConn }},
	{Key: "in-flight-bytes", Kind: Bytes, Auto: defaultInFlight, Min: 8 << 20, Max: noMax,
		Doc:   "Bytes of unanswered requests of all connections above which none is read from; the default is a quarter of memory-limit.",
		field: func(s *Settings) any { return &s.InFlightTotal }},
	{Key: "socket.request.max.bytes", Kind: Bytes, Default: "104857600", Min: 1 << 10, Max: math.MaxInt32,
		Doc:   "The largest request; a longer one closes its connection.",
		field: func(s *Settings) any { return &s.RequestMaxBytes }},
	{Key: "fetch.max.bytes", Kind: Bytes, Default: "57671680", Min: 1 << 10, Max: math.MaxInt32,
		Doc:   "The most bytes that one Fetch answers, save for a single larger batch.",
		field: func(s *Settings) any { return &s.FetchMaxBytes }},
	{Key: "max.incremental.fetch.session.cache.slots", Kind: Int, Default: "1000", Min: 0, Max: math.MaxInt32,
		Doc:   "Fetch sessions (KIP-227) remembered at a time.",
		field: func(s *Settings) any { return &s.FetchSessions }},

	{Key: "offsets.topic.num.partitions", Kind: Int, Default: "50", Min: 1, Max: 10_000,
		Doc:   "Partitions of __consumer_offsets, which is made when the first group asks for its coordinator. Each has a coordinator of its own.",
		field: func(s *Settings) any { return &s.GroupTopicPartitions }},
	{Key: "offsets.retention.minutes", Kind: Int, Default: "10080", Min: 1, Max: math.MaxInt32,
		Doc:   "How long a group's offsets are kept when it has no members any more, or none that consumes their topic; those of consumers without a group count from their commit.",
		field: func(s *Settings) any { return &s.OffsetsRetentionMinutes }},
	{Key: "offsets.retention.check.interval.ms", Kind: Int, Default: "600000", Min: 1, Max: noMax,
		Doc:   "How often offsets past their retention are looked for.",
		field: func(s *Settings) any { return &s.OffsetsRetentionCheckMs }},
	{Key: "offset.metadata.max.bytes", Kind: Int, Default: "4096", Min: 0, Max: math.MaxInt32,
		Doc:   "The longest metadata that may be committed with an offset.",
		field: func(s *Settings) any { return &s.OffsetMetadataMaxBytes }},
	{Key: "group.initial.rebalance.delay.ms", Kind: Int, Default: "3000", Min: 0, Max: math.MaxInt32,
		Doc:   "How long the first member of an empty classic group waits for others.",
		field: func(s *Settings) any { return &s.GroupInitialRebalanceDelayMs }},
	{Key: "group.min.session.timeout.ms", Kind: Int, Default: "6000", Min: 1, Max: math.MaxInt32,
		Doc:   "The shortest session time-out that a member of a classic group may ask for.",
		field: func(s *Settings) any { return &s.GroupMinSessionMs }},
	{Key: "group.max.session.timeout.ms", Kind: Int, Default: "1800000", Min: 1, Max: math.MaxInt32,
		Doc:   "The longest session time-out that a member of a classic group may ask for.",
		field: func(s *Settings) any { return &s.GroupMaxSessionMs }},
	{Key: "group.max.size", Kind: Int, Default: "2147483647", Min: 1, Max: math.MaxInt32,
		Doc:   "The most members of a classic group; further ones are refused.",
		field: func(s *Settings) any { return &s.GroupMaxSize }},

	{Key: "group.consumer.session.timeout.ms", Kind: Int, Default: "45000", Min: 1, Max: math.MaxInt32,
		Doc:   "How long a member of a KIP-848 consumer group may be silent before it is out.",
		field: func(s *Settings) any { return &s.ConsumerSessionTimeoutMs }},
	{Key: "group.consumer.min.session.timeout.ms", Kind: Int, Default: "45000", Min: 1, Max: math.MaxInt32,
		Doc:   "The least session time-out of KIP-848 consumer groups that a group's configuration may set.",
		field: func(s *Settings) any { return &s.ConsumerMinSessionTimeoutMs }},
	{Key: "group.consumer.max.session.timeout.ms", Kind: Int, Default: "60000", Min: 1, Max: math.MaxInt32,
		Doc:   "The greatest session time-out of KIP-848 consumer groups that a group's configuration may set.",
		field: func(s *Settings) any { return &s.ConsumerMaxSessionTimeoutMs }},
	{Key: "group.consumer.heartbeat.interval.ms", Kind: Int, Default: "5000", Min: 1, Max: math.MaxInt32,
		Doc:   "How often members of KIP-848 consumer groups are told to send heartbeats; a rebalance takes one to three of them.",
		field: func(s *Settings) any { return &s.ConsumerHeartbeatIntervalMs }},
	{Key: "group.consumer.min.heartbeat.interval.ms", Kind: Int, Default: "5000", Min: 1, Max: math.MaxInt32,
		Doc:   "The least heartbeat interval of KIP-848 consumer groups that a group's configuration may set.",
		field: func(s *Settings) any { return &s.ConsumerMinHeartbeatIntervalMs }},
	{Key: "group.consumer.max.heartbeat.interval.ms", Kind: Int, Default: "15000", Min: 1, Max: math.MaxInt32,
		Doc:   "The greatest heartbeat interval of KIP-848 consumer groups that a group's configuration may set.",
		field: func(s *Settings) any { return &s.ConsumerMaxHeartbeatIntervalMs }},
	{Key: "group.consumer.assignment.interval.ms", Kind: Int, Default: "1000", Min: 0, Max: 15000,
		Doc:   "The least time between two assignments of a KIP-848 consumer group, so that members that join together cost one rebalance.",
		field: func(s *Settings) any { return &s.ConsumerAssignmentIntervalMs }},
	{Key: "group.consumer.max.size", Kind: Int, Default: "2147483647", Min: 1, Max: math.MaxInt32,
		Doc:   "Members that a KIP-848 consumer group may have.",
		field: func(s *Settings) any { return &s.ConsumerMaxSize }},
	{Key: "group.consumer.assignors", Kind: Enum, Default: "uniform,range", Choices: []string{"uniform,range", "range,uniform", "uniform", "range"},
		Doc:   "The assignors that members of KIP-848 consumer groups may ask for; the first is the default.",
		field: func(s *Settings) any { return &s.ConsumerAssignors }},
	{Key: "group.consumer.regex.refresh.interval.ms", Kind: Int, Default: "600000", Min: 10_000, Max: math.MaxInt32,
		Doc:   "How often subscriptions by regular expression are resolved anew although no topic came or went.",
		field: func(s *Settings) any { return &s.ConsumerRegexRefreshMs }},
	{Key: "group.consumer.migration.policy", Kind: Enum, Default: "bidirectional", Choices: []string{"bidirectional", "upgrade", "downgrade", "disabled"},
		Doc:   "Which running groups may change between the classic protocol and KIP-848: when a KIP-848 consumer joins a classic group (upgrade), when the last one leaves (downgrade).",
		field: func(s *Settings) any { return &s.ConsumerMigrationPolicy }},

	{Key: "log.retention.check.interval.ms", Kind: Int, Default: "300000", Min: 1, Max: noMax,
		Doc:   "How often retention looks for segments to delete.",
		field: func(s *Settings) any { return &s.RetentionCheckMs }},
	{Key: "log.cleaner.backoff.ms", Kind: Int, Default: "15000", Min: 0, Max: noMax,
		Doc:   "How long the cleaner rests when no log needs compaction.",
		field: func(s *Settings) any { return &s.CleanerBackoffMs }},
	{Key: "log.cleaner.dedupe.buffer.size", Kind: Bytes, Auto: defaultCleanerMap, Min: 1 << 20, Max: noMax,
		Doc:   "Memory for the keys of the log that is being compacted, about 30 bytes a key; more keys take several rounds. The default is an eighth of memory-limit, at most 128MiB.",
		field: func(s *Settings) any { return &s.CleanerMapBytes }},
	{Key: "log.cleaner.io.max.bytes.per.second", Kind: Bytes, Default: "400MiB", Min: 1 << 20, Max: noMax, Unlimited: true,
		Doc:   "How much the cleaner reads and writes in a second at most.",
		field: func(s *Settings) any { return &s.CleanerIOBytes }},
	{Key: "producer.id.expiration.ms", Kind: Int, Default: "86400000", Min: 1, Max: math.MaxInt32,
		Doc:   "How long an idle idempotent producer's sequence numbers are remembered.",
		field: func(s *Settings) any { return &s.ProducerIDExpiryMs }},

	{Key: "log.retention.ms", Kind: Int, Default: week, Min: 1, Max: noMax, Unlimited: true,
		Doc:   "Default of retention.ms: how long records are kept.",
		field: func(s *Settings) any { return &s.LogRetentionMs }},
	{Key: "log.retention.bytes", Kind: Bytes, Default: "-1", Min: 0, Max: noMax, Unlimited: true,
		Doc:   "Default of retention.bytes: how much of a partition is kept.",
		field: func(s *Settings) any { return &s.LogRetentionBytes }},
	{Key: "log.segment.bytes", Kind: Bytes, Default: "1073741824", Min: 1 << 20, Max: math.MaxInt32,
		Doc:   "Default of segment.bytes: the size at which a new segment is begun.",
		field: func(s *Settings) any { return &s.LogSegmentBytes }},
	{Key: "log.roll.ms", Kind: Int, Default: week, Min: 1, Max: noMax,
		Doc:   "Default of segment.ms: the age at which a new segment is begun.",
		field: func(s *Settings) any { return &s.LogRollMs }},
	{Key: "message.max.bytes", Kind: Bytes, Default: "1048588", Min: 0, Max: math.MaxInt32,
		Doc:   "Default of max.message.bytes: the largest record batch.",
		field: func(s *Settings) any { return &s.MessageMaxBytes }},
	{Key: "log.index.interval.bytes", Kind: Bytes, Default: "4096", Min: 0, Max: math.MaxInt32,
		Doc:   "Default of index.interval.bytes: bytes of log between two entries of the offset index.",
		field: func(s *Settings) any { return &s.IndexIntervalBytes }},
	{Key: "log.segment.delete.delay.ms", Kind: Int, Default: "60000", Min: 0, Max: noMax,
		Doc:   "Default of file.delete.delay.ms: how long a deleted segment's files stay on disk.",
		field: func(s *Settings) any { return &s.SegmentDeleteDelayMs }},
	{Key: "log.message.timestamp.type", Kind: Enum, Default: "CreateTime", Choices: []string{"CreateTime", "LogAppendTime"},
		Doc:   "Default of message.timestamp.type: whose clock stamps records.",
		field: func(s *Settings) any { return &s.MessageTimestampType }},
	{Key: "log.message.timestamp.before.max.ms", Kind: Int, Default: "9223372036854775807", Min: 0, Max: noMax,
		Doc:   "Default of message.timestamp.before.max.ms: how far a record's time may lie in the past.",
		field: func(s *Settings) any { return &s.MessageTimestampBefore }},
	{Key: "log.message.timestamp.after.max.ms", Kind: Int, Default: "3600000", Min: 0, Max: noMax,
		Doc:   "Default of message.timestamp.after.max.ms: how far a record's time may lie in the future.",
		field: func(s *Settings) any { return &s.MessageTimestampAfter }},
	{Key: "compression.type", Kind: Enum, Default: "producer", Choices: []string{"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"},
		Doc:   "Default of compression.type: the codec records are kept in.",
		field: func(s *Settings) any { return &s.CompressionType }},
	{Key: "min.insync.replicas", Kind: Int, Default: "1", Min: 1, Max: math.MaxInt16,
		Doc:   "Default of min.insync.replicas.",
		field: func(s *Settings) any { return &s.MinInsyncReplicas }},
	{Key: "log.cleanup.policy", Kind: Enum, Default: "delete", Choices: []string{"delete", "compact", "compact,delete", "delete,compact"},
		Doc:   "Default of cleanup.policy: whether old records are deleted by age and size, all but the last of each key, or both.",
		field: func(s *Settings) any { return &s.LogCleanupPolicy }},
	{Key: "log.cleaner.min.cleanable.ratio", Kind: Ratio, Default: "0.5",
		Doc:   "Default of min.cleanable.dirty.ratio: how much of a compacted log must be new before it is compacted again.",
		field: func(s *Settings) any { return &s.MinCleanableRatio }},
	{Key: "log.cleaner.min.compaction.lag.ms", Kind: Int, Default: "0", Min: 0, Max: noMax,
		Doc:   "Default of min.compaction.lag.ms: how long a record stays whatever comes after it.",
		field: func(s *Settings) any { return &s.MinCompactionLagMs }},
	{Key: "log.cleaner.max.compaction.lag.ms", Kind: Int, Default: "9223372036854775807", Min: 1, Max: noMax,
		Doc:   "Default of max.compaction.lag.ms: how long a record may wait for compaction, however little is new.",
		field: func(s *Settings) any { return &s.MaxCompactionLagMs }},
	{Key: "log.cleaner.delete.retention.ms", Kind: Int, Default: "86400000", Min: 0, Max: noMax,
		Doc:   "Default of delete.retention.ms: how long tombstones are kept.",
		field: func(s *Settings) any { return &s.DeleteRetentionMs }},
}

var byKey = func() map[string]*Setting {
	m := make(map[string]*Setting, len(table))
	for _, d := range table {
		m[d.Key] = d
	}
	return m
}()

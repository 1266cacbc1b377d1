// Package topicconfig knows every topic configuration that Troupe enforces, by Kafka's names: parsing, limits, defaults and where a value came from.
package topicconfig

// Config is a topic's configuration in force: the topic's own values over the broker's defaults. Immutable.
type Config struct {
	RetentionMs       int64 // -1: none
	RetentionBytes    int64 // -1: none
	SegmentBytes      int64
	SegmentMs         int64
	MaxMessageBytes   int64
	LogAppendTime     bool // message.timestamp.type
	TimestampBeforeMs int64
	TimestampAfterMs  int64
	CompressionType   string // producer, uncompressed, gzip, snappy, lz4, zstd
	MinInsyncReplicas int32
	CleanupDelete     bool
	CleanupCompact    bool // refused for users' topics until compaction is built
	DeleteRetentionMs int64
}

// Package topicconfig knows every topic configuration that Troupe enforces, by Kafka's names: parsing, limits, defaults and
// where a value came from.
//
// Rooms: keys.go is the table of configurations, value.go reads and checks one value, layers.go lays a topic's own values over
// the broker's. Invariant: a name that is not in the table is refused everywhere, so nothing is accepted that nobody enforces.
package topicconfig

// Config is a topic's configuration in force: the topic's own values over the broker's defaults. Immutable.
type Config struct {
	RetentionMs        int64 // -1: none
	RetentionBytes     int64 // -1: none
	SegmentBytes       int64
	SegmentMs          int64
	MaxMessageBytes    int64
	LogAppendTime      bool // message.timestamp.type
	TimestampBeforeMs  int64
	TimestampAfterMs   int64
	CompressionType    string // producer, uncompressed, gzip, snappy, lz4, zstd
	MinInsyncReplicas  int32
	CleanupDelete      bool // false when cleanup.policy is the empty list: then nothing is ever deleted
	CleanupCompact     bool // the last record of each key is kept, save for what CleanupDelete takes
	DeleteRetentionMs  int64
	MinCompactionLagMs int64
	MaxCompactionLagMs int64   // > 0
	MinCleanableRatio  float64 // 0 to 1
	IndexIntervalBytes int64
	FileDeleteDelayMs  int64
}

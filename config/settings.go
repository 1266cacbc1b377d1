// Package config is everything that can be set on a broker: one table (table.go) from which the flags, the environment
// variables, the YAML file, `troupe config print` and the documentation all come.
//
// Invariants:
//   - a setting has one name, its key: the flag is --KEY, the YAML path is KEY, the variable is TROUPE_KEY in upper case with
//     '.' and '-' turned into '_'.
//   - precedence is flag, then environment, then file, then default; each Value says which of them it came from.
//   - Settings that Load returns are within their bounds; a wrong value is an error naming key, value and what is allowed.
//
// Keys with dots are Kafka's own broker configurations and mean what they mean there; keys with dashes are Troupe's.
package config

import "time"

// Settings are a broker's settings in force. Sizes are bytes, *Ms are milliseconds; -1 is "no limit" where the table allows it.
type Settings struct {
	NodeID          int32
	DataDir         string
	KafkaAddr       string
	AdvertisedAddr  string
	AdminAddr       string
	Rack            string
	MemoryLimit     int64
	LogLevel        string
	LogFormat       string
	ShutdownTimeout time.Duration

	WALFileSize      int64
	WALSizeLimit     int64
	TailCache        int64
	OpenSegmentFiles int64

	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int32

	MaxConnections       int64
	MaxConnectionsPerIP  int64
	ConnectionsMaxIdleMs int64
	InFlightPerConn      int64
	InFlightTotal        int64
	RequestMaxBytes      int64
	FetchMaxBytes        int64
	FetchSessions        int64
	QuotaWindowNum       int64
	QuotaWindowSeconds   int64

	GroupTopicPartitions         int32
	OffsetsRetentionMinutes      int64
	OffsetsRetentionCheckMs      int64
	OffsetMetadataMaxBytes       int32
	GroupInitialRebalanceDelayMs int32
	GroupMinSessionMs            int32
	GroupMaxSessionMs            int32
	GroupMaxSize                 int32

	// KIP-848 consumer groups.
	ConsumerSessionTimeoutMs       int32
	ConsumerMinSessionTimeoutMs    int32
	ConsumerMaxSessionTimeoutMs    int32
	ConsumerHeartbeatIntervalMs    int32
	ConsumerMinHeartbeatIntervalMs int32
	ConsumerMaxHeartbeatIntervalMs int32
	ConsumerAssignmentIntervalMs   int32
	ConsumerMaxSize                int32
	ConsumerAssignors              string
	ConsumerRegexRefreshMs         int64
	ConsumerMigrationPolicy        string

	RetentionCheckMs   int64
	ProducerIDExpiryMs int64
	CleanerBackoffMs   int64
	CleanerMapBytes    int64
	CleanerIOBytes     int64 // a second

	// The defaults of topic configurations, by Kafka's broker names.
	LogRetentionMs         int64
	LogRetentionBytes      int64
	LogSegmentBytes        int64
	LogRollMs              int64
	IndexIntervalBytes     int64
	SegmentDeleteDelayMs   int64
	MessageMaxBytes        int64
	MessageTimestampType   string
	MessageTimestampBefore int64
	MessageTimestampAfter  int64
	CompressionType        string
	MinInsyncReplicas      int32
	LogCleanupPolicy       string
	DeleteRetentionMs      int64
	MinCompactionLagMs     int64
	MaxCompactionLagMs     int64
	MinCleanableRatio      float64

	values []Value
}

// Origin says where a value came from.
type Origin string

// The origins, in order of precedence.
const (
	FromFlag    Origin = "flag"
	FromEnv     Origin = "environment"
	FromFile    Origin = "file"
	FromDefault Origin = "default"
)

// Value is one setting in force, as `troupe config print` and GET /v1/config show it.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
	// Where is the flag, the variable, or the file and line it stands in; "" for a default.
	Where   string `json:"where"`
	Default string `json:"default"`
	Allowed string `json:"allowed"`
	Env     string `json:"env"`
	Doc     string `json:"doc"`
}

// Values lists every setting in the order of the table. The caller must not change it.
func (s *Settings) Values() []Value { return s.values }

// Package broker is the root of the supervision tree: it starts, supervises and stops everything else of one broker.
package broker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/groupconfig"
	"github.com/troupe-io/troupe/actors/quota"
	"github.com/troupe-io/troupe/actorsystem"
)

// Config is everything a broker is told. Sizes are bytes; a limit of -1 is none. The values have been checked.
type Config struct {
	NodeID  int32
	DataDir string
	// KafkaAddr is where to listen, HOST:PORT; port 0 is any free one.
	KafkaAddr string
	// AdvertisedAddr is what clients are told, HOST:PORT; "" is KafkaAddr. Its port is 0 if the port in use is meant. Never a wildcard address.
	AdvertisedAddr string
	Rack           string
	// MemoryLimit is what the process may use in all. The Go runtime's soft limit has been set to it already.
	MemoryLimit int64

	WALFileSize, WALSizeLimit int64
	TailCacheBytes            int64 // all segment chunks of the broker
	OpenSegmentFiles          int

	AutoCreateTopics  bool
	NumPartitions     int32
	ReplicationFactor int16

	MaxConnections        int
	MaxConnectionsPerIP   int
	ConnectionsMaxIdle    time.Duration // 0: no limit
	InFlightPerConnection int64         // unanswered request bytes above which a connection is not read from
	InFlightTotal         int64         // the same for the broker
	RequestMaxBytes       int32
	FetchMaxBytes         int32
	FetchSessionsMax      int
	QuotaWindows          quota.Windows // zero: Kafka's default

	// GroupTopicPartitions is the number of partitions that __consumer_offsets is made with; 0: Kafka's default.
	GroupTopicPartitions int32
	// GroupConfigs are the configurations that consumer groups can have of their own, with this broker's limits; nil is Kafka's.
	GroupConfigs groupconfig.Keys
	// Groups sets what differs from Kafka's defaults in the rules of consumer groups; nil leaves them.
	Groups func(*group.Config)

	RetentionCheckInterval time.Duration
	ProducerIDExpiry       time.Duration
	// CleanerBackoff is how long the cleaner rests when no log needs it; CleanerMapBytes bounds its memory for keys;
	// CleanerIOBytesPerSecond what it reads and writes, -1: no limit.
	CleanerBackoff                           time.Duration
	CleanerMapBytes, CleanerIOBytesPerSecond int64

	// Static describes the broker's settings for DescribeConfigs, by Kafka's broker names. Those that are the default of a topic
	// configuration (log.retention.ms, …) and were set are that.
	Static []api.StaticConfig

	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Fault      actorsystem.FaultInjector // nil, save in tests and with the chaos build tag
	Version    string
}

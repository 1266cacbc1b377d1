// Package broker is the root of the supervision tree: it starts, supervises and stops everything else of one broker.
package broker

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
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
	// TopicDefaults are the defaults of topic configurations, by Kafka's topic names (retention.ms, …); all are there.
	TopicDefaults map[string]string

	MaxConnections        int
	MaxConnectionsPerIP   int
	ConnectionsMaxIdle    time.Duration // 0: no limit
	InFlightPerConnection int64         // unanswered request bytes above which a connection is not read from
	InFlightTotal         int64         // the same for the broker
	RequestMaxBytes       int32
	FetchMaxBytes         int32
	FetchSessionsMax      int

	RetentionCheckInterval time.Duration
	IndexIntervalBytes     int64
	SegmentDeleteDelay     time.Duration
	ProducerIDExpiry       time.Duration

	// Static describes the broker's settings for DescribeConfigs, by Kafka's broker names.
	Static []api.StaticConfig

	Log        zerolog.Logger
	Registerer prometheus.Registerer
	Fault      actorsystem.FaultInjector // nil, save in tests and with the chaos build tag
	Version    string
}

// Broker is a running broker.
type Broker struct{}

// Start takes the data directory, binds the listener and sets everything going; Ready tells when clients can produce.
// An error leaves nothing behind.
func Start(ctx context.Context, cfg Config) (*Broker, error) { panic("contract") }

// Ready is closed when a client can produce.
func (b *Broker) Ready() <-chan struct{} { panic("contract") }

// ReadyErr is nil when a client can produce now, and says what is missing otherwise.
func (b *Broker) ReadyErr() error { panic("contract") }

// KafkaAddr is the address listened on, with the real port.
func (b *Broker) KafkaAddr() string { panic("contract") }

// ClusterID is the cluster's id; known from Ready on.
func (b *Broker) ClusterID() string { panic("contract") }

// System hosts the broker's actors.
func (b *Broker) System() *actorsystem.System { panic("contract") }

// Done is closed when the broker has ended by itself (fenced by an I/O error, say); Err tells why.
func (b *Broker) Done() <-chan struct{} { panic("contract") }

// Err is why the broker ended by itself, or nil.
func (b *Broker) Err() error { panic("contract") }

// Shutdown stops accepting, answers what is in flight, syncs and ends everything, within ctx.
func (b *Broker) Shutdown(ctx context.Context) error { panic("contract") }

// Status is a summary for people and programs (GET /v1/status); it marshals to JSON.
func (b *Broker) Status() any { panic("contract") }

package broker

import (
	"cmp"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/cleaner"
	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"

	"github.com/asynkron/protoactor-go/actor"
)

// parts are what the actors of a broker share: made once, outliving every restart.
type parts struct {
	cfg         Config
	system      *actorsystem.System
	files       vfs.FS
	disk        *diskstate.State
	metadata    *controller.Holder
	directory   *partition.Directory
	groups      *coordinator.Directory
	cleaner     *cleaner.Board
	clusterID   string
	directoryID string
	self        controller.Broker
	started     *brokerconfig.Config // of the settings that can be changed, those of cfg
	door        *connection.Listener
	metrics     metrics

	// The bounded memory of a broker: request frames, the tail of the logs, open files.
	budget    *connection.Budget
	frames    *protocol.FramePool
	pool      *segment.ChunkPool
	openFiles *segment.FileCache
}

// metrics are one set for each room.
type metrics struct {
	wal        *wal.Metrics
	groups     *coordinator.Metrics
	segment    *segment.Metrics
	raft       *raftactor.Metrics
	controller *controller.Metrics
	connection *connection.Metrics
	cleaner    *cleaner.Metrics
}

// groupTopicPartitions is Kafka's default of offsets.topic.num.partitions.
const groupTopicPartitions = 50

// framesKept bounds the request buffers that stay allocated when nothing needs them (bytes).
const framesKept = 32 << 20

func newParts(cfg Config, system *actorsystem.System, files vfs.FS, disk *diskstate.State, id identity, self controller.Broker, door *connection.Listener) *parts {
	p := &parts{cfg: cfg, system: system, files: files, disk: disk, metadata: &controller.Holder{}, directory: &partition.Directory{},
		groups:    &coordinator.Directory{},
		cleaner:   &cleaner.Board{},
		clusterID: id.ClusterID, directoryID: id.DirectoryID, self: self, door: door,
		budget:    connection.NewBudget(cfg.InFlightTotal),
		frames:    protocol.NewFramePool(min(framesKept, cfg.InFlightTotal)),
		pool:      segment.NewChunkPool(cfg.TailCacheBytes),
		openFiles: segment.NewFileCache(cfg.OpenSegmentFiles),
	}
	p.started = p.startedWith()
	p.metrics = metrics{
		wal:        wal.NewMetrics(cfg.Registerer),
		groups:     coordinator.NewMetrics(cfg.Registerer),
		segment:    segment.NewMetrics(cfg.Registerer, p.pool, p.openFiles),
		raft:       raftactor.NewMetrics(cfg.Registerer),
		controller: controller.NewMetrics(cfg.Registerer),
		connection: connection.NewMetrics(cfg.Registerer),
		cleaner:    cleaner.NewMetrics(cfg.Registerer),
	}
	registerMemory(cfg.Registerer, p)
	return p
}

func (p *parts) dataPath(elem ...string) string {
	return path.Join(append([]string{p.cfg.DataDir}, elem...)...)
}

// topicDefaults are the configured defaults of topic configurations by Kafka's broker names, only those that were set.
func (p *parts) topicDefaults() map[string]string {
	set := map[string]string{}
	for _, s := range p.cfg.Static {
		if !s.Default {
			set[s.Name] = s.Value
		}
	}
	return set
}

// startedWith is what the broker was started with of the settings that can be changed while it runs.
func (p *parts) startedWith() *brokerconfig.Config {
	return &brokerconfig.Config{MaxConnections: int64(p.cfg.MaxConnections), MaxConnectionsPerIP: int64(p.cfg.MaxConnectionsPerIP),
		CleanerBackoffMs: p.cfg.CleanerBackoff.Milliseconds(), CleanerMapBytes: p.cfg.CleanerMapBytes,
		CleanerBytesPerSecond: float64(p.cfg.CleanerIOBytesPerSecond), ProducerIDExpiryMs: p.cfg.ProducerIDExpiry.Milliseconds(),
		AssignmentIntervalMs: p.groupRules().Consumer.AssignmentIntervalMs}
}

// settings are those that can be changed, as they are in force now. Safe from any actor.
func (p *parts) settings() *brokerconfig.Config { return p.metadata.Settings(p.started) }

// checkSetting refuses what this broker's memory does not allow, whoever sets it: the rest of the limit is others'.
func (p *parts) checkSetting(name, value string) error {
	if name != brokerconfig.CleanerMapBytes || p.cfg.MemoryLimit == 0 {
		return nil
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n > p.cfg.MemoryLimit/2 {
		return fmt.Errorf("%s: %d is not allowed; allowed on this broker: up to %d, half of memory-limit", name, n, p.cfg.MemoryLimit/2)
	}
	return nil
}

func (p *parts) producerExpiry() time.Duration {
	return time.Duration(p.settings().ProducerIDExpiryMs) * time.Millisecond
}

// listenerSpec is the front door: everything that Kafka clients reach.
func (p *parts) listenerSpec(controllerPID *actor.PID) actorsystem.Spec {
	dir, err := filepath.Abs(p.cfg.DataDir)
	if err != nil {
		dir = p.cfg.DataDir
	}
	broker := &api.Broker{System: p.system, Log: p.cfg.Log, NodeID: p.cfg.NodeID, Metadata: p.metadata, Controller: controllerPID,
		Replicas: p.directory, Groups: p.groups, Disk: p.disk, Frames: p.frames, LogDir: filepath.Join(dir, "topics"),
		LogSpace: func() (total, free int64, err error) { return p.files.Space(p.cfg.DataDir) },
		Fetch:    api.NewFetchSessions(p.cfg.FetchSessionsMax, randomNumber),
		Settings: api.Settings{AutoCreateTopics: p.cfg.AutoCreateTopics, NumPartitions: p.cfg.NumPartitions,
			ReplicationFactor: p.cfg.ReplicationFactor, FetchMaxBytes: p.cfg.FetchMaxBytes,
			Static:               p.cfg.Static,
			CheckBroker:          p.checkSetting,
			GroupTopicPartitions: cmp.Or(p.cfg.GroupTopicPartitions, groupTopicPartitions), GroupTopicReplicationFactor: p.cfg.ReplicationFactor,
			GroupConfigs: p.groupConfigs()}}
	limits := connection.DefaultLimits()
	limits.RequestBytesMax = int64(p.cfg.RequestMaxBytes)
	limits.BytesInFlightMax = p.cfg.InFlightPerConnection
	limits.ConnectionsMax, limits.ConnectionsPerIPMax = p.cfg.MaxConnections, p.cfg.MaxConnectionsPerIP
	limits.IdleMs = p.cfg.ConnectionsMaxIdle.Milliseconds()
	return p.door.Spec(connection.Config{Name: "kafka", Broker: broker, Budget: p.budget, Metrics: p.metrics.connection,
		Limits: limits, Log: p.cfg.Log})
}

// advertised is this broker as clients are told of it.
func advertised(cfg Config, bound net.Addr) (controller.Broker, error) {
	addr := cfg.AdvertisedAddr
	if addr == "" {
		addr = cfg.KafkaAddr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return controller.Broker{}, fmt.Errorf("advertised address %q: %w", addr, err)
	}
	if port == "0" {
		if _, port, err = net.SplitHostPort(bound.String()); err != nil {
			return controller.Broker{}, err
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return controller.Broker{}, fmt.Errorf("advertised address %q: port %q is not a number", addr, port)
	}
	return controller.Broker{ID: cfg.NodeID, Host: host, Port: int32(n), Rack: cfg.Rack}, nil
}

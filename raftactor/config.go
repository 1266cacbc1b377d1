package raftactor

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/wal"
)

// Config is what the raft actor is made of. System, WAL, Reader and NodeID are needed; zero values of the rest mean the defaults.
type Config struct {
	System *actorsystem.System
	WAL    *actor.PID // the WAL writer
	Reader wal.Reader
	NodeID NodeID // >= 1
	Log    zerolog.Logger

	Peers     Peers          // nil: a cluster of one
	Snapshots SnapshotSource // nil: followers below the leader's checkpoint are not helped
	Metrics   *Metrics       // nil: counted, but shown nowhere
	Seed      uint64         // of the election time-outs

	TickInterval   time.Duration // default 100 ms
	HeartbeatTicks int           // default 2
	ElectionTicks  int           // default 10; an election starts after 1 to 2 times that

	MaxSizePerMsg      uint64 // bytes of entries in one message to a follower; default 1 MiB
	MaxCommittedSize   uint64 // bytes handed to a group's owner and not yet applied; default 8 MiB
	MaxUncommittedSize uint64 // bytes proposed to a group and not yet applied; beyond it ErrTooMuch; default 32 MiB
	MaxInflightMsgs    int    // messages on their way to one follower of a group; default 64
	MaxInflightBytes   uint64 // and their bytes; default 16 MiB
	// CacheBytes bounds the applied payloads that stay in memory for followers that lag; default 64 MiB for all groups.
	CacheBytes int64
}

func (c *Config) setDefaults() {
	def(&c.TickInterval, 100*time.Millisecond)
	def(&c.HeartbeatTicks, 2)
	def(&c.ElectionTicks, 10)
	def(&c.MaxSizePerMsg, 1<<20)
	def(&c.MaxCommittedSize, 8<<20)
	def(&c.MaxUncommittedSize, 32<<20)
	def(&c.MaxInflightMsgs, 64)
	def(&c.MaxInflightBytes, 16<<20)
	def(&c.CacheBytes, 64<<20)
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
}

func def[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// NewActor returns the constructor of the raft actor's incarnations, for actorsystem.Spec.New. All of them share the list of
// owners, so one NewActor makes one raft actor.
func NewActor(cfg Config) func() actor.Actor {
	cfg.setDefaults()
	reg := &registry{owners: map[wal.GroupID]*actor.PID{}}
	return func() actor.Actor {
		reg.incarnation++
		return newRaft(cfg, reg)
	}
}

// Spec describes the raft actor to actorsystem.Spawn.
func Spec(name string, cfg Config) actorsystem.Spec {
	return actorsystem.Spec{Kind: "raft", Name: name, Lane: actorsystem.Core, WantsDrained: true, New: NewActor(cfg)}
}

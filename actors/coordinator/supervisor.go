package coordinator

// This file owns the supervisor of the coordinators: it has one for each replica of Topic on this broker, and tells them of
// deleted topics. Invariant: Directory lists exactly the coordinators that run.

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
)

// SupervisorConfig is what the supervisor and all its coordinators are made of.
type SupervisorConfig struct {
	System     *actorsystem.System
	Log        zerolog.Logger
	Metrics    *Metrics
	Frames     *protocol.FramePool
	Controller *actor.PID
	Replicas   *partition.Directory
	Directory  *Directory
	Group      group.Config
	Overloaded func() bool // see Config
}

// SupervisorSpec describes the broker's one supervisor of coordinators. A coordinator that fails too often is stopped; its
// groups are answered COORDINATOR_NOT_AVAILABLE, the others go on.
func SupervisorSpec(cfg SupervisorConfig) actorsystem.Spec {
	return actorsystem.Spec{Kind: "coordinators", Name: "0", Children: actorsystem.Restart(10, time.Minute),
		New: func() actor.Actor { return &supervisor{cfg: cfg, running: map[int32]*child{}} }}
}

// Settled tells the supervisor that the replicas of the newest image serve: partitions of Topic may be among them.
type Settled struct{}

type supervisor struct {
	cfg     SupervisorConfig
	loader  *actor.PID
	running map[int32]*child // by partition of Topic
	ending  bool
}

type child struct {
	pid     *actor.PID
	replica *partition.Replica
	stopped bool // by us; one that failed too often stays down until the next Settled
}

func (s *supervisor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for p := range s.cfg.Directory.All() {
			s.cfg.Directory.Set(p, nil) // of a former incarnation
		}
		loader, err := s.cfg.System.Spawn(ctx, LoaderSpec())
		if err != nil {
			panic(err) // the name is taken: a mistake of ours
		}
		s.loader = loader
		s.cfg.System.Send(s.cfg.Controller, controller.Subscribe{Subscriber: ctx.Self()})
		s.look(ctx)
	case *actor.Stopping, *actor.Restarting:
		s.ending = true
		s.cfg.System.Send(s.cfg.Controller, controller.Unsubscribe{Subscriber: ctx.Self()})
	case controller.ImageChanged:
		for _, t := range m.Deleted {
			for _, p := range sortedKeys(s.running) {
				s.cfg.System.Send(s.running[p].pid, TopicDeleted{t.Name, t.ID})
			}
		}
		s.cfg.System.Send(s.cfg.Controller, controller.ImageApplied{Index: m.Image.Index, Subscriber: ctx.Self()})
	case Settled:
		s.look(ctx)
	case *actor.Terminated:
		for p, c := range s.running {
			if c.pid.Equal(m.Who) {
				delete(s.running, p)
				s.cfg.Directory.Set(p, nil)
				if c.stopped && !s.ending { // for one of another replica
					s.look(ctx)
				}
				return
			}
		}
	}
}

// look starts the coordinators that are missing, and stops those whose replica is gone.
func (s *supervisor) look(ctx actor.Context) {
	here := map[int32]*partition.Replica{}
	for key, r := range s.cfg.Replicas.All() {
		if r.Topic == Topic && r.Offline() == "" {
			here[key.Partition] = r
		}
	}
	for _, p := range sortedKeys(s.running) {
		switch c := s.running[p]; {
		case here[p] == c.replica:
			s.cfg.System.Send(c.pid, LeadershipChanged{})
		default:
			c.stopped = true
			s.cfg.System.Stop(c.pid) // Terminated goes on from here
		}
	}
	for _, p := range sortedKeys(here) {
		if s.running[p] != nil {
			continue
		}
		r := here[p]
		pid, err := s.cfg.System.Spawn(ctx, Spec(Config{System: s.cfg.System, Log: s.cfg.Log, Metrics: s.cfg.Metrics,
			Frames: s.cfg.Frames, Loader: s.loader, Partition: p, Replica: OfPartition(r), Actor: r.PID, Group: s.cfg.Group, Overloaded: s.cfg.Overloaded}))
		if err != nil {
			s.cfg.Log.Error().Err(err).Int32("partition", p).Msg("group coordinator cannot be started")
			continue
		}
		ctx.Watch(pid)
		s.running[p] = &child{pid: pid, replica: r}
		s.cfg.Directory.Set(p, pid)
	}
}

func sortedKeys[V any](m map[int32]V) []int32 {
	keys := make([]int32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

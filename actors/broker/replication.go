package broker

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/cleaner"
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/wal"
)

const (
	// segmentWriters write segment files, each one chunk at a time: two keep a disk busy and leave room for the WAL.
	segmentWriters = 2
	// raftShards is how many raft actors share the groups. One serves two cores (a second one gained nothing there).
	raftShards = 1
	// checkpointAfter bounds how much a restart has to apply again on a quiet broker.
	checkpointAfter = 30 * time.Second
)

// replication is the supervisor of everything that makes a record durable: the WAL writer, the segment writers, the raft
// actors, the controller and the partitions.
type replication struct {
	*parts
	root     *actor.PID
	children *strategy
	ending   bool // stopping or restarting: its children end because of that
}

func (r *replication) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		if err := r.start(ctx); err != nil {
			ctx.Send(r.root, gaveUp{err})
		}
	case *actor.Terminated:
		if !r.ending {
			ctx.Send(r.root, gaveUp{r.children.gaveUp(m.Who)})
		}
	case *actor.Stopping, *actor.Restarting:
		r.ending = true
	}
}

func (r *replication) start(ctx actor.Context) error {
	spawn := func(spec actorsystem.Spec) (*actor.PID, error) {
		pid, err := r.system.Spawn(ctx, spec)
		if err == nil {
			ctx.Watch(pid)
		}
		return pid, err
	}
	log, err := wal.New(wal.Config{
		Dir: r.dataPath("wal"), FS: r.files, System: r.system, Disk: r.disk, DirID: r.directoryNumber(),
		FileBytes: r.cfg.WALFileSize, LimitBytes: r.cfg.WALSizeLimit,
		SelfChecked: partition.SelfChecked, VerifySelfChecked: partition.VerifySelfChecked,
		Fanout: wal.Goroutines, Metrics: r.metrics.wal, Log: r.cfg.Log,
	})
	if err != nil {
		return err
	}
	writer, err := spawn(actorsystem.Spec{Kind: walKind, Name: walName, Lane: actorsystem.Own, WantsDrained: true, New: log.NewActor})
	if err != nil {
		return err
	}
	shared := &segment.Shared{FS: r.files, Pool: r.pool, Files: r.openFiles, Send: r.system.Send, Disk: r.disk,
		Clock: r.system.Clock(), Metrics: r.metrics.segment}
	for i := range segmentWriters {
		pid, err := spawn(actorsystem.Spec{Kind: "segment-writer", Name: fmt.Sprint(i), Lane: actorsystem.Own,
			New: func() actor.Actor { return segment.NewWriterActor(shared) }})
		if err != nil {
			return err
		}
		shared.Writers = append(shared.Writers, pid)
	}
	var rafts []*actor.PID
	for i := range raftShards {
		pid, err := spawn(raftactor.Spec(fmt.Sprint(i), raftactor.Config{System: r.system, WAL: writer, Reader: log.Reader(),
			NodeID: raftactor.NodeID(r.cfg.NodeID), Log: r.cfg.Log, Metrics: r.metrics.raft,
			MaxEntryBytes: log.MaxEntryBytes()}))
		if err != nil {
			return err
		}
		rafts = append(rafts, pid)
	}
	shard := func(g wal.GroupID) *actor.PID { return rafts[uint64(g)%uint64(len(rafts))] }
	metadata, err := spawn(controller.Spec(controller.Config{System: r.system, Raft: shard(controller.Group),
		Voters: []raftactor.NodeID{raftactor.NodeID(r.cfg.NodeID)}, Self: r.self, Holder: r.metadata, Static: r.topicDefaults(), Started: *r.started,
		Random: randomBytes(), Log: r.cfg.Log, Metrics: r.metrics.controller, ClusterID: r.clusterID}))
	if err != nil {
		return err
	}
	found, err := r.files.List(r.dataPath("topics"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	partitions, err := spawn(actorsystem.Spec{Kind: "partitions", Name: fmt.Sprint(r.cfg.NodeID), Children: partition.Supervision(),
		New: partition.NewSupervisor(partition.SupervisorConfig{
			System: r.system, Raft: shard, Controller: metadata, Directory: r.directory, Segments: shared,
			Dir: r.dataPath("topics"), Found: found, NodeID: r.cfg.NodeID, Housekeeping: r.cfg.RetentionCheckInterval, Log: r.cfg.Log, Observer: r.root,
			Options: partition.Options{CheckpointAfter: checkpointAfter, ProducerExpiry: r.producerExpiry},
		})})
	if err != nil {
		return err
	}
	groups, err := spawn(coordinator.SupervisorSpec(coordinator.SupervisorConfig{System: r.system, Log: r.cfg.Log, Metrics: r.metrics.groups,
		Frames: r.frames, Controller: metadata, Replicas: r.directory, Directory: r.groups, Group: r.groupRules(), Overloaded: newPressure(r.system.Clock(), r.cfg.MemoryLimit).high}))
	if err != nil {
		return err
	}
	// Not watched: the broker does without a cleaner that was given up, and shows that it is gone.
	if _, err := r.system.Spawn(ctx, cleaner.Spec(cleaner.Config{System: r.system, Replicas: r.directory, FS: r.files,
		Checkpoint: r.dataPath("cleaner-checkpoint"), Board: r.parts.cleaner, Metrics: r.metrics.cleaner, Log: r.cfg.Log,
		Settings: r.settings, Key: [2]uint64{randomNumber(), randomNumber()}})); err != nil {
		return err
	}
	ctx.Send(r.root, replicationUp{controller: metadata, groups: groups, partitions: partitions, segmentWriters: shared.Writers})
	return nil
}

// directoryNumber is the directory's id as the WAL keeps it in its files.
func (p *parts) directoryNumber() uint64 {
	if b, err := base64.RawURLEncoding.DecodeString(p.directoryID); err == nil && len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	h := fnv.New64a()
	h.Write([]byte(p.directoryID))
	return h.Sum64()
}

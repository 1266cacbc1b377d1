package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Broker is a running broker: the shell around its root actor.
type Broker struct {
	cfg      Config
	system   *actorsystem.System
	dir      *dataDir
	parts    *parts
	root     *actor.PID
	listener *connection.Listener

	ready     chan struct{}
	readyOnce sync.Once
	done      chan struct{}
	doneOnce  sync.Once
	err       error // set before done is closed
	stopOnce  sync.Once
	stopping  atomic.Bool // actors end because they were told to

	replication atomic.Pointer[replicationUp] // the subtree, once it is up
}

// startTimeout bounds the wait for the root actor to be up (not for recovery, which may take as long as it takes).
const startTimeout = 10 * time.Second

// Start takes the data directory, binds the listener and sets everything going; Ready tells when clients can produce.
// An error leaves nothing behind.
func Start(ctx context.Context, cfg Config) (*Broker, error) {
	return start(ctx, cfg, world{files: vfs.OS()})
}

// world is what a broker stands in; tests bring a disk that fails and a clock that they move.
type world struct {
	files vfs.FS
	clock actorsystem.Clock // nil: the wall clock
}

func start(ctx context.Context, cfg Config, in world) (*Broker, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	files := in.files
	dir, err := openDataDir(files, cfg.DataDir, cfg.NodeID)
	if err != nil {
		return nil, err
	}
	b := &Broker{cfg: cfg, dir: dir, ready: make(chan struct{}), done: make(chan struct{})}
	b.listener, err = connection.Listen(cfg.KafkaAddr)
	if err != nil {
		dir.close()
		return nil, err
	}
	self, err := advertised(cfg, b.listener.Addr())
	if err != nil {
		b.listener.Close()
		dir.close()
		return nil, err
	}
	b.system = actorsystem.New(actorsystem.Config{Clock: in.clock, Fault: cfg.Fault, Log: cfg.Log})
	b.parts = newParts(cfg, b.system, files, diskstate.New(b.fail), dir.identity, self, b.listener)
	children := newStrategy()
	if b.root, err = b.system.SpawnRoot(actorsystem.Spec{Kind: "broker", Name: fmt.Sprint(cfg.NodeID), Children: children,
		New: func() actor.Actor { return &root{broker: b, parts: b.parts, children: children} }}); err != nil {
		b.listener.Close()
		dir.close()
		b.system.Shutdown()
		return nil, err
	}
	return b, nil
}

// Ready is closed when a client can produce.
func (b *Broker) Ready() <-chan struct{} { return b.ready }

// ReadyErr is nil when a client can produce now, and says what is missing otherwise.
func (b *Broker) ReadyErr() error {
	select {
	case <-b.ready:
	default:
		return errors.New("starting: recovering partitions from the write-ahead log")
	}
	if err := b.parts.disk.Failed(); err != nil {
		return fmt.Errorf("the disk failed: %w", err)
	}
	if b.parts.disk.Full() {
		return errors.New("the disk is full: produce is refused until there is space")
	}
	return nil
}

// KafkaAddr is the address listened on, with the real port.
func (b *Broker) KafkaAddr() string { return b.listener.Addr().String() }

// ClusterID is the cluster's id; known from Ready on.
func (b *Broker) ClusterID() string {
	if image := b.parts.metadata.Load(); image != nil {
		return image.ClusterID
	}
	return ""
}

// System hosts the broker's actors.
func (b *Broker) System() *actorsystem.System { return b.system }

// Done is closed when the broker has ended by itself (fenced by an I/O error, say); Err tells why.
func (b *Broker) Done() <-chan struct{} { return b.done }

// Err is why the broker ended by itself, or nil.
func (b *Broker) Err() error {
	select {
	case <-b.done:
		return b.err
	default:
		return nil
	}
}

// fail ends the broker for a reason nothing can mend. Any goroutine may call it.
func (b *Broker) fail(err error) {
	if b.stopping.Load() {
		return
	}
	b.doneOnce.Do(func() {
		b.err = err
		close(b.done)
	})
}

// Shutdown stops accepting, answers what is in flight, brings the segment files up to date and ends everything, within ctx.
func (b *Broker) Shutdown(ctx context.Context) error {
	var err error
	b.stopOnce.Do(func() {
		deadline, ok := ctx.Deadline()
		if !ok {
			deadline = time.Now().Add(startTimeout)
		}
		// Two thirds of the time for the clients, half of the rest for the segment files, what remains for the actors.
		drain := time.Until(deadline) * 2 / 3
		err = b.listener.Drain(b.system, drain)
		b.stopping.Store(true)
		b.closeSegments(time.Until(deadline) / 2)
		err = errors.Join(err, b.system.StopWait(b.root, max(time.Second, time.Until(deadline))))
		err = errors.Join(err, b.parts.disk.Failed())
		b.system.Shutdown()
		b.parts.openFiles.Close()
		b.dir.close()
	})
	return err
}

// closeSegments brings the segment files up to date and closes them, for at most the given time: a start after this applies nothing
// again, and other tools find every record and no padding. What is not written in time is in the write-ahead log as ever.
func (b *Broker) closeSegments(within time.Duration) {
	up, disk := b.replication.Load(), b.parts.disk
	if up == nil || !disk.Writable() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	await := func(to *actor.PID, message func(done func()) any) bool {
		answered := make(chan struct{})
		b.system.Send(to, message(func() { close(answered) }))
		select {
		case <-answered:
			return true
		case <-ctx.Done():
			return false
		}
	}
	current := await(up.partitions, func(done func()) any { return partition.CheckpointAll{Done: done} })
	// The partitions close their logs as they stop; the writers do what that asks of them before they are stopped themselves.
	current = b.system.StopWait(up.partitions, max(within/2, time.Second)) == nil && current
	for _, writer := range up.segmentWriters {
		current = await(writer, func(done func()) any { return segment.Barrier{Done: done} }) && current
	}
	if !current {
		b.cfg.Log.Warn().Dur("waited", within).Msg("stopping before all segment files are up to date; the write-ahead log has what they lack")
	}
}

func (d *dataDir) close() { d.lock.Close() }

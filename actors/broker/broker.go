package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
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
	b.doneOnce.Do(func() {
		b.err = err
		close(b.done)
	})
}

// Shutdown stops accepting, answers what is in flight, syncs and ends everything, within ctx.
func (b *Broker) Shutdown(ctx context.Context) error {
	var err error
	b.stopOnce.Do(func() {
		deadline, ok := ctx.Deadline()
		if !ok {
			deadline = time.Now().Add(startTimeout)
		}
		// Two thirds of the time for the clients, the rest for the actors.
		drain := time.Until(deadline) * 2 / 3
		err = b.listener.Drain(b.system, drain)
		err = errors.Join(err, b.system.StopWait(b.root, max(time.Second, time.Until(deadline))))
		b.system.Shutdown()
		b.parts.openFiles.Close()
		b.dir.close()
	})
	return err
}

func (d *dataDir) close() { d.lock.Close() }

package actorsystem

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Spec describes an actor to spawn.
type Spec struct {
	Kind string // what it is: "partition", "raft", "wal", "connection", …
	Name string // which one, as shown from outside
	ID   string // unique among the parent's children of this kind; "" is Name
	Lane Lane
	// New makes a fresh state for each incarnation: at the start and after each panic. It runs on the actor's lane.
	New func() actor.Actor
	// WantsDrained asks for a Drained after each batch of messages.
	WantsDrained bool
	// Children decides what happens when a child of this actor panics; nil is Restart(10, 10 s).
	Children actor.SupervisorStrategy
}

// Restart restarts a failing child alone, and stops it for good after more than limit failures within the window.
func Restart(limit int, within time.Duration) actor.SupervisorStrategy {
	return actor.NewOneForOneStrategy(limit, within, actor.DefaultDecider)
}

// RestartAll restarts all children when one fails: for parts that only make sense together.
func RestartAll(limit int, within time.Duration) actor.SupervisorStrategy {
	return actor.NewAllForOneStrategy(limit, within, actor.DefaultDecider)
}

// StopFailed stops a failing child: for children that are not worth bringing back, such as a client's connection.
func StopFailed() actor.SupervisorStrategy {
	return actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
}

// SpawnRoot starts an actor without a parent. Its failures follow protoactor's default strategy.
func (s *System) SpawnRoot(spec Spec) (*actor.PID, error) {
	pid, err := s.actors.Root.SpawnNamed(s.props(spec, ""), spec.id())
	return pid, spawnError(spec, err)
}

// Spawn starts an actor as a child of the one whose context this is.
func (s *System) Spawn(parent actor.Context, spec Spec) (*actor.PID, error) {
	s.mu.Lock()
	name := parent.Self().Id
	if c := s.cells[name]; c != nil {
		name = c.kind + "/" + c.name
	}
	s.mu.Unlock()
	pid, err := parent.SpawnNamed(s.props(spec, name), spec.id())
	return pid, spawnError(spec, err)
}

func (spec Spec) id() string {
	if spec.ID != "" {
		return spec.Kind + "/" + spec.ID
	}
	return spec.Kind + "/" + spec.Name
}

func spawnError(spec Spec, err error) error {
	if err != nil {
		return fmt.Errorf("spawn %s %s: %w", spec.Kind, spec.Name, err)
	}
	return nil
}

func (s *System) props(spec Spec, parent string) *actor.Props {
	c := &cell{kind: spec.Kind, name: spec.Name, parent: parent}
	c.state.Store(Starting)
	dispatcher := s.core
	var own *ownDispatcher
	if spec.Lane == Own {
		own = newOwnDispatcher()
		dispatcher = own
	}
	opts := []actor.PropsOption{
		actor.WithDispatcher(dispatcher),
		actor.WithMailbox(func() actor.Mailbox {
			return &mailbox{cell: c, clock: s.clock, fault: s.fault, wantDrained: spec.WantsDrained}
		}),
		actor.WithOnInit(func(ctx actor.Context) {
			s.mu.Lock()
			s.cells[ctx.Self().Id] = c
			s.mu.Unlock()
		}),
	}
	if spec.Children != nil {
		opts = append(opts, actor.WithSupervisor(spec.Children))
	}
	return actor.PropsFromProducer(func() actor.Actor {
		return &shell{system: s, cell: c, own: own, inner: spec.New()}
	}, opts...)
}

// shell stands between protoactor and an incarnation of an actor, to keep its cell's state true.
type shell struct {
	system *System
	cell   *cell
	own    *ownDispatcher
	inner  actor.Actor
}

func (sh *shell) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		sh.inner.Receive(ctx)
		sh.cell.state.Store(Running)
	case *actor.Stopped:
		sh.cell.stopped.Store(true)
		sh.cell.state.Store(Stopped)
		sh.system.mu.Lock()
		if sh.system.cells[ctx.Self().Id] == sh.cell {
			delete(sh.system.cells, ctx.Self().Id)
		}
		sh.system.mu.Unlock()
		defer func() {
			if sh.own != nil {
				sh.own.close()
			}
		}()
		sh.inner.Receive(ctx)
	default:
		sh.inner.Receive(ctx)
	}
}

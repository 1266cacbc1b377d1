package actorsystem

import (
	"log/slog"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
)

// Lane is where an actor's messages are handled.
type Lane int

const (
	// Core is the shared run queue, one goroutine a core: actors there never block.
	Core Lane = iota
	// Own is a goroutine of the actor's own, which may block (disk).
	Own
)

// FaultInjector may panic before a message is handled. Only tests and the `chaos` build tag set one.
type FaultInjector interface {
	// BeforeMessage is called on the actor's goroutine with the number of messages it has handled, this one included.
	BeforeMessage(kind, name string, handled uint64, message any)
}

// Config is what a System is made of. The zero value is a real system: wall clock, a dispatcher goroutine a core.
type Config struct {
	Clock      Clock
	Dispatcher actor.Dispatcher // of the Core lane; nil starts a CoreDispatcher that Shutdown stops
	Fault      FaultInjector
	Log        zerolog.Logger
}

// System hosts the actors of one broker.
type System struct {
	actors *actor.ActorSystem
	clock  Clock
	core   actor.Dispatcher
	fault  FaultInjector
	log    zerolog.Logger
	owned  *CoreDispatcher // nil if Config brought the dispatcher

	mu       sync.Mutex
	cells    map[string]*cell // by PID id
	restarts map[string]uint64
}

// New starts an empty system.
func New(cfg Config) *System {
	s := &System{clock: cfg.Clock, core: cfg.Dispatcher, fault: cfg.Fault, log: cfg.Log,
		cells: map[string]*cell{}, restarts: map[string]uint64{}}
	if s.clock == nil {
		s.clock = WallClock{}
	}
	if s.core == nil {
		s.owned = NewCoreDispatcher(max(2, runtime.GOMAXPROCS(0)))
		s.core = s.owned
	}
	s.actors = actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterRequestLogging(false))
	s.actors.EventStream.Subscribe(s.onEvent)
	return s
}

// Shutdown stops the dispatcher. Stop the root actor first; what is still queued never runs.
func (s *System) Shutdown() {
	s.actors.Shutdown()
	if s.owned != nil {
		s.owned.Stop()
	}
}

// Clock is the system's source of time.
func (s *System) Clock() Clock { return s.clock }

// Send posts message to pid's mailbox. It never blocks. A message to an actor that has stopped is told so if it is
// Undeliverable, and dropped otherwise.
func (s *System) Send(pid *actor.PID, message any) { s.actors.Root.Send(pid, message) }

// SendAfter posts message to pid d from now, unless the timer is stopped first.
func (s *System) SendAfter(d time.Duration, pid *actor.PID, message any) Timer {
	return s.clock.AfterFunc(d, func() { s.Send(pid, message) })
}

// Stop tells pid to stop at once, its children first; messages still queued are turned away.
func (s *System) Stop(pid *actor.PID) { s.actors.Root.Stop(pid) }

// StopWait stops pid and waits until it and its children have ended, at most timeout.
func (s *System) StopWait(pid *actor.PID, timeout time.Duration) error {
	f := s.actors.Root.StopFuture(pid)
	done := make(chan error, 1)
	go func() { done <- f.Wait() }()
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return actor.ErrTimeout
	}
}

// Ask sends message to pid with the reply address it should answer to, and waits. build gets that address and returns the
// message. It is for tests, start-up and administration: never for the hot path, never on the Core lane.
func (s *System) Ask(pid *actor.PID, timeout time.Duration, build func(reply *actor.PID) any) (any, error) {
	f := actor.NewFuture(s.actors, timeout)
	s.Send(pid, build(f.PID()))
	return f.Result()
}

// Actors lists every live actor, sorted by kind and name.
func (s *System) Actors() []Info {
	s.mu.Lock()
	all := make([]*cell, 0, len(s.cells))
	for _, c := range s.cells {
		all = append(all, c)
	}
	s.mu.Unlock()
	now := s.clock.Now()
	infos := make([]Info, len(all))
	for i, c := range all {
		infos[i] = c.info(now)
	}
	sort.Slice(infos, func(i, j int) bool {
		if infos[i].Kind != infos[j].Kind {
			return infos[i].Kind < infos[j].Kind
		}
		return infos[i].Name < infos[j].Name
	})
	return infos
}

// RestartsByKind counts restarts since start, those of actors that have ended included.
func (s *System) RestartsByKind() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]uint64, len(s.restarts))
	for k, n := range s.restarts {
		out[k] = n
	}
	return out
}

// onEvent makes supervision visible: without it protoactor restarts and gives up in silence.
func (s *System) onEvent(event any) {
	switch e := event.(type) {
	case *actor.SupervisorEvent:
		s.mu.Lock()
		c := s.cells[e.Child.Id]
		if c != nil && e.Directive == actor.RestartDirective {
			c.restarts.Add(1)
			s.restarts[c.kind]++
		}
		s.mu.Unlock()
		if c == nil {
			return
		}
		p := c.lastPanic.Load()
		if p == nil {
			return
		}
		line := s.log.Error().Str("kind", c.kind).Str("actor", c.name).Str("panic", p.Reason).
			Uint64("restarts", c.restarts.Load()).Str("stack", p.Stack)
		switch e.Directive {
		case actor.RestartDirective:
			line.Msg("actor panicked; its supervisor restarts it")
		case actor.StopDirective:
			line.Msg("actor keeps failing; its supervisor stopped it")
		default:
			line.Stringer("directive", e.Directive).Msg("actor panicked")
		}
	case *actor.DeadLetterEvent:
		if u, ok := e.Message.(Undeliverable); ok {
			u.Undelivered(StoppedError{Kind: "actor", Name: e.PID.GetId()})
		}
	}
}

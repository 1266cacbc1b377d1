package connection

// This file owns the listener actor and its accept shell. Invariants: every accepted socket is either handed to a connection actor or
// closed; conns holds exactly the connections whose actors live. Once drained it accepts nothing more, also after a restart.

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/quota"
	"github.com/troupe-io/troupe/actorsystem"
)

// Messages to a listener actor.

// Drain makes the listener stop accepting; each connection answers what is in flight and closes, and whatever is left after
// Timeout is closed. Reply gets Drained.
type Drain struct {
	Timeout time.Duration
	Reply   *actor.PID
}

// Drained answers Drain: no connection is left.
type Drained struct {
	// Cut is how many connections had not finished in time.
	Cut int
}

type (
	accepted  struct{ conn net.Conn }
	throttled struct{ conn net.Conn } // was held for long enough
	sweep     struct{}
	drainOver struct{}
)

const (
	// acceptPause is how long the accept shell waits after a failure that may pass, such as too many open files.
	acceptPause = 50 * time.Millisecond
	// idleSweeps is how many sweeps pass between two looks at a connection that is idle.
	idleSweeps = 10
	// drainGrace is what Drain waits for its answer beyond the timeout.
	drainGrace = time.Second
)

// Listener is a bound socket and the shell around its actor. It outlives a restart of the actor.
type Listener struct {
	socket  net.Listener
	quiet   *quieter
	idle    *idlers
	cfg     *Config
	pid     atomic.Pointer[actor.PID]
	started bool // of the actor alone
	seq     uint64
	closed  atomic.Bool
	quit    chan struct{}
}

// Listen binds addr ("host:port"). Clients that connect wait until the actor of Spec runs.
func Listen(addr string) (*Listener, error) {
	socket, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for Kafka clients on %s: %w", addr, err)
	}
	return &Listener{socket: socket, quiet: &quieter{}, idle: newIdlers(), quit: make(chan struct{})}, nil
}

// Addr is the address listened on, with the real port.
func (d *Listener) Addr() net.Addr { return d.socket.Addr() }

// Silent counts the connections whose clients say nothing at the moment: they have no goroutine.
func (d *Listener) Silent() int { return d.idle.count() }

// Close stops accepting. Connections live on; Drain or stopping the actor ends them.
func (d *Listener) Close() {
	if !d.closed.Swap(true) {
		close(d.quit)
		_ = d.socket.Close()
		d.idle.close()
	}
}

// Spec describes the listener's actor, for actorsystem.Spawn. Once for each Listener.
func (d *Listener) Spec(cfg Config) actorsystem.Spec {
	cfg.Limits = cfg.Limits.withDefaults(cfg.Budget)
	d.cfg = &cfg
	return actorsystem.Spec{
		Kind: "connection-listener", Name: cfg.Name, Lane: actorsystem.Core, Children: actorsystem.StopFailed(),
		New: func() actor.Actor { return &listener{door: d, conns: map[string]*socket{}, perIP: map[string]int{}} },
	}
}

// Drain stops accepting and waits until every connection has answered what is in flight and is closed, at most timeout. Not from an
// actor. An error says how many connections were cut off.
func (d *Listener) Drain(system *actorsystem.System, timeout time.Duration) error {
	d.Close()
	pid := d.pid.Load()
	if pid == nil {
		return nil
	}
	answer, err := system.Ask(pid, timeout+drainGrace, func(reply *actor.PID) any { return &Drain{Timeout: timeout, Reply: reply} })
	if err != nil {
		return fmt.Errorf("drain connections within %s: %w", timeout, err)
	}
	if cut := answer.(*Drained).Cut; cut > 0 {
		return fmt.Errorf("drain connections: %d were still busy after %s and were closed", cut, timeout)
	}
	return nil
}

// accept is the accept shell.
func (d *Listener) accept() {
	for {
		conn, err := d.socket.Accept()
		if err == nil {
			d.cfg.Broker.System.Send(d.pid.Load(), &accepted{conn})
			continue
		}
		if errors.Is(err, net.ErrClosed) || d.closed.Load() {
			return
		}
		d.cfg.Metrics.refused.Inc()
		if n, say := d.quiet.say(closedTooMany, d.cfg.Broker.System.Clock().Now().UnixMilli()); say {
			d.cfg.Log.Warn().Err(err).Str("listener", d.cfg.Name).Int64("similar_not_shown", n).Msg("cannot accept a connection; trying again")
		}
		select {
		case <-d.quit:
			return
		case <-time.After(acceptPause):
		}
	}
}

// Undelivered closes a connection that no listener takes.
func (a *accepted) Undelivered(error) { _ = a.conn.Close() }

// Undelivered is for the same.
func (t *throttled) Undelivered(error) { _ = t.conn.Close() }

type listener struct {
	door     *Listener
	conns    map[string]*socket // by PID id
	list     []*socket          // the same, to walk
	sweeps   int
	perIP    map[string]int
	timer    actorsystem.Timer
	draining *Drain
	cut      int

	throttled int // sockets held because of a quota
}

// Receive implements actor.Actor.
func (l *listener) Receive(ctx actor.Context) {
	cfg := l.door.cfg
	switch m := ctx.Message().(type) {
	case *actor.Started:
		l.door.pid.Store(ctx.Self())
		if !l.door.started {
			l.door.started = true
			go l.door.accept()
		}
		l.schedule(ctx)
	case *actor.Restarting:
		l.timer.Stop()
	case *actor.Stopping:
		l.door.Close()
	case *actor.Stopped:
		l.timer.Stop()
	case *actor.Terminated:
		l.ended(ctx, m.Who.Id)
	case *accepted:
		l.welcome(ctx, m.conn)
	case *throttled:
		l.throttled--
		_ = m.conn.Close()
	case sweep:
		l.sweep(ctx)
		l.schedule(ctx)
	case *Drain:
		l.door.Close()
		l.draining = m
		for _, s := range l.conns {
			ctx.Send(s.pid, drain{})
		}
		cfg.Broker.System.SendAfter(m.Timeout, ctx.Self(), drainOver{})
		l.reportDrained(ctx)
	case drainOver:
		l.cut = len(l.conns)
		for _, s := range l.conns {
			s.end(closedDrained, zerolog.NoLevel, "")
		}
	}
}

func (l *listener) schedule(ctx actor.Context) {
	cfg := l.door.cfg
	l.timer = cfg.Broker.System.SendAfter(time.Duration(cfg.Limits.TickMs)*time.Millisecond, ctx.Self(), sweep{})
}

// welcome gives a socket to a new connection actor, or turns it away.
func (l *listener) welcome(ctx actor.Context, conn net.Conn) {
	cfg := l.door.cfg
	remote := conn.RemoteAddr().String()
	ip := hostOf(remote)
	limits := cfg.Limits
	if s := cfg.Broker.Metadata.Load().Settings; s != nil { // what has been set since the start
		limits.ConnectionsMax, limits.ConnectionsPerIPMax = int(s.MaxConnections), int(s.MaxConnectionsPerIP)
	}
	switch {
	case l.draining != nil:
		_ = conn.Close()
		return
	case limits.ConnectionsMax > 0 && len(l.conns) >= limits.ConnectionsMax:
		l.turnAway(conn, fmt.Sprintf("%d connections are open, which is all that max.connections allows", len(l.conns)))
		return
	case limits.ConnectionsPerIPMax > 0 && l.perIP[ip] >= limits.ConnectionsPerIPMax:
		l.turnAway(conn, fmt.Sprintf("%d connections from %s are open, which is all that max.connections.per.ip allows", l.perIP[ip], ip))
		return
	}
	if l.overQuota(ctx, conn, ip) {
		return
	}
	w, err := newWire(conn)
	if err != nil {
		l.turnAway(conn, err.Error())
		return
	}
	l.door.seq++
	s := newSocket(cfg, w, remote, l.door.quiet, l.door.idle)
	pid, err := cfg.Broker.System.Spawn(ctx, actorsystem.Spec{
		Kind: "connection", Name: fmt.Sprintf("%s#%d", remote, l.door.seq), Lane: actorsystem.Core, WantsDrained: true,
		New: func() actor.Actor { return &connection{s: s, writer: newWriter(s)} },
	})
	if err != nil {
		l.turnAway(conn, err.Error())
		return
	}
	l.conns[pid.Id] = s
	s.at = len(l.list)
	l.list = append(l.list, s)
	l.perIP[ip]++
	cfg.Metrics.accepted.Inc()
	cfg.Metrics.open.Inc()
}

// throttledMax bounds the sockets that are held because of a quota of connections.
const throttledMax = 1000

// overQuota refuses a connection from an address whose quota of connections is used up. The socket is held for as long as the
// quota says, so that a client that tries again at once does so at its pace (KIP-612).
func (l *listener) overQuota(ctx actor.Context, conn net.Conn, ip string) bool {
	broker := l.door.cfg.Broker
	rules := broker.Metadata.Load().Quotas
	if broker.Quotas == nil || !rules.Has(quota.Connection) {
		return false
	}
	ms := broker.Quotas.Connected(rules, ip, broker.System.Clock().Now().UnixMilli())
	if ms == 0 {
		return false
	}
	l.door.cfg.Metrics.closed[closedThrottled].Inc()
	if l.throttled >= throttledMax {
		_ = conn.Close()
		return true
	}
	l.throttled++
	broker.System.SendAfter(time.Duration(ms)*time.Millisecond, ctx.Self(), &throttled{conn})
	return true
}

func (l *listener) turnAway(conn net.Conn, why string) {
	cfg := l.door.cfg
	cfg.Metrics.closed[closedTooMany].Inc()
	if n, say := l.door.quiet.say(closedTooMany, cfg.Broker.System.Clock().Now().UnixMilli()); say {
		cfg.Log.Warn().Str("client", conn.RemoteAddr().String()).Int64("similar_not_shown", n).Msg("connection refused: " + why)
	}
	_ = conn.Close()
}

// ended forgets a connection whose actor has stopped.
func (l *listener) ended(ctx actor.Context, id string) {
	s := l.conns[id]
	if s == nil {
		return
	}
	delete(l.conns, id)
	last := len(l.list) - 1
	l.list[s.at] = l.list[last]
	l.list[s.at].at = s.at
	l.list[last] = nil
	l.list = l.list[:last]
	ip := hostOf(s.remote)
	if l.perIP[ip]--; l.perIP[ip] <= 0 {
		delete(l.perIP, ip)
	}
	l.door.cfg.Metrics.open.Dec()
	l.reportDrained(ctx)
}

func (l *listener) reportDrained(ctx actor.Context) {
	if l.draining != nil && len(l.conns) == 0 && l.draining.Reply != nil {
		ctx.Send(l.draining.Reply, &Drained{Cut: l.cut})
		l.draining.Reply = nil
	}
}

// sweep looks at every connection's clocks, which its shell keeps: what is idle or stuck is closed, what has deadlines is told.
func (l *listener) sweep(ctx actor.Context) {
	cfg := l.door.cfg
	limits := cfg.Limits
	now := cfg.Broker.System.Clock().Now().UnixMilli()
	pressed := cfg.Budget.Waiting() > 0
	l.sweeps++
	slow := l.sweeps%idleSweeps == 0
	for _, s := range l.list {
		busy := s.head.Load() != s.tail.Load()
		silent, lastRead := s.silent.Load(), s.lastReadMs.Load()
		if silent && !busy && !slow {
			continue
		}
		if !silent && now-max(lastRead, s.askedMs) >= limits.SilentAfterMs && s.frameMs.Load() == 0 {
			s.askedMs = now
			s.wire.deadline(past) // the reader sees that it has nothing to do
		}
		if since := s.writeMs.Load(); since != 0 {
			if now-since > limits.WriteStallMs {
				s.fail(closedSlowReader, fmt.Sprintf("the client has not taken a byte of its answers for %d ms", now-since))
			}
			busy = true
		}
		if busy {
			if at := s.expiryMs.Load(); at != 0 && now >= at {
				ctx.Send(s.pid, tick{})
			}
			continue
		}
		if since := s.frameMs.Load(); pressed && since != 0 && now-since > limits.SlowFrameUnderPressMs {
			s.fail(closedSlowFrame, fmt.Sprintf("a request has been arriving for %d ms while others wait for memory", now-since))
		} else if idle := now - lastRead; limits.IdleMs > 0 && idle > limits.IdleMs {
			s.fail(closedIdle, fmt.Sprintf("nothing came for %d ms (connections.max.idle.ms)", idle))
		}
	}
}

func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

package coordinator

// This file owns the actor: its three states, and the way of requests, ticks and the partition's answers through the Machine.
// Invariants:
//
//   - the Machine exists in the states loading and active only, and is fed by one term's messages only;
//   - a term lies within one stay of the replica in leadership, and ends with the first batch whose fate is not known: what the
//     Machine holds is what the log up to the last fate gives;
//   - after each batch of messages all answers are out, all records are with the writer, and the timer is armed for the
//     Machine's next deadline.

import (
	"fmt"
	"math"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
)

// Config is what a coordinator is made of.
type Config struct {
	System    *actorsystem.System
	Log       zerolog.Logger
	Metrics   *Metrics
	Frames    *protocol.FramePool
	Loader    *actor.PID // see LoaderSpec
	Partition int32      // of Topic
	Replica   Replica
	Actor     *actor.PID // the partition's
	Group     group.Config
	// Overloaded says that there is no memory for more groups and members: who comes new is told to try again. nil: there always is.
	Overloaded func() bool
}

// timerSlackMs is by how much a time-out may be late: all that fall due within it cost one wake.
const timerSlackMs = 10

// appendTimeoutMs is how long a batch may take before the coordinator gives it up.
const appendTimeoutMs = 10_000

// loadRetry is the pause after a failed read of the log.
const loadRetry = time.Second

type state int

const (
	standby state = iota
	loading
	active
)

// Spec describes the coordinator of one partition.
func Spec(cfg Config) actorsystem.Spec {
	terms := new(uint64) // outlives incarnations, so that each term has its own number
	return actorsystem.Spec{
		Kind: "coordinator", Name: fmt.Sprint(cfg.Partition), WantsDrained: true,
		New: func() actor.Actor { return &coordinator{cfg: cfg, terms: terms} },
	}
}

type coordinator struct {
	cfg   Config
	terms *uint64
	self  *actor.PID
	state state
	term  uint64 // of this stay in loading and active
	stay  uint64 // of the replica in leadership, within which the term lies

	began   time.Time // of the term: the clock of the Machine is beganMs plus what has passed since, and never jumps
	beganMs int64
	machine *group.Machine
	writer  *writer
	upTo    int64 // where loading ends

	open    openRequests
	timer   actorsystem.Timer
	timerMs int64 // when timer fires; valid if it is not nil
	waits   bool  // a partition.Wait is out
}

func (c *coordinator) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.self = ctx.Self()
		c.look()
	case *actor.Restarting, *actor.Stopping:
		c.leave(protocol.ErrNotCoordinator)
		if c.waits {
			c.cfg.System.Send(c.cfg.Actor, &partition.Cancel{Reply: c.self, Token: waitToken{}})
		}
	case LeadershipChanged:
		c.look()
	case *Request:
		c.request(m)
	case TopicDeleted:
		if c.state == active { // else the Machine sees by itself that the topic is gone when it is loaded
			c.machine.TopicDeleted(c.nowMs(), m.Topic, m.ID)
		}
	case *partition.Produced:
		for i := range m.Results {
			c.produced(&m.Results[i])
		}
	case *partition.Woken:
		c.waits = false
		c.look()
	case loaded:
		if m.term == c.term && c.state == loading {
			c.replay(m)
		}
	case tick:
		c.tick(m)
	case actorsystem.Drained:
		c.drained()
	}
}

type waitToken struct{}

// look follows the replica's leadership. While it leads the partition's actor wakes the coordinator when that ends; on standby
// LeadershipChanged or the next request does.
func (c *coordinator) look() {
	l := c.cfg.Replica.Leadership()
	leads := l.Self && c.cfg.Replica.Log() != nil
	if !leads || l.Stay != c.stay {
		c.leave(protocol.ErrNotCoordinator)
	}
	if leads && c.state == standby {
		c.stay = l.Stay
		c.enter()
	}
	if leads && !c.waits {
		c.waits = true
		c.cfg.System.Send(c.cfg.Actor, &partition.Wait{Offset: math.MaxInt64, Reply: c.self, Sender: c.cfg.System, Token: waitToken{}})
	}
}

// enter begins a term by reading the log.
func (c *coordinator) enter() {
	c.disarm()
	*c.terms++
	c.term, c.state = *c.terms, loading
	c.began = c.cfg.System.Clock().Now()
	c.beganMs = c.began.UnixMilli()
	c.machine = group.New(c.cfg.Group)
	c.writer = newWriter(c.term)
	bounds := c.cfg.Replica.Log().Bounds()
	c.upTo = bounds.HighWatermark
	c.cfg.Metrics.Loads.Inc()
	c.loadFrom(bounds.Start)
}

// leave ends the term; who waits hears err.
func (c *coordinator) leave(err protocol.ErrorCode) {
	if c.state == standby {
		return
	}
	if c.state == active {
		c.cfg.Metrics.Active.Dec()
	}
	m := c.machine
	c.machine, c.writer, c.state = nil, nil, standby
	c.disarm()
	defer func() {
		// A Machine that has just failed may fail again here: its requests are answered all the same.
		if failure := recover(); failure != nil {
			c.cfg.Log.Error().Interface("panic", failure).Int32("partition", c.cfg.Partition).Msg("group coordinator could not unload")
		}
		for _, r := range c.open.take() {
			r.refuse(err)
		}
	}()
	m.Unload(c.nowMs(), err)
	c.answer(m)
}

func (c *coordinator) nowMs() int64 {
	return c.beganMs + c.cfg.System.Clock().Now().Sub(c.began).Milliseconds()
}

func (c *coordinator) loadFrom(offset int64) {
	if offset >= c.upTo {
		c.state = active
		c.machine.Loaded(c.nowMs())
		c.cfg.Metrics.Active.Inc()
		level := zerolog.InfoLevel
		if c.machine.Groups() == 0 {
			level = zerolog.DebugLevel // most are empty
		}
		c.cfg.Log.WithLevel(level).Int32("partition", c.cfg.Partition).Int("groups", c.machine.Groups()).
			Int64("offset", c.upTo).Int64("ms", c.nowMs()-c.beganMs).Msg("group coordinator is loaded")
		return
	}
	term, self, system := c.term, c.self, c.cfg.System
	system.Send(c.cfg.Loader, load{log: c.cfg.Replica.Log(), offset: offset, upTo: c.upTo, reply: func(l loaded) {
		l.term = term
		system.Send(self, l)
	}})
}

// replay takes a piece of the log.
func (c *coordinator) replay(l loaded) {
	if l.err != nil {
		c.cfg.Log.Error().Err(l.err).Int32("partition", c.cfg.Partition).Msg("group coordinator cannot load its partition; it tries again")
		c.leave(protocol.ErrNotCoordinator)
		c.arm(loadRetry)
		return
	}
	next := l.offset
	for b := l.batches; len(b) > 0; {
		h, err := protocol.ParseBatchHeader(b)
		if err != nil || h.Size() > len(b) || h.Size() < protocol.BatchHeaderSize {
			break // a piece ends between batches; what is cut is read again
		}
		next = h.LastOffset() + 1
		c.replayBatch(&h, b[:h.Size()])
		b = b[h.Size():]
	}
	if next == l.offset {
		next = c.upTo // nothing is left below: compaction took the end
	}
	c.loadFrom(next)
}

func (c *coordinator) replayBatch(h *protocol.BatchHeader, b []byte) {
	if h.Control() {
		return
	}
	skip := func(err error) {
		c.cfg.Metrics.Skipped.Inc()
		c.cfg.Log.Error().Err(err).Int32("partition", c.cfg.Partition).Int64("offset", h.BaseOffset).
			Msg("group coordinator skips what it cannot read")
	}
	if err := record.Walk(b, func(r record.Record) error {
		if err := c.machine.Replay(c.nowMs(), r.Key, r.Value); err != nil {
			skip(err)
		}
		return nil
	}); err != nil {
		skip(err)
	}
}

func (c *coordinator) request(r *Request) {
	c.cfg.Metrics.Requests.Inc()
	if c.state == standby && c.timer == nil {
		c.look()
	}
	switch c.state {
	case active:
		if c.cfg.Overloaded != nil && c.machine.Grows(r.Body) && c.cfg.Overloaded() {
			c.cfg.Metrics.Overloaded.Inc()
			r.refuse(protocol.ErrCoordinatorNotAvailable)
			return
		}
		c.open.add(r)
		c.machine.Handle(c.nowMs(), r, r.Client, r.Body)
	case loading:
		r.refuse(protocol.ErrCoordinatorLoadInProgress)
	case standby:
		r.refuse(protocol.ErrNotCoordinator)
	}
}

// produced takes the partition's word on a batch.
func (c *coordinator) produced(r *partition.ProduceResult) {
	o := r.Token.(*outgoing)
	err := protocol.ErrorCode(r.ErrorCode)
	if c.state == standby {
		return // what came through is read when the next term begins
	}
	unknown := err == protocol.ErrNotLeaderForPartition // or raft or the partition has failed; then the batch may be in the log all the same
	if o.term != c.term {
		// If a former term's batch came through after this one began to read, what was read may lack it.
		if err == protocol.ErrNone || unknown {
			c.again()
		}
		return
	}
	if err != protocol.ErrNone {
		c.cfg.Metrics.Refused.Inc()
	}
	if unknown {
		c.again()
		return
	}
	if c.writer.done(o, err, func(id uint64, err protocol.ErrorCode) { c.machine.Appended(c.nowMs(), id, err) }) {
		c.again()
	}
}

// again ends the term because the Machine does not know what the log holds, and begins the next one, which reads it.
func (c *coordinator) again() {
	c.leave(protocol.ErrNotCoordinator)
	c.look()
}

// drained hands out what the batch of messages has brought about.
func (c *coordinator) drained() {
	if c.state != active {
		return
	}
	if l := c.cfg.Replica.Leadership(); !l.Self || l.Stay != c.stay {
		c.machine.Replies() // somebody else may have appended meanwhile: who asked hears that this is not the coordinator any more
		c.look()
		return
	}
	for _, a := range c.machine.Appends() {
		c.cfg.Metrics.Records.Add(float64(len(a.Records)))
		c.writer.add(a)
	}
	c.answer(c.machine)
	now := c.nowMs()
	for p := c.writer.next(c.cfg.Frames, now); p != nil; p = c.writer.next(c.cfg.Frames, now) {
		p.Reply, p.Sender = c.self, c.cfg.System
		c.cfg.Metrics.Batches.Inc()
		c.cfg.System.Send(c.cfg.Actor, p)
	}
	at, ok := c.machine.NextDeadline()
	if sent, on := c.writer.oldestMs(); on && (!ok || sent+appendTimeoutMs < at) {
		at, ok = sent+appendTimeoutMs, true
	}
	if ok && (c.timer == nil || at+timerSlackMs < c.timerMs) {
		c.arm(time.Duration(max(at-now, 0)+timerSlackMs) * time.Millisecond)
	}
}

func (c *coordinator) answer(m *group.Machine) {
	for _, r := range m.Replies() {
		request := r.To.(*Request)
		c.open.remove(request)
		request.answer(r.Response)
	}
}

func (c *coordinator) disarm() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

func (c *coordinator) arm(d time.Duration) {
	c.disarm()
	c.timerMs = c.nowMs() + d.Milliseconds()
	c.timer = c.cfg.System.SendAfter(d, c.self, tick{c.term})
}

func (c *coordinator) tick(t tick) {
	if t.term != c.term {
		return
	}
	c.timer = nil
	switch c.state {
	case active:
		if sent, on := c.writer.oldestMs(); on && c.nowMs() >= sent+appendTimeoutMs {
			// Whether the batch will be committed is not known: begin anew from what is in the log. If it comes through
			// later, produced sees that.
			c.cfg.Log.Error().Int32("partition", c.cfg.Partition).Int64("ms", c.nowMs()-sent).
				Msg("a group coordinator's batch is not committed in time; it loads its partition again")
			c.leave(protocol.ErrCoordinatorNotAvailable)
			c.look()
			return
		}
		c.machine.Tick(c.nowMs())
	case standby:
		c.look()
	}
}

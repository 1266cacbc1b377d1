package cleaner

import (
	"errors"
	"math"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/compact"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Config is what the cleaner is made of.
type Config struct {
	System   *actorsystem.System
	Replicas *partition.Directory
	FS       vfs.FS
	// Checkpoint is the file that says how far each log was cleaned.
	Checkpoint string
	Board      *Board
	Metrics    *Metrics
	Log        zerolog.Logger
	// Settings gives what is in force now of log.cleaner.backoff.ms (how long it rests when no log needs it, and after a log's first
	// failure), the memory for keys, and the bytes read and written in a second. It may change from call to call.
	Settings func() *brokerconfig.Config
	Key      compact.HashKey
}

// Spec describes the broker's one cleaner.
func Spec(cfg Config) actorsystem.Spec {
	return actorsystem.Spec{Kind: "cleaner", Name: "0", Lane: actorsystem.Own, New: func() actor.Actor { return &cleaner{Config: cfg} }}
}

const (
	// stepBytes are read and written between two looks at the mailbox and at the clock.
	stepBytes = 256 << 10
	// lookEvery bounds how long a change of the settings waits for a cleaner that rests.
	lookEvery = time.Second
	// restMin is the shortest rest worth a timer; less is saved up.
	restMin = 2 * time.Millisecond
	// pauseMax bounds how long a log that failed is left alone.
	pauseMax = time.Hour
)

// cleaner is the actor (Own lane: it reads and writes files itself).
//
// Invariants: at most one job exists; messages that carry another job's number are of one that was given up; done[k] never passes what is
// really clean, and is written down before the next job begins.
type cleaner struct {
	Config
	self *actor.PID
	done checkpoints
	logs map[partition.Key]*LogStatus // what is shown of each

	number    uint64 // of the job
	at        *candidate
	job       *compact.Job
	began     time.Time
	counted   compact.Stats // what the metrics have of the job
	owed      float64       // bytes that the pace asks to rest for
	steppedAt time.Time
	// restingSince is when it found that no log needs cleaning; zero: it does not rest.
	restingSince time.Time
	timer        actorsystem.Timer
	broken       bool // this incarnation panicked at a message
}

// Messages of the cleaner to itself.
type (
	// look asks which log needs cleaning.
	look struct{}
	// begun brings the segments of the log.
	begun struct {
		number uint64
		partition.CleanBegun
	}
	// step asks for the next step.
	step struct{ number uint64 }
	// swapped says what became of a cleaned segment.
	swapped struct {
		number uint64
		err    error
	}
)

// Receive implements actor.Actor.
func (c *cleaner) Receive(ctx actor.Context) {
	whole := false
	defer func() { c.broken = c.broken || !whole }()
	c.receive(ctx)
	whole = true
}

func (c *cleaner) receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		c.self = ctx.Self()
		c.start()
	case *actor.Restarting, *actor.Stopping:
		c.end()
	case look:
		c.timer = nil
		if left := c.rested(); left > 0 {
			c.wait(left)
		} else {
			c.look()
		}
	case begun:
		if m.number == c.number && c.at != nil && c.job == nil {
			c.begin(m.CleanBegun)
		}
	case step:
		if m.number == c.number && c.job != nil {
			c.goOn()
		}
	case swapped:
		if m.number == c.number && c.job != nil && c.job.Phase() == compact.Swapping {
			c.swapped(m.err)
		}
	}
}

func (c *cleaner) now() time.Time { return c.System.Clock().Now() }

func (c *cleaner) start() {
	c.logs = map[partition.Key]*LogStatus{}
	former := c.Board.Load()
	for i := range former.Logs {
		s := former.Logs[i]
		c.logs[s.key] = &s
	}
	c.number = c.Board.jobs.Add(1)
	var err error
	if c.done, err = readCheckpoints(c.FS, c.Checkpoint); err != nil {
		c.Log.Warn().Err(err).Msg("the cleaner does not know how far logs were cleaned; it begins each from its start")
	}
	if former.Current != nil { // the one before this died of it, or while at it
		if s := c.logs[former.Current.key]; s != nil {
			c.fail(s, errors.New("the cleaner panicked while at it; the broker's log has the stack"))
		}
	}
	c.wait(0)
}

// end gives up what an incarnation holds.
func (c *cleaner) end() {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.job != nil {
		c.job.Close()
	}
	if !c.broken { // it is restarted with others: no log is to blame
		r := *c.Board.Load()
		r.Current = nil
		c.Board.report.Store(&r)
	}
}

// wait looks for the next log d from now.
func (c *cleaner) wait(d time.Duration) {
	if d <= 0 {
		c.System.Send(c.self, look{})
	} else {
		c.timer = c.System.SendAfter(d, c.self, look{})
	}
}

// look chooses a log and asks for its segments.
func (c *cleaner) look() {
	c.drop()
	c.at = c.choose()
	c.show()
	if c.at == nil {
		c.restingSince = c.now()
		c.wait(c.rested())
		return
	}
	number, self, system := c.number, c.self, c.System
	system.Send(c.at.replica.PID, &partition.BeginClean{Reply: func(b partition.CleanBegun) {
		system.Send(self, begun{number, b})
	}})
}

// backoff is log.cleaner.backoff.ms.
func (c *cleaner) backoff() time.Duration {
	const most = int64(math.MaxInt64 / time.Millisecond)
	return time.Duration(min(max(c.Settings().CleanerBackoffMs, 1), most)) * time.Millisecond
}

// rested is how much of a rest is left, at most lookEvery: the setting may change meanwhile.
func (c *cleaner) rested() time.Duration {
	if c.restingSince.IsZero() {
		return 0
	}
	left := c.backoff() - c.now().Sub(c.restingSince)
	if left <= 0 {
		c.restingSince = time.Time{}
	}
	return min(left, lookEvery)
}

// drop ends the job, if there is one; what is still under way for it will not be listened to.
func (c *cleaner) drop() {
	if c.job != nil {
		c.count()
		c.job.Close()
	}
	c.job, c.at = nil, nil
	c.number = c.Board.jobs.Add(1)
}

func (c *cleaner) begin(m partition.CleanBegun) {
	if m.Err != nil {
		c.giveUp(m.Err)
		return
	}
	at := c.at
	c.began, c.steppedAt, c.owed, c.counted = c.now(), c.now(), 0, compact.Stats{}
	c.job = compact.NewJob(compact.Config{
		Cleaning: m.Cleaning, FirstDirty: at.firstDirty, End: at.end, NowMs: c.began.UnixMilli(), DeleteRetentionMs: at.config.DeleteRetentionMs,
		LastOffsets: m.LastOffsets, MapBytes: c.Settings().CleanerMapBytes, Key: c.Key,
	})
	c.step()
}

// step goes on with the job and sees to what comes next.
func (c *cleaner) step() {
	before := c.job.Stats()
	err := c.job.Step(stepBytes)
	after := c.job.Stats()
	c.count()
	if err != nil {
		c.giveUp(err)
		return
	}
	c.show()
	number, self, system := c.number, c.self, c.System
	switch c.job.Phase() {
	case compact.Swapping:
		system.Send(c.at.replica.PID, &partition.SwapCleaned{Cleaned: c.job.Cleaned(), Reply: func(err error) {
			system.Send(self, swapped{number, err})
		}})
	case compact.Done:
		c.finish()
	default:
		c.pause(after.BytesRead + after.BytesWritten - before.BytesRead - before.BytesWritten)
	}
}

// goOn does the next step unless the pace still asks for rest.
func (c *cleaner) goOn() {
	if c.owed > 0 {
		if rest := c.rest(0); rest > 0 {
			c.System.SendAfter(rest, c.self, step{c.number})
			return
		}
	}
	c.step()
}

// pause has the next step come after the rest that n bytes ask for.
func (c *cleaner) pause(n int64) {
	if rest := c.rest(n); rest > 0 {
		c.System.SendAfter(rest, c.self, step{c.number})
	} else {
		c.System.Send(c.self, step{c.number})
	}
}

// rest is how long to pause after n bytes so that the limit is kept. What is owed is counted in bytes: a limit that is raised ends
// the pause early.
func (c *cleaner) rest(n int64) time.Duration {
	limit := c.Settings().CleanerBytesPerSecond
	now := c.now()
	elapsed := now.Sub(c.steppedAt).Seconds()
	c.steppedAt = now
	if limit <= 0 {
		c.owed = 0
		return 0
	}
	c.owed += float64(n) - elapsed*limit
	c.owed = max(c.owed, -restMin.Seconds()*limit) // what was not used is not saved up
	owed := c.owed / limit
	switch {
	case owed < restMin.Seconds():
		return 0
	case owed > lookEvery.Seconds():
		return lookEvery
	}
	return time.Duration(owed * float64(time.Second))
}

func (c *cleaner) swapped(err error) {
	switch {
	case errors.Is(err, segment.ErrSuperseded):
		c.job.Refused()
		c.giveUp(err)
		return
	case err != nil:
		c.giveUp(err)
		return
	}
	c.job.Swapped()
	c.count()
	if c.job.Phase() == compact.Done {
		c.finish()
		return
	}
	c.steppedAt = c.now()
	c.step()
}

// finish notes what the job achieved.
func (c *cleaner) finish() {
	at, stats := c.at, c.job.Stats()
	took := c.now().Sub(c.began)
	c.done.set(at.key, c.job.CleanedUpTo())
	c.forgetGone()
	if err := c.done.write(c.FS, c.Checkpoint); err != nil { // the next round begins earlier than it need, after a restart
		c.Log.Warn().Err(err).Msg("the cleaner could not write down how far logs are cleaned")
	}
	s := c.status(at)
	s.Failures, s.Failure, s.RetryAt = 0, "", nil
	s.LastRun = newRun(c.began, took, &stats)
	s.Runs++
	s.ReclaimedBytes += stats.BytesBefore - stats.BytesAfter
	c.Metrics.finished(took, &stats)
	c.Log.Info().Str("topic", at.replica.Topic).Int32("partition", at.replica.Partition).Int64("bytes_before", stats.BytesBefore).
		Int64("bytes_after", stats.BytesAfter).Int64("records_dropped", stats.RecordsDropped).Int64("keys", stats.Keys).
		Int64("cleaned_up_to", c.job.CleanedUpTo()).Bool("more_to_do", stats.MapFull).Dur("took", took).Msg("log compacted")
	c.next()
}

// next looks for the next log.
func (c *cleaner) next() {
	c.drop()
	c.wait(0)
}

// giveUp ends the job because of err.
func (c *cleaner) giveUp(err error) {
	at := c.at
	switch {
	case errors.Is(err, segment.ErrSuperseded), errors.Is(err, segment.ErrClosed), errors.Is(err, segment.ErrStopped), errors.Is(err, segment.ErrInterrupted):
		// The log went on without it: deleted, cut, or its actor restarted. It is looked at again like any other.
		c.Log.Debug().Err(err).Str("topic", at.replica.Topic).Int32("partition", at.replica.Partition).Msg("compaction of a log begins anew later")
		c.drop()
		c.show()
		c.wait(min(c.backoff(), time.Second))
		return
	}
	c.fail(c.status(at), err)
	c.drop()
	c.show()
	c.wait(0)
}

// fail leaves a log alone for a while.
func (c *cleaner) fail(s *LogStatus, err error) {
	s.Failures++
	s.Failure = err.Error()
	pause := c.backoff()
	for i := 1; i < s.Failures && pause < pauseMax; i++ {
		pause *= 2
	}
	at := c.now().Add(min(pause, pauseMax))
	s.RetryAt = &at
	c.Metrics.failed()
	level := zerolog.ErrorLevel
	if vfs.IsNoSpace(err) {
		level = zerolog.WarnLevel
	}
	c.Log.WithLevel(level).Err(err).Str("topic", s.Topic).Int32("partition", s.Partition).Time("again_at", at).
		Msg("a log could not be compacted; it stays as it is and can be used")
}

// forgetGone drops what is known of partitions that are not here any more.
func (c *cleaner) forgetGone() {
	here := c.Replicas.All()
	if len(here) == 0 {
		return
	}
	for key := range c.done {
		if here[key] == nil {
			delete(c.done, key)
		}
	}
	for key := range c.logs {
		if here[key] == nil {
			delete(c.logs, key)
		}
	}
}

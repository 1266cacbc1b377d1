package load

// This file owns a run from its beginning to its report: the topic, the clock, warm-up, intervals, and the order in which producers,
// readers and the verification end. Invariant: whatever ends a run (count, duration, interrupt, a fatal error), what was measured until
// then is reported.

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/troupe-io/troupe/bench/load/latency"
	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/verify"
	"github.com/troupe-io/troupe/bench/load/wire"
)

// startMax is how long finding the leaders and connecting to them may take.
const startMax = 20 * time.Second

// run is what all parts of a run share.
type run struct {
	o       *Options
	cluster *wire.Cluster
	epoch   time.Time // the clock's zero
	begin   int64     // ns: the schedule begins
	from    int64     // ns: warm-up ends; what is due from there on counts
	end     int64     // ns; 0: no end
	id      uint64

	acks        *latency.Recorder // produce: until acknowledged; consume: fetches; metadata: answers
	trip        *latency.Recorder // round-trip: until consumed
	errs        kinds
	gaps        *gaps
	verifier    *verify.Verifier
	pool        *records.Pool
	recordBytes int // key and value

	failed, unacked, unsent, retries, noOffset atomic.Int64
	lastDone                                   atomic.Int64 // ns: when something was last counted

	fatal  atomic.Pointer[error]
	cancel context.CancelFunc
}

// now is the run's clock, ns.
func (r *run) now() int64 { return int64(time.Since(r.epoch)) }

// counted says that something was counted at a time.
func (r *run) counted(at int64) {
	for last := r.lastDone.Load(); at > last && !r.lastDone.CompareAndSwap(last, at); last = r.lastDone.Load() {
	}
}

// stop ends the run because of an error that no retry helps against.
func (r *run) stop(err error) {
	r.fatal.CompareAndSwap(nil, &err)
	r.cancel()
}

func (r *run) broken() bool { return r.fatal.Load() != nil }

// ackedAt takes an acknowledgement of a producer's records first to last.
func (r *run) ackedAt(producer, partition int32, first, last, offset int64) {
	if offset < 0 {
		r.noOffset.Add(last - first + 1)
	}
	if r.verifier != nil {
		r.verifier.Acked(producer, partition, first, last, offset)
	}
}

func (r *run) note(format string, args ...any) {
	if r.o.Note != nil {
		r.o.Note(fmt.Sprintf(format, args...))
	}
}

// primary is the recorder whose latencies the mode is about.
func (r *run) primary() *latency.Recorder {
	if r.trip != nil {
		return r.trip
	}
	return r.acks
}

// Run does what o says. Cancelling ctx ends the load early; the report is of what was measured until then. A report may come together with an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		o.Seed = binary.BigEndian.Uint64(id[8:]) >> 1
	}
	r := &run{o: &o, cluster: wire.NewCluster(o.Seeds, o.Topic), epoch: time.Now(), id: binary.BigEndian.Uint64(id[:]), acks: latency.New(o.Connections)}
	r.recordBytes = o.Pattern.Size + o.keySize()
	defer r.cluster.Close()
	admin := &admin{o: r.o}
	defer admin.close()
	if err := admin.makeTopic(ctx, r.note); err != nil {
		return nil, err
	}
	report, err := r.measure(ctx, admin)
	if o.DeleteTopic {
		if derr := admin.deleteTopic(context.WithoutCancel(ctx)); derr != nil && err == nil {
			err = derr
		}
	}
	return report, err
}

// measure runs the mode on a topic that is there.
func (r *run) measure(ctx context.Context, admin *admin) (*Report, error) {
	partitions, err := r.findLeaders(ctx)
	if err != nil {
		return nil, err
	}
	r.gaps = newGaps(partitions)
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.cancel = cancel
	report := &Report{}
	switch r.o.Mode {
	case Produce, RoundTrip:
		report, err = r.produce(loadCtx, admin, partitions)
	case Consume:
		report, err = r.consume(loadCtx, admin, partitions)
	case Metadata:
		report, err = r.metadata(loadCtx)
	}
	if f := r.fatal.Load(); f != nil && err == nil {
		err = *f
	}
	return report, err
}

// findLeaders waits until each partition has a leader.
func (r *run) findLeaders(ctx context.Context) (partitions int, err error) {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	for {
		var v *wire.View
		if v, err = r.cluster.Refresh(ctx); err == nil {
			missing := -1
			for i := range v.Leaders {
				if _, _, ok := v.Addr(int32(i)); !ok {
					missing = i
				}
			}
			if missing < 0 && len(v.Leaders) > 0 {
				return len(v.Leaders), nil
			}
			err = fmt.Errorf("partition %d of %s has no leader", missing, r.o.Topic)
		}
		if !r.o.CreateTopic && !retriable(err) || ctx.Err() != nil {
			return 0, fmt.Errorf("find the leaders of topic %s: %w", r.o.Topic, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// startClock says when the schedule begins, when warm-up ends and when the load does.
func (r *run) startClock() {
	r.begin = r.now()
	r.from = r.begin + int64(r.o.WarmUp)
	if r.o.Duration > 0 {
		r.end = r.from + int64(r.o.Duration)
	}
	r.gaps.start(r.from)
}

// produce is the modes produce and round-trip.
func (r *run) produce(ctx context.Context, admin *admin, partitions int) (*Report, error) {
	o := r.o
	calm := context.WithoutCancel(ctx)
	if o.Verify {
		r.verifier = verify.New(o.Topic, partitions, r.id)
	}
	var starts []int64
	var err error
	if o.Verify || o.Mode == RoundTrip {
		if starts, err = admin.offsets(ctx, partitions, false); err != nil {
			return nil, err
		}
	}
	r.pool = records.NewPool(o.Pattern, o.Seed)
	senders, err := r.senders(ctx, partitions)
	if err != nil {
		return nil, err
	}
	var tail *reading
	if o.Mode == RoundTrip {
		r.trip = latency.New(o.Connections)
		tail = r.read(calm, o.Connections, starts, nil, true)
	}
	r.startClock()
	for _, s := range senders {
		s.begin()
	}
	var sending sync.WaitGroup
	for _, s := range senders {
		sending.Go(func() { s.run(ctx) })
	}
	watch := r.watch()
	sending.Wait()
	ended := r.now()
	if r.end > 0 {
		ended = min(ended, r.end)
	}
	r.gaps.finish(ended)
	if tail != nil {
		err = r.finishTail(calm, admin, partitions, tail)
	}
	report := watch.finish(ctx)
	if o.Verify && !r.broken() && o.Mode == Produce {
		err = r.readBack(calm, admin, partitions, starts)
	}
	if r.verifier != nil && (err == nil || o.Mode == RoundTrip) {
		if err != nil {
			r.verifier.Fault(verify.Unverifiable, 1, "%v", err)
			err = nil
		}
		v := r.verifier.Finish()
		report.Verify = &v
	}
	return report, err
}

// sender is a producer of either client.
type sender interface {
	begin() // the clock has started
	run(ctx context.Context)
}

func (r *run) senders(ctx context.Context, partitions int) ([]sender, error) {
	var list []sender
	errs := make([]error, r.o.Connections)
	var wg sync.WaitGroup
	for i := range r.o.Connections {
		if r.o.Client == Franz {
			f, err := newFranzProducer(r, i, partitions)
			if err != nil {
				return nil, err
			}
			list = append(list, f)
			wg.Go(func() { errs[i] = f.prepare(ctx) })
			continue
		}
		p := newProducer(r, i, partitions)
		list = append(list, p)
		wg.Go(func() { errs[i] = p.prepare(ctx) })
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

// readBack reads everything that the topic got since starts, for the verifier.
func (r *run) readBack(ctx context.Context, admin *admin, partitions int, starts []int64) error {
	ends, err := admin.offsets(ctx, partitions, true)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	r.note("verifying: reading back %d records", sum(ends)-sum(starts))
	quiet := latency.New(1)
	measured := r.acks
	r.acks = quiet
	defer func() { r.acks = measured }()
	return r.read(ctx, min(partitions, runtime.GOMAXPROCS(0)), starts, ends, true).wait()
}

// finishTail waits until the readers have everything that was acknowledged.
func (r *run) finishTail(ctx context.Context, admin *admin, partitions int, tail *reading) error {
	ends, err := admin.offsets(ctx, partitions, true)
	if err == nil {
		err = tail.until(ends)
	}
	tail.stop()
	return err
}

func sum(list []int64) (n int64) {
	for _, v := range list {
		n += v
	}
	return n
}

// cpuSeconds is what this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// watcher makes the series.
type watcher struct {
	r       *run
	quit    chan struct{}
	done    chan struct{}
	series  []Interval
	cpu     float64 // when warm-up ended
	cpuLast float64
	last    int64
	errors  int64
	started bool
}

// watch begins the series once warm-up is over.
func (r *run) watch() *watcher {
	w := &watcher{r: r, quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w
}

func (w *watcher) run() {
	defer close(w.done)
	if w.r.o.WarmUp > 0 {
		w.r.note("warming up for %s", w.r.o.WarmUp)
	}
	select {
	case <-time.After(time.Duration(w.r.from - w.r.now())):
	case <-w.quit:
		return
	}
	w.begin()
	tick := time.NewTicker(w.r.o.Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			w.take(w.r.now())
		case <-w.quit:
			return
		}
	}
}

func (w *watcher) begin() {
	w.started, w.last = true, w.r.now()
	w.cpu = cpuSeconds()
	w.cpuLast, w.errors = w.cpu, w.r.errs.total()
}

// seriesMax bounds the memory of the series: 11 days at one interval a second. Later intervals are in the summary only.
const seriesMax = 1_000_000

func (w *watcher) take(now int64) {
	seconds := float64(now-w.last) / 1e9
	if seconds <= 0 {
		return
	}
	cpu, errs := cpuSeconds(), w.r.errs.total()
	i := Interval{StartS: float64(w.last-w.r.from) / 1e9, Seconds: seconds, Snapshot: w.r.primary().Take(), Errors: errs - w.errors, ClientCores: (cpu - w.cpuLast) / seconds}
	i.rates()
	if w.r.trip != nil {
		w.r.acks.Take()
	}
	w.last, w.cpuLast, w.errors = now, cpu, errs
	if len(w.series) < seriesMax {
		w.series = append(w.series, i)
	}
	if w.r.o.Progress != nil {
		w.r.o.Progress(i)
	}
}

// finish ends the series and makes the report.
func (w *watcher) finish(ctx context.Context) *Report {
	close(w.quit)
	<-w.done
	if !w.started {
		w.begin()
	}
	now := w.r.now()
	w.take(now)
	r, o := w.r, w.r.o
	rep := &Report{Mode: o.Mode, Client: o.Client, Topic: o.Topic, Connections: o.Connections, Concurrency: o.Concurrency, TargetPerSecond: o.Rate, Seed: o.Seed,
		Interrupted: ctx.Err() != nil && r.fatal.Load() == nil, Intervals: w.series, Errors: r.errs.all(), Failed: r.failed.Load(), Unacknowledged: r.unacked.Load(),
		Unsent: r.unsent.Load(), Retries: r.retries.Load(), AckWithoutOffset: r.noOffset.Load(), Cores: runtime.GOMAXPROCS(0)}
	span := max(r.lastDone.Load()-r.from, int64(time.Millisecond))
	if o.Duration > 0 && !rep.Interrupted {
		span = max(span, int64(o.Duration))
	}
	rep.Summary = Interval{Seconds: float64(span) / 1e9, Snapshot: r.primary().Total(), Errors: r.errs.total()}
	rep.Summary.ClientCores = (cpuSeconds() - w.cpu) / (float64(max(now-r.from, 1)) / 1e9)
	rep.Summary.rates()
	if r.trip != nil {
		acks := r.acks.Total().Latency
		rep.AckLatency = &acks
	}
	if (o.Mode == Produce || o.Mode == RoundTrip) && o.Acks != 0 {
		rep.LongestGap, rep.PartitionGaps = r.gaps.report()
	}
	return rep
}

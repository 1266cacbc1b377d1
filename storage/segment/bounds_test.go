package segment

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// usage is the size of all files of the test's log.
func usage(fs vfs.FS) (total int64) {
	names, _ := fs.List("data/t-0")
	for _, name := range names {
		size, _ := fs.Stat("data/t-0/" + name)
		total += size
	}
	return total
}

func TestAFullDiskDelaysWritesAndIsOverWhenThereIsSpace(t *testing.T) {
	fs := vfs.NewMem()
	r := newRig(t, fs, 1<<20)
	opt := testOptions
	opt.SegmentBytes = 200_000
	l := r.open(NewState(0), opt)
	b := exactBatch(50_000, 1, 100)
	fill := func() {
		for appendBatch(l, b) {
			l.Publish(l.EndOffset(), l.EndOffset())
		}
	}
	for range 40 {
		if !appendBatch(l, b) {
			r.mustRun(l)
		}
		l.Publish(l.EndOffset(), l.EndOffset())
	}
	r.checkpoint(l)
	r.checkpoint(l)
	fs.SetCapacity(usage(fs) + 10_000)
	fill()
	r.mustRun(l)
	fill()
	if !r.shared.Disk.Full() || r.shared.Disk.Failed() != nil {
		t.Fatalf("full %v, failed %v", r.shared.Disk.Full(), r.shared.Disk.Failed())
	}
	if used := r.shared.Pool.UsedBytes(); used > 1<<20 {
		t.Fatalf("%d bytes of memory while the disk is full", used)
	}
	if n := len(readAll(t, l.Reader(), 0, 1<<20)); n != int(l.EndOffset())*50_000 {
		t.Fatalf("%d bytes can be read, want %d", n, l.EndOffset()*50_000)
	}
	r.clock.fire() // no space yet
	r.mustRun(l)
	if !r.shared.Disk.Full() {
		t.Fatal("not full any more")
	}
	// Deletion makes room.
	l.SetStart(30)
	r.mustRun(l)
	r.clock.fire()
	r.mustRun(l)
	r.clock.fire()
	r.mustRun(l)
	if r.shared.Disk.Full() {
		t.Fatal("still full after a deletion")
	}
	state := r.checkpoint(l)
	if state.LogEndOffset != l.EndOffset() || l.UnwrittenBytes() != 0 {
		t.Fatalf("checkpoint at %d of %d, %d unwritten", state.LogEndOffset, l.EndOffset(), l.UnwrittenBytes())
	}
}

func TestAnIOErrorIsFinal(t *testing.T) {
	broken := errors.New("the disk is on fire")
	fs := vfs.Faulty(vfs.NewMem(), vfs.FailNth(1, broken, func(op vfs.Op) bool { return op.Kind == vfs.OpSync }))
	r := newRig(t, fs, 1<<20)
	l := r.open(NewState(0), testOptions)
	appendBatch(l, exactBatch(500, 1, 1))
	l.Checkpoint(1)
	r.run(l)
	if !errors.Is(r.failed, broken) || !errors.Is(r.shared.Disk.Failed(), broken) || len(r.done) != 0 {
		t.Fatalf("owner heard %v, disk says %v, done %v", r.failed, r.shared.Disk.Failed(), r.done)
	}
}

func TestUntouchedLogsCostLittleAndIdleOnesOnlyTheirFewBytes(t *testing.T) {
	const n = 10_000
	r := newRig(t, vfs.NewMem(), 64<<20)
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	logs := make([]*Log, n)
	for i := range logs {
		logs[i] = Open(r.shared, fmt.Sprintf("data/t-%d", i), r.pids[1], testOptions, NewState(0))
		logs[i].Reader().Bounds()
	}
	if each := (heap() - before) / n; each > 1500 {
		t.Errorf("an untouched log costs %d bytes", each)
	} else {
		t.Logf("an untouched log costs %d bytes", each)
	}
	for _, l := range logs {
		l.Checkpoint(1) // cheap: nothing new
	}
	if len(r.toWriter) != 0 || len(r.toOwner) != n {
		t.Errorf("checkpoints of untouched logs sent %d messages to the writer", len(r.toWriter))
	}
	r.mustRun(logs...)
	if list, err := r.shared.FS.List("data"); err == nil || r.shared.Pool.UsedBytes() != 0 {
		t.Errorf("untouched logs made %v and hold %d bytes", list, r.shared.Pool.UsedBytes())
	}

	b := exactBatch(100, 1, 1)
	for i, l := range logs { // more than the pool holds: it asks the oldest to write
		for !appendBatch(l, b) {
			r.mustRun(logs[:i+1]...)
		}
		l.Publish(1, 1)
	}
	r.mustRun(logs...)
	if used := r.shared.Pool.UsedBytes(); used > 64<<20 || used < 32<<20 {
		t.Errorf("%d logs of one record hold %d bytes", n, used)
	}
	if open := r.shared.Files.Open(); open > 16 {
		t.Errorf("%d files open", open)
	}
	for i, l := range logs {
		if i%97 == 0 {
			if got := readAll(t, l.Reader(), 0, 1000); !bytes.Equal(got, stored(b, 0)) {
				t.Fatalf("log %d: wrong batch", i)
			}
		}
	}
}

func TestAReaderOfAClosedLogIsToldSo(t *testing.T) {
	r := newRig(t, vfs.NewMem(), 1<<20)
	l := r.open(NewState(0), testOptions)
	appendBatch(l, exactBatch(500, 1, 1))
	l.Publish(1, 1)
	reader := l.Reader()
	held, err := reader.Read(0, 1, 1000, true)
	if err != nil {
		t.Fatal(err)
	}
	l2 := r.open(NewState(0), testOptions) // the owner restarted: it knows its directory's former log
	if _, err := reader.Read(0, 1, 1000, true); !errors.Is(err, ErrClosed) {
		t.Fatalf("read: %v", err)
	}
	if got, _ := held.Append(nil); !bytes.Equal(got, stored(exactBatch(500, 1, 1), 0)) {
		t.Fatal("bytes held by a reader changed")
	}
	held.Release()
	if used := r.shared.Pool.UsedBytes(); used != 0 {
		t.Fatalf("%d bytes left of the former log", used)
	}
	l2.Close(true)
	r.mustRun()
}

// partition stands for the owner of a log in a real actor system: it appends as fast as it is let, publishes, checkpoints.
type partition struct {
	shared  *Shared
	dir     string
	opt     Options
	left    int
	batch   []byte
	header  protocol.BatchHeader
	reader  *atomic.Pointer[Reader]
	done    func(error)
	log     *Log
	waiting bool
}

type goOn struct{}

func (p *partition) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		p.log = Open(p.shared, p.dir, ctx.Self(), p.opt, NewState(0))
		p.reader.Store(p.log.Reader())
		p.shared.Send(ctx.Self(), goOn{})
	case goOn:
		p.fill(ctx)
	case Completion:
		if err := m.Failed(); err != nil {
			p.finish(err)
		}
		if cp := p.log.Complete(m); cp != nil && p.left == 0 && cp.State.LogEndOffset == p.log.EndOffset() {
			p.finish(nil)
		}
		if p.waiting {
			p.waiting = false
			p.fill(ctx)
		}
	}
}

func (p *partition) finish(err error) {
	if p.done != nil {
		p.done(err)
		p.done = nil
	}
}

// fill appends a few batches and gives way.
func (p *partition) fill(ctx actor.Context) {
	for range 16 {
		if p.left == 0 {
			p.log.Checkpoint(2)
			return
		}
		if !p.log.Append(p.batch, &p.header, p.log.EndOffset(), 3, 1000) {
			p.waiting = true
			return
		}
		p.left--
		p.log.Publish(p.log.EndOffset(), p.log.EndOffset())
		if p.left%500 == 0 {
			p.log.Checkpoint(1)
		}
	}
	p.shared.Send(ctx.Self(), goOn{})
}

func TestAFloodThroughASmallPoolFlowsWhileReadersRead(t *testing.T) {
	const logs, batches, readers = 5, 400, 4
	system := actorsystem.New(actorsystem.Config{})
	defer system.Shutdown()
	shared := &Shared{FS: vfs.OS(), Pool: NewChunkPool(3 << 20), Files: NewFileCache(4), Send: system.Send, Disk: &diskstate.State{}}
	shared.Metrics = NewMetrics(prometheus.NewRegistry(), shared.Pool, shared.Files)
	for i := range 2 {
		pid, err := system.SpawnRoot(actorsystem.Spec{Kind: "segment-writer", Name: fmt.Sprint(i), Lane: actorsystem.Own,
			New: func() actor.Actor { return NewWriterActor(shared) }})
		if err != nil {
			t.Fatal(err)
		}
		shared.Writers = append(shared.Writers, pid)
		defer system.StopWait(pid, 5*time.Second)
	}
	dir := t.TempDir()
	opt := testOptions
	opt.SegmentBytes = 3 << 20
	answers := make(chan error, logs)
	var reading sync.WaitGroup
	var stop atomic.Bool
	for i := range logs {
		size := []int{300, 5000, 20_000, 64 << 10, 200_000}[i]
		b := exactBatch(size, 2, 1000)
		h, _ := protocol.ParseBatchHeader(b)
		p := &partition{shared: shared, dir: fmt.Sprintf("%s/t-%d", dir, i), opt: opt, left: batches, batch: b, header: h,
			reader: &atomic.Pointer[Reader]{}}
		p.done = func(err error) { answers <- err }
		pid, err := system.SpawnRoot(actorsystem.Spec{Kind: "partition", Name: fmt.Sprint(i), New: func() actor.Actor { return p }})
		if err != nil {
			t.Fatal(err)
		}
		defer system.StopWait(pid, 5*time.Second)
		for k := range readers {
			reading.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(k)))
				for !stop.Load() {
					r := p.reader.Load()
					if r == nil {
						runtime.Gosched()
						continue
					}
					hw := r.Bounds().HighWatermark
					if hw == 0 {
						runtime.Gosched()
						continue
					}
					offset := rng.Int64N(hw)
					if k == 0 {
						offset = max(0, hw-1-rng.Int64N(4))
					}
					s, err := r.Read(offset, hw, 1+rng.Int64N(300_000), true)
					if err != nil {
						t.Errorf("read at %d: %v", offset, err)
						return
					}
					got, err := s.Append(nil)
					s.Release()
					at := offset / 2 * 2
					if err != nil || len(got) == 0 || len(got)%size != 0 {
						t.Errorf("read at %d: %d bytes, %v", offset, len(got), err)
						return
					}
					for ; len(got) > 0; got = got[size:] {
						if !bytes.Equal(got[:size], stored(b, at)) {
							t.Errorf("read at %d: wrong batch at %d", offset, at)
							return
						}
						at += 2
					}
					r.Available(offset, 1000)
					if found, ok, err := r.OffsetForTimestamp(1000); k == 1 && (err != nil || !ok || found.Offset != 0) {
						t.Errorf("timestamp: %+v %v %v", found, ok, err)
					}
				}
			})
		}
	}
	deadline := time.After(60 * time.Second)
	for range logs {
		select {
		case err := <-answers:
			if err != nil {
				t.Error(err)
			}
		case <-deadline:
			t.Fatalf("stuck: pool holds %d bytes", shared.Pool.UsedBytes())
		}
	}
	stop.Store(true)
	reading.Wait()
	if used := shared.Pool.UsedBytes(); used > 3<<20 {
		t.Errorf("the pool holds %d bytes", used)
	}
}

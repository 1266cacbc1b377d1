package compact

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

type failer interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// rig runs one log and its writer by hand.
type rig struct {
	tb       failer
	fs       vfs.FS
	shared   *segment.Shared
	writer   *segment.Writer
	pids     [2]*actor.PID
	toWriter []any
	toOwner  []any
	log      *segment.Log
	opt      segment.Options
	recorded segment.State // where a restart begins
	done     *segment.Checkpointed
	failed   error
	timers   []func()
}

type rigClock struct{ r *rig }

func (c rigClock) Now() time.Time { return time.Unix(1000, 0) }
func (c rigClock) AfterFunc(_ time.Duration, f func()) actorsystem.Timer {
	c.r.timers = append(c.r.timers, f)
	return rigTimer{}
}

type rigTimer struct{}

func (rigTimer) Stop() bool { return false }

func newRig(tb failer, fs vfs.FS, opt segment.Options, from segment.State) *rig {
	r := &rig{tb: tb, fs: fs, opt: opt, recorded: from, pids: [2]*actor.PID{{Id: "writer"}, {Id: "owner"}}}
	r.shared = &segment.Shared{FS: fs, Pool: segment.NewChunkPool(1 << 20), Files: segment.NewFileCache(8), Writers: []*actor.PID{r.pids[0]},
		Send: func(to *actor.PID, m any) {
			if to == r.pids[0] {
				r.toWriter = append(r.toWriter, m)
			} else {
				r.toOwner = append(r.toOwner, m)
			}
		}, Disk: &diskstate.State{}, Clock: rigClock{r}}
	r.writer = segment.NewWriter(r.shared)
	r.open()
	return r
}

func (r *rig) open() {
	r.log = segment.Open(r.shared, "data/t-0", r.pids[1], r.opt, r.recorded)
	r.log.Publish(r.log.EndOffset(), r.log.EndOffset())
}

func (r *rig) run() {
	for len(r.toWriter)+len(r.toOwner) > 0 {
		if len(r.toWriter) > 0 {
			m := r.toWriter[0]
			r.toWriter = r.toWriter[1:]
			r.writer.Handle(r.pids[0], m)
			continue
		}
		c := r.toOwner[0].(segment.Completion)
		r.toOwner = r.toOwner[1:]
		if err := c.Failed(); err != nil && r.failed == nil {
			r.failed = err
		}
		if cp := r.log.Complete(c); cp != nil {
			r.done = cp
		}
	}
}

// checkpoint makes everything durable and notes it as where a restart begins.
func (r *rig) checkpoint() error {
	r.done = nil
	r.log.Checkpoint(1)
	r.run()
	if r.failed != nil {
		return r.failed
	}
	r.recorded = r.done.State
	r.log.Recorded()
	r.run()
	return r.failed
}

func (r *rig) append(b []byte) (base int64) {
	r.tb.Helper()
	h, err := protocol.ParseBatchHeader(b)
	if err != nil {
		r.tb.Fatal(err)
	}
	base = r.log.EndOffset()
	for !r.log.Append(b, &h, base, 3, 1000) {
		if r.run(); r.failed != nil {
			r.tb.Fatal(r.failed)
		}
	}
	r.log.Publish(r.log.EndOffset(), r.log.EndOffset())
	r.run()
	return base
}

// begin asks the log for what can be cleaned.
func (r *rig) begin() (c *segment.Cleaning, err error) {
	answered := false
	r.log.BeginClean(func(begun *segment.Cleaning, why error) { c, err, answered = begun, why, true })
	r.run()
	if !answered {
		r.tb.Fatal("BeginClean is not answered")
	}
	return c, err
}

// clean runs one round over everything that is closed, in steps of budget bytes; cfg lacks Cleaning and End.
func (r *rig) clean(cfg Config, budget int64) (cleanedUpTo int64, s Stats, err error) {
	if cfg.Cleaning, err = r.begin(); err != nil {
		return 0, s, err
	}
	segs := cfg.Cleaning.Segments()
	if len(segs) == 0 {
		return cfg.FirstDirty, s, nil
	}
	if cfg.End == 0 {
		cfg.End = segs[len(segs)-1].Next
	}
	if cfg.MapBytes == 0 {
		cfg.MapBytes = 1 << 20
	}
	j := NewJob(cfg)
	defer j.Close()
	for j.Phase() != Done {
		if err := j.Step(budget); err != nil {
			return 0, j.Stats(), err
		}
		if j.Phase() == Swapping {
			answer := errors.New("no answer")
			r.log.Swap(j.Cleaned(), func(err error) { answer = err })
			r.run()
			if answer != nil {
				return 0, j.Stats(), answer
			}
			j.Swapped()
		}
	}
	return j.CleanedUpTo(), j.Stats(), r.failed
}

// rec is a record as a test sees it.
type rec struct {
	offset    int64
	timestamp int64
	key       string
	value     string
	tombstone bool
	headers   string
}

// batchOf builds a batch of records; offsets are not used.
func batchOf(codec protocol.Codec, producer int64, sequence int32, recs []rec) []byte {
	w := protocol.NewBatchBuilder(codec)
	if producer >= 0 {
		w.ProducerID, w.ProducerEpoch, w.BaseSequence = producer, 1, sequence
	}
	for _, x := range recs {
		var value []byte
		if !x.tombstone {
			value = []byte(x.value)
		}
		var headers []protocol.Header
		if x.headers != "" {
			headers = []protocol.Header{{Key: x.headers, Value: []byte("v")}}
		}
		w.Append(x.timestamp, []byte(x.key), value, headers)
	}
	b, err := w.AppendTo(nil)
	if err != nil {
		panic(err)
	}
	return b
}

type stored struct {
	header protocol.BatchHeader
	recs   []rec
}

// readFrom reads everything from offset on, batch by batch, checking that batches are whole and in order.
func readFrom(r *segment.Reader, offset int64) ([]stored, error) {
	var out []stored
	bounds := r.Bounds()
	offset = max(offset, bounds.Start)
	for offset < bounds.HighWatermark {
		s, err := r.Read(offset, bounds.HighWatermark, 50_000, true)
		if err != nil {
			return nil, err
		}
		b, err := s.Append(nil)
		s.Release()
		if err != nil {
			return nil, err
		}
		if len(b) == 0 {
			break
		}
		for len(b) > 0 {
			h, err := protocol.ParseBatchHeader(b)
			if err != nil {
				return nil, err
			}
			if h.Size() > len(b) || h.LastOffset() < offset {
				return nil, fmt.Errorf("at offset %d: a batch %d..%d of %d bytes with %d left", offset, h.BaseOffset, h.LastOffset(), h.Size(), len(b))
			}
			one := b[:h.Size()]
			b = b[h.Size():]
			if err := protocol.CheckBatchCRC(one); err != nil {
				return nil, err
			}
			x := stored{header: h}
			it, err := protocol.NewRecords(one, 0)
			if err != nil && h.RecordCount > 0 {
				return nil, err
			}
			maxTime := int64(-1)
			for h.RecordCount > 0 && it.Next() {
				k := it.Record()
				y := rec{offset: k.Offset, timestamp: k.Timestamp, key: string(k.Key), value: string(k.Value), tombstone: k.Value == nil}
				k.EachHeader(func(key, _ []byte) bool { y.headers = string(key); return true })
				maxTime = max(maxTime, k.Timestamp)
				x.recs = append(x.recs, y)
			}
			if h.RecordCount > 0 {
				if it.Err() != nil {
					return nil, it.Err()
				}
				it.Close()
				if maxTime != h.MaxTimestamp {
					return nil, fmt.Errorf("batch %d: max timestamp %d, its records say %d", h.BaseOffset, h.MaxTimestamp, maxTime)
				}
			}
			out = append(out, x)
			offset = h.LastOffset() + 1
		}
	}
	return out, nil
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

package segment

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// rig runs logs and one writer by hand: messages wait in queues until the test lets them through.
type rig struct {
	tb       testing.TB
	shared   *Shared
	writer   *Writer
	clock    *handClock
	toWriter []any
	toOwner  []any
	pids     [2]*actor.PID // writer, owner
	failed   error         // the first Completion that failed
	done     []Checkpointed
}

// handClock holds timers until they are fired.
type handClock struct {
	now    time.Time
	timers []func()
}

type handTimer struct{}

func (handTimer) Stop() bool         { return false }
func (c *handClock) Now() time.Time { return c.now }
func (c *handClock) AfterFunc(_ time.Duration, f func()) actorsystem.Timer {
	c.timers = append(c.timers, f)
	return handTimer{}
}

func (c *handClock) fire() {
	due := c.timers
	c.timers = nil
	for _, f := range due {
		f()
	}
}

var testOptions = Options{SegmentBytes: 1 << 30, SegmentMs: 1 << 40, RetentionBytes: -1, RetentionMs: -1, IndexInterval: 4096, DeleteDelayMs: 60000}

func newRig(tb testing.TB, fs vfs.FS, poolBytes int64) *rig {
	r := &rig{tb: tb, clock: &handClock{now: time.Unix(1000, 0)}, pids: [2]*actor.PID{{Id: "writer"}, {Id: "owner"}}}
	r.shared = &Shared{FS: fs, Pool: NewChunkPool(poolBytes), Files: NewFileCache(16), Writers: []*actor.PID{r.pids[0]},
		Send: r.send, Disk: &diskstate.State{}, Clock: r.clock}
	r.writer = NewWriter(r.shared)
	return r
}

func (r *rig) send(to *actor.PID, m any) {
	if to == r.pids[0] {
		r.toWriter = append(r.toWriter, m)
	} else {
		r.toOwner = append(r.toOwner, m)
	}
}

func (r *rig) open(from State, opt Options) *Log { return Open(r.shared, "data/t-0", r.pids[1], opt, from) }

// stepWriter lets the writer handle one message.
func (r *rig) stepWriter() bool {
	if len(r.toWriter) == 0 {
		return false
	}
	m := r.toWriter[0]
	r.toWriter = r.toWriter[1:]
	r.writer.Handle(r.pids[0], m)
	return true
}

// stepOwner hands the owner one answer.
func (r *rig) stepOwner(logs ...*Log) bool {
	if len(r.toOwner) == 0 {
		return false
	}
	c := r.toOwner[0].(Completion)
	r.toOwner = r.toOwner[1:]
	if err := c.Failed(); err != nil && r.failed == nil {
		r.failed = err
	}
	for _, l := range logs {
		if cp := l.Complete(c); cp != nil {
			r.done = append(r.done, *cp)
		}
	}
	return true
}

// run lets everything through until nothing is left.
func (r *rig) run(logs ...*Log) {
	for r.stepWriter() || r.stepOwner(logs...) {
	}
}

func (r *rig) mustRun(logs ...*Log) {
	r.tb.Helper()
	r.run(logs...)
	if r.failed != nil {
		r.tb.Fatal(r.failed)
	}
}

// checkpoint runs a checkpoint of l to its end.
func (r *rig) checkpoint(l *Log) State {
	r.tb.Helper()
	r.done = nil
	l.Checkpoint(77)
	r.mustRun(l)
	if len(r.done) != 1 || r.done[0].Token != 77 {
		r.tb.Fatalf("checkpoint answered %+v", r.done)
	}
	return r.done[0].State
}

// makeBatch builds a batch of one record for each timestamp, whose values make it about size bytes long.
func makeBatch(codec protocol.Codec, size int, times ...int64) []byte {
	var records []byte
	maxTime := times[0]
	for i, ts := range times {
		maxTime = max(maxTime, ts)
		value := bytes.Repeat([]byte{byte('a' + i%26)}, max(0, (size-protocol.BatchHeaderSize)/len(times)-12))
		rec := []byte{0}
		rec = binary.AppendVarint(rec, ts-times[0])
		rec = binary.AppendVarint(rec, int64(i))
		rec = binary.AppendVarint(rec, -1)
		rec = binary.AppendVarint(rec, int64(len(value)))
		rec = append(rec, value...)
		rec = binary.AppendVarint(rec, 0)
		records = binary.AppendVarint(records, int64(len(rec)))
		records = append(records, rec...)
	}
	if codec != protocol.CodecNone {
		var err error
		if records, err = protocol.Compress(nil, codec, records); err != nil {
			panic(err)
		}
	}
	h := protocol.BatchHeader{Magic: 2, Attributes: int16(codec), LastOffsetDelta: int32(len(times) - 1), BaseTimestamp: times[0],
		MaxTimestamp: maxTime, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, RecordCount: int32(len(times))}
	b := append(protocol.AppendBatchHeader(nil, &h), records...)
	protocol.SealBatch(b)
	return b
}

// appendBatch appends b at the end of l, in epoch 3.
func appendBatch(l *Log, b []byte) bool {
	h, err := protocol.ParseBatchHeader(b)
	if err != nil {
		panic(err)
	}
	return l.Append(b, &h, l.EndOffset(), 3, 1000)
}

// stored is b as the log must hold it at offset.
func stored(b []byte, offset int64) []byte {
	out := bytes.Clone(b)
	protocol.PatchBatch(out, offset, 3)
	return out
}

// readAll reads from offset to the high watermark in pieces of at most maxBytes and returns the bytes.
func readAll(tb testing.TB, r *Reader, offset, maxBytes int64) []byte {
	tb.Helper()
	var all []byte
	for offset < r.Bounds().HighWatermark {
		s, err := r.Read(offset, r.Bounds().HighWatermark, maxBytes, true)
		if err != nil {
			tb.Fatalf("read at %d: %v", offset, err)
		}
		if s.Size == 0 {
			tb.Fatalf("read at %d found nothing below %d", offset, r.Bounds().HighWatermark)
		}
		from := len(all)
		if all, err = s.Append(all); err != nil {
			tb.Fatal(err)
		}
		if int64(len(all)-from) != s.Size {
			tb.Fatalf("slice of %d bytes yielded %d", s.Size, len(all)-from)
		}
		s.Release()
		if err := protocol.EachBatch(all[from:], func(h *protocol.BatchHeader, b []byte) error {
			if h.LastOffset() < offset {
				return fmt.Errorf("batch %d..%d after offset %d", h.BaseOffset, h.LastOffset(), offset)
			}
			offset = h.LastOffset() + 1
			from += len(b)
			return protocol.CheckBatchCRC(b)
		}); err != nil {
			tb.Fatal(err)
		}
		if from != len(all) {
			tb.Fatalf("%d bytes of a part of a batch", len(all)-from)
		}
	}
	return all
}

func noTimes(n int) []int64 {
	t := make([]int64, n)
	for i := range t {
		t[i] = 1_700_000_000_000 + int64(i)
	}
	return t
}

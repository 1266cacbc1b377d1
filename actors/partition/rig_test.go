package partition

// This file owns the tests' house around a partition: the real raft actor, WAL and segment writers on a memory disk, and a sink that
// gets every answer.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// answerTimeout bounds every wait.
const answerTimeout = 10 * time.Second

// aheadClock is the wall clock, moved ahead by the test.
type aheadClock struct {
	actorsystem.WallClock
	ahead atomic.Int64 // ns
	asked func()       // nil: nothing; runs whenever somebody asks for the time, and that is everywhere
}

func (c *aheadClock) Now() time.Time {
	if c.asked != nil {
		c.asked()
	}
	return c.WallClock.Now().Add(time.Duration(c.ahead.Load()))
}

// killer panics the actor of a kind at its next message, once for each kill. It also sees when a checkpoint is in the WAL.
type killer struct {
	partition, raft, wal atomic.Int64
	durable              chan struct{}
}

func (k *killer) BeforeMessage(kind, _ string, _ uint64, message any) {
	if _, ok := message.(*raftactor.CheckpointDurable); ok && len(k.durable) == 0 {
		k.durable <- struct{}{}
	}
	var left *atomic.Int64
	switch kind {
	case "partition":
		left = &k.partition
	case "raft":
		left = &k.raft
	case "wal":
		left = &k.wal
	default:
		return
	}
	for n := left.Load(); n > 0; n = left.Load() {
		if left.CompareAndSwap(n, n-1) {
			panic(fmt.Sprintf("killed at %T", message))
		}
	}
}

// accident fails the test at the first panic that nobody asked for.
type accident struct{ tb testing.TB }

func (a accident) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(`"panic"`)) && !bytes.Contains(line, []byte("killed at")) {
		a.tb.Errorf("%s", line)
	}
	return len(line), nil
}

// setup is how a house is built; the zero value of each field means the default.
type setup struct {
	poolBytes int64
	config    *topicconfig.Config
	options   Options
	files     vfs.FS // in front of the disk
	walBytes  int64
	look      func(*Replica) // at the replica, often and from anywhere
}

// house is one life of a partition.
type house struct {
	tb      testing.TB
	setup   setup
	disk    *vfs.Mem
	sys     *actorsystem.System
	clock   *aheadClock
	kill    *killer
	pool    *segment.ChunkPool
	frames  *protocol.FramePool
	replica *Replica
	sink    *actor.PID
	answers chan any
	raft    *actor.PID
	root    *actor.PID
	tokens  int
}

// parent supervises the house as the broker does: the WAL's failure restarts everything.
type parent struct {
	h     *house
	ready chan struct{}
}

type restartPart struct{ one, all actor.SupervisorStrategy }

func (s restartPart) HandleFailure(system *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	if len(child.Id) > 8 && child.Id[len(child.Id)-8:] == "/wal/wal" {
		s.all.HandleFailure(system, supervisor, child, rs, reason, message)
		return
	}
	s.one.HandleFailure(system, supervisor, child, rs, reason, message)
}

func (p *parent) Receive(ctx actor.Context) {
	if _, ok := ctx.Message().(*actor.Started); !ok {
		return
	}
	defer close(p.ready)
	h := p.h
	spawn := func(s actorsystem.Spec) *actor.PID {
		pid, err := h.sys.Spawn(ctx, s)
		if err != nil {
			panic(err)
		}
		return pid
	}
	disk := &diskstate.State{}
	files := h.setup.files
	log, err := wal.New(wal.Config{Dir: "wal", FS: files, System: h.sys, Disk: disk, DirID: 3, FileBytes: h.setup.walBytes, LimitBytes: 8 * h.setup.walBytes,
		SelfChecked: SelfChecked, VerifySelfChecked: VerifySelfChecked})
	if err != nil {
		panic(err)
	}
	writer := spawn(actorsystem.Spec{Kind: "wal", Name: "wal", Lane: actorsystem.Own, WantsDrained: true, New: log.NewActor})
	shared := &segment.Shared{FS: files, Pool: h.pool, Files: segment.NewFileCache(16), Send: h.sys.Send, Disk: disk, Clock: h.clock}
	shared.Writers = []*actor.PID{spawn(actorsystem.Spec{Kind: "segment-writer", Name: "0", Lane: actorsystem.Own,
		New: func() actor.Actor { return segment.NewWriterActor(shared) }})}
	h.raft = spawn(raftactor.Spec("0", raftactor.Config{System: h.sys, WAL: writer, Reader: log.Reader(), NodeID: 1, Log: zerolog.Nop(), MaxEntryBytes: log.MaxEntryBytes()}))
	h.replica.PID = spawn(actorsystem.Spec{Kind: "partition", Name: "t-0", WantsDrained: true, New: NewActor(Config{System: h.sys, Raft: h.raft, Segments: shared,
		Dir: "topics/t-0", Replica: h.replica, NodeID: 1, Voters: []raftactor.NodeID{1}, Options: h.setup.options, Log: zerolog.Nop()})})
}

func newHouse(tb testing.TB, disk *vfs.Mem, s setup) *house {
	tb.Helper()
	def := func(v *int64, to int64) {
		if *v == 0 {
			*v = to
		}
	}
	def(&s.poolBytes, 8<<20)
	def(&s.walBytes, 1<<20)
	if s.config == nil {
		s.config = &topicconfig.Config{RetentionMs: -1, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentMs: 1 << 40, MaxMessageBytes: 1 << 20, CleanupDelete: true,
			IndexIntervalBytes: 4096}
	}
	if s.files == nil {
		s.files = disk
	}
	h := &house{tb: tb, setup: s, disk: disk, clock: &aheadClock{}, kill: &killer{durable: make(chan struct{}, 2)}, pool: segment.NewChunkPool(s.poolBytes),
		frames: protocol.NewFramePool(1 << 20), answers: make(chan any, 100_000)}
	h.replica = &Replica{Topic: "t", TopicID: [16]byte{1}, Group: 7}
	if s.look != nil {
		h.clock.asked = func() { s.look(h.replica) }
	}
	h.sys = actorsystem.New(actorsystem.Config{Clock: h.clock, Fault: h.kill, Log: zerolog.New(accident{tb})})
	var err error
	h.sink, err = h.sys.SpawnRoot(actorsystem.Spec{Kind: "sink", Name: "1", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if m := ctx.Message(); !isSystem(m) {
				h.answers <- m
			}
		})
	}})
	if err != nil {
		tb.Fatal(err)
	}
	h.replica.supervisor = h.sink
	h.replica.config.Store(s.config)
	up := &parent{h: h, ready: make(chan struct{})}
	h.root, err = h.sys.SpawnRoot(actorsystem.Spec{Kind: "root", Name: "1", New: func() actor.Actor { return up },
		Children: restartPart{actorsystem.Restart(1_000_000, time.Second), actorsystem.RestartAll(1_000_000, time.Second)}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(h.close)
	<-up.ready
	h.awaitServing()
	return h
}

func isSystem(m any) bool {
	switch m.(type) {
	case *actor.Started, *actor.Stopping, *actor.Stopped, *actor.Restarting:
		return true
	}
	return false
}

func (h *house) close() {
	if h.root == nil {
		return
	}
	for _, pid := range []*actor.PID{h.root, h.sink} {
		if err := h.sys.StopWait(pid, answerTimeout); err != nil {
			h.tb.Errorf("stop %s: %v", pid.Id, err)
		}
	}
	h.sys.Shutdown()
	h.root = nil
}

// next is the next answer; each of what the sink gets comes once.
func (h *house) next() any {
	h.tb.Helper()
	select {
	case m := <-h.answers:
		return m
	case <-time.After(answerTimeout):
		h.tb.Fatalf("no answer: %+v", h.sys.Actors())
		return nil
	}
}

// awaitServing waits until the replica serves again, leaving out all other answers.
func (h *house) awaitServing() {
	h.tb.Helper()
	for {
		if _, ok := h.next().(serving); ok {
			return
		}
	}
}

// quiet checks that nothing more comes: the partition has handled all that was sent before.
func (h *house) quiet() {
	h.tb.Helper()
	h.sys.Send(h.replica.PID, &DescribeProducers{Reply: h.sink, Sender: h.sys, Token: "quiet"})
	if m, ok := h.next().(*ProducersDescribed); !ok || m.Token != "quiet" {
		h.tb.Fatalf("an answer too many: %+v", m)
	}
}

// record is what the tests' batches hold: one record each, or as many as count says.
type record struct {
	id       int64 // producer, -1: none
	epoch    int16
	sequence int32
	count    int32
	value    []byte
}

func (r record) batch() []byte {
	var body []byte
	for i := range max(r.count, 1) {
		rec := []byte{0}
		rec = binary.AppendVarint(rec, 0)
		rec = binary.AppendVarint(rec, int64(i))
		rec = binary.AppendVarint(rec, -1)
		rec = binary.AppendVarint(rec, int64(len(r.value)))
		rec = append(rec, r.value...)
		rec = binary.AppendVarint(rec, 0)
		body = append(binary.AppendVarint(body, int64(len(rec))), rec...)
	}
	const stamp = 1_700_000_000_000
	h := protocol.BatchHeader{Magic: 2, LastOffsetDelta: max(r.count, 1) - 1, BaseTimestamp: stamp, MaxTimestamp: stamp,
		ProducerID: r.id, ProducerEpoch: r.epoch, BaseSequence: r.sequence, RecordCount: max(r.count, 1)}
	if r.id < 0 {
		h.ProducerEpoch, h.BaseSequence = -1, -1
	}
	b := append(protocol.AppendBatchHeader(nil, &h), body...)
	protocol.SealBatch(b)
	return b
}

// send sends a Produce and returns its token.
func (h *house) send(r record) int {
	h.tokens++
	h.sendBatch(r.batch(), h.tokens)
	return h.tokens
}

func (h *house) sendBatch(batch []byte, token any) {
	f, start := h.frames.Hold(batch)
	header, err := protocol.ParseBatchHeader(batch)
	if err != nil {
		h.tb.Fatal(err)
	}
	h.sys.Send(h.replica.PID, &Produce{Batch: f.Bytes[start : start+len(batch)], Frame: f, Start: start, Header: header, Acks: -1,
		Reply: h.sink, Sender: h.sys, Token: token, AppendTimeMs: -1})
}

// results collects the answers to n Produces, by token.
func (h *house) results(n int) map[int]ProduceResult {
	h.tb.Helper()
	out := map[int]ProduceResult{}
	for len(out) < n {
		m, ok := h.next().(*Produced)
		if !ok {
			continue
		}
		for _, r := range m.Results {
			if _, twice := out[r.Token.(int)]; twice {
				h.tb.Fatalf("produce %v was answered twice", r.Token)
			}
			out[r.Token.(int)] = r
		}
	}
	return out
}

func (h *house) produce(r record) ProduceResult {
	h.tb.Helper()
	token := h.send(r)
	return h.results(1)[token]
}

func (h *house) mustProduce(r record) ProduceResult {
	h.tb.Helper()
	got := h.produce(r)
	if got.ErrorCode != 0 {
		h.tb.Fatalf("produce: %v", protocol.ErrorCode(got.ErrorCode))
	}
	return got
}

// produceUntil produces as a client does that tries again.
func (h *house) produceUntil(r record) ProduceResult {
	h.tb.Helper()
	for end := time.Now().Add(answerTimeout); ; {
		got := h.produce(r)
		if protocol.ErrorCode(got.ErrorCode) != protocol.ErrNotLeaderForPartition {
			return got
		}
		if time.Now().After(end) {
			h.tb.Fatalf("still no leader (%s): %+v", h.replica.Offline(), h.sys.Actors())
		}
	}
}

// stored is one batch as readers see it.
type stored struct {
	base  int64
	count int32
	epoch int32
	value string
}

// contents reads everything from the log start on.
func (h *house) contents() (out []stored) {
	h.tb.Helper()
	for {
		r := h.replica.Reader()
		b := r.Bounds()
		offset := b.Start
		out = out[:0]
		var err error
		for offset < b.HighWatermark && err == nil {
			var s *segment.Slice
			if s, err = r.Read(offset, b.HighWatermark, 1<<20, true); err != nil {
				break
			}
			var all []byte
			if all, err = s.Append(nil); err != nil {
				break
			}
			s.Release()
			err = protocol.EachBatch(all, func(hd *protocol.BatchHeader, batch []byte) error {
				if err := protocol.CheckBatchCRC(batch); err != nil {
					return err
				}
				it, err := protocol.NewRecords(batch, 1<<20)
				if err != nil {
					return err
				}
				defer it.Close()
				it.Next()
				out = append(out, stored{hd.BaseOffset, hd.RecordCount, hd.PartitionLeaderEpoch, string(bytes.Clone(it.Record().Value))})
				offset = hd.LastOffset() + 1
				return it.Err()
			})
		}
		if errors.Is(err, segment.ErrClosed) {
			continue // the partition restarted meanwhile
		}
		if err != nil {
			h.tb.Fatalf("read at %d: %v", offset, err)
		}
		return out
	}
}

// crash ends this life with a power cut and begins the next.
func (h *house) crash(seed uint64) *house {
	h.tb.Helper()
	disk := h.disk.CrashClone(newRand(seed))
	h.close()
	s := h.setup
	s.files = nil
	return newHouse(h.tb, disk, s)
}

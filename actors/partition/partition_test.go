package partition

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/vfs"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func plain(value string) record { return record{id: -1, value: []byte(value)} }

func TestOffsetsFollowTheOrderInWhichBatchesAreApplied(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	const n = 300
	tokens := map[int]string{}
	for i := range n {
		r := plain(fmt.Sprintf("value %d", i))
		r.count = int32(1 + i%3)
		tokens[h.send(r)] = string(r.value)
	}
	at := map[int64]string{}
	for token, r := range h.results(n) {
		if r.ErrorCode != 0 || r.LogStartOffset != 0 {
			t.Fatalf("%+v", r)
		}
		at[r.BaseOffset] = tokens[token]
	}
	next := int64(0)
	for i, s := range h.contents() {
		if s.base != next || at[s.base] != s.value || s.value != fmt.Sprintf("value %d", i) {
			t.Fatalf("batch %d: %+v at %d, acknowledged there: %q", i, s, next, at[s.base])
		}
		next += int64(s.count)
	}
	if next != 2*n {
		t.Fatalf("log end %d", next)
	}
	h.framesComeBack()
}

// framesComeBack waits until no frame is in use: the raft actor lets go of them after the answers are out.
func (h *house) framesComeBack() {
	h.tb.Helper()
	for deadline := time.Now().Add(10 * time.Second); h.frames.InUse() != 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			h.tb.Fatalf("%d bytes of frames are still in use", h.frames.InUse())
		}
	}
}

func TestDuplicatesAreAnsweredWithTheirOriginalsOffsetAlsoAfterRestarts(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	r := func(sequence int32) record {
		return record{id: 9, sequence: sequence, value: fmt.Appendf(nil, "s%d", sequence)}
	}
	for s := range int32(7) {
		if got := h.mustProduce(r(s)); got.BaseOffset != int64(s) {
			t.Fatalf("sequence %d at %d", s, got.BaseOffset)
		}
	}
	check := func(when string) {
		t.Helper()
		for s := int32(2); s < 7; s++ { // the five that are remembered
			if got := h.produceUntil(r(s)); got.ErrorCode != 0 || got.BaseOffset != int64(s) {
				t.Fatalf("%s: the duplicate of sequence %d is answered with %+v", when, s, got)
			}
		}
		for _, s := range []int32{0, 1, 8, 100} {
			if got := h.produceUntil(r(s)); protocol.ErrorCode(got.ErrorCode) != protocol.ErrOutOfOrderSequenceNumber || got.BaseOffset != -1 {
				t.Fatalf("%s: sequence %d is answered with %+v", when, s, got)
			}
		}
		old := r(7)
		old.epoch = -1
		if n := len(h.contents()); n != 7 {
			t.Fatalf("%s: %d batches", when, n)
		}
	}
	check("at first")
	h.kill.partition.Store(1)
	h.sys.Send(h.replica.PID, housekeeping{})
	h.awaitServing()
	check("after the partition restarted")
	h.kill.raft.Store(1)
	h.sys.Send(h.raft, &raftactor.Applied{})
	h.awaitServing()
	check("after the raft actor restarted")
	h.checkpoint()
	h.kill.partition.Store(1)
	h.sys.Send(h.replica.PID, housekeeping{})
	h.awaitServing()
	check("after a checkpoint and a restart")
	h = h.crash(3)
	check("after a power cut")
	h.kill.wal.Store(1)
	h.send(r(7)) // the WAL dies of it
	h.awaitServing()
	if got := h.produceUntil(r(7)); got.ErrorCode != 0 || got.BaseOffset != 7 {
		t.Fatalf("after the WAL restarted: %+v", got)
	}
}

// checkpoint takes one and waits until the WAL has it. Something must have been applied since the last.
func (h *house) checkpoint() {
	h.tb.Helper()
	for len(h.kill.durable) > 0 {
		<-h.kill.durable
	}
	h.sys.Send(h.replica.PID, &raftactor.CheckpointWanted{Group: h.replica.Group})
	select {
	case <-h.kill.durable:
	case <-time.After(answerTimeout):
		h.tb.Fatalf("no checkpoint: %+v", h.sys.Actors())
	}
}

// settle waits until the partition has handled what it was sent before, leaving out all other answers.
func (h *house) settle() {
	h.tb.Helper()
	h.sys.Send(h.replica.PID, &DescribeProducers{Reply: h.sink, Sender: h.sys, Token: "settle"})
	for {
		if m, ok := h.next().(*ProducersDescribed); ok && m.Token == "settle" {
			return
		}
	}
}

func TestDeleteRecordsMovesTheStartForGood(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	for i := range 20 {
		h.mustProduce(plain(fmt.Sprint(i)))
	}
	remove := func(offset int64) *RecordsDeleted {
		t.Helper()
		h.sys.Send(h.replica.PID, &DeleteRecords{Offset: offset, Reply: h.sink, Sender: h.sys, Token: "d", Index: 4})
		m, ok := h.next().(*RecordsDeleted)
		if !ok || m.Token != "d" || m.Index != 4 {
			t.Fatalf("%+v", m)
		}
		return m
	}
	for _, c := range []struct {
		offset, low int64
		code        protocol.ErrorCode
	}{
		{7, 7, 0}, {3, 7, 0}, {21, -1, protocol.ErrOffsetOutOfRange}, {-2, -1, protocol.ErrOffsetOutOfRange}, {12, 12, 0},
	} {
		if m := remove(c.offset); m.LowWatermark != c.low || protocol.ErrorCode(m.ErrorCode) != c.code {
			t.Fatalf("delete up to %d: %+v", c.offset, m)
		}
	}
	check := func(start int64, n int) {
		t.Helper()
		if b := h.replica.Reader().Bounds(); b.Start != start || b.HighWatermark != 20 {
			t.Fatalf("bounds %+v", b)
		}
		if c := h.contents(); len(c) != n {
			t.Fatalf("%d batches", len(c))
		}
	}
	check(12, 8)
	h = h.crash(1)
	check(12, 8)
	if m := remove(-1); m.LowWatermark != 20 || m.ErrorCode != 0 {
		t.Fatalf("delete all: %+v", m)
	}
	check(20, 0)
	h.checkpoint()
	h = h.crash(2)
	check(20, 0)
	if got := h.mustProduce(plain("next")); got.BaseOffset != 20 || got.LogStartOffset != 20 {
		t.Fatalf("%+v", got)
	}
}

func TestRetentionMovesTheStartBySizeAndByAge(t *testing.T) {
	config := topicconfig.Config{RetentionMs: -1, RetentionBytes: 100_000, SegmentBytes: 30_000, SegmentMs: 1 << 40, MaxMessageBytes: 1 << 20, CleanupDelete: true}
	h := newHouse(t, vfs.NewMem(), setup{config: &config})
	for range 60 {
		h.mustProduce(plain(strings.Repeat("x", 5000)))
	}
	h.sys.Send(h.replica.PID, housekeeping{})
	start := h.awaitStart(1)
	if size := (60 - start) * 5000; size < 100_000 || size > 140_000 {
		t.Fatalf("retention by size left %d records", 60-start)
	}
	// By age: the newest timestamps are long ago.
	aged := config
	aged.RetentionBytes, aged.RetentionMs = -1, 1000
	h.replica.config.Store(&aged)
	h.sys.Send(h.replica.PID, configChanged{})
	h.clock.ahead.Store(int64(time.Hour))
	h.sys.Send(h.replica.PID, housekeeping{})
	if start := h.awaitStart(start + 1); start < 50 {
		t.Fatalf("retention by age left %d records", 60-start)
	}
	h = h.crash(4)
	if b := h.replica.Reader().Bounds(); b.Start < 50 || b.HighWatermark != 60 {
		t.Fatalf("after a power cut: %+v", b)
	}
}

// awaitStart waits until the log start is at least at.
func (h *house) awaitStart(at int64) int64 {
	h.tb.Helper()
	for end := time.Now().Add(answerTimeout); ; {
		h.settle()
		if start := h.replica.Reader().Bounds().Start; start >= at {
			return start
		}
		if time.Now().After(end) {
			h.tb.Fatalf("the log start stays at %d", h.replica.Reader().Bounds().Start)
		}
	}
}

func TestWaitsAreAnsweredOnce(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	wait := func(offset int64, token string) {
		h.sys.Send(h.replica.PID, &Wait{Offset: offset, Reply: h.sink, Sender: h.sys, Token: token})
	}
	woken := func(tokens ...string) {
		t.Helper()
		for range tokens {
			m, ok := h.next().(*Woken)
			if !ok || !strings.Contains(strings.Join(tokens, " "), m.Token.(string)) {
				t.Fatalf("got %+v, want Woken for %v", m, tokens)
			}
		}
		h.quiet()
	}
	h.mustProduce(plain("0"))
	wait(0, "already")
	woken("already")
	wait(1, "one")
	wait(2, "two")
	wait(1, "cancelled")
	h.sys.Send(h.replica.PID, &Cancel{Reply: h.sink, Token: "cancelled"})
	h.quiet()
	token := h.send(plain("1"))
	seen := 0
	for range 2 {
		switch m := h.next().(type) {
		case *Woken:
			if m.Token != "one" {
				t.Fatalf("%v", m.Token)
			}
			seen++
		case *Produced:
			if m.Results[0].Token != token {
				t.Fatalf("%+v", m)
			}
		}
	}
	if seen != 1 {
		t.Fatal("the wait for offset 1 was not woken")
	}
	h.sys.Send(h.replica.PID, &DeleteRecords{Offset: 1, Reply: h.sink, Sender: h.sys, Token: "d"})
	seen = 0
	for range 2 { // a moved log start wakes all
		if m, ok := h.next().(*Woken); ok && m.Token == "two" {
			seen++
		}
	}
	if seen != 1 {
		t.Fatal("the wait for offset 2 was not woken")
	}
	// A panic wakes whoever waits: it finds that the replica does not serve.
	wait(2, "panic")
	h.quiet()
	h.kill.partition.Store(1)
	h.sys.Send(h.replica.PID, housekeeping{})
	if m, ok := h.next().(*Woken); !ok || m.Token != "panic" {
		t.Fatalf("%+v", m)
	}
	h.awaitServing()
	// So does the end of the raft actor.
	wait(2, "raft")
	h.quiet()
	h.kill.raft.Store(1)
	h.sys.Send(h.raft, &raftactor.Applied{})
	if m, ok := h.next().(*Woken); !ok || m.Token != "raft" {
		t.Fatalf("%+v", m)
	}
	h.awaitServing()
	h.quiet()
	// And a message that the partition dies of.
	h.kill.partition.Store(1)
	wait(2, "fatal")
	if m, ok := h.next().(*Woken); !ok || m.Token != "fatal" || !m.Refused {
		t.Fatalf("%+v", m)
	}
	h.awaitServing()
	h.quiet()
}

func TestEachTermThatAppendsIsAnEpoch(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{})
	var want []EpochStart
	for life := range 4 {
		l := h.replica.Leadership()
		if !l.Self || l.Leader != 1 {
			t.Fatalf("life %d: %+v", life, l)
		}
		if life != 2 { // a term without a batch is none
			want = append(want, EpochStart{Epoch: l.Epoch, Start: int64(life)})
		}
		got := h.replica.Epochs()
		if life != 2 {
			r := h.mustProduce(plain(fmt.Sprint(life)))
			want[len(want)-1].Start = r.BaseOffset
			got = h.replica.Epochs()
			c := h.contents()
			if last := c[len(c)-1]; last.epoch != l.Epoch {
				t.Fatalf("life %d: the batch has epoch %d, the term is %d", life, last.epoch, l.Epoch)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("life %d: epochs %v, want %v", life, got, want)
		}
		if life == 1 {
			h.checkpoint()
		}
		h = h.crash(uint64(life))
	}
}

// Segment writes stand still: what is committed waits in the backlog, bounded by the raft actor, and is applied when there is room.
func TestAFullChunkPoolHoldsBatchesBackAndLosesNone(t *testing.T) {
	disk := vfs.NewMem()
	var mu sync.Mutex // held: no segment is written
	mu.Lock()
	const n, size, pool = 200, 60_000, 4 << 20
	files := vfs.Faulty(disk, func(op vfs.Op) error {
		if strings.HasPrefix(op.Name, "topics/") && op.Kind == vfs.OpWrite {
			mu.Lock()
			defer mu.Unlock()
		}
		return nil
	})
	h := newHouse(t, disk, setup{poolBytes: pool, walBytes: 4 << 20, files: files})
	for i := range n {
		h.send(plain(fmt.Sprintf("%d %s", i, bytes.Repeat([]byte("y"), size))))
	}
	// The pool takes about 60 of them.
	first := 0
	results := map[int]ProduceResult{}
	for ; first < 10; first = len(results) {
		for _, r := range h.next().(*Produced).Results {
			results[r.Token.(int)] = r
		}
	}
	h.settleInto(results)
	if held := len(results); held > 80 {
		t.Fatalf("%d batches of %d bytes were applied with a pool of %d", held, size, pool)
	}
	if used := h.pool.UsedBytes(); used > pool {
		t.Fatalf("the pool holds %d bytes", used)
	}
	mu.Unlock()
	for len(results) < n {
		for _, r := range h.next().(*Produced).Results {
			results[r.Token.(int)] = r
		}
	}
	for token, r := range results {
		if r.ErrorCode != 0 || r.BaseOffset != int64(token-1) {
			t.Fatalf("produce %d: %+v", token, r)
		}
	}
	if c := h.contents(); len(c) != n {
		t.Fatalf("%d batches", len(c))
	}
	h.framesComeBack()
}

// settleInto collects results until the partition has handled what it was sent.
func (h *house) settleInto(results map[int]ProduceResult) {
	h.tb.Helper()
	h.sys.Send(h.replica.PID, &DescribeProducers{Reply: h.sink, Sender: h.sys, Token: "nothing"})
	for {
		switch m := h.next().(type) {
		case *Produced:
			for _, r := range m.Results {
				results[r.Token.(int)] = r
			}
		case *ProducersDescribed:
			return
		}
	}
}

func TestProducersThatAreSilentForLongAreForgotten(t *testing.T) {
	h := newHouse(t, vfs.NewMem(), setup{options: Options{ProducerExpiry: func() time.Duration { return time.Minute }}})
	for id := range int64(5) {
		h.mustProduce(record{id: id, value: []byte("v")})
	}
	known := func() int {
		h.sys.Send(h.replica.PID, &DescribeProducers{Reply: h.sink, Sender: h.sys, Token: "p"})
		return len(h.next().(*ProducersDescribed).Producers)
	}
	if n := known(); n != 5 {
		t.Fatalf("%d producers", n)
	}
	h.clock.ahead.Store(int64(50 * time.Second))
	h.mustProduce(record{id: 3, sequence: 1, value: []byte("w")})
	h.clock.ahead.Store(int64(90 * time.Second))
	h.sys.Send(h.replica.PID, housekeeping{})
	for end := time.Now().Add(answerTimeout); known() != 1; {
		if time.Now().After(end) {
			t.Fatalf("%d producers are left", known())
		}
	}
	h.mustProduce(record{id: 3, sequence: 2, value: []byte("x")})
}

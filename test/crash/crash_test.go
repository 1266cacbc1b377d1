// Package crash kills the broker at random moments under load and checks what it promised: every acknowledged record is
// there once, in order, at the offset that was acknowledged.
//
// The load is one idempotent producer that lives through all the kills. Record number s of partition p has a value that is
// a function of (p, s), and one goroutine a partition produces them in order; so a log is right if its numbers rise
// strictly, each value is whole, and every acknowledged number stands at its offset.
package crash

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

const (
	topic      = "crash"
	partitions = 6
	valueMax   = 4 << 10 // bytes
	// roundsShort is how many rounds run when ROUNDS does not say.
	roundsShort = 3
)

// load is what was produced and acknowledged.
type load struct {
	mu     sync.Mutex
	acked  [partitions][]ack // in order of acknowledgement
	failed [partitions]map[int64]error
	sent   [partitions]int64
}

type ack struct{ number, offset int64 }

// value is the record's value: its name and filler of a size drawn from the name alone.
func value(p int32, number int64) []byte {
	rng := rand.New(rand.NewPCG(uint64(p), uint64(number)))
	v := fmt.Appendf(nil, "%d/%d/", p, number)
	return append(v, bytes.Repeat([]byte{byte('a' + number%26)}, rng.IntN(valueMax)/(1+rng.IntN(16)))...)
}

func (l *load) run(ctx context.Context, cl *kgo.Client, p int32) {
	for ctx.Err() == nil {
		number := l.sent[p]
		l.sent[p]++
		cl.Produce(context.Background(), &kgo.Record{Partition: p, Value: value(p, number)}, func(r *kgo.Record, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed[p][number] = err
				return
			}
			l.acked[p] = append(l.acked[p], ack{number, r.Offset})
		})
	}
}

func (l *load) total() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, a := range l.acked {
		n += len(a)
	}
	return n
}

// verified is how far a partition has been checked.
type verified struct {
	next   int64 // offset
	number int64 // of the record before, -1: none
	acks   int   // how many of load.acked have been seen
}

func TestEveryAcknowledgedRecordSurvivesKillNine(t *testing.T) {
	rounds := roundsShort
	if s := os.Getenv("ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil || rounds < 1 {
			t.Fatalf("ROUNDS=%q: want a number from 1", s)
		}
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CRASH_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("CRASH_SEED=%q: %v", s, err)
		}
	}
	t.Logf("%d rounds, CRASH_SEED=%d", rounds, seed)
	rng := rand.New(rand.NewPCG(seed, 0))

	// Small WAL files and segments: recycling, checkpoints and rolling happen in every round.
	b := harness.Start(t, "--wal-file-size", "4MiB", "--wal-size-limit", "32MiB", "--log.segment.bytes", "8MiB")
	b.CreateTopic(topic, partitions, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(600),
		kgo.ProducerBatchMaxBytes(64<<10), kgo.ProducerLinger(0), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))

	l := &load{}
	for p := range l.failed {
		l.failed[p] = map[int64]error{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for p := range int32(partitions) {
		wg.Go(func() { l.run(ctx, cl, p) })
	}
	defer wg.Wait()
	defer cancel()

	var seen [partitions]verified
	for p := range seen {
		seen[p].number = -1
	}
	var slowest time.Duration
	for round := 1; round <= rounds; round++ {
		wait(t, b, l, 500+rng.IntN(3000))
		b.Restart()
		slowest = max(slowest, b.ReadyIn)
		found := verify(t, b, l, &seen)
		t.Logf("round %d: %d acknowledged so far, %d new records checked, ready again in %s", round, l.total(), found, b.ReadyIn.Round(time.Millisecond))
	}
	cancel()
	wg.Wait()
	if err := cl.Flush(harness.Context(t)); err != nil {
		t.Fatalf("flush: %v", err)
	}
	// Once more from the beginning, after a last kill: what was checked before must still be there.
	b.Restart()
	for p := range seen {
		seen[p] = verified{number: -1}
	}
	verify(t, b, l, &seen)
	failures := 0
	for p := range l.failed {
		for number, err := range l.failed[p] {
			failures++
			if failures <= 5 {
				t.Logf("partition %d number %d: %v", p, number, err)
			}
		}
	}
	if failures > 0 {
		t.Errorf("%d records failed with errors that the client does not retry", failures)
	}
	t.Logf("%d records acknowledged through %d kills, all there once, in order, at their offsets; slowest restart %s", l.total(), rounds+1, slowest.Round(time.Millisecond))
}

// wait lets the load go on until more records have been acknowledged: the kill falls into the middle of it.
func wait(t *testing.T, b *harness.Broker, l *load, more int) {
	t.Helper()
	target := l.total() + more
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); l.total() < target; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("only %d of %d records were acknowledged within a minute", l.total(), target)
		}
		if !b.Alive() {
			t.Fatal("the broker ended by itself")
		}
	}
}

// verify reads what is new in every partition and checks it against what was acknowledged before the call.
func verify(t *testing.T, b *harness.Broker, l *load, seen *[partitions]verified) (found int) {
	t.Helper()
	l.mu.Lock()
	var want [partitions][]ack
	for p := range want {
		want[p] = l.acked[p]
	}
	l.mu.Unlock()
	offsets := map[int32]kgo.Offset{}
	open := 0
	for p := range seen {
		if seen[p].acks < len(want[p]) {
			offsets[int32(p)] = kgo.NewOffset().At(seen[p].next)
			open++
		}
	}
	if open == 0 {
		return 0
	}
	cl := b.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for open > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			for p := range seen {
				if seen[p].acks < len(want[p]) {
					t.Errorf("partition %d: acknowledged number %d at offset %d never came; the log was read up to %d", p, want[p][seen[p].acks].number, want[p][seen[p].acks].offset, seen[p].next)
				}
			}
			t.FailNow()
		}
		for _, e := range fetches.Errors() {
			t.Fatalf("fetch partition %d: %v", e.Partition, e.Err)
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			s := &seen[r.Partition]
			acks := want[r.Partition]
			if s.acks == len(acks) {
				continue // beyond what was asked for
			}
			var p int32
			var number int64
			if _, err := fmt.Sscanf(string(r.Value[:min(len(r.Value), 40)]), "%d/%d/", &p, &number); err != nil || p != r.Partition || !bytes.Equal(r.Value, value(p, number)) {
				t.Fatalf("partition %d offset %d holds %q", r.Partition, r.Offset, r.Value[:min(len(r.Value), 60)])
			}
			if r.Offset != s.next {
				t.Fatalf("partition %d: offset %d follows %d", p, r.Offset, s.next-1)
			}
			if number <= s.number {
				t.Fatalf("partition %d offset %d: number %d comes after %d: repeated or out of order", p, r.Offset, number, s.number)
			}
			next := acks[s.acks]
			if number > next.number || number == next.number && r.Offset != next.offset {
				t.Fatalf("partition %d offset %d holds number %d; number %d was acknowledged at %d", p, r.Offset, number, next.number, next.offset)
			}
			s.next, s.number = r.Offset+1, number
			found++
			if number == next.number {
				if s.acks++; s.acks == len(acks) {
					open--
				}
			}
		}
	}
	return found
}

package broker

// This file owns the tests of log compaction in a whole broker: under load, with panics, and with readers at every offset.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-io/troupe/actors/cleaner"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// restless makes the cleaner look every few milliseconds, at logs whose segments close soon.
func restless(cfg *Config) {
	cfg.CleanerBackoff, cfg.CleanerMapBytes, cfg.CleanerIOBytesPerSecond = 3*time.Millisecond, 1<<20, -1
	cfg.RetentionCheckInterval, cfg.Static = 5*time.Millisecond, deleteAfter(5)
}

var compacted = map[string]string{"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0"}

func reportOf(s *stage) *cleaner.Report { return s.Cleaner().(*cleaner.Report) }

func runsOf(s *stage) (n int64) {
	for _, l := range reportOf(s).Logs {
		n += l.Runs
	}
	return n
}

// walkLog reads a partition's log from offset on as a fetch does, and calls f for each batch. It says where it ended.
func walkLog(r *partition.Replica, offset int64, f func(h *protocol.BatchHeader, b []byte) error) (int64, error) {
	for {
		reader := r.Reader()
		if reader == nil {
			return offset, segment.ErrClosed
		}
		bounds := reader.Bounds()
		offset = max(offset, bounds.Start)
		if offset >= bounds.HighWatermark {
			return offset, nil
		}
		s, err := reader.Read(offset, bounds.HighWatermark, 300_000, true)
		if err != nil {
			return offset, err
		}
		b, err := s.Append(nil)
		s.Release()
		if err != nil {
			return offset, err
		}
		if len(b) == 0 && reader.Bounds().HighWatermark > bounds.HighWatermark {
			continue // newer records have replaced all that was below the high watermark a moment ago
		}
		if len(b) == 0 {
			return offset, fmt.Errorf("nothing at %d, below the high watermark %d", offset, bounds.HighWatermark)
		}
		if err := protocol.EachBatch(b, func(h *protocol.BatchHeader, b []byte) error {
			if h.LastOffset() < offset {
				return fmt.Errorf("batch %d..%d where %d was asked for", h.BaseOffset, h.LastOffset(), offset)
			}
			offset = h.LastOffset() + 1
			if err := protocol.CheckBatchCRC(b); err != nil {
				return err
			}
			return f(h, b)
		}); err != nil {
			return offset, err
		}
	}
}

// verifyCompacted checks that the last acknowledged record of each key is there, or a later one of the same key, and each record where
// it was acknowledged.
func (w *writer) verifyCompacted(t testing.TB, s *stage, acked int) (kept int) {
	t.Helper()
	offsetOf := map[int32]int64{} // by number of the record
	newest := map[int32]int32{}   // by key
	for _, b := range w.batches[:acked] {
		for i := range b.records {
			offsetOf[b.sequence+i] = b.offset + int64(i)
			newest[(b.sequence+i)%w.keys] = b.sequence + i
		}
	}
	found := map[int32]int32{}
	previous := int64(-1)
	var replica *partition.Replica
	for key, r := range s.parts.directory.All() {
		if r.Topic == w.topic && key.Partition == w.partition {
			replica = r
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		clear(found)
		kept, previous = 0, -1
		_, err := walkLog(replica, 0, func(h *protocol.BatchHeader, b []byte) error {
			if h.RecordCount == 0 {
				return nil
			}
			it, err := protocol.NewRecords(b, 0)
			if err != nil {
				return err
			}
			defer it.Close()
			for it.Next() {
				x := it.Record()
				text := strings.Fields(string(x.Value))
				n, err := strconv.ParseInt(text[1], 10, 32)
				if err != nil {
					return err
				}
				if at, known := offsetOf[int32(n)]; known && at != x.Offset || x.Offset <= previous {
					return fmt.Errorf("record %d stands at offset %d after %d, was acknowledged at %d", n, x.Offset, previous, at)
				}
				previous = x.Offset
				found[int32(n)%w.keys] = int32(n)
				kept++
			}
			return it.Err()
		})
		if err == nil {
			break
		}
		if !errors.Is(err, segment.ErrClosed) || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // the partition is being opened again
	}
	for key, n := range newest {
		if found[key] < n {
			t.Fatalf("partition %d, key %d: the last record is %d, %d was acknowledged", w.partition, key, found[key], n)
		}
	}
	return kept
}

func TestPanicsWhileLogsAreCompactedLoseNothing(t *testing.T) {
	for _, kind := range []string{"cleaner", "segment-writer", "partition", "wal"} {
		t.Run(kind, func(t *testing.T) {
			rounds(t, 1, func(t *testing.T, rng *rand.Rand) {
				const times = 4
				bad := &saboteur{kind: kind}
				s := raise(t, vfs.NewMem(), restless, faultOf(bad), func(cfg *Config) { cfg.WALFileSize, cfg.WALSizeLimit = 1<<20, 8<<20 })
				createTopic(t, s.KafkaAddr(), "t", 2, compacted)
				var writers []*writer
				for p := range int32(2) {
					w := newWriter(t, s.KafkaAddr(), "t", p, []int{6000, 900}[p])
					w.keys = []int32{40, 300}[p]
					writers = append(writers, w)
				}
				every := 1 + rng.Uint64N(map[string]uint64{"cleaner": 40, "segment-writer": 30, "partition": 200, "wal": 100}[kind])
				t.Logf("every %d", every)
				bad.arm(every, times)
				deadline := time.Now().Add(30 * time.Second)
				var runs atomic.Int64 // when the last panic was over; -1 before
				runs.Store(-1)
				load(t, writers, s.KafkaAddr, func(w *writer) int32 { return 1 + w.next%7 }, func(w *writer) bool {
					if time.Now().After(deadline) {
						t.Errorf("%d panics of %d, %d runs after 30 s: %+v", bad.done.Load(), times, runsOf(s), reportOf(s))
						return true
					}
					if w.partition == 0 && bad.done.Load() == times && runs.Load() < 0 {
						runs.Store(runsOf(s))
					}
					after := runs.Load()
					return w.acked > 2000 || w.acked > 300 && after >= 0 && runsOf(s) > after+1
				})
				for _, w := range writers {
					kept := w.verifyCompacted(t, s, w.acked)
					t.Logf("partition %d: %d of %d records are left after %d runs", w.partition, kept, w.next, runsOf(s))
				}
				if err := s.Err(); err != nil {
					t.Fatalf("the broker ended: %v", err)
				}
				if n := s.restarts(kind); n != times {
					t.Errorf("%d restarts, want %d", n, times)
				}
				if runsOf(s) == 0 {
					t.Errorf("nothing was compacted: %+v", reportOf(s))
				}
				for _, l := range reportOf(s).Logs {
					if l.Failures > 0 {
						t.Errorf("%s-%d: %s", l.Topic, l.Partition, l.Failure)
					}
				}
				settled(t, s)
			})
		})
	}
}

func TestReadersNeverSeeATornLogWhileItIsCompacted(t *testing.T) {
	s := raise(t, vfs.NewMem(), restless, func(cfg *Config) { cfg.TailCacheBytes = 1 << 20 })
	createTopic(t, s.KafkaAddr(), "t", 1, compacted)
	w := newWriter(t, s.KafkaAddr(), "t", 0, 3000)
	w.keys = 50
	var replica *partition.Replica
	for _, r := range s.parts.directory.All() {
		replica = r
	}
	stop, failed := make(chan struct{}), make(chan error, 3)
	for i := range uint64(3) {
		go func() {
			rng := newRand(i)
			for {
				select {
				case <-stop:
					failed <- nil
					return
				default:
				}
				bounds := replica.Reader().Bounds()
				from := bounds.Start + rng.Int64N(bounds.HighWatermark-bounds.Start+1)
				previous := int64(-1)
				_, err := walkLog(replica, from, func(h *protocol.BatchHeader, _ []byte) error {
					if h.BaseOffset <= previous {
						return fmt.Errorf("batch %d after %d", h.BaseOffset, previous)
					}
					previous = h.LastOffset()
					return nil
				})
				if err == nil {
					_, _, err = replica.Reader().OffsetForTimestamp(rng.Int64N(2_000_000_000_000))
				}
				if err == nil {
					_, _, err = replica.Reader().MaxTimestamp()
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	load(t, []*writer{w}, s.KafkaAddr, func(w *writer) int32 { return 1 + w.next%7 }, func(w *writer) bool { return w.acked > 900 || runsOf(s) > 6 })
	close(stop)
	for range 3 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	kept := w.verifyCompacted(t, s, w.acked)
	t.Logf("%d of %d records are left after %d runs", kept, w.next, runsOf(s))
	if runsOf(s) < 3 {
		t.Errorf("%d runs: %+v", runsOf(s), reportOf(s))
	}
}

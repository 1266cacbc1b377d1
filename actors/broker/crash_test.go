package broker

// This file owns the tests of power cuts: a whole broker on a memory disk that crashes, clients that keep count, and a second broker on
// what the crash left.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/troupe-io/troupe/storage/vfs"
)

// smallLog makes the WAL small enough for files to be recycled, and checkpoints taken, within a test.
func smallLog(c *Config) { c.WALFileSize, c.WALSizeLimit, c.TailCacheBytes = 512<<10, 2<<20, 4<<20 }

// load lets every writer produce on a connection of its own until stop says so. Refusals are tried again, so is a connection that
// breaks; an answer that is not retriable fails the test. addr is asked for before each connection.
func load(t *testing.T, writers []*writer, addr func() string, batchRecords func(w *writer) int32, stop func(w *writer) bool) {
	t.Helper()
	var all sync.WaitGroup
	for _, w := range writers {
		all.Go(func() {
			var c *wireClient
			for !stop(w) {
				if c == nil {
					var err error
					if c, err = dial(addr()); err != nil {
						c = nil
						continue
					}
				}
				for len(w.batches)-w.acked < 5 {
					w.build(batchRecords(w))
				}
				_, err := w.push(c)
				if errors.Is(err, errNotRetriable) {
					t.Error(err)
					c.close()
					return
				}
				if err != nil {
					c.close()
					c = nil
				}
			}
			if c != nil {
				c.close()
			}
		})
	}
	all.Wait()
}

func TestWhatWasAcknowledgedSurvivesAPowerCut(t *testing.T) {
	rounds(t, 4, func(t *testing.T, rng *rand.Rand) {
		disk := vfs.NewMem()
		s := raise(t, disk, smallLog)
		const partitions = 3
		id := createTopic(t, s.KafkaAddr(), "t", partitions, map[string]string{"segment.bytes": "1048576"})
		var writers []*writer
		for p := range int32(partitions) {
			writers = append(writers, newWriter(t, s.KafkaAddr(), "t", p, 1+rng.IntN(4000)))
		}
		for life := range 3 {
			// Now and then the cut comes within the first operations, else anywhere.
			in := 1 + rng.Int64N(20)
			if rng.IntN(4) > 0 {
				in += rng.Int64N(600)
			}
			disk.CrashAt(in)
			load(t, writers, s.KafkaAddr, func(w *writer) int32 { return 1 + w.next%4 }, func(*writer) bool { return disk.Crashed() })
			if t.Failed() {
				return
			}
			select {
			case <-s.Done():
			case <-time.After(10 * time.Second):
				t.Fatal("the disk is gone and the broker has not ended")
			}
			if !errors.Is(s.Err(), vfs.ErrCrashed) {
				t.Fatalf("the broker ended with: %v", s.Err())
			}
			s.kill()
			acked := make([]int, len(writers))
			for i, w := range writers {
				acked[i] = w.acked
			}
			disk = disk.CrashClone(rng)
			s = raise(t, disk, smallLog)
			for i, w := range writers {
				w.verify(t, s.KafkaAddr(), id, acked[i])
			}
			// Whatever was under way is sent again: it must not be doubled.
			load(t, writers, s.KafkaAddr, func(w *writer) int32 { return 1 + w.next%4 }, func(w *writer) bool { return w.acked >= acked[w.partition]+7 })
			for _, w := range writers {
				w.verify(t, s.KafkaAddr(), id, w.acked)
			}
			if t.Failed() {
				t.Fatalf("life %d", life)
			}
		}
	})
}

// A snapshot of the disk is taken while the broker works, many times: each must hold what had been acknowledged before.
func TestEveryMomentUnderLoadIsOneToComeBackFrom(t *testing.T) {
	rounds(t, 1, func(t *testing.T, rng *rand.Rand) {
		disk := vfs.NewMem()
		s := raise(t, disk, smallLog)
		id := createTopic(t, s.KafkaAddr(), "t", 2, map[string]string{"segment.bytes": "1048576"})
		writers := []*writer{newWriter(t, s.KafkaAddr(), "t", 0, 3000), newWriter(t, s.KafkaAddr(), "t", 1, 40)}
		type moment struct {
			disk    *vfs.Mem
			writers []writer
		}
		var moments []moment
		var mu sync.Mutex // held while a writer waits for answers, and alone for a snapshot
		const each = 5
		count := 0
		load(t, writers, s.KafkaAddr, func(*writer) int32 { return 2 }, func(w *writer) bool {
			mu.Lock()
			defer mu.Unlock()
			if w.partition == 0 {
				if count++; count%40 == 0 {
					// The other writer may be in the middle of a push: what it has been told by now is in its own fields only
					// after the push, so its count here is a lower bound.
					moments = append(moments, moment{disk.CrashClone(rng), []writer{{acked: w.acked}}})
				}
			}
			return len(moments) >= each
		})
		s.kill()
		for i, m := range moments {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				again := raise(t, m.disk, smallLog)
				writers[0].verify(t, again.KafkaAddr(), id, m.writers[0].acked)
				writers[1].verify(t, again.KafkaAddr(), id, 0)
				again.kill()
			})
		}
	})
}

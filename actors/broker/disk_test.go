package broker

// This file owns the tests of disks that are full, or broken.

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/storage/vfs"
)

// fill produces until the disk is full for 100 answers in a row and nothing but KAFKA_STORAGE_ERROR comes.
func fill(t *testing.T, c *wireClient, w *writer) {
	t.Helper()
	refused := 0
	for end := time.Now().Add(60 * time.Second); refused < 100; {
		for len(w.batches)-w.acked < 5 {
			w.build(1)
		}
		before := w.acked
		if _, err := w.push(c); err != nil {
			t.Fatal(err)
		}
		if refused++; w.acked > before {
			refused = 0
		}
		if time.Now().After(end) {
			t.Fatalf("the disk is not full after 60 s: %d batches, %v", w.acked, w.refusals)
		}
	}
	for code := range w.refusals {
		if !strings.HasPrefix(code, "KAFKA_STORAGE_ERROR") && !strings.HasPrefix(code, "OUT_OF_ORDER") {
			t.Errorf("a full disk was answered with %s", code)
		}
	}
}

// drainAll pushes until everything built is acknowledged.
func drainAll(t *testing.T, c *wireClient, w *writer) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); w.acked < len(w.batches); {
		if _, err := w.push(c); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(end) {
			t.Fatalf("produce does not recover: %v", w.refusals)
		}
	}
}

func deleteRecords(t *testing.T, c *wireClient, topic string, offset int64) {
	t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Version, req.TimeoutMillis = 2, 10_000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	p := mustAsk[*kmsg.DeleteRecordsResponse](t, c, req).Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil || p.LowWatermark != offset {
		t.Fatalf("delete records of %s up to %d: %v, low watermark %d", topic, offset, err, p.LowWatermark)
	}
}

// fullDisk is the story of a disk that fills up. more makes room.
func fullDisk(t *testing.T, disk vfs.FS, more func(), change ...func(*Config)) {
	s := raise(t, disk, change...)
	addr := s.KafkaAddr()
	configs := map[string]string{"segment.bytes": "1048576"}
	ballast, id := createTopic(t, addr, "ballast", 1, configs), createTopic(t, addr, "t", 1, configs)
	c := mustDial(t, addr)
	b := newWriter(t, addr, "ballast", 0, 50_000)
	for range 40 {
		b.build(1)
		drainAll(t, c, b)
	}
	w := newWriter(t, addr, "t", 0, 60_000)
	fill(t, c, w)
	if s.ReadyErr() == nil || !s.Status().(Status).DiskFull {
		t.Errorf("the broker is shown as ready on a full disk: %+v", s.Status())
	}
	// Everything else goes on.
	w.verify(t, addr, id, w.acked)
	b.verify(t, addr, ballast, b.acked)
	deleteRecords(t, c, "ballast", 5)
	deleteTopic(t, c, "ballast")
	// What the topic took comes back by itself: produce is accepted again, without a restart.
	drainAll(t, c, w)
	fill(t, c, w)
	more()
	drainAll(t, c, w)
	w.verify(t, addr, id, w.acked)
	if err := s.Err(); err != nil {
		t.Fatalf("the broker ended: %v", err)
	}
	if lines := s.log.lines(`"level":"error"`); len(lines) > 0 {
		t.Errorf("errors were logged:\n%s", strings.Join(lines, "\n"))
	}
	s.kill()
	w.verify(t, raise(t, disk, change...).KafkaAddr(), id, w.acked)
}

func TestAFullDiskRefusesProduceAndNothingElse(t *testing.T) {
	disk := vfs.NewMem()
	disk.SetCapacity(9 << 20)
	fullDisk(t, disk, func() { disk.SetCapacity(14 << 20) }, smallLog)
}

// On a real file system: TROUPE_TEST_SMALL_DISK is set, and the test may mount (it is run as root).
func TestAFullRealDiskRefusesProduceAndNothingElse(t *testing.T) {
	if os.Getenv("TROUPE_TEST_SMALL_DISK") == "" {
		t.Skip("set TROUPE_TEST_SMALL_DISK=1, as root: it makes and mounts an ext4 file system of 400 MB")
	}
	dir := t.TempDir()
	image, at := filepath.Join(dir, "disk.img"), filepath.Join(dir, "mnt")
	for _, command := range [][]string{
		{"truncate", "-s", "400M", image}, {"mkfs.ext4", "-q", "-m", "0", image}, {"mkdir", at}, {"mount", "-o", "loop", image, at},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	// Something else takes most of the disk, and lets go of it later.
	other := filepath.Join(at, "other")
	if out, err := exec.Command("fallocate", "-l", "330M", other).CombinedOutput(); err != nil {
		t.Fatalf("fallocate: %v\n%s", err, out)
	}
	fullDisk(t, vfs.OS(), func() {
		if err := os.Truncate(other, 200<<20); err != nil {
			t.Fatal(err)
		}
	}, smallLog, func(c *Config) { c.DataDir = filepath.Join(at, "data") })
}

func TestAnIOErrorFencesTheBroker(t *testing.T) {
	in := func(part string, kind vfs.OpKind) func(vfs.Op) bool {
		return func(op vfs.Op) bool { return op.Kind == kind && strings.Contains(op.Name, part) }
	}
	for _, c := range []struct {
		name   string
		match  func(vfs.Op) bool
		nth    int64
		direct bool
	}{
		{"write of the WAL", in("data/wal/wal-", vfs.OpWrite), 30, true},
		{"sync of the WAL", in("data/wal/wal-", vfs.OpSync), 30, false},
		{"write of a new WAL file", in("data/wal/prepare-", vfs.OpWrite), 1, true},
		{"sync of a new WAL file", in("data/wal/prepare-", vfs.OpSync), 1, true},
		{"write of a segment", in(".log", vfs.OpWrite), 3, true},
		{"sync of a segment", in(".log", vfs.OpSync), 1, true},
		{"write of an index", in(".index", vfs.OpWrite), 1, true},
		{"sync of a segment's directory", in("data/topics/", vfs.OpSyncDir), 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			disk := vfs.NewMem()
			if !c.direct {
				disk.RefuseDirect()
			}
			var armed atomic.Bool
			nth := vfs.FailNth(c.nth, syscall.EIO, c.match)
			s := raise(t, vfs.Faulty(disk, func(op vfs.Op) error {
				if armed.Load() {
					return nth(op)
				}
				return nil
			}), smallLog)
			id := createTopic(t, s.KafkaAddr(), "t", 2, map[string]string{"segment.bytes": "1048576"})
			writers := []*writer{newWriter(t, s.KafkaAddr(), "t", 0, 20_000), newWriter(t, s.KafkaAddr(), "t", 1, 500)}
			armed.Store(true)
			end := time.Now().Add(20 * time.Second)
			load(t, writers, s.KafkaAddr, func(*writer) int32 { return 1 }, func(*writer) bool {
				return s.parts.disk.Failed() != nil || time.Now().After(end)
			})
			select {
			case <-s.Done():
			case <-time.After(5 * time.Second):
				t.Fatal("the broker has not ended")
			}
			if !errors.Is(s.Err(), syscall.EIO) {
				t.Fatalf("the broker ended with: %v", s.Err())
			}
			if err := s.ReadyErr(); err == nil {
				t.Error("a fenced broker is shown as ready")
			}
			acked := []int{writers[0].acked, writers[1].acked}
			// Nothing is taken any more.
			probe := mustDial(t, s.KafkaAddr())
			for _, w := range writers {
				if err := produceOnce(t, probe, w); !errors.Is(err, kerr.KafkaStorageError) {
					t.Errorf("a fenced broker answers: %v", err)
				}
			}
			s.kill()
			again := raise(t, disk.CrashClone(newRand(1)), smallLog)
			for i, w := range writers {
				w.verify(t, again.KafkaAddr(), id, acked[i])
			}
		})
	}
}

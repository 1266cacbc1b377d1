package broker

// This file owns the tests of giving up: a part that fails again and again, and the broker's own end.

import (
	"context"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/storage/vfs"
)

// produceOnce sends one new batch of w and returns the answer's error.
func produceOnce(t *testing.T, c *wireClient, w *writer) error {
	t.Helper()
	b := w.build(1)
	b.everSent = true
	resp := mustAsk[*kmsg.ProduceResponse](t, c, w.request(b))
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

func deleteTopic(t *testing.T, c *wireClient, name string) {
	t.Helper()
	drop := kmsg.NewPtrDeleteTopicsRequest()
	drop.Version, drop.TimeoutMillis, drop.TopicNames = 5, 10_000, []string{name}
	if err := kerr.ErrorForCode(mustAsk[*kmsg.DeleteTopicsResponse](t, c, drop).Topics[0].ErrorCode); err != nil {
		t.Fatalf("delete %s: %v", name, err)
	}
}

func TestAPartitionThatKeepsFailingGoesOfflineAlone(t *testing.T) {
	bad := &saboteur{kind: "partition", name: "t-1"}
	s := raise(t, vfs.NewMem(), faultOf(bad))
	id := createTopic(t, s.KafkaAddr(), "t", 2, nil)
	good, poor := newWriter(t, s.KafkaAddr(), "t", 0, 100), newWriter(t, s.KafkaAddr(), "t", 1, 100)
	c := mustDial(t, s.KafkaAddr())
	good.build(1)
	if _, err := good.push(c); err != nil {
		t.Fatal(err)
	}
	bad.arm(1, math.MaxInt64)
	offline := func() string {
		for _, p := range s.Status().(Status).Partitions {
			if p.Topic == "t" && p.Partition == 1 {
				return p.Offline
			}
		}
		return ""
	}
	for end := time.Now().Add(20 * time.Second); offline() == ""; {
		if err := produceOnce(t, c, poor); err == nil || !kerr.IsRetriable(err) {
			t.Fatalf("a failing partition answers: %v", err)
		}
		if time.Now().After(end) {
			t.Fatalf("still not offline: %+v", s.System().Actors())
		}
	}
	if err := produceOnce(t, c, poor); err == nil || !kerr.IsRetriable(err) {
		t.Fatalf("an offline partition answers: %v", err)
	}
	if lines := s.log.lines("replica is offline"); len(lines) != 1 || !strings.Contains(lines[0], `"partition":1`) {
		t.Errorf("the log says: %v", lines)
	}
	if n := s.restarts("partition"); n != 10 {
		t.Errorf("%d restarts", n)
	}
	good.build(3)
	if refused, err := good.push(c); err != nil || refused {
		t.Fatalf("the other partition: %v %v", refused, err)
	}
	good.verify(t, s.KafkaAddr(), id, 2)
	if s.Err() != nil || s.ReadyErr() != nil {
		t.Fatalf("the broker: %v, %v", s.Err(), s.ReadyErr())
	}
	// It can be deleted, and made anew.
	bad.armed.Store(false)
	deleteTopic(t, c, "t")
	id = createTopic(t, s.KafkaAddr(), "t", 2, nil)
	again := newWriter(t, s.KafkaAddr(), "t", 1, 100)
	again.build(2)
	if refused, err := again.push(c); err != nil || refused {
		t.Fatalf("the new partition: %v %v", refused, err)
	}
	again.verify(t, s.KafkaAddr(), id, 1)
}

func TestAPartThatKeepsFailingEndsTheBrokerWithAReason(t *testing.T) {
	for _, kind := range []string{"wal", "raft", "controller", "segment-writer", "partitions", "connection-listener"} {
		t.Run(kind, func(t *testing.T) {
			bad := &saboteur{kind: kind}
			disk := vfs.NewMem()
			s := raise(t, disk, faultOf(bad), smallLog, func(c *Config) { c.RetentionCheckInterval = 10 * time.Millisecond })
			id := createTopic(t, s.KafkaAddr(), "t", 1, nil)
			w := newWriter(t, s.KafkaAddr(), "t", 0, 20_000)
			stop := make(chan struct{})
			over := make(chan struct{})
			go func() { meddle(s, stop); close(over) }()
			bad.arm(1, math.MaxInt64)
			load(t, []*writer{w}, s.KafkaAddr, func(*writer) int32 { return 1 }, func(*writer) bool {
				select {
				case <-s.Done():
					return true
				case <-time.After(0):
					return false
				}
			})
			close(stop)
			s.kill()
			<-over
			if err := s.Err(); err == nil || !strings.Contains(err.Error(), kind+"/") || !strings.Contains(err.Error(), "sabotage") {
				t.Fatalf("the broker ended with: %v", err)
			}
			if lines := s.log.lines("replica is offline"); len(lines) > 0 {
				t.Errorf("replicas were said to be offline: %v", lines)
			}
			acked := w.acked
			again := raise(t, disk.CrashClone(newRand(1)))
			w.verify(t, again.KafkaAddr(), id, acked)
		})
	}
}

func TestStoppingIsQuietAndLosesNothing(t *testing.T) {
	disk := vfs.NewMem()
	s := raise(t, disk, smallLog)
	id := createTopic(t, s.KafkaAddr(), "t", 3, nil)
	var writers []*writer
	for p := range int32(3) {
		writers = append(writers, newWriter(t, s.KafkaAddr(), "t", p, 2000))
	}
	var once sync.Once
	var stopped error
	over := make(chan struct{})
	load(t, writers, s.KafkaAddr, func(*writer) int32 { return 1 }, func(w *writer) bool {
		if w.acked > 50 {
			once.Do(func() {
				go func() {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					defer cancel()
					stopped = s.Shutdown(ctx)
					close(over)
				}()
			})
		}
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	if stopped != nil {
		t.Fatalf("stop: %v", stopped)
	}
	if err := s.Err(); err != nil {
		t.Errorf("the broker says it ended by itself: %v", err)
	}
	if lines := append(s.log.lines(`"level":"error"`), s.log.lines(`"level":"warn"`)...); len(lines) > 0 {
		t.Errorf("stopping made noise:\n%s", strings.Join(lines, "\n"))
	}
	again := raise(t, disk, smallLog)
	for _, w := range writers {
		w.verify(t, again.KafkaAddr(), id, w.acked)
	}
}

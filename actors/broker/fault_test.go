package broker

// This file owns the tests of panics: an actor of each kind fails at a message of the test's choice, under load.

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/storage/vfs"
)

// saboteur panics the n-th message of one kind of actor from arm on, then the n-th after that, as often as it was told.
type saboteur struct {
	kind, name string // name "": any
	armed      atomic.Bool
	every      uint64
	seen       atomic.Uint64
	left       atomic.Int64
	done       atomic.Int64
}

func (s *saboteur) arm(every uint64, times int64) {
	s.every = every
	s.seen.Store(0)
	s.left.Store(times)
	s.armed.Store(true)
}

func (s *saboteur) BeforeMessage(kind, name string, _ uint64, message any) {
	if !s.armed.Load() || kind != s.kind || s.name != "" && name != s.name {
		return
	}
	if s.seen.Add(1)%s.every == 0 && s.left.Add(-1) >= 0 {
		s.done.Add(1)
		panic(fmt.Sprintf("sabotage of %T", message))
	}
}

// meddle creates and deletes topics until stop is closed: work for the controller and the supervisor of the partitions.
func meddle(s *stage, stop <-chan struct{}) {
	var c *wireClient
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		if c == nil {
			var err error
			if c, err = dial(s.KafkaAddr()); err != nil {
				c = nil
				continue
			}
		}
		name := fmt.Sprintf("passing-%d", i)
		create := kmsg.NewPtrCreateTopicsRequest()
		create.Version, create.TimeoutMillis = 7, 2000
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 2, 1
		create.Topics = append(create.Topics, topic)
		drop := kmsg.NewPtrDeleteTopicsRequest()
		drop.Version, drop.TimeoutMillis = 5, 2000
		drop.TopicNames = []string{name}
		for _, req := range []kmsg.Request{create, drop} {
			if _, err := c.ask(req); err != nil {
				c.close()
				c = nil
				break
			}
		}
	}
}

// follow long-polls a partition until stop is closed, as a consumer at the tail does.
func follow(s *stage, id [16]byte, partition int32, stop <-chan struct{}) {
	var c *wireClient
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for offset := int64(0); ; {
		select {
		case <-stop:
			return
		default:
		}
		if c == nil {
			var err error
			if c, err = dial(s.KafkaAddr()); err != nil {
				c = nil
				continue
			}
		}
		req := kmsg.NewPtrFetchRequest()
		req.Version, req.MaxBytes, req.MaxWaitMillis, req.MinBytes, req.SessionEpoch = 13, 1<<20, 200, 1, -1
		topic := kmsg.NewFetchRequestTopic()
		topic.TopicID = id
		part := kmsg.NewFetchRequestTopicPartition()
		part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = partition, offset, 1<<20, -1
		topic.Partitions = append(topic.Partitions, part)
		req.Topics = append(req.Topics, topic)
		resp, err := c.ask(req)
		if err != nil {
			c.close()
			c = nil
			continue
		}
		if f := resp.(*kmsg.FetchResponse); len(f.Topics) > 0 && f.Topics[0].Partitions[0].ErrorCode == 0 {
			offset = f.Topics[0].Partitions[0].HighWatermark
		}
	}
}

func TestAPanicOfAnyActorCostsNothingAcknowledged(t *testing.T) {
	for _, c := range []struct {
		kind  string
		upTo  uint64 // N is drawn from 1 to this
		stops bool   // it is stopped, not restarted
	}{
		{kind: "connection", upTo: 60, stops: true},
		{kind: "partition", upTo: 100},
		{kind: "raft", upTo: 200},
		{kind: "wal", upTo: 100},
		{kind: "wal-preparer", upTo: 3},
		{kind: "segment-writer", upTo: 10},
		{kind: "controller", upTo: 12},
		{kind: "partitions", upTo: 12},
		{kind: "connection-listener", upTo: 4},
	} {
		t.Run(c.kind, func(t *testing.T) {
			rounds(t, 1, func(t *testing.T, rng *rand.Rand) {
				const times = 4
				bad := &saboteur{kind: c.kind}
				s := raise(t, vfs.NewMem(), smallLog, faultOf(bad), func(cfg *Config) { cfg.RetentionCheckInterval = 20 * time.Millisecond })
				id := createTopic(t, s.KafkaAddr(), "t", 3, map[string]string{"segment.bytes": "1048576"})
				var writers []*writer
				for p := range int32(3) {
					w := newWriter(t, s.KafkaAddr(), "t", p, []int{6000, 1500, 30}[p])
					writers = append(writers, w)
				}
				stop := make(chan struct{})
				over := make(chan struct{}, 2)
				go func() { meddle(s, stop); over <- struct{}{} }()
				go func() { follow(s, id, 0, stop); over <- struct{}{} }()
				every := 1 + rng.Uint64N(c.upTo)
				t.Logf("every %d", every)
				bad.arm(every, times)
				deadline := time.Now().Add(30 * time.Second)
				after := [3]int{-1, -1, -1}
				load(t, writers, s.KafkaAddr, func(w *writer) int32 { return 1 + w.next%3 }, func(w *writer) bool {
					if after[w.partition] < 0 && bad.done.Load() == times {
						after[w.partition] = w.acked
					}
					if time.Now().After(deadline) {
						t.Errorf("partition %d: %d panics of %d, %d batches acknowledged (%v) after 30 s", w.partition, bad.done.Load(), times, w.acked, w.refusals)
						return true
					}
					return after[w.partition] >= 0 && w.acked > after[w.partition]+20
				})
				close(stop)
				<-over
				<-over
				if t.Failed() {
					t.Fatalf("%+v", s.System().Actors())
				}
				for _, w := range writers {
					w.verify(t, s.KafkaAddr(), id, w.acked)
				}
				if err := s.Err(); err != nil {
					t.Fatalf("the broker ended: %v", err)
				}
				if n := s.restarts(c.kind); !c.stops && n != times {
					t.Errorf("%d restarts, want %d", n, times)
				}
				if lines := s.log.lines("sabotage", `"stack"`, `"kind":"`+c.kind+`"`); len(lines) != times {
					t.Errorf("%d log lines for %d panics:\n%s", len(lines), times, strings.Join(lines, "\n"))
				}
				if lines := s.log.lines("offline"); len(lines) > 0 {
					t.Errorf("replicas went offline: %v", lines)
				}
				for _, r := range s.parts.directory.All() {
					if why := r.Offline(); why != "" {
						t.Errorf("%s-%d is shown as offline: %s", r.Topic, r.Partition, why)
					}
				}
				t.Logf("refusals: %v %v %v; frames in use: %d bytes", writers[0].refusals, writers[1].refusals, writers[2].refusals, s.parts.frames.InUse())
				settled(t, s)
			})
		})
	}
}

// settled waits until no client's request holds memory any more.
func settled(t *testing.T, s *stage) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); s.parts.budget.Used() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("all clients have left and %d bytes of request memory are still taken", s.parts.budget.Used())
			return
		}
	}
}

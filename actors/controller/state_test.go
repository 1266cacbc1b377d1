package controller

import (
	"bytes"
	"fmt"
	"math/rand"
	"reflect"
	"testing"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/storage/wal"
	"pgregory.net/rapid"
)

// drawCommand draws a command that may or may not be allowed: names collide, ids are unknown, counts are too small.
func drawCommand(t *rapid.T, s *state) command {
	name := rapid.SampledFrom([]string{"a", "b", "c.d", "c_d", "e", "f-1", "..", "bad name", ""})
	broker := rapid.Int32Range(0, 4)
	replicas := rapid.SliceOfN(broker, 0, 3)
	config := rapid.Custom(func(t *rapid.T) Setting {
		return Setting{rapid.SampledFrom([]string{"retention.ms", "cleanup.policy", "segment.bytes", "unknown"}).Draw(t, "name"),
			rapid.SampledFrom([]string{"1", "delete", "2097152", "x"}).Draw(t, "value")}
	})
	var ids []TopicID
	for _, n := range []string{"a", "b", "c.d", "c_d", "e", "f-1"} {
		if topic, ok := s.topics.get(n); ok {
			ids = append(ids, topic.ID)
		}
	}
	ids = append(ids, TopicID{1})
	switch rapid.IntRange(0, 6).Draw(t, "kind") {
	case 0:
		return &createCluster{id: rapid.StringN(0, 5, -1).Draw(t, "cluster"), defaults: map[string]string{"min.insync.replicas": "1"}}
	case 1:
		return &registerBroker{Broker{ID: broker.Draw(t, "id"), Host: "h", Port: rapid.Int32().Draw(t, "port"), Fenced: rapid.Bool().Draw(t, "fenced")}}
	case 2:
		c := &createTopics{}
		for range rapid.IntRange(0, 3).Draw(t, "topics") {
			topic := NewTopic{Name: name.Draw(t, "name"), Partitions: rapid.Int32Range(-1, 5).Draw(t, "partitions"),
				ReplicationFactor: rapid.Int16Range(-1, 3).Draw(t, "factor"), Configs: rapid.SliceOfN(config, 0, 2).Draw(t, "configs")}
			copy(topic.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			for p := range rapid.IntRange(0, 3).Draw(t, "assigned") {
				topic.Partitions, topic.ReplicationFactor = -1, -1
				topic.Assignments = append(topic.Assignments, Assignment{int32(p), replicas.Draw(t, "replicas")})
			}
			c.topics = append(c.topics, topic)
		}
		return c
	case 3:
		return &deleteTopics{rapid.SliceOfN(rapid.SampledFrom(ids), 0, 2).Draw(t, "ids")}
	case 4:
		m := MorePartitions{Name: name.Draw(t, "name"), Count: rapid.Int32Range(-1, 12).Draw(t, "count"), Assigned: rapid.Bool().Draw(t, "assigned")}
		if m.Assigned {
			m.Assignments = rapid.SliceOfN(replicas, 0, 3).Draw(t, "assignments")
		}
		return &createPartitions{[]MorePartitions{m}}
	case 5:
		r := ResourceChange{Kind: rapid.SampledFrom([]byte{ResourceTopic, ResourceBroker, ResourceGroup, 9}).Draw(t, "resource"), Replace: rapid.Bool().Draw(t, "replace")}
		r.Name = name.Draw(t, "name")
		if r.Kind == ResourceBroker {
			r.Name = rapid.SampledFrom([]string{"", "1", "2", "x"}).Draw(t, "broker")
		}
		for range rapid.IntRange(0, 3).Draw(t, "ops") {
			r.Ops = append(r.Ops, ConfigOp{rapid.SampledFrom([]string{"retention.ms", "cleanup.policy", "log.retention.ms", "log.cleanup.policy", "max.connections", "num.io.threads", "consumer.session.timeout.ms", "other"}).Draw(t, "key"),
				rapid.ByteRange(0, 4).Draw(t, "op"), rapid.SampledFrom([]string{"1", "delete", "", "x"}).Draw(t, "value")})
		}
		return &alterConfigs{[]ResourceChange{r}}
	}
	return &allocateProducerIDs{broker: 1, count: rapid.Int32Range(-1, 1000).Draw(t, "count")}
}

// check states what must hold of every state.
func check(t *rapid.T, s *state) {
	groups := map[wal.GroupID]bool{}
	partitions, collisions := 0, 0
	s.topics.all(func(name string, topic *Topic) {
		if byID, _ := s.topicIDs.get(topic.ID); byID != topic || topic.Name != name || topic.Config == nil {
			t.Fatalf("topic %q is not the one of its id", name)
		}
		if key := collisionKey(name); key != "" {
			collisions++
			if at, _ := s.collisions.get(key); at != name {
				t.Fatalf("topic %q is missing from the collisions", name)
			}
		}
		for _, p := range topic.Partitions {
			partitions++
			if p.Group < firstPartitionGroup || p.Group >= s.nextGroup || groups[p.Group] || len(p.Replicas) != topic.ReplicationFactor() {
				t.Fatalf("topic %q has a partition %+v", name, p)
			}
			groups[p.Group] = true
		}
	})
	if partitions != s.partitions || s.topics.len() != s.topicIDs.len() || collisions != s.collisions.len() {
		t.Fatalf("%d partitions counted, %d stated; %d topics, %d ids", partitions, s.partitions, s.topics.len(), s.topicIDs.len())
	}
}

func TestReplayFromAnySnapshotGivesTheSameState(t *testing.T) {
	l := local{node: 1, static: map[string]string{"log.segment.bytes": "3000000"}, started: brokerconfig.Config{MaxConnections: 100}}
	rapid.Check(t, func(t *rapid.T) {
		s := newState(l)
		s, _ = s.apply(&registerBroker{Broker{ID: 1, Host: "h"}})
		var log [][]byte
		snapshots := [][]byte{s.snapshot()}
		for range rapid.IntRange(1, 25).Draw(t, "length") {
			c := drawCommand(t, &s)
			data := encodeCommand(c)
			back, err := decodeCommand(data)
			if err != nil || !bytes.Equal(encodeCommand(back), data) {
				t.Fatalf("command %+v comes back as %+v, %v", c, back, err)
			}
			before := s.snapshot()
			next, out := s.apply(back)
			if now := s.snapshot(); !bytes.Equal(before, now) {
				t.Fatalf("apply of %+v changed the state it was applied to", c)
			}
			if after := next.snapshot(); !out.changed && !bytes.Equal(before, after) {
				t.Fatalf("%+v says it changed nothing", c)
			}
			s = next
			check(t, &s)
			log = append(log, data)
			snapshots = append(snapshots, s.snapshot())
		}
		from := rapid.IntRange(0, len(log)).Draw(t, "from")
		r, err := restore(snapshots[from], l)
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range log[from:] {
			c, _ := decodeCommand(data)
			r, _ = r.apply(c)
		}
		check(t, &r)
		if got, want := r.snapshot(), s.snapshot(); !bytes.Equal(got, want) {
			t.Fatalf("replay from %d of %d entries differs:\n%x\n%x", from, len(log), got, want)
		}
		if !reflect.DeepEqual(r.settings, s.settings) || !reflect.DeepEqual(r.base, s.base) {
			t.Fatalf("after replay the broker's settings %+v and %+v are %+v and %+v", s.settings, s.base, r.settings, r.base)
		}
		r.topics.all(func(name string, topic *Topic) {
			if direct, _ := s.topics.get(name); !reflect.DeepEqual(direct, topic) {
				t.Fatalf("topic %+v after replay is %+v", direct, topic)
			}
		})
	})
}

func TestPlacementIsRoundRobinOverBrokersThatAreNotFenced(t *testing.T) {
	s := newState(local{node: 1})
	for id := int32(1); id <= 4; id++ {
		s, _ = s.apply(&registerBroker{Broker{ID: id, Fenced: id == 3}})
	}
	s, out := s.apply(&createTopics{[]NewTopic{{Name: "a", ID: TopicID{1}, Partitions: 6, ReplicationFactor: 2}}})
	if out.results[0].Code != 0 {
		t.Fatalf("%+v", out.results)
	}
	leads, has := map[int32]int{}, map[int32]int{}
	for _, p := range out.results[0].Topic.Partitions {
		leads[p.Replicas[0]]++
		for _, id := range p.Replicas {
			has[id]++
		}
	}
	for _, id := range []int32{1, 2, 4} {
		if leads[id] != 2 || has[id] != 4 {
			t.Errorf("broker %d is first %d times and has %d replicas", id, leads[id], has[id])
		}
	}
	if _, out = s.apply(&createTopics{[]NewTopic{{Name: "b", ID: TopicID{2}, Partitions: 1, ReplicationFactor: 4}}}); out.results[0].Code == 0 {
		t.Error("four replicas on three brokers")
	}
}

func TestARequestMayCreateTenThousandPartitionsAndNoMore(t *testing.T) {
	s := newState(local{node: 1})
	s, _ = s.apply(&registerBroker{Broker{ID: 1}})
	one := func(name string, n int32) NewTopic {
		return NewTopic{Name: name, ID: TopicID{name[0], byte(n)}, Partitions: n, ReplicationFactor: 1}
	}
	if _, out := s.apply(&createTopics{[]NewTopic{one("a", PartitionsPerRequestMax), one("b", 1)}}); out.changed {
		t.Error("10,001 partitions were created at once")
	}
	if _, out := s.apply(&createTopics{[]NewTopic{one("a", 1<<31-1)}}); out.changed {
		t.Error("2 billion partitions were created at once")
	}
	for n := range PartitionsMax / PartitionsPerRequestMax {
		next, out := s.apply(&createTopics{[]NewTopic{one(string(rune('a'+n)), PartitionsPerRequestMax)}})
		if !out.changed {
			t.Fatalf("%+v", out.results)
		}
		s = next
	}
	if _, out := s.apply(&createTopics{[]NewTopic{one("z", 1)}}); out.changed {
		t.Error("the cluster's limit was passed")
	}
	if size := len(s.snapshot()); size > 1<<20 {
		t.Errorf("a snapshot of %d partitions has %d bytes", PartitionsMax, size)
	}
}

func TestTopicNamesAreThoseOfKafka(t *testing.T) {
	long := string(bytes.Repeat([]byte{'x'}, TopicNameLengthMax))
	for name, good := range map[string]bool{"a": true, "A.b_c-9": true, "...": true, long: true, long + "x": false, "": false, ".": false, "..": false,
		"a b": false, "ä": false, "a/b": false, "a\x00": false} {
		if err := CheckTopicName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func seeds() (commands, snapshots [][]byte) {
	s := newState(local{node: 1})
	for _, c := range []command{
		&registerBroker{Broker{ID: 1, Host: "h", Port: 9092, Rack: "r"}},
		&createCluster{id: "cluster", defaults: map[string]string{"min.insync.replicas": "1"}},
		&createTopics{[]NewTopic{{Name: "a.b", ID: TopicID{1}, Partitions: 3, ReplicationFactor: 1, Configs: []Setting{{"retention.ms", "5"}}},
			{Name: "c", ID: TopicID{2}, Partitions: -1, ReplicationFactor: -1, Assignments: []Assignment{{0, []int32{1}}}}}},
		&createPartitions{[]MorePartitions{{Name: "c", Count: 2, Assigned: true, Assignments: [][]int32{{1}}}}},
		&alterConfigs{[]ResourceChange{{Kind: ResourceBroker, Name: "1", Ops: []ConfigOp{{"log.retention.ms", OpSet, "9"}}}}},
		&allocateProducerIDs{1, 1000},
		&deleteTopics{[]TopicID{{1}}},
	} {
		commands = append(commands, encodeCommand(c))
		s, _ = s.apply(c)
		snapshots = append(snapshots, s.snapshot())
	}
	return commands, snapshots
}

func FuzzDecodeCommand(f *testing.F) {
	commands, _ := seeds()
	for _, c := range commands {
		f.Add(c)
	}
	s := newState(local{node: 1})
	s, _ = s.apply(&registerBroker{Broker{ID: 1}})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			return
		}
		if back, err := decodeCommand(encodeCommand(c)); err != nil || !reflect.DeepEqual(c, back) {
			t.Fatalf("%+v comes back as %+v, %v", c, back, err)
		}
		next, _ := s.apply(c)
		if _, err := restore(next.snapshot(), s.local); err != nil {
			t.Fatalf("the state after %+v cannot be restored: %v", c, err)
		}
	})
}

func FuzzDecodeSnapshot(f *testing.F) {
	_, snapshots := seeds()
	for _, s := range snapshots {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := restore(data, local{node: 1})
		if err != nil || data == nil {
			return
		}
		once := s.snapshot()
		again, err := restore(once, local{node: 1})
		if err != nil || !bytes.Equal(again.snapshot(), once) {
			t.Fatalf("a snapshot does not come back: %v", err)
		}
	})
}

func BenchmarkCreateTopicAmongTenThousand(b *testing.B) {
	s := newState(local{node: 1})
	s, _ = s.apply(&registerBroker{Broker{ID: 1}})
	r := rand.New(rand.NewSource(1))
	fresh := func(n int) command {
		t := NewTopic{Name: fmt.Sprint("topic-", n), Partitions: 1, ReplicationFactor: 1}
		r.Read(t.ID[:])
		return &createTopics{[]NewTopic{t}}
	}
	for n := range 10_000 {
		s, _ = s.apply(fresh(n))
	}
	b.ResetTimer()
	for n := range b.N {
		s.apply(fresh(20_000 + n))
	}
}

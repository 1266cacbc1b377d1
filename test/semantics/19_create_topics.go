package main

import (
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func createTopics(topics ...kmsg.CreateTopicsRequestTopic) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = topics, 10_000
	return req
}

func newTopic(name string, partitions int32, replicas int16) kmsg.CreateTopicsRequestTopic {
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, replicas
	return rt
}

// assigned is a topic with the replicas of each partition given.
func assigned(name string, replicas ...[]int32) kmsg.CreateTopicsRequestTopic {
	rt := newTopic(name, -1, -1)
	for p, r := range replicas {
		rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(p), Replicas: r})
	}
	return rt
}

// withConfigs gives a topic configurations: pairs of name and value.
func withConfigs(rt kmsg.CreateTopicsRequestTopic, pairs ...string) kmsg.CreateTopicsRequestTopic {
	for i := 0; i < len(pairs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: pairs[i], Value: &pairs[i+1]})
	}
	return rt
}

// known leaves those configurations of a topic in an answer that Troupe enforces too, and were not chosen for Troupe alone.
func known(resp kmsg.Response) {
	served := map[string]bool{}
	for _, name := range topicKeys {
		served[name] = true
	}
	for i := range resp.(*kmsg.CreateTopicsResponse).Topics {
		t := &resp.(*kmsg.CreateTopicsResponse).Topics[i]
		if t.Configs == nil {
			continue
		}
		mine := []kmsg.CreateTopicsResponseTopicConfig{}
		for _, k := range t.Configs {
			if served[k.Name] {
				mine = append(mine, k)
			}
		}
		t.Configs = mine
	}
}

// CreateTopics: every version, names, counts, factors, assignments and configurations that cannot be, validation only.
func init() {
	versions(2, 7, func(c *C, v int16) {
		rt := newTopic(c.name("topic"), 3, 1)
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms", Value: ptr("60000")}}
		c.ask(v, createTopics(rt), known)
		c.say("again")
		c.ask(v, createTopics(rt), known)
	})
	for _, name := range []string{"", ".", "..", "a/b", "a b", "ü", "a\x00b", strings.Repeat("x", 249), strings.Repeat("x", 250), "__consumer_offsets", "__cluster_metadata", "A-Z_0.9"} {
		add(fmt.Sprintf("name %.20q of %d", name, len(name)), func(c *C) {
			req := createTopics(newTopic(name, 1, 1))
			req.ValidateOnly = true
			c.ask(7, req, known)
		})
	}
	add("names that collide in metrics", func(c *C) {
		c.topicOf("a.b", 1)
		c.ask(7, createTopics(newTopic(c.name("a_b"), 1, 1)), known)
	})
	add("names that collide in metrics, in one request", func(c *C) {
		c.ask(7, createTopics(newTopic(c.name("a.b"), 1, 1), newTopic(c.name("a_b"), 1, 1)), known)
	})
	for _, n := range []int32{0, -1, -2, 100_001, 1<<31 - 1} {
		add(fmt.Sprintf("%d partitions", n), func(c *C) {
			req := createTopics(newTopic(c.name("topic"), n, 1))
			req.ValidateOnly = true
			c.ask(7, req, known)
		})
	}
	for _, n := range []int16{0, -1, -2, 2, 32767} {
		add(fmt.Sprintf("replication factor %d", n), func(c *C) {
			c.ask(7, createTopics(newTopic(c.name("topic"), 1, n)), known)
		})
	}
	add("defaults of both", func(c *C) { c.ask(7, createTopics(newTopic(c.name("topic"), -1, -1)), known) })
	add("defaults of both, v3", func(c *C) { c.ask(3, createTopics(newTopic(c.name("topic"), -1, -1)), known) })
	for _, w := range []struct {
		name string
		make func(name string) kmsg.CreateTopicsRequestTopic
	}{
		{"assignment", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{1}, []int32{1}) }},
		{"assignment to nobody", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{}) }},
		{"assignment to an unknown broker", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{99}) }},
		{"assignment to a negative broker", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{-1}) }},
		{"assignment to a broker twice", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{1, 1}) }},
		{"assignments of different length", func(n string) kmsg.CreateTopicsRequestTopic { return assigned(n, []int32{1}, []int32{1, 2}) }},
		{"assignment with a gap", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1}, []int32{1})
			t.ReplicaAssignment[1].Partition = 5
			return t
		}},
		{"assignment from 1 on", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1})
			t.ReplicaAssignment[0].Partition = 1
			return t
		}},
		{"assignment with a partition twice", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1}, []int32{1})
			t.ReplicaAssignment[1].Partition = 0
			return t
		}},
		{"assignment with a negative partition", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1})
			t.ReplicaAssignment[0].Partition = -1
			return t
		}},
		{"assignment and a count", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1})
			t.NumPartitions = 1
			return t
		}},
		{"assignment and a factor", func(n string) kmsg.CreateTopicsRequestTopic {
			t := assigned(n, []int32{1})
			t.ReplicationFactor = 1
			return t
		}},
	} {
		add(w.name, func(c *C) {
			c.ask(7, createTopics(w.make(c.name("topic"))), known)
			c.ask(2, createTopics(w.make(c.name("second"))), known)
		})
	}
	for _, w := range [][2]string{
		{"retention.ms", "x"}, {"retention.ms", "-2"}, {"retention.ms", ""}, {"cleanup.policy", "nonsense"}, {"cleanup.policy", "delete,delete"}, {"cleanup.policy", ""},
		{"max.message.bytes", "-1"}, {"min.insync.replicas", "0"}, {"compression.type", "brotli"}, {"message.timestamp.type", "Other"}, {"segment.bytes", "10"},
		{"segment.bytes", "99999999999"}, {"no.such.key", "1"}, {"", "1"}, {"retention.ms", " 5 "}, {"min.insync.replicas", "1.5"}, {"compression.type", "GZIP"},
	} {
		add(fmt.Sprintf("configuration %q = %q", w[0], w[1]), func(c *C) {
			rt := newTopic(c.name("topic"), 1, 1)
			rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: w[0], Value: ptr(w[1])}}
			req := createTopics(rt)
			req.ValidateOnly = true
			c.ask(7, req, known)
		})
	}
	// Compaction.
	for _, value := range []string{"compact", "compact,delete", "delete,compact", "compact,compact", " compact , delete ", "compact delete", "compact,", ",compact", ",",
		"Compact", "COMPACT,DELETE", "none", "compact,none", "compact,x", " "} {
		add(fmt.Sprintf("cleanup.policy %q", value), func(c *C) {
			c.ask(7, createTopics(withConfigs(newTopic(c.name("topic"), 1, 1), "cleanup.policy", value)), known)
		})
	}
	for v := int16(2); v <= 7; v++ {
		add(fmt.Sprintf("compacted, v%d", v), func(c *C) {
			c.ask(v, createTopics(withConfigs(newTopic(c.name("topic"), 1, 1), "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01",
				"delete.retention.ms", "100", "min.compaction.lag.ms", "10", "max.compaction.lag.ms", "1000")), known)
		})
	}
	for _, pairs := range [][]string{
		{"min.compaction.lag.ms", "-1"}, {"min.compaction.lag.ms", "0"}, {"min.compaction.lag.ms", "9223372036854775807"}, {"min.compaction.lag.ms", "9223372036854775808"},
		{"min.compaction.lag.ms", "1.5"}, {"min.compaction.lag.ms", ""}, {"max.compaction.lag.ms", "-1"}, {"max.compaction.lag.ms", "0"}, {"max.compaction.lag.ms", "1"},
		{"max.compaction.lag.ms", "9223372036854775807"}, {"max.compaction.lag.ms", "x"}, {"min.compaction.lag.ms", "100", "max.compaction.lag.ms", "99"},
		{"min.compaction.lag.ms", "100", "max.compaction.lag.ms", "100"}, {"cleanup.policy", "delete", "min.compaction.lag.ms", "2", "max.compaction.lag.ms", "1"},
		{"cleanup.policy", "compact", "min.compaction.lag.ms", "2", "max.compaction.lag.ms", "1"},
		{"min.cleanable.dirty.ratio", "-0.1"}, {"min.cleanable.dirty.ratio", "0"}, {"min.cleanable.dirty.ratio", "1"}, {"min.cleanable.dirty.ratio", "1.0001"},
		{"min.cleanable.dirty.ratio", "0.00001"}, {"min.cleanable.dirty.ratio", "NaN"}, {"min.cleanable.dirty.ratio", "Infinity"}, {"min.cleanable.dirty.ratio", "x"},
		{"min.cleanable.dirty.ratio", ""}, {"min.cleanable.dirty.ratio", " 0.5 "}, {"min.cleanable.dirty.ratio", "5e-1"}, {"min.cleanable.dirty.ratio", "0x1p-1"},
		{"min.cleanable.dirty.ratio", "0.5f"}, {"min.cleanable.dirty.ratio", ".5"}, {"min.cleanable.dirty.ratio", "1_0e-2"},
		{"delete.retention.ms", "-1"}, {"delete.retention.ms", "0"}, {"delete.retention.ms", "9223372036854775807"}, {"delete.retention.ms", "x"}, {"delete.retention.ms", ""},
		{"index.interval.bytes", "-1"}, {"index.interval.bytes", "0"}, {"index.interval.bytes", "2147483647"}, {"index.interval.bytes", "2147483648"},
		{"file.delete.delay.ms", "-1"}, {"file.delete.delay.ms", "0"}, {"file.delete.delay.ms", "9223372036854775807"},
	} {
		add(fmt.Sprintf("configurations %q", pairs), func(c *C) {
			req := createTopics(withConfigs(newTopic(c.name("topic"), 1, 1), pairs...))
			req.ValidateOnly = true
			c.ask(7, req, known)
		})
	}
	add("configuration null", func(c *C) {
		rt := newTopic(c.name("topic"), 1, 1)
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms"}}
		c.ask(7, createTopics(rt), known)
	})
	add("configuration twice", func(c *C) {
		rt := newTopic(c.name("topic"), 1, 1)
		rt.Configs = []kmsg.CreateTopicsRequestTopicConfig{{Name: "retention.ms", Value: ptr("1000")}, {Name: "retention.ms", Value: ptr("2000")}}
		c.ask(7, createTopics(rt), known)
	})
	for _, v := range []int16{2, 7} {
		add(fmt.Sprintf("name twice, v%d", v), func(c *C) {
			n := c.name("topic")
			c.ask(v, createTopics(newTopic(n, 1, 1), newTopic(n, 2, 1), newTopic(c.name("other"), 1, 1)), known)
		})
		add(fmt.Sprintf("name three times, v%d", v), func(c *C) {
			n := c.name("topic")
			c.ask(v, createTopics(newTopic(n, 1, 1), newTopic(n, 2, 1), newTopic(n, 1, 1)), known)
		})
		add(fmt.Sprintf("validation only, v%d", v), func(c *C) {
			req := createTopics(newTopic(c.name("topic"), 2, 1))
			req.ValidateOnly = true
			c.ask(v, req, known)
			c.ask(9, metadata(c.name("topic")))
		})
		add(fmt.Sprintf("validation only of one that exists, v%d", v), func(c *C) {
			req := createTopics(newTopic(c.topic().name, 2, 1))
			req.ValidateOnly = true
			c.ask(v, req, known)
		})
		add(fmt.Sprintf("no topics, v%d", v), func(c *C) { c.ask(v, createTopics()) })
	}
	add("one good and one bad", func(c *C) {
		c.ask(7, createTopics(newTopic(c.name("topic"), 1, 1), newTopic("a/b", 1, 1)), known)
	})
	add("two faults at once", func(c *C) {
		c.ask(7, createTopics(newTopic("a/b", 0, 9)), known)
		c.ask(7, createTopics(newTopic(c.topic().name, 0, 9)), known)
		c.ask(7, createTopics(newTopic(c.name("other"), 0, 9)), known)
	})
}

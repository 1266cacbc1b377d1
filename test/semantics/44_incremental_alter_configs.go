package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// settled waits until a topic's configuration has a value: Kafka's broker learns of it a moment after the answer.
func (c *C) settled(t topic, key, value string) { c.resourceSettled(ofTopic, t.name, key, value) }

// groupSettled is settled for a group.
func (c *C) groupSettled(group, key, value string) {
	c.resourceSettled(kmsg.ConfigResourceTypeGroupConfig, group, key, value)
}

func (c *C) resourceSettled(kind kmsg.ConfigResourceType, name, key, value string) {
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		k := c.get(4, describeConfigs(kind, name, key)).(*kmsg.DescribeConfigsResponse).Resources[0].Configs
		if len(k) == 1 && k[0].Value != nil && *k[0].Value == value {
			return
		}
		if time.Now().After(deadline) {
			c.abort("%s does not become %s", key, value)
		}
	}
}

// change is one operation of IncrementalAlterConfigs.
type change struct {
	op    int8 // 0 set, 1 delete, 2 append, 3 subtract
	name  string
	value *string
}

// set sets a value.
func set(name, value string) change { return change{0, name, &value} }

func incrementalAlter(kind kmsg.ConfigResourceType, name string, changes ...change) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	rr := kmsg.NewIncrementalAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, name
	for _, ch := range changes {
		rr.Configs = append(rr.Configs, kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: ch.name, Op: kmsg.IncrementalAlterConfigOp(ch.op), Value: ch.value})
	}
	req.Resources = append(req.Resources, rr)
	return req
}

// IncrementalAlterConfigs: every version, each operation on single values and lists, what cannot be, validation only.
func init() {
	versions(0, 1, func(c *C, v int16) {
		t := c.topic("max.message.bytes", "2000")
		c.ask(v, incrementalAlter(ofTopic, t.name, set("retention.ms", "7000"), change{1, "max.message.bytes", nil}))
		c.settled(t, "retention.ms", "7000")
		c.ask(4, describeConfigs(ofTopic, t.name, "retention.ms", "max.message.bytes"))
	})
	add("validation only", func(c *C) {
		t := c.topic()
		req := incrementalAlter(ofTopic, t.name, set("retention.ms", "7000"))
		req.ValidateOnly = true
		c.ask(1, req)
		c.ask(4, describeConfigs(ofTopic, t.name, "retention.ms"))
	})
	for _, w := range []struct {
		name string
		ch   []change
	}{
		{"wrong number", []change{set("retention.ms", "x")}}, {"below the range", []change{set("retention.ms", "-2")}},
		{"unknown key", []change{set("no.such.key", "1")}}, {"empty key", []change{set("", "1")}}, {"empty value", []change{set("retention.ms", "")}},
		{"null value", []change{{0, "retention.ms", nil}}}, {"delete what is not set", []change{{1, "retention.ms", nil}}},
		{"delete with a value", []change{{1, "retention.ms", ptr("5")}}}, {"delete an unknown key", []change{{1, "no.such.key", nil}}},
		{"append to a single value", []change{{2, "retention.ms", ptr("5")}}}, {"subtract from a single value", []change{{3, "retention.ms", ptr("5")}}},
		{"append what is there", []change{{2, "cleanup.policy", ptr("delete")}}}, {"append nonsense", []change{{2, "cleanup.policy", ptr("x")}}},
		{"append null", []change{{2, "cleanup.policy", nil}}}, {"append nothing", []change{{2, "cleanup.policy", ptr("")}}},
		{"subtract the last entry", []change{{3, "cleanup.policy", ptr("delete")}}}, {"subtract what is not there", []change{{3, "cleanup.policy", ptr("compact")}}},
		{"subtract null", []change{{3, "cleanup.policy", nil}}},
		{"append to an unknown key", []change{{2, "no.such.key", ptr("a")}}},
		{"operation 4", []change{{4, "retention.ms", ptr("1")}}}, {"operation -1", []change{{-1, "retention.ms", ptr("1")}}}, {"operation 127", []change{{127, "retention.ms", ptr("1")}}},
		{"key twice", []change{set("retention.ms", "1"), set("retention.ms", "2")}}, {"key set and deleted", []change{set("retention.ms", "1"), {1, "retention.ms", nil}}},
		{"good and bad", []change{set("retention.ms", "1000"), set("segment.bytes", "x")}}, {"no changes", nil},
		{"a key that Troupe does not enforce", []change{set("flush.ms", "1000")}},
		{"codec", []change{set("compression.type", "lz4")}}, {"codec in capitals", []change{set("compression.type", "LZ4")}},
	} {
		add(w.name, func(c *C) {
			t := c.topic()
			req := incrementalAlter(ofTopic, t.name, w.ch...)
			req.ValidateOnly = true
			c.ask(1, req)
			req.ValidateOnly = false
			c.ask(1, req)
		})
	}
	// The values that an alteration leaves count, not those that it names.
	for _, w := range []struct {
		name string
		has  []string
		ch   []change
	}{
		{"a least lag above the topic's largest", []string{"max.compaction.lag.ms", "100"}, []change{set("min.compaction.lag.ms", "101")}},
		{"a least lag as large as the topic's largest", []string{"max.compaction.lag.ms", "100"}, []change{set("min.compaction.lag.ms", "100")}},
		{"a largest lag below the topic's least", []string{"min.compaction.lag.ms", "100"}, []change{set("max.compaction.lag.ms", "99")}},
		{"both lags raised", []string{"min.compaction.lag.ms", "100", "max.compaction.lag.ms", "200"},
			[]change{set("min.compaction.lag.ms", "300"), set("max.compaction.lag.ms", "400")}},
		{"the largest lag deleted", []string{"max.compaction.lag.ms", "100"}, []change{{1, "max.compaction.lag.ms", nil}, set("min.compaction.lag.ms", "1000")}},
		{"a policy more", []string{"cleanup.policy", "delete"}, []change{{2, "cleanup.policy", ptr("compact")}}},
		{"a policy less", []string{"cleanup.policy", "compact,delete"}, []change{{3, "cleanup.policy", ptr("delete")}}},
		{"a policy for another", []string{"cleanup.policy", "delete"}, []change{set("cleanup.policy", "compact")}},
	} {
		add(w.name, func(c *C) {
			t := c.topic(w.has...)
			c.ask(1, incrementalAlter(ofTopic, t.name, w.ch...))
			if last := w.ch[len(w.ch)-1]; last.op == 0 && len(w.ch) > 1 {
				c.settled(t, last.name, *last.value)
			}
		})
	}
	add("subtract the last entry, then look", func(c *C) {
		t := c.topic()
		c.ask(1, incrementalAlter(ofTopic, t.name, change{3, "cleanup.policy", ptr("delete")}))
		c.settled(t, "cleanup.policy", "")
		c.ask(4, describeConfigs(ofTopic, t.name, "cleanup.policy"))
	})
	add("resource twice", func(c *C) {
		req := incrementalAlter(ofTopic, c.topic().name, set("retention.ms", "1000"))
		req.Resources = append(req.Resources, req.Resources[0])
		c.ask(1, req)
	})
	add("unknown topic", func(c *C) { c.ask(1, incrementalAlter(ofTopic, c.name("none"), set("retention.ms", "1"))) })
	add("invalid topic", func(c *C) { c.ask(1, incrementalAlter(ofTopic, "a/b", set("retention.ms", "1"))) })
	add("empty topic", func(c *C) { c.ask(1, incrementalAlter(ofTopic, "", set("retention.ms", "1"))) })
	for _, name := range []string{"2", "x", "-1", "1.5"} {
		add(fmt.Sprintf("broker %q", name), func(c *C) { c.ask(1, incrementalAlter(ofBroker, name, set("log.retention.ms", "1"))) })
	}
	for _, kind := range []int8{0, 1, 3, 8, 16, 32, 127, -1} {
		add(fmt.Sprintf("resource type %d", kind), func(c *C) {
			c.ask(1, incrementalAlter(kmsg.ConfigResourceType(kind), c.name("thing"), set("a", "1")))
		})
		add(fmt.Sprintf("resource type %d, no name", kind), func(c *C) {
			c.ask(1, incrementalAlter(kmsg.ConfigResourceType(kind), "", set("a", "1")))
		})
	}
	for _, w := range [][2]string{{"num.partitions", "3"}, {"node.id", "2"}, {"log.retention.ms", "x"}, {"message.max.bytes", "-5"}, {"no.such.key", "1"},
		{"log.retention.hours", "5"}, {"min.insync.replicas", "1"}, {"compression.type", "brotli"}, {"auto.create.topics.enable", "false"}, {"listeners", "x"}} {
		for _, broker := range []string{"1", ""} {
			add(fmt.Sprintf("broker %q's %s = %s, validation only", broker, w[0], w[1]), func(c *C) {
				req := incrementalAlter(ofBroker, broker, set(w[0], w[1]))
				req.ValidateOnly = true
				c.ask(1, req)
			})
		}
	}
	add("nothing", func(c *C) { c.ask(1, kmsg.NewPtrIncrementalAlterConfigsRequest()) })
}

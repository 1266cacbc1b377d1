package main

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	ofTopic  = kmsg.ConfigResourceTypeTopic
	ofBroker = kmsg.ConfigResourceTypeBroker
)

// topicKeys are the topic configurations that Troupe enforces.
var topicKeys = []string{"cleanup.policy", "compression.type", "delete.retention.ms", "file.delete.delay.ms", "index.interval.bytes",
	"max.compaction.lag.ms", "max.message.bytes", "message.timestamp.after.max.ms", "message.timestamp.before.max.ms", "message.timestamp.type",
	"min.cleanable.dirty.ratio", "min.compaction.lag.ms", "min.insync.replicas", "retention.bytes", "retention.ms", "segment.bytes", "segment.ms"}

// brokerKeys are broker configurations that Troupe has.
var brokerKeys = []string{"auto.create.topics.enable", "broker.rack", "compression.type", "connections.max.idle.ms", "default.replication.factor",
	"fetch.max.bytes", "group.consumer.assignment.interval.ms", "group.consumer.heartbeat.interval.ms", "group.consumer.max.size",
	"group.consumer.session.timeout.ms", "group.initial.rebalance.delay.ms", "group.max.session.timeout.ms", "group.max.size", "group.min.session.timeout.ms",
	"log.cleaner.backoff.ms", "log.cleaner.dedupe.buffer.size", "log.cleaner.delete.retention.ms", "log.cleaner.io.max.bytes.per.second",
	"log.cleaner.max.compaction.lag.ms", "log.cleaner.min.cleanable.ratio", "log.cleaner.min.compaction.lag.ms", "log.cleanup.policy", "log.dirs",
	"log.index.interval.bytes", "log.message.timestamp.after.max.ms", "log.message.timestamp.before.max.ms", "log.message.timestamp.type",
	"log.retention.bytes", "log.retention.check.interval.ms", "log.retention.ms", "log.roll.ms", "log.segment.bytes", "log.segment.delete.delay.ms",
	"max.connections", "max.connections.per.ip", "max.incremental.fetch.session.cache.slots", "message.max.bytes", "min.insync.replicas", "node.id",
	"num.partitions", "offset.metadata.max.bytes", "offsets.retention.check.interval.ms", "offsets.retention.minutes", "offsets.topic.num.partitions",
	"producer.id.expiration.ms", "socket.request.max.bytes"}

func describeConfigs(kind kmsg.ConfigResourceType, name string, keys ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	rr := kmsg.NewDescribeConfigsRequestResource()
	rr.ResourceType, rr.ResourceName, rr.ConfigNames = kind, name, keys
	req.Resources = append(req.Resources, rr)
	return req
}

// DescribeConfigs: every version, synonyms, documentation, single names, and resources that are not there.
func init() {
	enforced := func(resp kmsg.Response) {
		for i := range resp.(*kmsg.DescribeConfigsResponse).Resources {
			r := &resp.(*kmsg.DescribeConfigsResponse).Resources[i]
			r.Configs = slices.DeleteFunc(r.Configs, func(k kmsg.DescribeConfigsResponseResourceConfig) bool { return !slices.Contains(topicKeys, k.Name) })
		}
	}
	versions(1, 4, func(c *C, v int16) {
		t := c.topic("retention.ms", "60000", "cleanup.policy", "delete")
		req := describeConfigs(ofTopic, t.name, topicKeys...)
		c.ask(v, req)
		req.IncludeSynonyms = true
		c.ask(v, req)
	})
	for _, key := range topicKeys {
		add("topic's "+key, func(c *C) {
			req := describeConfigs(ofTopic, c.topic().name, key)
			req.IncludeSynonyms = true
			c.ask(4, req)
		})
	}
	for _, keys := range [][]string{{"cleanup.policy", "segment.bytes", "compression.type"}, topicKeys} {
		add(fmt.Sprintf("%d keys of __consumer_offsets", len(keys)), func(c *C) { c.ask(4, describeConfigs(ofTopic, "__consumer_offsets", keys...)) })
	}
	add("synonyms of __consumer_offsets", func(c *C) {
		req := describeConfigs(ofTopic, "__consumer_offsets", "cleanup.policy", "segment.bytes", "compression.type")
		req.IncludeSynonyms = true
		c.ask(4, req)
	})
	add("every key of __consumer_offsets that Troupe enforces", func(c *C) { c.ask(4, describeConfigs(ofTopic, "__consumer_offsets"), enforced) })
	add("ways of writing the values of compaction", func(c *C) {
		c.ask(4, describeConfigs(ofTopic, c.topic("cleanup.policy", " compact , delete ", "min.cleanable.dirty.ratio", "1e-1", "delete.retention.ms", " 7 ").name,
			"cleanup.policy", "min.cleanable.dirty.ratio", "delete.retention.ms"))
	})
	add("synonyms of a value that is written in another way", func(c *C) {
		req := describeConfigs(ofTopic, c.topic("cleanup.policy", "delete,compact,delete", "retention.ms", " 5 ").name, "cleanup.policy", "retention.ms")
		req.IncludeSynonyms = true
		c.ask(4, req)
	})
	add("documentation is there when it is asked for", func(c *C) {
		req := describeConfigs(ofTopic, c.topic().name, "retention.ms")
		for _, with := range []bool{false, true} {
			req.IncludeDocumentation = with
			k := c.get(4, req).(*kmsg.DescribeConfigsResponse).Resources[0].Configs[0]
			c.say("asked %v: there %v", with, k.Documentation != nil && *k.Documentation != "")
		}
	})
	add("unknown names", func(c *C) { c.ask(4, describeConfigs(ofTopic, c.topic().name, "no.such.key", "retention.ms")) })
	add("null list of names", func(c *C) { c.ask(4, describeConfigs(ofTopic, c.topic().name), enforced) })
	add("empty list of names", func(c *C) {
		req := describeConfigs(ofTopic, c.topic().name)
		req.Resources[0].ConfigNames = []string{}
		c.ask(4, req, enforced)
	})
	add("name twice", func(c *C) { c.ask(4, describeConfigs(ofTopic, c.topic().name, "retention.ms", "retention.ms")) })
	add("unknown topic", func(c *C) { c.ask(4, describeConfigs(ofTopic, c.name("none"), "retention.ms")) })
	add("invalid topic", func(c *C) { c.ask(4, describeConfigs(ofTopic, "a/b", "retention.ms")) })
	add("empty topic", func(c *C) { c.ask(4, describeConfigs(ofTopic, "", "retention.ms")) })
	for _, name := range []string{"1", "", "2", "-1", "x", "1.0"} {
		add(fmt.Sprintf("broker %q", name), func(c *C) {
			req := describeConfigs(ofBroker, name, "log.retention.ms", "num.partitions", "message.max.bytes", "no.such.key")
			req.IncludeSynonyms = true
			c.ask(4, req)
		})
	}
	add("which of a broker's configurations can be changed", func(c *C) {
		for _, k := range c.get(4, describeConfigs(ofBroker, "1", brokerKeys...)).(*kmsg.DescribeConfigsResponse).Resources[0].Configs {
			c.say("%s: read-only %v, secret %v, %v", k.Name, k.ReadOnly, k.IsSensitive, k.ConfigType)
		}
		slices.Sort(c.lines)
	})
	for _, kind := range []int8{0, 1, 3, 5, 16, 127, -1} {
		add(fmt.Sprintf("resource type %d", kind), func(c *C) {
			c.ask(4, describeConfigs(kmsg.ConfigResourceType(kind), c.name("thing"), "retention.ms"))
		})
	}
	for _, kind := range []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig} {
		for _, name := range []string{"", "2"} {
			add(fmt.Sprintf("resource type %d named %q", kind, name), func(c *C) { c.ask(4, describeConfigs(kind, name, "none")) })
		}
	}
	add("resource twice", func(c *C) {
		req := describeConfigs(ofTopic, c.topic().name, "retention.ms")
		req.Resources = append(req.Resources, req.Resources[0])
		req.Resources[1].ConfigNames = []string{"segment.ms"}
		c.ask(4, req)
	})
	add("two topics", func(c *C) {
		req := describeConfigs(ofTopic, c.topic().name, "retention.ms")
		req.Resources = append(req.Resources, describeConfigs(ofTopic, c.topicOf("other", 1).name, "segment.ms").Resources...)
		c.ask(4, req)
	})
	add("nothing", func(c *C) { c.ask(4, kmsg.NewPtrDescribeConfigsRequest()) })
}

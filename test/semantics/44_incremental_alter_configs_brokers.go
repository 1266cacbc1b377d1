package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerConfig asks for values of a broker, or of all of them, with their synonyms.
func (c *C) brokerConfig(name string, keys ...string) {
	req := describeConfigs(ofBroker, name, keys...)
	req.IncludeSynonyms = true
	c.ask(4, req)
}

// brokerSettled waits until a broker shows a value.
func (c *C) brokerSettled(key, value string) { c.resourceSettled(ofBroker, "1", key, value) }

// defaultSettled waits until nobody has a value for all brokers any more.
func (c *C) defaultSettled(key string) {
	for deadline := time.Now().Add(answerWithin); ; time.Sleep(5 * time.Millisecond) {
		if len(c.get(4, describeConfigs(ofBroker, "", key)).(*kmsg.DescribeConfigsResponse).Resources[0].Configs) == 0 {
			return
		}
		if time.Now().After(deadline) {
			c.abort("%s does not go", key)
		}
	}
}

// unset takes a broker's value away.
func unset(name string) change { return change{1, name, nil} }

// IncrementalAlterConfigs of brokers: what is dynamic, what a value may be, what is in force of several values, and what follows it. Cases
// that really change something run alone.
func init() {
	for _, w := range []struct {
		op          int8
		name, value string
	}{
		{0, "max.connections", "-1"}, {0, "max.connections", "500"}, {0, "max.connections", "x"}, {0, "max.connections", " 5 "}, {0, "max.connections", "2147483648"},
		{0, "max.connections.per.ip", "-1"}, {0, "max.connections.per.ip", "0"}, {0, "max.connections.per.ip", "7"},
		{0, "log.cleaner.backoff.ms", "-1"}, {0, "log.cleaner.backoff.ms", "0"}, {0, "log.cleaner.backoff.ms", "1.5"},
		{0, "log.cleaner.dedupe.buffer.size", "1048576"}, {0, "log.cleaner.dedupe.buffer.size", "1048577"}, {0, "log.cleaner.dedupe.buffer.size", "64MiB"},
		{0, "log.cleaner.io.max.bytes.per.second", "x"}, {0, "log.cleaner.io.max.bytes.per.second", "1e6"}, {0, "log.cleaner.io.max.bytes.per.second", "-1"},
		{0, "log.cleaner.io.max.bytes.per.second", "NaN"},
		{0, "producer.id.expiration.ms", "0"}, {0, "producer.id.expiration.ms", "1"}, {0, "producer.id.expiration.ms", "2147483648"},
		{0, "group.consumer.assignment.interval.ms", "-1"}, {0, "group.consumer.assignment.interval.ms", "0"}, {0, "group.consumer.assignment.interval.ms", "15000"},
		{0, "group.consumer.assignment.interval.ms", "15001"}, {0, "group.consumer.session.timeout.ms", "50000"},
		{0, "log.retention.ms", "-1"}, {0, "log.retention.ms", "-2"}, {0, "log.retention.ms", "0"}, {0, "log.retention.ms", ""}, {0, "log.retention.minutes", "5"},
		{0, "log.retention.bytes", "-7"}, {0, "log.segment.bytes", "1048575"}, {0, "log.segment.bytes", "1048576"}, {0, "log.roll.ms", "0"}, {0, "log.roll.hours", "1"},
		{0, "log.cleanup.policy", ""}, {0, "log.cleanup.policy", "x"}, {0, "log.cleanup.policy", "delete,compact"}, {2, "log.cleanup.policy", "compact"},
		{2, "log.cleanup.policy", ""}, {2, "log.cleanup.policy", "x"}, {3, "log.cleanup.policy", "delete"}, {3, "log.cleanup.policy", "none"},
		{2, "log.retention.ms", "5"}, {3, "log.retention.ms", "5"}, {2, "no.such.key", "a"}, {3, "no.such.key", "a"}, {2, "num.partitions", "3"},
		{2, "log.dirs", "/x"}, {1, "no.such.key", ""}, {1, "num.partitions", ""}, {1, "node.id", ""}, {1, "log.retention.ms", ""}, {1, "log.retention.hours", ""},
		{1, "min.insync.replicas", ""}, {0, "min.insync.replicas", "0"}, {0, "min.insync.replicas", "2"},
		{0, "log.cleaner.min.cleanable.ratio", "1.5"}, {0, "log.cleaner.min.cleanable.ratio", ".25"}, {0, "log.cleaner.max.compaction.lag.ms", "0"},
		{0, "log.cleaner.delete.retention.ms", "-1"}, {0, "log.message.timestamp.type", "x"}, {0, "log.index.interval.bytes", "-1"},
		{0, "message.max.bytes", "2147483648"}, {0, "compression.type", "LZ4"}, {0, "compression.type", "zstd"},
		{0, "num.io.threads", "0"}, {0, "num.io.threads", "6"}, {0, "num.io.threads", "1000"}, {0, "num.network.threads", "x"}, {0, "log.cleaner.threads", "2"},
		{0, "unclean.leader.election.enable", "TRUE"}, {0, "unclean.leader.election.enable", "yes"}, {0, "compression.gzip.level", "0"}, {0, "compression.gzip.level", "-1"},
		{0, "compression.zstd.level", "23"}, {0, "log.flush.interval.messages", "0"}, {0, "log.flush.interval.ms", "5"}, {0, "log.local.retention.ms", "-3"},
		{0, "leader.replication.throttled.rate", "5"}, {0, "follower.replication.throttled.rate", "-1"}, {0, "remote.log.reader.threads", "0"},
		{0, "ssl.client.auth", "required"}, {0, "ssl.keystore.location", "/x"}, {0, "sasl.enabled.mechanisms", "PLAIN"}, {0, "max.connections.per.ip.overrides", "127.0.0.1:5"},
		{0, "max.connection.creation.rate", "0"}, {0, "max.connection.creation.rate", "5"}, {0, "listener.name.plaintext.max.connections", "5"},
		{0, "offsets.retention.minutes", "5"}, {0, "log.retention.check.interval.ms", "5"}, {0, "default.replication.factor", "1"}, {0, "connections.max.idle.ms", "5000"},
		{0, "socket.request.max.bytes", "5000"}, {0, "group.max.size", "5"}, {0, "broker.rack", "x"}, {0, "advertised.listeners", "x"}, {0, "offsets.load.buffer.size", "5"},
		{0, "log.dir", "/x"}, {0, "replica.lag.time.max.ms", "5"}, {0, "transaction.max.timeout.ms", "5"},
	} {
		for _, broker := range []string{"1", ""} {
			add(fmt.Sprintf("broker %q, operation %d on %s: %q", broker, w.op, w.name, w.value), func(c *C) {
				ch := change{w.op, w.name, &w.value}
				if w.op == 1 {
					ch.value = nil
				}
				req := incrementalAlter(ofBroker, broker, ch)
				req.ValidateOnly = true
				c.ask(1, req)
			})
		}
	}
	add("a broker's key twice", func(c *C) {
		c.ask(1, incrementalAlter(ofBroker, "1", set("log.retention.ms", "1"), set("log.retention.ms", "2")))
	})
	add("a broker's good value and a bad one", func(c *C) {
		c.ask(1, incrementalAlter(ofBroker, "1", set("log.cleaner.backoff.ms", "16000"), set("max.connections", "x")))
		c.brokerConfig("1", "log.cleaner.backoff.ms")
	})
	for _, name := range []string{"01", "+1"} {
		add(fmt.Sprintf("broker %q, validation only", name), func(c *C) {
			req := incrementalAlter(ofBroker, name, set("log.retention.ms", "1"))
			req.ValidateOnly = true
			c.ask(1, req)
		})
	}
	alone("a broker's value, the value of all, and neither", func(c *C) {
		const key = "log.cleaner.backoff.ms"
		c.ask(1, incrementalAlter(ofBroker, "", set(key, "14000")))
		c.brokerSettled(key, "14000")
		c.brokerConfig("1", key)
		c.brokerConfig("", key)
		c.ask(1, incrementalAlter(ofBroker, "1", set(key, " 13000 ")))
		c.brokerSettled(key, "13000")
		c.brokerConfig("1", key)
		c.brokerConfig("", key)
		c.ask(1, incrementalAlter(ofBroker, "", unset(key)))
		c.defaultSettled(key)
		c.brokerConfig("1", key)
		c.ask(1, incrementalAlter(ofBroker, "1", unset(key)))
		c.brokerSettled(key, "15000")
		c.brokerConfig("1", key)
	})
	alone("topics follow the brokers' values unless they have their own", func(c *C) {
		const key, topicKey = "log.retention.bytes", "retention.bytes"
		follows, own := c.topicOf("follows", 1), c.topicOf("own", 1, topicKey, "5")
		look := func() {
			for _, t := range []topic{follows, own} {
				req := describeConfigs(ofTopic, t.name, topicKey)
				req.IncludeSynonyms = true
				c.ask(4, req)
			}
		}
		c.ask(1, incrementalAlter(ofBroker, "", set(key, "777")))
		c.settled(follows, topicKey, "777")
		look()
		c.ask(7, createTopics(newTopic(c.name("new"), 1, 1)), func(resp kmsg.Response) {
			rt := &resp.(*kmsg.CreateTopicsResponse).Topics[0]
			rt.Configs = slices.DeleteFunc(rt.Configs, func(k kmsg.CreateTopicsResponseTopicConfig) bool { return k.Name != topicKey })
		})
		c.ask(1, incrementalAlter(ofBroker, "1", set(key, "888")))
		c.settled(follows, topicKey, "888")
		look()
		c.ask(1, incrementalAlter(ofTopic, own.name, unset(topicKey)))
		c.settled(own, topicKey, "888")
		look()
		c.ask(1, incrementalAlter(ofBroker, "1", unset(key)))
		c.ask(1, incrementalAlter(ofBroker, "", unset(key)))
		c.settled(follows, topicKey, "-1")
		look()
	})
	alone("retention without a limit, by any negative number", func(c *C) {
		t := c.topic()
		c.ask(1, incrementalAlter(ofBroker, "1", set("log.retention.ms", "-2")))
		c.settled(t, "retention.ms", "-1")
		c.brokerConfig("1", "log.retention.ms")
		req := describeConfigs(ofTopic, t.name, "retention.ms")
		req.IncludeSynonyms = true
		c.ask(4, req)
		c.ask(1, incrementalAlter(ofBroker, "1", unset("log.retention.ms")))
		c.settled(t, "retention.ms", "604800000")
		c.ask(4, req)
	})
	alone("a list grows and shrinks", func(c *C) {
		const key = "log.cleanup.policy"
		c.ask(1, incrementalAlter(ofBroker, "1", change{2, key, ptr("compact")}))
		c.brokerSettled(key, "delete,compact")
		c.brokerConfig("1", key)
		c.ask(1, incrementalAlter(ofBroker, "1", change{3, key, ptr("delete")}))
		c.brokerSettled(key, "compact")
		c.ask(1, incrementalAlter(ofBroker, "1", change{3, key, ptr("compact")}))
		c.brokerSettled(key, "")
		c.brokerConfig("1", key)
		c.ask(1, incrementalAlter(ofBroker, "1", unset(key)))
		c.brokerSettled(key, "delete")
	})
	for _, k := range []struct{ what, key, value, shown string }{
		{"numbers with a fraction", "log.cleaner.io.max.bytes.per.second", "1e6", "1000000.0"},
		{"a configuration that Troupe only keeps", "log.flush.interval.ms", "5000", "5000"},
	} {
		alone(k.what, func(c *C) {
			c.ask(1, incrementalAlter(ofBroker, "1", set(k.key, k.value)))
			c.brokerSettled(k.key, k.shown)
			c.ask(4, describeConfigs(ofBroker, "1", k.key))
			c.ask(1, incrementalAlter(ofBroker, "1", unset(k.key)))
		})
	}
	alone("a name that nobody knows", func(c *C) {
		const key = "no.such.key"
		c.ask(1, incrementalAlter(ofBroker, "1", set(key, "a")))
		for len(c.get(4, describeConfigs(ofBroker, "1", key)).(*kmsg.DescribeConfigsResponse).Resources[0].Configs) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		c.brokerConfig("1", key)
		c.ask(1, incrementalAlter(ofBroker, "1", unset(key)))
	})
	alone("groups follow the broker's assignment interval", func(c *C) {
		const key, groupKey = "group.consumer.assignment.interval.ms", "consumer.assignment.interval.ms"
		group := c.name("group")
		c.ask(1, incrementalAlter(ofBroker, "1", set(key, "1500")))
		c.groupSettled(group, groupKey, "1500")
		req := describeConfigs(kmsg.ConfigResourceTypeGroupConfig, group, groupKey)
		req.IncludeSynonyms = true
		c.ask(4, req)
		c.ask(1, incrementalAlter(ofBroker, "1", unset(key)))
		c.groupSettled(group, groupKey, "1000")
		c.ask(4, req)
	})
}

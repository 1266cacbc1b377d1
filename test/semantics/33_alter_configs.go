package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// alterConfigs replaces a resource's configurations by pairs of name and value.
func alterConfigs(kind kmsg.ConfigResourceType, name string, pairs ...string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	rr := kmsg.NewAlterConfigsRequestResource()
	rr.ResourceType, rr.ResourceName = kind, name
	for i := 0; i < len(pairs); i += 2 {
		rr.Configs = append(rr.Configs, kmsg.AlterConfigsRequestResourceConfig{Name: pairs[i], Value: &pairs[i+1]})
	}
	req.Resources = append(req.Resources, rr)
	return req
}

// AlterConfigs: every version, values that cannot be, names twice, resources that are not there, validation only.
func init() {
	after := func(c *C, t topic) {
		c.ask(4, describeConfigs(ofTopic, t.name, "retention.ms", "cleanup.policy", "max.message.bytes"))
	}
	versions(0, 2, func(c *C, v int16) {
		t := c.topic("max.message.bytes", "2000")
		c.ask(v, alterConfigs(ofTopic, t.name, "retention.ms", "7000"))
		c.settled(t, "retention.ms", "7000")
		after(c, t)
	})
	add("validation only", func(c *C) {
		t := c.topic()
		req := alterConfigs(ofTopic, t.name, "retention.ms", "7000")
		req.ValidateOnly = true
		c.ask(2, req)
		after(c, t)
	})
	for _, w := range [][2]string{{"retention.ms", "x"}, {"retention.ms", "-2"}, {"retention.ms", ""}, {"no.such.key", "1"}, {"", "1"}, {"cleanup.policy", "x"},
		{"max.message.bytes", "-1"}, {"compression.type", "brotli"}, {"segment.bytes", "1"}, {"min.insync.replicas", "0"}} {
		add(fmt.Sprintf("topic's %q = %q", w[0], w[1]), func(c *C) {
			t := c.topic()
			c.ask(2, alterConfigs(ofTopic, t.name, w[0], w[1]))
			after(c, t)
		})
	}
	add("null value", func(c *C) {
		req := alterConfigs(ofTopic, c.topic().name, "retention.ms", "1")
		req.Resources[0].Configs[0].Value = nil
		c.ask(2, req)
	})
	add("nothing for a topic", func(c *C) {
		t := c.topic("max.message.bytes", "2000")
		c.ask(2, alterConfigs(ofTopic, t.name))
		c.settled(t, "max.message.bytes", "1048588")
		after(c, t)
	})
	add("name twice", func(c *C) {
		c.ask(2, alterConfigs(ofTopic, c.topic().name, "retention.ms", "1", "retention.ms", "2"))
	})
	add("resource twice", func(c *C) {
		req := alterConfigs(ofTopic, c.topic().name, "retention.ms", "1")
		req.Resources = append(req.Resources, req.Resources[0])
		c.patience = silentFor
		c.ask(2, req)
	})
	add("unknown topic", func(c *C) { c.ask(2, alterConfigs(ofTopic, c.name("none"), "retention.ms", "1")) })
	add("invalid topic", func(c *C) { c.ask(2, alterConfigs(ofTopic, "a/b", "retention.ms", "1")) })
	add("empty topic", func(c *C) { c.ask(2, alterConfigs(ofTopic, "", "retention.ms", "1")) })
	for _, name := range []string{"2", "x", "-1"} {
		add(fmt.Sprintf("broker %q", name), func(c *C) { c.ask(2, alterConfigs(ofBroker, name, "log.retention.ms", "1")) })
	}
	for _, kind := range []int8{0, 1, 3, 8, 127, -1} {
		add(fmt.Sprintf("resource type %d", kind), func(c *C) {
			c.ask(2, alterConfigs(kmsg.ConfigResourceType(kind), c.name("thing"), "a", "1"))
		})
	}
	for _, w := range [][2]string{{"num.partitions", "3"}, {"node.id", "2"}, {"log.retention.ms", "x"}, {"message.max.bytes", "-5"}} {
		add(fmt.Sprintf("broker's %s = %s, validation only", w[0], w[1]), func(c *C) {
			req := alterConfigs(ofBroker, "1", w[0], w[1])
			req.ValidateOnly = true
			c.ask(2, req)
		})
	}
	for _, broker := range []string{"1", ""} {
		alone(fmt.Sprintf("broker %q has exactly what is named", broker), func(c *C) {
			has := []string{"log.cleaner.backoff.ms", "14000", "producer.id.expiration.ms", "86000000"}
			if broker == "" {
				has = append(has, "min.insync.replicas", "1")
			}
			c.ask(2, alterConfigs(ofBroker, broker, has...))
			c.resourceSettled(ofBroker, "1", "producer.id.expiration.ms", "86000000")
			c.brokerConfig("1", "log.cleaner.backoff.ms", "producer.id.expiration.ms")
			c.ask(2, alterConfigs(ofBroker, broker, append([]string{"log.cleaner.backoff.ms", "13000"}, has[4:]...)...))
			c.resourceSettled(ofBroker, "1", "log.cleaner.backoff.ms", "13000")
			c.brokerConfig("1", "log.cleaner.backoff.ms", "producer.id.expiration.ms")
			c.ask(2, alterConfigs(ofBroker, broker, has[4:]...))
			c.resourceSettled(ofBroker, "1", "log.cleaner.backoff.ms", "15000")
			c.brokerConfig("1", "log.cleaner.backoff.ms", "producer.id.expiration.ms")
		})
	}
	add("nothing for all brokers, validation only", func(c *C) {
		req := alterConfigs(ofBroker, "")
		req.ValidateOnly = true
		c.ask(2, req)
	})
	add("one good and one bad", func(c *C) {
		req := alterConfigs(ofTopic, c.topic().name, "retention.ms", "5000")
		req.Resources = append(req.Resources, alterConfigs(ofTopic, c.name("none"), "retention.ms", "1").Resources...)
		c.ask(2, req)
	})
	add("nothing", func(c *C) { c.ask(2, kmsg.NewPtrAlterConfigsRequest()) })
}

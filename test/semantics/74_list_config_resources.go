package main

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListConfigResources: each version (v0 lists clients' metrics only), each type of resource, none, several, unknown ones.
func init() {
	list := func(c *C, v int16, types ...int8) {
		req := kmsg.NewPtrListConfigResourcesRequest()
		req.ResourceTypes = types
		c.ask(v, req, func(resp kmsg.Response) {
			r := resp.(*kmsg.ListConfigResourcesResponse)
			r.ConfigResources = slices.DeleteFunc(r.ConfigResources, func(k kmsg.ListConfigResourcesResponseConfigResource) bool {
				named := k.Type == int8(ofTopic) || k.Type == int8(kmsg.ConfigResourceTypeGroupConfig)
				return named && c.shown.names[k.Name] == ""
			})
			if len(r.ConfigResources) == 0 {
				r.ConfigResources = nil
			}
		})
	}
	// things makes a topic, a group with configurations of its own, and one without.
	things := func(c *C) {
		c.topic()
		c.committed(c.name("plain"), c.topicOf("other", 1), 1)
		group := c.name("configured")
		req := incrementalAlter(kmsg.ConfigResourceTypeGroupConfig, group, set("consumer.session.timeout.ms", "50000"))
		if resp := c.get(1, req).(*kmsg.IncrementalAlterConfigsResponse); resp.Resources[0].ErrorCode != 0 {
			c.abort("alter the group's configuration: error %d", resp.Resources[0].ErrorCode)
		}
		c.groupSettled(group, "consumer.session.timeout.ms", "50000")
	}
	versions(0, 1, func(c *C, v int16) {
		things(c)
		list(c, v)
	})
	for _, kind := range []int8{0, 1, 2, 3, 4, 8, 16, 32, 64, 127, -1} {
		add(fmt.Sprintf("type %d", kind), func(c *C) {
			things(c)
			list(c, 1, kind)
		})
	}
	add("two types", func(c *C) {
		things(c)
		list(c, 1, 2, 32)
	})
	add("a type twice", func(c *C) {
		things(c)
		list(c, 1, 2, 2)
	})
	add("a good and an unknown type", func(c *C) {
		things(c)
		list(c, 1, 2, 64)
	})
	add("a group whose configurations are gone", func(c *C) {
		things(c)
		c.get(1, incrementalAlter(kmsg.ConfigResourceTypeGroupConfig, c.name("configured"), change{1, "consumer.session.timeout.ms", nil}))
		c.groupSettled(c.name("configured"), "consumer.session.timeout.ms", "45000")
		list(c, 1, 32)
	})
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreatePartitions: every version, counts and assignments that cannot be, validation only.
func init() {
	more := func(name string, count int32, replicas ...[]int32) *kmsg.CreatePartitionsRequest {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis = 10_000
		rt := kmsg.NewCreatePartitionsRequestTopic()
		rt.Topic, rt.Count = name, count
		for _, r := range replicas {
			rt.Assignment = append(rt.Assignment, kmsg.CreatePartitionsRequestTopicAssignment{Replicas: r})
		}
		req.Topics = append(req.Topics, rt)
		return req
	}
	versions(0, 3, func(c *C, v int16) {
		t := c.topic()
		c.ask(v, more(t.name, 3))
		c.settle(t, 3)
		c.ask(9, metadata(t.name))
	})
	for _, n := range []int32{1, 2, 0, -1, -5, 100_001, 1<<31 - 1} {
		add(fmt.Sprintf("from 2 to %d", n), func(c *C) {
			req := more(c.topicOf("topic", 2).name, n)
			req.ValidateOnly = true
			c.ask(3, req)
		})
	}
	for _, w := range []struct {
		name     string
		count    int32
		replicas [][]int32
	}{
		{"assignment", 2, [][]int32{{1}}}, {"assignment to an unknown broker", 2, [][]int32{{9}}}, {"assignment to nobody", 2, [][]int32{{}}},
		{"assignment to a broker twice", 2, [][]int32{{1, 1}}}, {"assignments too many", 2, [][]int32{{1}, {1}}}, {"assignments too few", 3, [][]int32{{1}}},
		{"assignment of another length", 2, [][]int32{{1, 2}}}, {"assignment to a negative broker", 2, [][]int32{{-1}}},
	} {
		add(w.name, func(c *C) { c.ask(3, more(c.topic().name, w.count, w.replicas...)) })
	}
	add("empty list of assignments", func(c *C) {
		req := more(c.topic().name, 2)
		req.Topics[0].Assignment = []kmsg.CreatePartitionsRequestTopicAssignment{}
		c.ask(3, req)
	})
	add("validation only", func(c *C) {
		t := c.topic()
		req := more(t.name, 3)
		req.ValidateOnly = true
		c.ask(3, req)
		c.ask(9, metadata(t.name))
	})
	add("unknown topic", func(c *C) { c.ask(3, more(c.name("none"), 3)) })
	add("invalid topic", func(c *C) { c.ask(3, more("a/b", 3)) })
	add("empty topic", func(c *C) { c.ask(3, more("", 3)) })
	add("topic twice", func(c *C) {
		t := c.topic()
		req := more(t.name, 3)
		req.Topics = append(req.Topics, more(t.name, 4).Topics...)
		c.ask(3, req)
	})
	add("one good and one bad", func(c *C) {
		req := more(c.topic().name, 3)
		req.Topics = append(req.Topics, more(c.name("none"), 4).Topics...)
		c.ask(3, req)
	})
	add("nothing", func(c *C) { c.ask(3, kmsg.NewPtrCreatePartitionsRequest()) })
}

package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// DeleteRecords: every version, offsets in and out of range, and partitions that are not there or named twice.
func init() {
	five := func(c *C) topic {
		t := c.topicOf("topic", 2)
		c.produce(t, c.batch(5).bytes())
		return t
	}
	versions(0, 2, func(c *C, v int16) {
		t := five(c)
		c.ask(v, deleteRecords(t, 2))
		c.ask(10, listOffsets(t, -2, 1))
		c.stored(t, 2)
	})
	for _, offset := range []int64{-1, 0, 5, 6, -2, -3, 1<<63 - 1, -1 << 63} {
		add(fmt.Sprintf("offset %d of 5", offset), func(c *C) {
			t := five(c)
			c.ask(2, deleteRecords(t, offset))
			c.ask(10, listOffsets(t, -2, 1))
		})
	}
	add("backwards", func(c *C) {
		t := five(c)
		c.truncate(t, 4)
		c.ask(2, deleteRecords(t, 2))
		c.ask(2, deleteRecords(t, 4))
	})
	add("empty partition", func(c *C) {
		t := c.topic()
		c.ask(2, deleteRecords(t, -1))
		c.ask(2, deleteRecords(t, 0))
		c.ask(2, deleteRecords(t, 1))
	})
	add("unknown topic", func(c *C) { c.ask(2, deleteRecords(topic{name: c.name("none")}, 0)) })
	add("invalid topic", func(c *C) { c.ask(2, deleteRecords(topic{name: "a/b"}, 0)) })
	add("empty topic", func(c *C) { c.ask(2, deleteRecords(topic{}, 0)) })
	add("unknown partitions", func(c *C) {
		req := deleteRecords(five(c), 1)
		for _, p := range []int32{2, -1} {
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: p})
		}
		c.ask(2, req)
	})
	add("partition twice", func(c *C) {
		t := five(c)
		req := deleteRecords(t, 1)
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.DeleteRecordsRequestTopicPartition{Partition: 0, Offset: 3})
		c.ask(2, req)
		c.ask(10, listOffsets(t, -2, 1))
	})
	add("topic twice", func(c *C) {
		t := five(c)
		req := deleteRecords(t, 1)
		req.Topics = append(req.Topics, deleteRecords(t, 3).Topics...)
		c.ask(2, req)
		c.ask(10, listOffsets(t, -2, 1))
	})
	add("topic twice with different partitions", func(c *C) {
		t := five(c)
		req := deleteRecords(t, 1)
		other := deleteRecords(t, 0).Topics[0]
		other.Partitions[0].Partition = 1
		req.Topics = append(req.Topics, other)
		c.ask(2, req)
	})
	add("no topics", func(c *C) { c.ask(2, kmsg.NewPtrDeleteRecordsRequest()) })
	add("no partitions", func(c *C) {
		req := deleteRecords(five(c), 1)
		req.Topics[0].Partitions = nil
		c.ask(2, req)
	})
	add("internal topic", func(c *C) { c.ask(2, deleteRecords(topic{name: "__consumer_offsets"}, 0)) })
	add("timeout 0", func(c *C) {
		req := deleteRecords(five(c), 1)
		req.TimeoutMillis = 0
		c.ask(2, req)
	})
	add("within a batch", func(c *C) {
		t := five(c)
		c.truncate(t, 3)
		c.ask(12, fetchRequest(t, 3))
		c.ask(12, fetchRequest(t, 2))
	})
}

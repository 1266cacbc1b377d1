package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce by idempotent producers: what is a repeat, a gap, a new epoch, and what a partition remembers (DescribeProducers).
func init() {
	type step struct {
		epoch    int16
		sequence int32
		records  int
	}
	for _, w := range []struct {
		name  string
		steps []step
	}{
		{"repeat of the last", []step{{0, 0, 1}, {0, 1, 2}, {0, 1, 2}}},
		{"repeat of the fifth last", []step{{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}, {0, 0, 1}}},
		{"repeat of the sixth last", []step{{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {0, 4, 1}, {0, 5, 1}, {0, 0, 1}}},
		{"repeat with another count", []step{{0, 0, 1}, {0, 1, 2}, {0, 1, 1}}},
		{"repeat that reaches further", []step{{0, 0, 2}, {0, 0, 3}}},
		{"overlap", []step{{0, 0, 3}, {0, 2, 3}}},
		{"gap", []step{{0, 0, 1}, {0, 2, 1}}},
		{"backwards", []step{{0, 5, 1}, {0, 3, 1}}},
		{"gap, then on as it should", []step{{0, 0, 1}, {0, 2, 1}, {0, 1, 1}}},
		{"first sequence 77", []step{{0, 77, 1}, {0, 78, 1}}},
		{"first epoch 3", []step{{3, 0, 1}, {3, 1, 1}}},
		{"first epoch 3, sequence 5", []step{{3, 5, 1}}},
		{"new epoch", []step{{0, 0, 1}, {1, 0, 1}, {1, 1, 1}}},
		{"new epoch with sequence 1", []step{{0, 0, 1}, {1, 1, 1}}},
		{"epoch skipped", []step{{0, 0, 1}, {7, 0, 1}}},
		{"old epoch", []step{{1, 0, 1}, {0, 0, 1}}},
		{"old epoch, next sequence", []step{{1, 0, 1}, {0, 1, 1}}},
		{"repeat of the old epoch", []step{{0, 0, 1}, {1, 0, 1}, {0, 0, 1}}},
		{"repeat after the new epoch", []step{{0, 0, 1}, {1, 0, 1}, {1, 0, 1}}},
		{"wrap at 2^31, between batches", []step{{0, 1<<31 - 1, 1}, {0, 0, 1}, {0, 1, 1}}},
		{"wrap at 2^31, within a batch", []step{{0, 1<<31 - 2, 4}, {0, 2, 1}}},
		{"wrap at 2^31, repeat before", []step{{0, 1<<31 - 2, 2}, {0, 0, 1}, {0, 1<<31 - 2, 2}}},
		{"wrap at 2^31, wrong sequence after", []step{{0, 1<<31 - 1, 1}, {0, 1, 1}}},
		{"highest epoch", []step{{32767, 0, 1}, {32767, 1, 1}}},
		{"epoch -1", []step{{-1, 0, 1}}},
		{"epoch -3", []step{{-3, 0, 1}}},
		{"sequence -1", []step{{0, -1, 1}}},
		{"sequence -5", []step{{0, -5, 1}}},
	} {
		add(w.name, func(c *C) {
			t, id := c.topic(), c.producer()
			for _, s := range w.steps {
				c.say("epoch %d, sequence %d, %d records", s.epoch, s.sequence, s.records)
				c.ask(9, produceRequest(t, c.batch(s.records).by(id, s.epoch, s.sequence).bytes()))
			}
			c.ask(0, describeProducers(t.name, 0))
		})
	}
	add("no producer id, but a sequence", func(c *C) {
		t := c.topic()
		c.ask(9, produceRequest(t, c.batch(1).by(-1, -1, 5).bytes()))
		c.ask(9, produceRequest(t, c.batch(1).by(-1, 3, 5).bytes()))
		c.stored(t, 0)
	})
	add("negative producer id", func(c *C) { c.ask(9, produceRequest(c.topic(), c.batch(1).by(-7, 0, 0).bytes())) })
	add("producer id that was never given", func(c *C) {
		c.ask(9, produceRequest(c.topic(), c.batch(1).by(1<<40, 0, 0).bytes()))
	})
	add("batches of a producer in two partitions", func(c *C) {
		t, id := c.topicOf("topic", 2), c.producer()
		req := produceRequest(t, c.batch(1).by(id, 0, 0).bytes())
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 1, Records: c.batch(1).by(id, 0, 0).bytes()})
		c.ask(9, req)
		c.ask(0, describeProducers(t.name, 0, 1))
	})
	add("repeat with LogAppendTime", func(c *C) {
		t, id := c.topic("message.timestamp.type", "LogAppendTime"), c.producer()
		for range 2 {
			c.ask(9, produceRequest(t, c.batch(1).by(id, 0, 0).bytes()))
		}
	})
	for codec := codecGzip; codec <= codecZstd; codec++ {
		add(fmt.Sprintf("repeat compressed with %s", codecNames[codec]), func(c *C) {
			t, id := c.topic(), c.producer()
			for range 2 {
				c.ask(9, produceRequest(t, c.batch(3).by(id, 0, 0).with(func(b *batch) { b.codec = codec }).bytes()))
			}
		})
	}
	add("two idempotent batches in one set", func(c *C) {
		t, id := c.topic(), c.producer()
		c.ask(9, produceRequest(t, append(c.batch(1).by(id, 0, 0).bytes(), c.batch(1).by(id, 0, 1).bytes()...)))
	})
	add("repeat after all records were deleted", func(c *C) {
		t, id := c.topic(), c.producer()
		c.produce(t, c.batch(1).by(id, 0, 0).bytes())
		c.truncate(t, -1)
		c.ask(9, produceRequest(t, c.batch(1).by(id, 0, 0).bytes()))
		c.ask(9, produceRequest(t, c.batch(1).by(id, 0, 1).bytes()))
		c.ask(0, describeProducers(t.name, 0))
	})
}

package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListOffsets: every version, every special timestamp in every version that changed one, times between records, and wrong fields.
func init() {
	threeRecords := func(c *C, configs ...string) topic {
		t := c.topic(configs...)
		for i := range int64(3) {
			c.produce(t, c.batch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = c.base+i*1000, c.base+i*1000 }).bytes())
			if len(configs) > 0 {
				time.Sleep(5 * time.Millisecond) // LogAppendTime: each has a millisecond of its own
			}
		}
		return t
	}
	versions(1, 11, func(c *C, v int16) {
		t := threeRecords(c)
		for _, ts := range []int64{-1, -2, c.base + 500} {
			c.ask(v, listOffsets(t, ts, 1))
		}
	})
	for ts := int64(-3); ts >= -7; ts-- {
		for _, v := range []int16{1, 6, 7, 8, 9, 10, 11} {
			add(fmt.Sprintf("timestamp %d in v%d", ts, v), func(c *C) { c.ask(v, listOffsets(threeRecords(c), ts, 1)) })
		}
	}
	for ts := int64(-1); ts >= -6; ts-- {
		add(fmt.Sprintf("timestamp %d of an empty partition", ts), func(c *C) { c.ask(11, listOffsets(c.topic(), ts, 1)) })
		add(fmt.Sprintf("timestamp %d after all records were deleted", ts), func(c *C) {
			t := threeRecords(c)
			c.truncate(t, -1)
			c.ask(11, listOffsets(t, ts, 1))
		})
		add(fmt.Sprintf("timestamp %d after some records were deleted", ts), func(c *C) {
			t := threeRecords(c)
			c.truncate(t, 1)
			c.ask(11, listOffsets(t, ts, 1))
		})
	}
	for _, w := range []struct {
		name string
		at   int64
	}{{"before all", -5000}, {"of the first", 0}, {"between", 1500}, {"of the last", 2000}, {"after all", 2001}} {
		add("a time "+w.name, func(c *C) {
			t := threeRecords(c)
			c.ask(10, listOffsets(t, c.base+w.at, 1))
			c.truncate(t, 1)
			c.ask(10, listOffsets(t, c.base+w.at, 1))
		})
	}
	for codec := codecNone; codec <= codecZstd; codec++ {
		add("a time within a batch, "+codecNames[codec], func(c *C) {
			t := c.topic()
			c.produce(t, c.batch(4).with(func(b *batch) {
				b.codec, b.times, b.MaxTimestamp = codec, []int64{0, 1000, 3000, 2000}, c.base+3000
			}).bytes())
			c.ask(10, listOffsets(t, c.base+1500, 1))
			c.ask(10, listOffsets(t, -3, 1))
		})
	}
	add("times out of order", func(c *C) {
		t := c.topic()
		for _, at := range []int64{5000, 1000, 9000, 3000} {
			c.produce(t, c.batch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = c.base+at, c.base+at }).bytes())
		}
		for _, at := range []int64{0, 2000, 6000, 9000, 9001} {
			c.ask(10, listOffsets(t, c.base+at, 1))
		}
		c.ask(10, listOffsets(t, -3, 1))
	})
	add("max timestamp, two batches with the same", func(c *C) {
		t := c.topic()
		for range 3 {
			c.produce(t, c.batch(2).bytes())
		}
		c.ask(10, listOffsets(t, -3, 1))
	})
	add("LogAppendTime", func(c *C) {
		t := threeRecords(c, "message.timestamp.type", "LogAppendTime")
		c.ask(10, listOffsets(t, -3, 1))
		c.ask(10, listOffsets(t, c.base, 1))
	})
	add("isolation level 1", func(c *C) {
		t := threeRecords(c)
		for _, ts := range []int64{-1, -2, -3, c.base} {
			req := listOffsets(t, ts, 1)
			req.IsolationLevel = 1
			c.ask(10, req)
		}
	})
	for _, ts := range []int64{-1, -2, -3, 0} {
		add(fmt.Sprintf("isolation level 7, timestamp %d", ts), func(c *C) {
			req := listOffsets(threeRecords(c), ts, 1)
			req.IsolationLevel = 7
			c.ask(10, req)
		})
	}
	for _, v := range []int16{4, 10} {
		for _, ahead := range []int32{0, 1, 1000} { // an older one cannot be compared: Kafka's first is 0
			add(fmt.Sprintf("leader epoch %+d, v%d", ahead, v), func(c *C) {
				req := listOffsets(threeRecords(c), -1, 1)
				req.Topics[0].Partitions[0].CurrentLeaderEpoch = c.shown.epoch + ahead
				c.ask(v, req)
			})
		}
	}
	add("leader epoch -2", func(c *C) {
		req := listOffsets(threeRecords(c), -1, 1)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = -2
		c.ask(10, req)
	})
	for _, v := range []int16{1, 10} {
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) { c.ask(v, listOffsets(topic{name: c.name("none")}, -1, 1)) })
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) {
			req := listOffsets(c.topic(), -1, 3)
			req.Topics[0].Partitions[2].Partition = -1
			c.ask(v, req)
		})
		add(fmt.Sprintf("partition twice, v%d", v), func(c *C) {
			req := listOffsets(threeRecords(c), -1, 2)
			req.Topics[0].Partitions[1].Partition, req.Topics[0].Partitions[1].Timestamp = 0, -2
			c.ask(v, req)
		})
		add(fmt.Sprintf("topic twice, v%d", v), func(c *C) {
			t := threeRecords(c)
			req := listOffsets(t, -1, 1)
			req.Topics = append(req.Topics, listOffsets(t, -2, 1).Topics...)
			c.ask(v, req)
		})
	}
	add("topic twice with different partitions", func(c *C) {
		t := c.topicOf("topic", 2)
		req := listOffsets(t, -1, 1)
		second := listOffsets(t, -2, 2).Topics[0]
		second.Partitions = second.Partitions[1:]
		req.Topics = append(req.Topics, second)
		c.ask(10, req)
	})
	add("empty topic name", func(c *C) { c.ask(10, listOffsets(topic{}, -1, 1)) })
	add("invalid topic name", func(c *C) { c.ask(10, listOffsets(topic{name: "a/b"}, -1, 1)) })
	add("no topics", func(c *C) { c.ask(10, kmsg.NewPtrListOffsetsRequest()) })
	add("topic without partitions", func(c *C) { c.ask(10, listOffsets(c.topic(), -1, 0)) })
	for _, replica := range []int32{-2, -3, 0, 1, 4711} {
		for _, ts := range []int64{-1, -2, 0} {
			add(fmt.Sprintf("replica id %d, timestamp %d", replica, ts), func(c *C) {
				req := listOffsets(threeRecords(c), ts, 1)
				req.ReplicaID = replica
				c.ask(10, req)
			})
		}
	}
	add("unknown topic with an unknown timestamp", func(c *C) { c.ask(10, listOffsets(topic{name: c.name("none")}, -9, 1)) })
	add("most negative timestamp", func(c *C) { c.ask(10, listOffsets(threeRecords(c), -1<<63, 1)) })
	add("greatest timestamp", func(c *C) { c.ask(10, listOffsets(threeRecords(c), 1<<63-1, 1)) })
}

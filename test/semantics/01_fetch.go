package main

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Fetch: every version, offsets and epochs, limits, isolation, replicas, waiting, and names that are not known. Sessions have a file of
// their own.
func init() {
	three := func(c *C) topic {
		t := c.topic()
		for i := range int64(3) {
			c.produce(t, c.batch(2).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = c.base+i, c.base+i }).bytes())
		}
		return t
	}
	versions(4, 18, func(c *C, v int16) {
		t := three(c)
		c.ask(v, fetchRequest(t, 0))
		c.ask(v, fetchRequest(t, 99))
	})
	for _, offset := range []int64{-1, -2, 1, 5, 6, 7, 1<<63 - 1, -1 << 63} {
		add(fmt.Sprintf("offset %d of 6", offset), func(c *C) { c.ask(12, fetchRequest(three(c), offset)) })
	}
	add("below the log's start", func(c *C) {
		t := three(c)
		c.truncate(t, 3)
		c.ask(12, fetchRequest(t, 2))
		c.ask(12, fetchRequest(t, 3))
	})
	add("empty partition", func(c *C) { c.ask(12, fetchRequest(c.topic(), 0)) })
	add("all records deleted", func(c *C) {
		t := three(c)
		c.truncate(t, -1)
		c.ask(12, fetchRequest(t, 6))
		c.ask(12, fetchRequest(t, 0))
	})
	for _, w := range []struct {
		name   string
		change func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition)
	}{
		{"max bytes 1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MaxBytes = 1 }},
		{"max bytes 0", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MaxBytes = 0 }},
		{"max bytes -1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MaxBytes = -1 }},
		{"partition max bytes 1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 1 }},
		{"partition max bytes 0", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 0 }},
		{"partition max bytes -1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = -1 }},
		{"partition max bytes within the second batch", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.PartitionMaxBytes = 100
		}},
		{"max bytes within the second batch", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MaxBytes = 100 }},
		{"isolation level 1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.IsolationLevel = 1 }},
		{"isolation level 2", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.IsolationLevel = 2 }},
		{"isolation level -1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.IsolationLevel = -1 }},
		{"min bytes -1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MinBytes = -1 }},
		{"min bytes 0", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MinBytes = 0 }},
		{"max wait -1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.MaxWaitMillis = -1 }},
		{"replica 1", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.ReplicaID = 1 }},
		{"replica 4711", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.ReplicaID = 4711 }},
		{"replica -2", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.ReplicaID = -2 }},
		{"replica -3", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.ReplicaID = -3 }},
		{"rack", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.Rack = "r1" }},
		{"current leader epoch", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.CurrentLeaderEpoch = c.shown.epoch
		}},
		{"current leader epoch newer", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.CurrentLeaderEpoch = c.shown.epoch + 1
		}},
		{"current leader epoch -2", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = -2 }},
		{"last fetched epoch", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.FetchOffset, p.LastFetchedEpoch = 2, c.shown.epoch
		}},
		{"last fetched epoch at the end", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.FetchOffset, p.LastFetchedEpoch = 6, c.shown.epoch
		}},
		{"last fetched epoch beyond the end", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.FetchOffset, p.LastFetchedEpoch = 9, c.shown.epoch
		}},
		{"last fetched epoch newer", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			p.LastFetchedEpoch = c.shown.epoch + 5
		}},
		{"last fetched epoch -2", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = -2 }},
		{"log start offset 5", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { p.LogStartOffset = 5 }},
		{"cluster id", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.ClusterID = ptr("another") }},
		{"partition twice", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			second := *p
			second.FetchOffset = 4
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, second)
		}},
		{"topic twice, same partition", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			addFetch(req, topic{req.Topics[0].Topic, req.Topics[0].TopicID}, 0, 4)
		}},
		{"no partitions", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.Topics[0].Partitions = nil }},
		{"no topics", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) { req.Topics = nil }},
		{"forgotten topic without a session", func(c *C, req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: req.Topics[0].Topic, TopicID: req.Topics[0].TopicID, Partitions: []int32{0}}}
		}},
	} {
		for _, v := range []int16{12, 17} {
			add(fmt.Sprintf("%s, v%d", w.name, v), func(c *C) {
				req := fetchRequest(three(c), 0)
				w.change(c, req, &req.Topics[0].Partitions[0])
				if v >= 15 {
					req.ReplicaState.ID, req.ReplicaState.Epoch = req.ReplicaID, -1
				}
				c.ask(v, req)
			})
		}
	}
	for _, v := range []int16{4, 12, 13, 18} {
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) {
			t := three(c)
			req := fetchRequest(t, 0)
			addFetch(req, t, 1, 0)
			addFetch(req, t, -1, 0)
			c.ask(v, req)
		})
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) {
			c.ask(v, fetchRequest(topic{c.name("none"), [16]byte{1, 2}}, 0))
		})
		add(fmt.Sprintf("unknown topic beside a known one, v%d", v), func(c *C) {
			req := fetchRequest(topic{c.name("none"), [16]byte{1, 2}}, 0)
			addFetch(req, three(c), 0, 0)
			c.ask(v, req)
		})
		add(fmt.Sprintf("empty topic, v%d", v), func(c *C) { c.ask(v, fetchRequest(topic{}, 0)) })
		add(fmt.Sprintf("invalid topic name, v%d", v), func(c *C) { c.ask(v, fetchRequest(topic{name: "a/b", id: [16]byte{7}}, 0)) })
	}
	add("topic twice with different partitions", func(c *C) {
		t := c.topicOf("topic", 2)
		req := fetchRequest(t, 0)
		addFetch(req, t, 1, 0)
		c.ask(12, req)
	})
	add("current leader epoch newer, unknown partition", func(c *C) {
		req := fetchRequest(three(c), 0)
		req.Topics[0].Partitions[0].Partition, req.Topics[0].Partitions[0].CurrentLeaderEpoch = 5, 1000
		c.ask(12, req)
	})
	for _, w := range []struct {
		name   string
		change func(c *C, req *kmsg.FetchRequest, t topic)
	}{
		{"the end of the log waits", func(c *C, req *kmsg.FetchRequest, t topic) {}},
		{"an unknown partition does not end the wait", func(c *C, req *kmsg.FetchRequest, t topic) { addFetch(req, t, 7, 0) }},
		{"an offset out of range ends the wait", func(c *C, req *kmsg.FetchRequest, t topic) {
			req.Topics[0].Partitions[0].FetchOffset = 99
		}},
		{"unknown partitions alone do not wait", func(c *C, req *kmsg.FetchRequest, t topic) { req.Topics[0].Partitions[0].Partition = 7 }},
		{"too few bytes wait", func(c *C, req *kmsg.FetchRequest, t topic) {
			req.Topics[0].Partitions[0].FetchOffset, req.MinBytes = 0, 10_000
		}},
		{"an old leader epoch ends the wait", func(c *C, req *kmsg.FetchRequest, t topic) {
			req.Topics[0].Partitions[0].CurrentLeaderEpoch = 1000
		}},
	} {
		add(w.name, func(c *C) {
			t := three(c)
			req := fetchRequest(t, 6)
			req.MaxWaitMillis = 700
			w.change(c, req, t)
			began := time.Now()
			c.ask(12, req)
			c.say("waited: %v", time.Since(began) > 550*time.Millisecond)
		})
	}
	add("a produce ends the wait", func(c *C) {
		t := three(c)
		req := fetchRequest(t, 6)
		req.MaxWaitMillis = 10_000
		c.send(12, req)
		c.apart(func() { c.produce(t, c.batch(1).bytes()) })
		c.answer(req, func(resp kmsg.Response) { // Kafka reads before its high watermark moves, or after
			p := &resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
			p.HighWatermark, p.LastStableOffset = 0, 0
		})
	})
	for codec := codecNone; codec <= codecZstd; codec++ {
		for _, v := range []int16{4, 9, 10} {
			add(fmt.Sprintf("stored %s, v%d", codecNames[codec], v), func(c *C) {
				t := c.topic()
				c.produce(t, c.batch(2).with(func(b *batch) { b.codec = codec }).bytes())
				c.ask(v, fetchRequest(t, 1))
			})
		}
	}
	add("topic's codec zstd, v9", func(c *C) {
		t := c.topic("compression.type", "zstd")
		c.produce(t, c.batch(2).bytes())
		c.ask(9, fetchRequest(t, 0))
		c.ask(10, fetchRequest(t, 0))
	})
}

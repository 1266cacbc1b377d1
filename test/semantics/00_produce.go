package main

import (
	"bytes"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce: every version, every codec in every format, each way in which a batch can be wrong, and timestamps. Idempotence has
// a file of its own. Compared: the answer, and often what a Fetch finds afterwards.
func init() {
	versions(0, 13, func(c *C, v int16) {
		t := c.topic()
		records := c.batch(2).bytes()
		switch v {
		case 0, 1:
			records = messageSet(message{value: []byte("one")}, message{offset: 1, key: "k", value: []byte("two")})
		case 2:
			records = messageSet(message{magic: 1, timestamp: c.base, value: []byte("one")}, message{magic: 1, offset: 1, timestamp: c.base + 7, value: []byte("two")})
		}
		c.ask(v, produceRequest(t, records))
		c.stored(t, 0)
	})
	for codec := codecGzip; codec <= codecZstd; codec++ {
		name := codecNames[codec]
		add("codec "+name+" in a batch", func(c *C) {
			t := c.topic()
			c.ask(9, produceRequest(t, c.batch(3).with(func(b *batch) { b.codec = codec }).bytes()))
			c.stored(t, 0)
		})
		add("codec "+name+" with LogAppendTime", func(c *C) {
			t := c.topic("message.timestamp.type", "LogAppendTime")
			c.ask(9, produceRequest(t, c.batch(3).with(func(b *batch) { b.codec = codec }).bytes()))
			c.stored(t, 0)
		})
		add("topic's codec "+name, func(c *C) {
			t := c.topic("compression.type", name)
			c.ask(9, produceRequest(t, c.batch(3).bytes()))
			c.stored(t, 0)
		})
		add("codec "+name+", body is not of it", func(c *C) {
			c.ask(9, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.Attributes = codec }).bytes()))
		})
		add("codec "+name+", truncated body", func(c *C) {
			body := compress(codec, bytes.Repeat(c.batch(1).record(0), 50))
			c.ask(9, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.Attributes, b.raw = codec, body[:len(body)/2] }).bytes()))
		})
		add("codec "+name+", empty body", func(c *C) {
			c.ask(9, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.Attributes, b.raw = codec, []byte{} }).bytes()))
		})
		for magic := int8(0); magic <= 1; magic++ {
			if codec == codecZstd && magic == 0 {
				continue
			}
			add(fmt.Sprintf("codec %s, message format %d", name, magic), func(c *C) {
				t := c.topic()
				inner := []message{{magic: magic, timestamp: c.base, value: []byte("one")}, {magic: magic, offset: 1, timestamp: c.base + 5, key: "k", value: []byte("two")}}
				c.ask(3, produceRequest(t, wrapped(codec, message{magic: magic, offset: 1, timestamp: c.base + 5}, inner...)))
				c.stored(t, 0)
			})
		}
	}
	for codec := int16(5); codec <= 7; codec++ {
		add(fmt.Sprintf("codec %d", codec), func(c *C) {
			c.ask(9, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.Attributes = codec }).bytes()))
		})
	}
	for _, v := range []int16{3, 6, 7} {
		add(fmt.Sprintf("zstd in v%d", v), func(c *C) {
			c.ask(v, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.codec = codecZstd }).bytes()))
		})
	}
	add("topic uncompressed, batch gzip", func(c *C) {
		t := c.topic("compression.type", "uncompressed")
		c.ask(9, produceRequest(t, c.batch(3).with(func(b *batch) { b.codec = codecGzip }).bytes()))
		c.stored(t, 0)
	})

	// What can be wrong with a batch.
	for _, w := range []struct {
		name    string
		records func(c *C) []byte
	}{
		{"empty record set", func(c *C) []byte { return []byte{} }},
		{"header cut short", func(c *C) []byte { return c.batch(1).bytes()[:40] }},
		{"less than offset and length", func(c *C) []byte { return c.batch(1).bytes()[:10] }},
		{"body cut short", func(c *C) []byte { b := c.batch(1).bytes(); return b[:len(b)-3] }},
		{"two batches", func(c *C) []byte { return append(c.batch(1).bytes(), c.batch(1).bytes()...) }},
		{"a batch and half of another", func(c *C) []byte { return append(c.batch(1).bytes(), c.batch(1).bytes()[:30]...) }},
		{"a batch and five bytes", func(c *C) []byte { return append(c.batch(1).bytes(), 1, 2, 3, 4, 5) }},
		{"magic 0", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Magic = 0 }).bytes() }},
		{"magic 1", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Magic = 1 }).bytes() }},
		{"magic 3", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Magic = 3 }).bytes() }},
		{"magic -1", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Magic = -1 }).bytes() }},
		{"message format 1 in v9", func(c *C) []byte { return messageSet(message{magic: 1, timestamp: c.base, value: []byte("x")}) }},
		{"wrong CRC", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.crc = 0x40 }).bytes() }},
		{"base offset 3", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.FirstOffset = 3 }).bytes() }},
		{"base offset -1", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.FirstOffset = -1 }).bytes() }},
		{"count above the last delta", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.NumRecords = 3 }).bytes() }},
		{"count below the last delta", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.NumRecords = 1 }).bytes() }},
		{"count and delta above the records", func(c *C) []byte {
			return c.batch(2).with(func(b *batch) { b.NumRecords, b.LastOffsetDelta = 3, 2 }).bytes()
		}},
		{"count and delta below the records", func(c *C) []byte {
			return c.batch(3).with(func(b *batch) { b.NumRecords, b.LastOffsetDelta = 2, 1 }).bytes()
		}},
		{"huge count", func(c *C) []byte {
			return c.batch(2).with(func(b *batch) { b.NumRecords, b.LastOffsetDelta = 1<<31-1, 1<<31-2 }).bytes()
		}},
		{"negative count", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.NumRecords = -1 }).bytes() }},
		{"no records", func(c *C) []byte { return c.batch(0).with(func(b *batch) { b.LastOffsetDelta = 0 }).bytes() }},
		{"no records, last delta -1", func(c *C) []byte { return c.batch(0).bytes() }},
		{"control batch", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Attributes = 0x20 }).bytes() }},
		{"attribute bits 6 and 7", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Attributes = 0xc0 }).bytes() }},
		{"attribute bit 15", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Attributes = -32768 }).bytes() }},
		{"LogAppendTime bit in a CreateTime topic", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.Attributes = 8 }).bytes() }},
		{"transactional bit", func(c *C) []byte {
			return c.batch(1).by(1, 0, 0).with(func(b *batch) { b.Attributes = 0x10 }).bytes()
		}},
		{"gap in the deltas", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.deltas[1] = 7 }).bytes() }},
		{"deltas downwards", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.deltas = []int32{1, 0} }).bytes() }},
		{"negative delta", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.deltas = []int32{-1, 1} }).bytes() }},
		{"gap in the deltas, gzip", func(c *C) []byte {
			return c.batch(2).with(func(b *batch) { b.deltas[1], b.codec = 7, codecGzip }).bytes()
		}},
		{"max timestamp too high", func(c *C) []byte { return c.batch(2).with(func(b *batch) { b.MaxTimestamp += 100_000 }).bytes() }},
		{"max timestamp too low", func(c *C) []byte {
			return c.batch(2).with(func(b *batch) { b.times = []int64{0, 5000} }).bytes()
		}},
		{"record times downwards", func(c *C) []byte {
			return c.batch(2).with(func(b *batch) { b.times = []int64{0, -5000} }).bytes()
		}},
		{"timestamp -1", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = -1, -1 }).bytes()
		}},
		{"timestamp -1000", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = -1000, -1000 }).bytes()
		}},
		{"length too long", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.length = 5 }).bytes() }},
		{"length too short", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.length = -5 }).bytes() }},
		{"length below the header", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.length = -40 }).bytes() }},
		{"negative length", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.length = -100 }).bytes() }},
		{"leader epoch 77", func(c *C) []byte { return c.batch(1).with(func(b *batch) { b.PartitionLeaderEpoch = 77 }).bytes() }},
		{"record length beyond the batch", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{0x7e, 0, 0, 0, 1, 0, 0} }).bytes()
		}},
		{"negative record length", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{0x09, 0, 0, 0, 1, 0, 0} }).bytes()
		}},
		{"key longer than the record", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{12, 0, 0, 0, 0x7e, 0, 0} }).bytes()
		}},
		{"negative header count", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{12, 0, 0, 0, 1, 1, 5} }).bytes()
		}},
		{"header without a key", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{16, 0, 0, 0, 1, 1, 2, 1, 1} }).bytes()
		}},
		{"bytes after the record's headers", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{16, 0, 0, 0, 1, 1, 0, 9, 9} }).bytes()
		}},
		{"record attributes 0x7f", func(c *C) []byte {
			return c.batch(1).with(func(b *batch) { b.raw = []byte{12, 0x7f, 0, 0, 1, 1, 0} }).bytes()
		}},
	} {
		add(w.name, func(c *C) {
			t := c.topic()
			c.ask(9, produceRequest(t, w.records(c)))
			c.stored(t, 0)
		})
	}
	add("null records", func(c *C) {
		c.patience = silentFor
		c.ask(9, produceRequest(c.topic(), nil))
	})

	// Old formats.
	for _, w := range []struct {
		name    string
		version int16
		records func(c *C) []byte
	}{
		{"old format, wrong CRC", 3, func(c *C) []byte { return messageSet(message{magic: 1, timestamp: c.base, value: []byte("x"), crc: 1}) }},
		{"old format, wrong CRC inside", 3, func(c *C) []byte {
			return wrapped(codecGzip, message{magic: 1, timestamp: c.base}, message{magic: 1, timestamp: c.base, value: []byte("x"), crc: 1})
		}},
		{"old format, cut short", 3, func(c *C) []byte { b := messageSet(message{magic: 1, value: []byte("xyz")}); return b[:len(b)-2] }},
		{"old format, empty set", 3, func(c *C) []byte { return []byte{} }},
		{"old format, formats mixed", 3, func(c *C) []byte {
			return messageSet(message{value: []byte("x")}, message{magic: 1, offset: 1, timestamp: c.base, value: []byte("y")})
		}},
		{"old format, wrapper within a wrapper", 3, func(c *C) []byte {
			inner := message{magic: 1, timestamp: c.base, attributes: int8(codecGzip), value: compress(codecGzip, messageSet(message{magic: 1, timestamp: c.base, value: []byte("x")}))}
			return wrapped(codecGzip, message{magic: 1, timestamp: c.base}, inner)
		}},
		{"old format, null value", 3, func(c *C) []byte { return messageSet(message{magic: 1, timestamp: c.base, key: "k"}) }},
		{"old format, offsets from 10", 3, func(c *C) []byte {
			return messageSet(message{magic: 1, offset: 10, timestamp: c.base, value: []byte("x")}, message{magic: 1, offset: 20, timestamp: c.base, value: []byte("y")})
		}},
		{"old format, LogAppendTime bit", 3, func(c *C) []byte {
			return messageSet(message{magic: 1, attributes: 8, timestamp: c.base, value: []byte("x")})
		}},
		{"message format 0 in v3", 3, func(c *C) []byte { return messageSet(message{value: []byte("x")}) }},
		{"message format 1 in v8", 8, func(c *C) []byte { return messageSet(message{magic: 1, timestamp: c.base, value: []byte("x")}) }},
		{"message format 0 in v8", 8, func(c *C) []byte { return messageSet(message{value: []byte("x")}) }},
	} {
		add(w.name, func(c *C) {
			t := c.topic()
			c.ask(w.version, produceRequest(t, w.records(c)))
			c.stored(t, 0)
		})
	}

	// Timestamps and sizes.
	for _, away := range []int64{-3_600_000, 7_200_000} {
		add(fmt.Sprintf("%+d s out of the topic's time range", away/1000), func(c *C) {
			t := c.topic("message.timestamp.before.max.ms", "1800000", "message.timestamp.after.max.ms", "1800000")
			at := c.base + away
			c.ask(9, produceRequest(t, c.batch(2).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = at, at }).bytes()))
		})
		add(fmt.Sprintf("%+d s out of the topic's time range, LogAppendTime", away/1000), func(c *C) {
			t := c.topic("message.timestamp.before.max.ms", "1800000", "message.timestamp.after.max.ms", "1800000", "message.timestamp.type", "LogAppendTime")
			at := c.base + away
			c.ask(9, produceRequest(t, c.batch(2).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = at, at }).bytes()))
			c.stored(t, 0)
		})
	}
	add("far in the future by the broker's default", func(c *C) {
		at := c.base + 3*3_600_000
		c.ask(9, produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = at, at }).bytes()))
	})
	add("one record of three out of the time range", func(c *C) {
		t := c.topic("message.timestamp.before.max.ms", "7200000")
		c.ask(9, produceRequest(t, c.batch(3).with(func(b *batch) { b.times = []int64{0, -9_000_000, 0} }).bytes()))
	})
	add("LogAppendTime", func(c *C) {
		t := c.topic("message.timestamp.type", "LogAppendTime")
		c.ask(9, produceRequest(t, c.batch(2).bytes()))
		c.stored(t, 0)
	})
	add("LogAppendTime in the old format", func(c *C) {
		t := c.topic("message.timestamp.type", "LogAppendTime")
		c.ask(3, produceRequest(t, messageSet(message{magic: 1, timestamp: c.base, value: []byte("x")})))
		c.stored(t, 0)
	})
	add("larger than max.message.bytes", func(c *C) {
		t := c.topic("max.message.bytes", "200")
		c.ask(9, produceRequest(t, c.batch(50).bytes()))
		c.ask(9, produceRequest(t, c.batch(1).bytes()))
	})
	add("exactly max.message.bytes", func(c *C) {
		size := len(c.batch(10).bytes())
		t := c.topic("max.message.bytes", fmt.Sprint(size))
		c.ask(9, produceRequest(t, c.batch(10).bytes()))
		c.ask(9, produceRequest(t, c.batch(11).bytes()))
	})
	add("larger than segment.bytes", func(c *C) {
		t := c.topic("segment.bytes", "1048576", "max.message.bytes", "4000000")
		big := c.batch(1).with(func(b *batch) {
			rec := append([]byte{0, 0, 0, 1, 0x80, 0x80, 0x80, 0x01}, make([]byte, 1<<20)...)
			b.raw = append([]byte{0x92, 0x80, 0x80, 0x01}, append(rec, 0)...)
		})
		c.ask(9, produceRequest(t, big.bytes()))
	})
	add("min.insync.replicas 2 on one replica", func(c *C) {
		c.ask(9, produceRequest(c.topic("min.insync.replicas", "2"), c.batch(1).bytes()))
	})

	// The request as a whole.
	for _, acks := range []int16{0, 1, 2, -2, 32767} {
		add(fmt.Sprintf("acks %d", acks), func(c *C) {
			t := c.topic()
			req := produceRequest(t, c.batch(1).bytes())
			req.Acks = acks
			if acks == 0 {
				c.send(9, req)
				c.alive()
				c.stored(t, 0)
				return
			}
			c.ask(9, req)
		})
	}
	for _, w := range []struct {
		name string
		make func(c *C) *kmsg.ProduceRequest
	}{
		{"unknown topic", func(c *C) *kmsg.ProduceRequest {
			return produceRequest(topic{name: c.name("none")}, c.batch(1).bytes())
		}},
		{"wrong CRC", func(c *C) *kmsg.ProduceRequest {
			return produceRequest(c.topic(), c.batch(1).with(func(b *batch) { b.crc = 1 }).bytes())
		}},
		{"sequence gap", func(c *C) *kmsg.ProduceRequest {
			t, id := c.topic(), c.producer()
			c.produce(t, c.batch(1).by(id, 0, 0).bytes())
			return produceRequest(t, c.batch(1).by(id, 0, 5).bytes())
		}},
	} {
		add("acks 0, "+w.name, func(c *C) {
			req := w.make(c)
			req.Acks = 0
			c.send(9, req)
			c.patience = silentFor
			c.outcome()
		})
	}
	for _, v := range []int16{9, 12} {
		add(fmt.Sprintf("unknown topic, v%d", v), func(c *C) {
			c.ask(v, produceRequest(topic{name: c.name("none")}, c.batch(1).bytes()))
		})
		add(fmt.Sprintf("unknown partitions, v%d", v), func(c *C) {
			t := c.topic()
			req := produceRequest(t, c.batch(1).bytes())
			addProduce(req, t, 1, c.batch(1).bytes())
			addProduce(req, t, -1, c.batch(1).bytes())
			c.ask(v, req)
		})
	}
	add("unknown topic id", func(c *C) { c.ask(13, produceRequest(topic{id: [16]byte{9, 9}}, c.batch(1).bytes())) })
	add("zero topic id", func(c *C) { c.ask(13, produceRequest(topic{}, c.batch(1).bytes())) })
	add("empty topic name", func(c *C) { c.ask(9, produceRequest(topic{}, c.batch(1).bytes())) })
	add("invalid topic name", func(c *C) { c.ask(9, produceRequest(topic{name: "a/b"}, c.batch(1).bytes())) })
	add("no topics", func(c *C) {
		req := produceRequest(topic{}, nil)
		req.Topics = nil
		c.ask(9, req)
	})
	add("topic without partitions", func(c *C) {
		req := produceRequest(c.topic(), nil)
		req.Topics[0].Partitions = nil
		c.ask(9, req)
	})
	add("internal topic", func(c *C) { c.ask(9, produceRequest(topic{name: "__consumer_offsets"}, c.batch(1).bytes())) })
	add("two partitions of a topic", func(c *C) {
		t := c.topicOf("topic", 2)
		req := produceRequest(t, c.batch(1).bytes())
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 1, Records: c.batch(2).bytes()})
		c.ask(9, req)
	})
	add("one good and one bad partition", func(c *C) {
		t := c.topicOf("topic", 2)
		req := produceRequest(t, c.batch(1).bytes())
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 1, Records: c.batch(2).bytes()[:50]})
		c.ask(9, req)
	})
	for _, v := range []int16{9, 13} {
		add(fmt.Sprintf("partition twice in a topic, v%d", v), func(c *C) {
			t := c.topic()
			req := produceRequest(t, c.batch(1).bytes())
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.ProduceRequestTopicPartition{Partition: 0, Records: c.batch(2).bytes()})
			c.ask(v, req)
			c.stored(t, 0)
		})
		add(fmt.Sprintf("topic twice with different partitions, v%d", v), func(c *C) {
			t := c.topicOf("topic", 2)
			req := produceRequest(t, c.batch(1).bytes())
			addProduce(req, t, 1, c.batch(2).bytes())
			c.ask(v, req)
			c.stored(t, 0)
		})
		add(fmt.Sprintf("topic twice with the same partition, v%d", v), func(c *C) {
			t := c.topic()
			req := produceRequest(t, c.batch(1).bytes())
			addProduce(req, t, 0, c.batch(2).bytes())
			c.ask(v, req)
			c.stored(t, 0)
		})
	}
	add("transactional id without a transactional batch", func(c *C) {
		req := produceRequest(c.topic(), c.batch(1).bytes())
		req.TransactionID = ptr("tx")
		c.ask(9, req)
	})
	add("empty transactional id", func(c *C) {
		req := produceRequest(c.topic(), c.batch(1).bytes())
		req.TransactionID = ptr("")
		c.ask(9, req)
	})
	add("negative timeout", func(c *C) {
		req := produceRequest(c.topic(), c.batch(1).bytes())
		req.TimeoutMillis = -5
		c.ask(9, req)
	})
}

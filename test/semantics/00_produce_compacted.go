package main

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce to compacted topics: records without a key are refused, each by its number (record_errors, v8 and later), and with them the whole
// batch; null values are delete markers. Every codec, every version, old message formats.
func init() {
	// told writes down which messages an answer has: their words are free, but they must be there where Kafka has them.
	told := func(c *C, resp kmsg.Response) {
		if resp == nil {
			return
		}
		for _, p := range resp.(*kmsg.ProduceResponse).Topics[0].Partitions {
			if len(p.ErrorRecords) > 0 {
				c.say("message %v", p.ErrorMessage != nil && *p.ErrorMessage != "")
			}
			for _, r := range p.ErrorRecords {
				c.say("record %d: message %v", r.RelativeOffset, r.ErrorMessage != nil && *r.ErrorMessage != "")
			}
		}
	}
	try := func(c *C, v int16, t topic, records []byte) {
		told(c, c.ask(v, produceRequest(t, records)))
		c.stored(t, 0)
	}
	batches := []struct {
		name string
		make func(b *batch)
	}{
		{"no keys", func(b *batch) {}},
		{"all keys", func(b *batch) { b.keys = []string{"a", "b", "c"} }},
		{"no key in the first", func(b *batch) { b.keys = []string{"", "b", "c"} }},
		{"no key in the last", func(b *batch) { b.keys = []string{"a", "b"} }},
		{"no key in two of three", func(b *batch) { b.keys = []string{"", "b"} }},
		{"a null value", func(b *batch) { b.keys, b.tombs = []string{"a", "b", "c"}, []bool{false, true} }},
		{"a null value without a key", func(b *batch) { b.keys, b.tombs = []string{"a", "", "c"}, []bool{false, true} }},
		{"all null values", func(b *batch) { b.keys, b.tombs = []string{"a", "b", "c"}, []bool{true, true, true} }},
	}
	for codec := codecNone; codec <= codecZstd; codec++ {
		for _, w := range batches {
			add(fmt.Sprintf("codec %s, %s", codecNames[codec], w.name), func(c *C) {
				try(c, 9, c.topic("cleanup.policy", "compact"), c.batch(3).with(func(b *batch) { b.codec = codec; w.make(b) }).bytes())
			})
		}
		add(fmt.Sprintf("codec %s of the topic, no key in the first", codecNames[codec]), func(c *C) {
			kind := codecNames[codec]
			if codec == codecNone {
				kind = "uncompressed"
			}
			t := c.topic("cleanup.policy", "compact", "compression.type", kind)
			try(c, 9, t, c.batch(3).with(func(b *batch) { b.keys = []string{"", "b", "c"} }).bytes())
		})
	}
	for _, policy := range []string{"compact,delete", "delete,compact", "delete", ""} {
		add(fmt.Sprintf("cleanup.policy %q, no keys", policy), func(c *C) { try(c, 9, c.topic("cleanup.policy", policy), c.batch(1).bytes()) })
	}
	for v := int16(3); v <= 13; v++ {
		add(fmt.Sprintf("v%d, one of two without a key", v), func(c *C) {
			try(c, v, c.topic("cleanup.policy", "compact"), c.batch(2).with(func(b *batch) { b.keys = []string{"a"} }).bytes())
		})
	}
	add("LogAppendTime, one of two without a key", func(c *C) {
		t := c.topic("cleanup.policy", "compact", "message.timestamp.type", "LogAppendTime")
		try(c, 9, t, c.batch(2).with(func(b *batch) { b.keys = []string{"a"} }).bytes())
	})
	add("an empty key", func(c *C) {
		try(c, 9, c.topic("cleanup.policy", "compact"), c.batch(1).with(func(b *batch) { b.raw = []byte{12, 0, 0, 0, 0, 1, 0} }).bytes())
	})
	add("idempotent, without a key, then with one by the same sequence", func(c *C) {
		t, id := c.topic("cleanup.policy", "compact"), c.producer()
		try(c, 9, t, c.batch(1).by(id, 0, 0).bytes())
		try(c, 9, t, c.batch(1).by(id, 0, 0).with(func(b *batch) { b.keys = []string{"a"} }).bytes())
	})
	add("without a key and out of the time range", func(c *C) {
		t := c.topic("cleanup.policy", "compact", "message.timestamp.before.max.ms", "7200000")
		try(c, 9, t, c.batch(3).with(func(b *batch) { b.keys, b.times = []string{"", "b", "c"}, []int64{0, -9_000_000, 0} }).bytes())
	})
	add("without a key and out of the time range in one record", func(c *C) {
		t := c.topic("cleanup.policy", "compact", "message.timestamp.before.max.ms", "7200000")
		try(c, 9, t, c.batch(3).with(func(b *batch) { b.keys, b.times = []string{"a", "", "c"}, []int64{0, -9_000_000, 0} }).bytes())
	})
	add("without a key, wrong CRC", func(c *C) {
		try(c, 9, c.topic("cleanup.policy", "compact"), c.batch(1).with(func(b *batch) { b.crc = 1 }).bytes())
	})
	add("without a key, too large", func(c *C) {
		try(c, 9, c.topic("cleanup.policy", "compact", "max.message.bytes", "100"), c.batch(50).bytes())
	})
	add("without a key to one partition of two", func(c *C) {
		t := c.topicOf("topic", 2, "cleanup.policy", "compact")
		req := produceRequest(t, c.batch(1).bytes())
		addProduce(req, t, 1, c.batch(1).with(func(b *batch) { b.keys = []string{"a"} }).bytes())
		c.ask(9, req)
	})
	add("acks 0, without a key", func(c *C) {
		req := produceRequest(c.topic("cleanup.policy", "compact"), c.batch(1).bytes())
		req.Acks = 0
		c.send(9, req)
		c.patience = silentFor
		c.outcome()
	})
	add("acks 1, without a key", func(c *C) {
		req := produceRequest(c.topic("cleanup.policy", "compact"), c.batch(1).bytes())
		req.Acks = 1
		told(c, c.ask(9, req))
	})
	add("a topic that becomes compacted", func(c *C) {
		t := c.topic()
		c.produce(t, c.batch(1).bytes())
		c.get(1, incrementalAlter(ofTopic, t.name, set("cleanup.policy", "compact")))
		c.settled(t, "cleanup.policy", "compact")
		try(c, 9, t, c.batch(1).bytes())
	})

	// Old message formats.
	for magic := int8(0); magic <= 1; magic++ {
		for _, w := range []struct {
			name string
			keys []string
		}{{"no keys", []string{"", ""}}, {"a key in the first", []string{"a", ""}}, {"a key in the last", []string{"", "b"}}, {"all keys", []string{"a", "b"}}} {
			messages := func(c *C) (list []message) {
				for i, key := range w.keys {
					list = append(list, message{magic: magic, offset: int64(i), timestamp: c.base, key: key, value: []byte("x")})
				}
				return list
			}
			add(fmt.Sprintf("message format %d, %s", magic, w.name), func(c *C) {
				try(c, 3, c.topic("cleanup.policy", "compact"), messageSet(messages(c)...))
			})
			for codec := codecGzip; codec <= codecLZ4; codec++ {
				add(fmt.Sprintf("message format %d, %s, %s", magic, codecNames[codec], w.name), func(c *C) {
					try(c, 3, c.topic("cleanup.policy", "compact"), wrapped(codec, message{magic: magic, offset: 1, timestamp: c.base}, messages(c)...))
				})
			}
		}
		add(fmt.Sprintf("message format %d, null value", magic), func(c *C) {
			try(c, 3, c.topic("cleanup.policy", "compact"), messageSet(message{magic: magic, timestamp: c.base, key: "k"}))
		})
	}
}

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file makes record batches and the older message sets by hand, wrong ones too. It shares no code with the broker.

// The codecs, by their number on the wire.
const (
	codecNone int16 = iota
	codecGzip
	codecSnappy
	codecLZ4
	codecZstd
)

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// batch describes a v2 record batch.
type batch struct {
	kmsg.RecordBatch
	deltas []int32  // offset deltas of the records
	times  []int64  // their timestamp deltas
	keys   []string // their keys; a missing or empty one is null
	tombs  []bool   // whose value is null
	codec  int16    // compress the records (and say so)
	raw    []byte   // instead of the records
	length int32    // added to the length
	crc    uint32   // flipped in the CRC
}

// batch is one of n good records at T.
func (c *C) batch(n int) *batch {
	b := &batch{RecordBatch: kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: c.base, MaxTimestamp: c.base, ProducerID: -1, ProducerEpoch: -1,
		FirstSequence: -1, NumRecords: int32(n), LastOffsetDelta: int32(n - 1)}}
	for i := range n {
		b.deltas = append(b.deltas, int32(i))
	}
	return b
}

// by makes it an idempotent producer's.
func (b *batch) by(producer int64, epoch int16, sequence int32) *batch {
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = producer, epoch, sequence
	return b
}

// with changes it.
func (b *batch) with(f func(b *batch)) *batch { f(b); return b }

// record is the i-th record.
func (b *batch) record(i int) []byte {
	rec := []byte{0}
	var at int64
	if i < len(b.times) {
		at = b.times[i]
	}
	rec = kbin.AppendVarlong(rec, at)
	rec = kbin.AppendVarint(rec, b.deltas[i])
	if i < len(b.keys) && b.keys[i] != "" {
		rec = append(kbin.AppendVarint(rec, int32(len(b.keys[i]))), b.keys[i]...)
	} else {
		rec = kbin.AppendVarint(rec, -1)
	}
	if i < len(b.tombs) && b.tombs[i] {
		rec = kbin.AppendVarint(rec, -1)
	} else {
		rec = append(kbin.AppendVarint(rec, 5), "value"...)
	}
	return kbin.AppendVarint(rec, 0)
}

// bytes is the batch with length and CRC as they should be.
func (b *batch) bytes() []byte {
	body := b.raw
	if body == nil {
		for i := range b.deltas {
			rec := b.record(i)
			body = append(kbin.AppendVarint(body, int32(len(rec))), rec...)
		}
	}
	rb := b.RecordBatch
	if b.codec != codecNone {
		body = compress(b.codec, body)
		rb.Attributes |= b.codec
	}
	rb.Records, rb.Length = body, int32(49+len(body))+b.length
	out := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli))^b.crc)
	return out
}

func compress(codec int16, body []byte) []byte {
	var packed bytes.Buffer
	switch codec {
	case codecGzip:
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(body)
		_ = w.Close()
	case codecSnappy:
		// The framing of the Java library: magic, versions, then blocks with their lengths.
		packed.WriteString("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
		block := snappy.Encode(nil, body)
		_ = binary.Write(&packed, binary.BigEndian, int32(len(block)))
		packed.Write(block)
	case codecLZ4:
		w := lz4.NewWriter(&packed)
		_, _ = w.Write(body)
		_ = w.Close()
	case codecZstd:
		w, _ := zstd.NewWriter(&packed)
		_, _ = w.Write(body)
		_ = w.Close()
	}
	return packed.Bytes()
}

// message describes a message of format v0 or v1.
type message struct {
	offset     int64
	magic      int8
	attributes int8
	timestamp  int64 // v1 only
	key        string
	value      []byte
	crc        uint32 // flipped
}

// messageSet is a set of messages with lengths and CRCs as they should be.
func messageSet(messages ...message) []byte {
	var out []byte
	for _, m := range messages {
		body := []byte{byte(m.magic), byte(m.attributes)}
		if m.magic > 0 {
			body = binary.BigEndian.AppendUint64(body, uint64(m.timestamp))
		}
		if m.key == "" {
			body = binary.BigEndian.AppendUint32(body, 0xffffffff)
		} else {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(m.key))), m.key...)
		}
		if m.value == nil {
			body = binary.BigEndian.AppendUint32(body, 0xffffffff)
		} else {
			body = append(binary.BigEndian.AppendUint32(body, uint32(len(m.value))), m.value...)
		}
		out = binary.BigEndian.AppendUint64(out, uint64(m.offset))
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)+4))
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body)^m.crc)
		out = append(out, body...)
	}
	return out
}

// wrapped is a message set compressed into one message.
func wrapped(codec int16, outer message, inner ...message) []byte {
	outer.attributes |= int8(codec)
	outer.value = compress(codec, messageSet(inner...))
	return messageSet(outer)
}

// produceRequest asks to append records to partition 0, acks -1; the topic is named in every way that a version may want.
func produceRequest(t topic, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	addProduce(req, t, 0, records)
	return req
}

// addProduce adds one more topic entry to a request.
func addProduce(req *kmsg.ProduceRequest, t topic, partition int32, records []byte) {
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = t.name, t.id
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, records
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

// produce appends records that must be taken to partition 0 and returns their base offset.
func (c *C) produce(t topic, records []byte) int64 {
	p := c.get(9, produceRequest(t, records)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		c.abort("produce: error %d", p.ErrorCode)
	}
	return p.BaseOffset
}

// fetchRequest asks for partition 0 from offset on, without a session.
func fetchRequest(t topic, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch, req.ReplicaID = 0, 1, 1<<20, -1, -1
	addFetch(req, t, 0, offset)
	return req
}

// addFetch adds one more topic entry to a request.
func addFetch(req *kmsg.FetchRequest, t topic, partition int32, offset int64) {
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = t.name, t.id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = partition, offset, 1<<20, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

// stored writes down the batches of partition 0 from an offset on.
func (c *C) stored(t topic, offset int64) {
	resp := c.get(12, fetchRequest(t, offset)).(*kmsg.FetchResponse)
	if len(resp.Topics) != 1 {
		c.abort("fetch: error %d, %d topics", resp.ErrorCode, len(resp.Topics))
	}
	p := resp.Topics[0].Partitions[0]
	c.say("stored, high watermark %d:", p.HighWatermark)
	c.lines = append(c.lines, c.shown.batches("  ", p.RecordBatches)...)
}

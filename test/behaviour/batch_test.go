package behaviour

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file makes record batches by hand, wrong ones too, and produces and fetches them. It shares no code with the broker.

// batch describes a v2 record batch; the zero value with set() is a good one of one record.
type batch struct {
	kmsg.RecordBatch
	deltas []int32 // offset deltas of the records
	gzip   bool    // compress the records (and say so)
	raw    []byte  // instead of the records
}

// newBatch is a batch of n good records, now.
func newBatch(n int) *batch {
	now := time.Now().UnixMilli()
	b := &batch{RecordBatch: kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now, ProducerID: -1, ProducerEpoch: -1,
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

// bytes is the batch with length and CRC as they should be.
func (b *batch) bytes() []byte {
	body := b.raw
	if body == nil {
		for _, delta := range b.deltas {
			rec := []byte{0}
			rec = kbin.AppendVarlong(rec, 0)
			rec = kbin.AppendVarint(rec, delta)
			rec = kbin.AppendVarint(rec, -1)
			rec = append(kbin.AppendVarint(rec, 5), "value"...)
			rec = kbin.AppendVarint(rec, 0)
			body = append(kbin.AppendVarint(body, int32(len(rec))), rec...)
		}
	}
	if b.gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(body)
		_ = w.Close()
		body = packed.Bytes()
		b.Attributes |= 1
	}
	rb := b.RecordBatch
	rb.Records, rb.Length = body, int32(49+len(body))
	out := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(out[17:], crc32.Checksum(out[21:], crc32.MakeTable(crc32.Castagnoli)))
	return out
}

// produceRequest asks to append records to partition 0; the topic is named in every way that a version may want.
func produceRequest(topic string, id [16]byte, acks int16, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = records
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// produce appends records with acks -1 at a version and returns the partition's answer.
func (b *broker) produce(t *testing.T, topic string, version int16, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	resp := ask(t, b, produceRequest(topic, [16]byte{}, -1, records), version, kmsg.NewPtrProduceResponse())
	return resp.Topics[0].Partitions[0]
}

// mustProduce is produce at version 9 for records that must be taken; it returns the base offset.
func (b *broker) mustProduce(t *testing.T, topic string, records []byte) int64 {
	t.Helper()
	p := b.produce(t, topic, 9, records)
	if p.ErrorCode != 0 {
		t.Fatalf("produce: error %d", p.ErrorCode)
	}
	return p.BaseOffset
}

// fetchRequest asks for partition 0 from offset on, in the way of a version before 13.
func fetchRequest(topic string, offset int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 0, 1, 1<<20, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// fetch asks at version 12 for one partition and returns its answer.
func (b *broker) fetch(t *testing.T, req *kmsg.FetchRequest) kmsg.FetchResponseTopicPartition {
	t.Helper()
	resp := ask(t, b, req, 12, kmsg.NewPtrFetchResponse())
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 {
		t.Fatalf("fetch: error %d, %d topics", resp.ErrorCode, len(resp.Topics))
	}
	return resp.Topics[0].Partitions[0]
}

// stored fetches the first batch from offset on.
func (b *broker) stored(t *testing.T, topic string, offset int64) kmsg.RecordBatch {
	t.Helper()
	p := b.fetch(t, fetchRequest(topic, offset))
	var rb kmsg.RecordBatch
	if err := rb.ReadFrom(p.RecordBatches); err != nil {
		t.Fatalf("stored batch: error %d, %d bytes: %v", p.ErrorCode, len(p.RecordBatches), err)
	}
	return rb
}

package behaviour

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func testProduce(t *testing.T, b *broker) {
	t.Run("an unknown topic is never created", func(t *testing.T) {
		name := fmt.Sprintf("nobody-%d", time.Now().UnixNano())
		wantCode(t, "v9", b.produce(t, name, 9, newBatch(1).bytes()).ErrorCode, kerr.UnknownTopicOrPartition.Code)
		wantCode(t, "Metadata afterwards", b.metadata(t, 9, &name, [16]byte{}, false).Topics[0].ErrorCode, kerr.UnknownTopicOrPartition.Code)
		resp := ask(t, b, produceRequest("", [16]byte{9, 9}, -1, newBatch(1).bytes()), 13, kmsg.NewPtrProduceResponse())
		wantCode(t, "v13", resp.Topics[0].Partitions[0].ErrorCode, kerr.UnknownTopicID.Code)
	})
	topic, _ := b.topic(t)
	t.Run("acks of 2 are refused", func(t *testing.T) {
		resp := ask(t, b, produceRequest(topic, [16]byte{}, 2, newBatch(1).bytes()), 9, kmsg.NewPtrProduceResponse())
		wantCode(t, "acks 2", resp.Topics[0].Partitions[0].ErrorCode, kerr.InvalidRequiredAcks.Code)
	})
	good := newBatch(1).bytes()
	wrongCRC := newBatch(1).bytes()
	wrongCRC[len(wrongCRC)-3] ^= 0x40
	for _, c := range []struct {
		what    string
		version int16
		records []byte
		want    int16
	}{
		{"an empty record set", 9, []byte{}, kerr.InvalidRecord.Code},
		{"a header cut short", 9, good[:40], kerr.InvalidRecord.Code},
		{"a body cut short", 9, good[:len(good)-3], kerr.InvalidRecord.Code},
		{"two batches", 9, append(newBatch(1).bytes(), good...), kerr.InvalidRecord.Code},
		{"magic 0 in version 9", 9, newBatch(1).with(func(b *batch) { b.Magic = 0 }).bytes(), kerr.InvalidRecord.Code},
		{"magic 1 in version 9", 9, newBatch(1).with(func(b *batch) { b.Magic = 1 }).bytes(), kerr.InvalidRecord.Code},
		{"a wrong CRC", 9, wrongCRC, kerr.CorruptMessage.Code},
		{"codec 5", 9, newBatch(1).with(func(b *batch) { b.Attributes = 5 }).bytes(), kerr.UnknownServerError.Code},
		{"codec 6", 9, newBatch(1).with(func(b *batch) { b.Attributes = 6 }).bytes(), kerr.UnknownServerError.Code},
		{"codec 7", 9, newBatch(1).with(func(b *batch) { b.Attributes = 7 }).bytes(), kerr.UnknownServerError.Code},
		{"a body that is not gzip", 9, newBatch(1).with(func(b *batch) { b.Attributes = 1 }).bytes(), kerr.UnknownServerError.Code},
		{"a body that is not snappy", 9, newBatch(1).with(func(b *batch) { b.Attributes = 2 }).bytes(), kerr.UnknownServerError.Code},
		{"a body that is not lz4", 9, newBatch(1).with(func(b *batch) { b.Attributes = 3 }).bytes(), kerr.UnknownServerError.Code},
		{"a body that is not zstd", 9, newBatch(1).with(func(b *batch) { b.Attributes = 4 }).bytes(), kerr.UnknownServerError.Code},
		{"zstd in version 3", 3, newBatch(1).with(func(b *batch) { b.Attributes = 4 }).bytes(), kerr.UnsupportedCompressionType.Code},
		{"zstd in version 6", 6, newBatch(1).with(func(b *batch) { b.Attributes = 4 }).bytes(), kerr.UnsupportedCompressionType.Code},
		{"a base offset of 3", 9, newBatch(1).with(func(b *batch) { b.FirstOffset = 3 }).bytes(), kerr.InvalidRecord.Code},
		{"a count that is not the last delta", 9, newBatch(2).with(func(b *batch) { b.NumRecords = 3 }).bytes(), kerr.InvalidRecord.Code},
		{"no records", 9, newBatch(0).with(func(b *batch) { b.LastOffsetDelta = 0 }).bytes(), kerr.InvalidRecord.Code},
		{"a control batch", 9, newBatch(1).with(func(b *batch) { b.Attributes = 0x20 }).bytes(), kerr.InvalidRecord.Code},
		{"a gap in a compressed batch", 9, newBatch(2).with(func(b *batch) { b.deltas[1], b.gzip = 7, true }).bytes(), b.or(kerr.InvalidRecord.Code, kerr.UnknownServerError.Code)},
		{"a transactional batch without a transactional id", 9, newBatch(1).by(1, 0, 0).with(func(b *batch) { b.Attributes = 0x10 }).bytes(), kerr.TransactionalIDAuthorizationFailed.Code},
		{"a good one", 9, good, 0},
		{"a good one and half of another", 9, append(newBatch(1).bytes(), good[:30]...), 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := b.produce(t, topic, c.version, c.records)
			wantCode(t, c.what, p.ErrorCode, c.want)
			if c.want != 0 && p.BaseOffset != -1 {
				t.Errorf("base offset %d with an error", p.BaseOffset)
			}
		})
	}
	t.Run("null records are answered", func(t *testing.T) {
		if b.kafka {
			t.Skip("Kafka never answers; see docs/differences.md")
		}
		wantCode(t, "null records", b.produce(t, topic, 9, nil).ErrorCode, kerr.InvalidRecord.Code)
	})
	t.Run("min.insync.replicas of 2 does not refuse acks -1 on one replica", func(t *testing.T) {
		strict, _ := b.topic(t, "min.insync.replicas", "2")
		wantCode(t, "acks -1", b.produce(t, strict, 9, newBatch(1).bytes()).ErrorCode, 0)
	})
	t.Run("a batch over max.message.bytes is too large", func(t *testing.T) {
		small, _ := b.topic(t, "max.message.bytes", "200")
		wantCode(t, "50 records", b.produce(t, small, 9, newBatch(50).bytes()).ErrorCode, kerr.MessageTooLarge.Code)
		wantCode(t, "1 record", b.produce(t, small, 9, newBatch(1).bytes()).ErrorCode, 0)
	})
	t.Run("a timestamp out of range is invalid, record by record", func(t *testing.T) {
		strict, _ := b.topic(t, "message.timestamp.before.max.ms", "1000", "message.timestamp.after.max.ms", "1000")
		for _, away := range []time.Duration{-time.Hour, time.Hour} {
			at := time.Now().Add(away).UnixMilli()
			p := b.produce(t, strict, 9, newBatch(2).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = at, at }).bytes())
			wantCode(t, away.String(), p.ErrorCode, kerr.InvalidTimestamp.Code)
			if len(p.ErrorRecords) != 2 {
				t.Errorf("%d records are named", len(p.ErrorRecords))
			}
		}
	})
}

func testProduceAcks0(t *testing.T, b *broker) {
	topic, _ := b.topic(t)
	wrongCRC := newBatch(1).bytes()
	wrongCRC[len(wrongCRC)-3] ^= 0x40
	for what, req := range map[string]*kmsg.ProduceRequest{
		"an unknown topic": produceRequest("nobody-knows-it", [16]byte{}, 0, newBatch(1).bytes()),
		"a wrong CRC":      produceRequest(topic, [16]byte{}, 0, wrongCRC),
	} {
		t.Run(what+" closes the connection", func(t *testing.T) {
			c := b.dial(t)
			c.send(req, 9)
			c.closed()
		})
	}
	t.Run("a gap in the sequence closes the connection", func(t *testing.T) {
		id := b.producerID(t)
		b.mustProduce(t, topic, newBatch(1).by(id, 0, 0).bytes())
		c := b.dial(t)
		c.send(produceRequest(topic, [16]byte{}, 0, newBatch(1).by(id, 0, 5).bytes()), 9)
		c.closed()
	})
	t.Run("a good batch is taken and not answered", func(t *testing.T) {
		c := b.dial(t)
		c.send(produceRequest(topic, [16]byte{}, 0, newBatch(1).bytes()), 9)
		c.alive()
	})
}

func testStoredBatch(t *testing.T, b *broker) {
	topic, _ := b.topic(t)
	t.Run("a wrong max timestamp is corrected", func(t *testing.T) {
		sent := newBatch(2).with(func(b *batch) { b.MaxTimestamp += 100_000 })
		at := b.mustProduce(t, topic, sent.bytes())
		if got := b.stored(t, topic, at); got.MaxTimestamp != sent.FirstTimestamp {
			t.Errorf("max timestamp %d is stored, the records' is %d", got.MaxTimestamp, sent.FirstTimestamp)
		}
	})
	t.Run("a gap in an uncompressed batch is stored", func(t *testing.T) {
		sent := newBatch(2).with(func(b *batch) { b.deltas[1] = 7 })
		at := b.mustProduce(t, topic, sent.bytes())
		if got := b.stored(t, topic, at); string(got.Records) != string(sent.with(func(b *batch) {}).bytes()[61:]) || got.LastOffsetDelta != 1 {
			t.Errorf("stored: %x, last offset delta %d", got.Records, got.LastOffsetDelta)
		}
		if next := b.mustProduce(t, topic, newBatch(1).bytes()); next != at+2 {
			t.Errorf("the next batch is at %d, want %d", next, at+2)
		}
	})
	t.Run("attribute bit 7 is kept, but dropped when the times are corrected; the delete horizon bit is kept", func(t *testing.T) {
		for sent, want := range map[int16][2]int16{0x80: {0x80, 0}, 0x40: {0x40, 0x40}} {
			at := b.mustProduce(t, topic, newBatch(1).with(func(b *batch) { b.Attributes = sent }).bytes())
			corrected := b.mustProduce(t, topic, newBatch(1).with(func(b *batch) { b.Attributes, b.MaxTimestamp = sent, b.MaxTimestamp+1 }).bytes())
			if got := [2]int16{b.stored(t, topic, at).Attributes, b.stored(t, topic, corrected).Attributes}; got != want {
				t.Errorf("attributes %#x are stored for %#x, want %#x", got, sent, want)
			}
		}
	})
	t.Run("LogAppendTime stamps the batch and tells the producer", func(t *testing.T) {
		stamped, _ := b.topic(t, "message.timestamp.type", "LogAppendTime")
		p := b.produce(t, stamped, 9, newBatch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = 1000, 1000 }).bytes())
		wantCode(t, "produce", p.ErrorCode, 0)
		if got := b.stored(t, stamped, 0); got.Attributes&8 == 0 || got.MaxTimestamp != p.LogAppendTime || time.Since(time.UnixMilli(p.LogAppendTime)).Abs() > time.Minute {
			t.Errorf("attributes %#x, max timestamp %d, answered %d", got.Attributes, got.MaxTimestamp, p.LogAppendTime)
		}
	})
	for codec, want := range map[string]int16{"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4, "uncompressed": 0} {
		t.Run("compression.type="+codec+" stores that codec", func(t *testing.T) {
			other, _ := b.topic(t, "compression.type", codec)
			plain := b.mustProduce(t, other, newBatch(20).bytes())
			packed := b.mustProduce(t, other, newBatch(20).with(func(b *batch) { b.gzip = true }).bytes())
			for _, at := range []int64{plain, packed} {
				if got := b.stored(t, other, at); got.Attributes&7 != want || got.NumRecords != 20 {
					t.Errorf("codec %d, %d records stored, want codec %d", got.Attributes&7, got.NumRecords, want)
				}
			}
		})
	}
}

package behaviour

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func testFetch(t *testing.T, b *broker) {
	topic, id := b.topic(t)
	for range 3 {
		b.mustProduce(t, topic, newBatch(1).bytes())
	}
	const wait = 600 * time.Millisecond
	took := func(req *kmsg.FetchRequest) (kmsg.FetchResponseTopicPartition, time.Duration) {
		req.MaxWaitMillis = int32(wait / time.Millisecond)
		began := time.Now()
		return b.fetch(t, req), time.Since(began)
	}
	nowhere := func(t *testing.T, p kmsg.FetchResponseTopicPartition) {
		t.Helper()
		if p.HighWatermark != -1 || p.LastStableOffset != -1 || p.LogStartOffset != -1 {
			t.Errorf("with an error: high watermark %d, last stable %d, log start %d, want -1", p.HighWatermark, p.LastStableOffset, p.LogStartOffset)
		}
	}
	t.Run("an unknown partition does not end the wait of another", func(t *testing.T) {
		req := fetchRequest(topic, 3)
		unknown := kmsg.NewFetchRequestTopicPartition()
		unknown.Partition, unknown.PartitionMaxBytes = 7, 1<<20
		req.Topics[0].Partitions = append([]kmsg.FetchRequestTopicPartition{unknown}, req.Topics[0].Partitions...)
		req.MaxWaitMillis = int32(wait / time.Millisecond)
		began := time.Now()
		partitions := ask(t, b, req, 12, kmsg.NewPtrFetchResponse()).Topics[0].Partitions
		d := time.Since(began)
		if len(partitions) != 2 {
			t.Fatalf("%d partitions", len(partitions))
		}
		for _, p := range partitions {
			if p.Partition == 7 {
				wantCode(t, "partition 7", p.ErrorCode, kerr.UnknownTopicOrPartition.Code)
				nowhere(t, p)
			}
		}
		if d < wait-50*time.Millisecond {
			t.Errorf("answered after %s, max wait is %s", d, wait)
		}
	})
	t.Run("unknown partitions alone are answered at once", func(t *testing.T) {
		req := fetchRequest(topic, 0)
		req.Topics[0].Partitions[0].Partition = 7
		p, d := took(req)
		wantCode(t, "partition 7", p.ErrorCode, kerr.UnknownTopicOrPartition.Code)
		if d > wait-100*time.Millisecond {
			t.Errorf("answered after %s only", d)
		}
	})
	t.Run("an offset out of range ends the wait", func(t *testing.T) {
		p, d := took(fetchRequest(topic, 99))
		wantCode(t, "offset 99", p.ErrorCode, kerr.OffsetOutOfRange.Code)
		nowhere(t, p)
		if d > wait-100*time.Millisecond {
			t.Errorf("answered after %s only", d)
		}
	})
	t.Run("the end of the log waits", func(t *testing.T) {
		p, d := took(fetchRequest(topic, 3))
		wantCode(t, "the end", p.ErrorCode, 0)
		if d < wait-50*time.Millisecond || p.HighWatermark != 3 {
			t.Errorf("answered after %s, high watermark %d", d, p.HighWatermark)
		}
	})
	t.Run("a last fetched epoch newer than the leader's is out of range", func(t *testing.T) {
		req := fetchRequest(topic, 3)
		req.Topics[0].Partitions[0].LastFetchedEpoch = 1000
		p := b.fetch(t, req)
		wantCode(t, "epoch 1000", p.ErrorCode, kerr.OffsetOutOfRange.Code)
	})
	t.Run("a current epoch is compared with the leader's", func(t *testing.T) {
		req := fetchRequest(topic, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = 1000
		wantCode(t, "a newer one", b.fetch(t, req).ErrorCode, kerr.UnknownLeaderEpoch.Code)
	})
	whole := func(req *kmsg.FetchRequest) int16 {
		resp := ask(t, b, req, 12, kmsg.NewPtrFetchResponse())
		if resp.ErrorCode == 0 && len(resp.Topics) == 1 {
			return resp.Topics[0].Partitions[0].ErrorCode
		}
		return resp.ErrorCode
	}
	t.Run("negative max bytes are an unknown server error", func(t *testing.T) {
		req := fetchRequest(topic, 0)
		req.MaxBytes = -1
		wantCode(t, "max bytes -1", whole(req), kerr.UnknownServerError.Code)
		req = fetchRequest(topic, 0)
		req.Topics[0].Partitions[0].PartitionMaxBytes = -1
		wantCode(t, "partition max bytes -1", whole(req), kerr.UnknownServerError.Code)
	})
	t.Run("isolation level 7 is an unknown server error", func(t *testing.T) {
		req := fetchRequest(topic, 0)
		req.IsolationLevel = 7
		wantCode(t, "isolation level 7", whole(req), kerr.UnknownServerError.Code)
	})
	t.Run("a replica that is none is told so", func(t *testing.T) {
		req := fetchRequest(topic, 0)
		req.ReplicaID = 4711
		wantCode(t, "replica 4711", whole(req), kerr.NotLeaderForPartition.Code)
	})
	t.Run("the first batch comes whole whatever the limits are", func(t *testing.T) {
		req := fetchRequest(topic, 1)
		req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1, 1
		p := b.fetch(t, req)
		if want := len(newBatch(1).bytes()); p.ErrorCode != 0 || len(p.RecordBatches) != want {
			t.Errorf("error %d, %d bytes, want %d", p.ErrorCode, len(p.RecordBatches), want)
		}
	})
	t.Run("an unknown topic id ends with its own error", func(t *testing.T) {
		for version := int16(13); version <= 18; version++ {
			req := fetchRequest("", 0)
			req.Topics[0].TopicID = [16]byte{1, 2}
			resp := ask(t, b, req, version, kmsg.NewPtrFetchResponse())
			wantCode(t, "an unknown id", resp.Topics[0].Partitions[0].ErrorCode, kerr.UnknownTopicID.Code)
			req.Topics[0].TopicID = id
			resp = ask(t, b, req, version, kmsg.NewPtrFetchResponse())
			if len(resp.Topics) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
				t.Errorf("v%d by id: %+v", version, resp.Topics)
			}
		}
	})
}

// offset asks ListOffsets for one timestamp.
func (b *broker) offset(t *testing.T, topic string, version int16, timestamp int64) kmsg.ListOffsetsResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp, rp.CurrentLeaderEpoch = timestamp, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return ask(t, b, req, version, kmsg.NewPtrListOffsetsResponse()).Topics[0].Partitions[0]
}

func testListOffsets(t *testing.T, b *broker) {
	topic, _ := b.topic(t)
	base := time.Now().Add(-time.Hour).UnixMilli()
	for i := range int64(3) {
		b.mustProduce(t, topic, newBatch(1).with(func(b *batch) { b.FirstTimestamp, b.MaxTimestamp = base+i*1000, base+i*1000 }).bytes())
	}
	for _, c := range []struct {
		what              string
		version           int16
		timestamp         int64
		code              int16
		offset, stampedAt int64
	}{
		{"latest", 10, -1, 0, 3, -1},
		{"earliest", 10, -2, 0, 0, -1},
		{"max timestamp", 10, -3, 0, 2, base + 2000},
		{"earliest local", 10, -4, 0, 0, -1},
		{"latest tiered", 10, -5, 0, -1, -1},
		{"earliest pending upload", 11, -6, 0, -1, -1},
		{"a timestamp between", 10, base + 500, 0, 1, base + 1000},
		{"a timestamp after all", 10, base + 5000, 0, -1, -1},
		{"max timestamp in a version too old", 6, -3, kerr.UnsupportedVersion.Code, -1, -1},
		{"earliest local in a version too old", 7, -4, kerr.UnsupportedVersion.Code, -1, -1},
		{"a special timestamp that does not exist", 10, -9, kerr.UnsupportedVersion.Code, -1, -1},
	} {
		t.Run(c.what, func(t *testing.T) {
			p := b.offset(t, topic, c.version, c.timestamp)
			wantCode(t, c.what, p.ErrorCode, c.code)
			if p.Offset != c.offset || p.Timestamp != c.stampedAt {
				t.Errorf("offset %d with timestamp %d, Kafka says %d with %d", p.Offset, p.Timestamp, c.offset, c.stampedAt)
			}
		})
	}
	t.Run("the max timestamp of deleted records is still found", func(t *testing.T) {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.TimeoutMillis = 5000
		rt := kmsg.NewDeleteRecordsRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewDeleteRecordsRequestTopicPartition()
		rp.Offset = -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		if p := ask(t, b, req, 2, kmsg.NewPtrDeleteRecordsResponse()).Topics[0].Partitions[0]; p.ErrorCode != 0 || p.LowWatermark != 3 {
			t.Fatalf("DeleteRecords: %+v", p)
		}
		if p := b.offset(t, topic, 10, -2); p.Offset != 3 {
			t.Errorf("earliest is %d, want 3", p.Offset)
		}
		if p := b.offset(t, topic, 10, -3); p.ErrorCode != 0 || p.Offset != 2 {
			t.Errorf("max timestamp: error %d, offset %d, want 2", p.ErrorCode, p.Offset)
		}
	})
}

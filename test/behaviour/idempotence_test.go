package behaviour

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producerID asks for a new one.
func (b *broker) producerID(t *testing.T) int64 {
	t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.ProducerID, req.ProducerEpoch = -1, -1
	for deadline := time.Now().Add(answerWithin); ; {
		resp := ask(t, b, req, 4, kmsg.NewPtrInitProducerIDResponse())
		if resp.ErrorCode == 0 {
			return resp.ProducerID
		}
		if resp.ErrorCode != kerr.CoordinatorLoadInProgress.Code || time.Now().After(deadline) {
			t.Fatalf("InitProducerId: error %d", resp.ErrorCode)
		}
	}
}

func testIdempotence(t *testing.T, b *broker) {
	t.Run("a repeat is answered with its first offset and a LogAppendTime", func(t *testing.T) {
		topic, _ := b.topic(t)
		id := b.producerID(t)
		for i := range int32(6) {
			p := b.produce(t, topic, 9, newBatch(1).by(id, 0, i).bytes())
			if p.ErrorCode != 0 || p.BaseOffset != int64(i) || p.LogAppendTime != -1 {
				t.Fatalf("sequence %d: %+v", i, p)
			}
		}
		for i := int32(1); i < 6; i++ {
			p := b.produce(t, topic, 9, newBatch(1).by(id, 0, i).bytes())
			if p.ErrorCode != 0 || p.BaseOffset != int64(i) || time.Since(time.UnixMilli(p.LogAppendTime)).Abs() > time.Minute {
				t.Errorf("a repeat of sequence %d: %+v", i, p)
			}
		}
		wantCode(t, "a repeat of the sixth last", b.produce(t, topic, 9, newBatch(1).by(id, 0, 0).bytes()).ErrorCode, kerr.OutOfOrderSequenceNumber.Code)
		wantCode(t, "a gap", b.produce(t, topic, 9, newBatch(1).by(id, 0, 8).bytes()).ErrorCode, kerr.OutOfOrderSequenceNumber.Code)
		if next := b.mustProduce(t, topic, newBatch(1).by(id, 0, 6).bytes()); next != 6 {
			t.Errorf("the next record is at %d, want 6", next)
		}
	})
	t.Run("an unknown producer may begin anywhere", func(t *testing.T) {
		topic, _ := b.topic(t)
		id := b.producerID(t)
		b.mustProduce(t, topic, newBatch(1).by(id, 3, 77).bytes())
		b.mustProduce(t, topic, newBatch(1).by(id, 3, 78).bytes())
		wantCode(t, "a negative epoch", b.produce(t, topic, 9, newBatch(1).by(b.producerID(t), -3, 0).bytes()).ErrorCode, kerr.InvalidProducerEpoch.Code)
	})
	t.Run("a new epoch begins at 0 and shuts out the old one", func(t *testing.T) {
		topic, _ := b.topic(t)
		id := b.producerID(t)
		b.mustProduce(t, topic, newBatch(1).by(id, 0, 0).bytes())
		wantCode(t, "a new epoch with sequence 1", b.produce(t, topic, 9, newBatch(1).by(id, 1, 1).bytes()).ErrorCode, kerr.OutOfOrderSequenceNumber.Code)
		b.mustProduce(t, topic, newBatch(1).by(id, 1, 0).bytes())
		wantCode(t, "a repeat of the old epoch", b.produce(t, topic, 9, newBatch(1).by(id, 0, 0).bytes()).ErrorCode, kerr.InvalidProducerEpoch.Code)
	})
	t.Run("the sequence wraps at 2^31", func(t *testing.T) {
		topic, _ := b.topic(t)
		id := b.producerID(t)
		b.mustProduce(t, topic, newBatch(2).by(id, 0, 1<<31-2).bytes())
		b.mustProduce(t, topic, newBatch(1).by(id, 0, 0).bytes())
		p := b.produce(t, topic, 9, newBatch(2).by(id, 0, 1<<31-2).bytes())
		if p.ErrorCode != 0 || p.BaseOffset != 0 {
			t.Errorf("a repeat before the wrap: %+v", p)
		}
		c := b.produce(t, topic, 9, newBatch(3).by(id, 0, 1).bytes())
		wantCode(t, "after the wrap", c.ErrorCode, 0)
	})
	t.Run("an id with an epoch that was never given is refused", func(t *testing.T) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.ProducerID, req.ProducerEpoch = -1, 0
		wantCode(t, "an epoch without an id", ask(t, b, req, 4, kmsg.NewPtrInitProducerIDResponse()).ErrorCode, kerr.InvalidRequest.Code)
	})
}

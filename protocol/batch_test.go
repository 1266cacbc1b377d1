package protocol

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestBatchHeaderReadsWhatKmsgWrites(t *testing.T) {
	k := kmsg.RecordBatch{
		FirstOffset: 1 << 40, Length: 49 + 3, PartitionLeaderEpoch: 7, Magic: 2, CRC: 1 << 30, Attributes: 0x18 | 4,
		LastOffsetDelta: 9, FirstTimestamp: 1_700_000_000_000, MaxTimestamp: 1_700_000_000_009, ProducerID: 1 << 35,
		ProducerEpoch: 3, FirstSequence: 1<<31 - 5, NumRecords: 10, Records: []byte{1, 2, 3},
	}
	b := k.AppendTo(nil)
	h, err := ParseBatchHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Size() != len(b) || h.LastOffset() != 1<<40+9 || h.Codec() != CodecZstd || !h.LogAppendTime() || !h.Transactional() ||
		h.Control() || h.HasDeleteHorizon() || h.LastSequence() != 4 || h.MaxTimestamp != k.MaxTimestamp {
		t.Fatalf("%+v", h)
	}
	if got := AppendBatchHeader(nil, &h); string(got) != string(b[:BatchHeaderSize]) {
		t.Fatalf("written back as %x, was %x", got, b[:BatchHeaderSize])
	}
	SealBatch(b)
	if err := CheckBatchCRC(b); err != nil {
		t.Fatal(err)
	}
	PatchBatch(b, 42, 43)
	if err := CheckBatchCRC(b); err != nil {
		t.Fatalf("PatchBatch touched what the CRC covers: %v", err)
	}
	b[len(b)-1]++
	if CheckBatchCRC(b) == nil {
		t.Fatal("a changed byte was not seen")
	}
}

func TestBatchHeaderNeeds61Bytes(t *testing.T) {
	if _, err := ParseBatchHeader(make([]byte, BatchHeaderSize-1)); err == nil {
		t.Fatal("no error")
	}
}

func TestSetLogAppendTimeKeepsTheBatchValid(t *testing.T) {
	b := append(make([]byte, BatchHeaderSize), "records"...)
	SetLogAppendTime(b, 99)
	h, _ := ParseBatchHeader(b)
	if err := CheckBatchCRC(b); err != nil || !h.LogAppendTime() || h.MaxTimestamp != 99 {
		t.Fatalf("%+v, %v", h, err)
	}
}

package protocol

import (
	"bytes"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const fuzzLimit = 1 << 20

func FuzzProduceRequest(f *testing.F) {
	for _, version := range []int16{0, 3, 8, 9, 13} {
		f.Add(version, produceFrame(version, 2, 5))
	}
	f.Add(int16(9), []byte{0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	var got ProduceRequest
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		err := got.Decode(body, 0, version)
		if len(got.Partitions) > len(body) || len(got.Topics) > len(body) {
			t.Fatalf("%d partitions of %d bytes", len(got.Partitions), len(body))
		}
		if err != nil {
			return
		}
		for _, p := range got.Partitions {
			if p.Start < 1 || !bytes.Equal(body[p.Start:p.Start+len(p.Records)], p.Records) {
				t.Fatalf("%+v", p)
			}
		}
		req, err := DecodeRequest(0, version, body)
		if err != nil {
			if errors.Is(err, errBodyTooRich) {
				return
			}
			t.Fatalf("kmsg refuses what Decode took: %v", err)
		}
		checkProduce(t, new(ProduceRequest), req.(*kmsg.ProduceRequest))
		got.AppendResponse(nil, make([]ProduceAnswer, len(got.Partitions)), 0, nil)
	})
}

func FuzzRecordBatch(f *testing.F) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		f.Add(testBatch(f, codec, 3, 20), true)
	}
	f.Add(testBatch(f, CodecNone, 3, 20)[:70], false)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		b = bytes.Clone(b)
		if mend && len(b) >= BatchHeaderSize {
			SealBatch(b)
		}
		_ = EachBatch(b, func(h *BatchHeader, batch []byte) error {
			if h.Size() != len(batch) {
				t.Fatalf("batch of %d bytes says %d", len(batch), h.Size())
			}
			return nil
		})
		if it, err := NewRecords(b, fuzzLimit); err == nil {
			for it.Next() {
				_, _ = it.Record().Headers()
			}
			it.Close()
		}
		lim := testLimits()
		lim.DecompressedBytesMax = fuzzLimit
		v, refused := ValidateProduce(b, &lim)
		if refused != nil {
			_ = refused.Error()
			return
		}
		checkValid(t, &v)
		lim.Codec = CodecSnappy
		if v, refused := ValidateProduce(v.Batch, &lim); refused == nil {
			checkValid(t, &v)
		}
	})
}

// checkValid checks what ValidateProduce promises.
func checkValid(t *testing.T, v *ValidBatch) {
	t.Helper()
	h, err := ParseBatchHeader(v.Batch)
	if err != nil || h != v.Header || CheckBatchCRC(v.Batch) != nil {
		t.Fatalf("%+v, stored %+v: %v, %v", v.Header, h, err, CheckBatchCRC(v.Batch))
	}
	it, err := NewRecords(v.Batch, fuzzLimit)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	n, newest := int32(0), NoTimestamp
	for ; it.Next(); n++ {
		newest = max(newest, it.Record().Timestamp)
		if _, err := it.Record().Headers(); err != nil {
			t.Fatal(err)
		}
	}
	if it.Err() != nil || n != h.RecordCount || newest != h.MaxTimestamp || h.LastOffsetDelta != n-1 {
		t.Fatalf("%d records up to %d, header %+v: %v", n, newest, h, it.Err())
	}
}

func FuzzRequestHeader(f *testing.F) {
	f.Add([]byte{0, 3, 0, 12, 0, 0, 0, 9, 0, 2, 'm', 'e', 1, 5, 1, 0})
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, body, err := ParseRequestHeader(frame)
		if body < 0 || body > len(frame) || err == nil && body < 10 {
			t.Fatalf("body at %d of %d: %v", body, len(frame), err)
		}
	})
}

func FuzzDecodeRequest(f *testing.F) {
	for _, key := range []int16{1, 3, 18, 19, 53, 63, 68, 75, 88} {
		req := kmsg.RequestForKey(key)
		req.SetVersion(req.MaxVersion())
		f.Add(key, req.MaxVersion(), req.AppendTo(nil))
	}
	f.Add(int16(18), int16(3), []byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		req, err := DecodeRequest(key, version, body)
		if err != nil {
			return
		}
		again, err := DecodeRequest(key, version, req.AppendTo(nil))
		if err != nil {
			if errors.Is(err, errBodyTooRich) {
				return
			}
			t.Fatalf("%s v%d: what was decoded cannot be read again: %v", kmsg.NameForKey(key), version, err)
		}
		if !bytes.Equal(again.AppendTo(nil), req.AppendTo(nil)) {
			t.Fatalf("%s v%d does not survive a round trip", kmsg.NameForKey(key), version)
		}
	})
}

func FuzzDecompress(f *testing.F) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		b, err := Compress(nil, codec, bytes.Repeat([]byte("some text, "), 20))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(int8(codec), b)
	}
	f.Add(int8(CodecSnappy), []byte{0xff, 0xff, 0xff, 0xff, 0x0f, 0})
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		out, err := Decompress(nil, Codec(codec), src, fuzzLimit)
		if len(out) > fuzzLimit && err == nil {
			t.Fatalf("%d bytes", len(out))
		}
		if err != nil {
			return
		}
		packed, err := Compress(nil, Codec(codec), out)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decompress(nil, Codec(codec), packed, fuzzLimit); err != nil || !bytes.Equal(back, out) {
			t.Fatalf("round trip of %d bytes: %v", len(out), err)
		}
	})
}

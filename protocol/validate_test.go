package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const testNow = 1_700_000_000_000

func testLimits() ProduceLimits {
	return ProduceLimits{
		Version: 9, MaxMessageBytes: 1 << 20, TimestampBeforeMs: 1<<63 - 1, TimestampAfterMs: 3_600_000, NowMs: testNow,
		Codec: CodecProducer,
	}
}

// testBatch is a batch of n records with values of size bytes, timestamps testNow, testNow+1, …
func testBatch(t testing.TB, codec Codec, n, size int) []byte {
	t.Helper()
	w := NewBatchBuilder(codec)
	for i := range n {
		w.Append(testNow+int64(i), []byte("key"), bytes.Repeat([]byte{byte(i)}, size), []Header{{"h", nil}, {"g", []byte("v")}})
	}
	b, err := w.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changed is a copy of b with f applied and its CRC renewed.
func changed(b []byte, f func(b []byte)) []byte {
	b = bytes.Clone(b)
	f(b)
	crc := BatchCRC(b)
	binary.BigEndian.PutUint32(b[atCRC:], crc)
	return b
}

func TestBuiltBatchesAreReadByKmsg(t *testing.T) {
	b := testBatch(t, CodecNone, 3, 10)
	var k kmsg.RecordBatch
	if err := k.ReadFrom(b); err != nil {
		t.Fatal(err)
	}
	for i, rest := int32(0), k.Records; i < k.NumRecords; i++ {
		size, n := varint32(rest)
		var r kmsg.Record
		if err := r.ReadFrom(rest[:n+int(size)]); err != nil {
			t.Fatal(err)
		}
		if r.OffsetDelta != i || string(r.Key) != "key" || len(r.Value) != 10 || len(r.Headers) != 2 || r.Headers[0].Value != nil {
			t.Fatalf("record %d: %+v", i, r)
		}
		rest = rest[n+int(size):]
	}
}

func TestValidateProduceAcceptsEveryCodec(t *testing.T) {
	for codec := CodecNone; codec <= CodecZstd; codec++ {
		lim := testLimits()
		b := testBatch(t, codec, 100, 1000)
		was := bytes.Clone(b)
		v, refused := ValidateProduce(b, &lim)
		if refused != nil {
			t.Fatalf("%v: %v", codec, refused)
		}
		if v.Rewritten || &v.Batch[0] != &b[0] || !bytes.Equal(v.Batch, was) || v.AppendTimeMs != -1 || v.Header.RecordCount != 100 {
			t.Fatalf("%v: %+v", codec, v.Header)
		}
	}
}

func TestValidateProduceOfAPlainBatchDoesNotAllocate(t *testing.T) {
	b, lim := testBatch(t, CodecNone, 100, 600), testLimits()
	if n := testing.AllocsPerRun(100, func() {
		if _, refused := ValidateProduce(b, &lim); refused != nil {
			t.Fatal(refused)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func TestValidateProduceRefusesAsKafkaDoes(t *testing.T) {
	good := testBatch(t, CodecNone, 3, 10)
	put16 := func(at int, v uint16) []byte {
		return changed(good, func(b []byte) { binary.BigEndian.PutUint16(b[at:], v) })
	}
	put32 := func(at int, v int32) []byte {
		return changed(good, func(b []byte) { binary.BigEndian.PutUint32(b[at:], uint32(v)) })
	}
	put64 := func(at int, v int64) []byte {
		return changed(good, func(b []byte) { binary.BigEndian.PutUint64(b[at:], uint64(v)) })
	}
	flip := func(at int) []byte { b := bytes.Clone(good); b[at] ^= 0x40; return b }
	keyless := NewBatchBuilder(CodecNone)
	keyless.Append(testNow, nil, nil, nil)
	noKey, _ := keyless.AppendTo(nil)
	for _, c := range []struct {
		name    string
		records []byte
		limits  func(*ProduceLimits)
		want    ErrorCode
	}{
		{"null", nil, nil, ErrInvalidRecord},
		{"empty", []byte{}, nil, ErrInvalidRecord},
		{"too short for a length", good[:11], nil, ErrInvalidRecord},
		{"too short for a magic", good[:16], nil, ErrInvalidRecord},
		{"truncated body", good[:len(good)-1], nil, ErrInvalidRecord},
		{"two batches", append(bytes.Clone(good), good...), nil, ErrInvalidRecord},
		{"magic 1 in v9", changed(good, func(b []byte) { b[atMagic] = 1 }), nil, ErrInvalidRecord},
		{"magic 3", changed(good, func(b []byte) { b[atMagic] = 3 }), nil, ErrCorruptMessage},
		{"negative length", put32(atBatchLength, -1), nil, ErrCorruptMessage},
		{"length that holds no header", put32(atBatchLength, 48), nil, ErrCorruptMessage},
		{"wrong CRC", flip(len(good) - 1), nil, ErrCorruptMessage},
		{"base offset 1", put64(atBaseOffset, 1), nil, ErrInvalidRecord},
		{"codec 5", put16(atAttributes, 5), nil, ErrUnknownServerError},
		{"codec 7", put16(atAttributes, 7), nil, ErrUnknownServerError},
		{"body that is not gzip", put16(atAttributes, 1), nil, ErrUnknownServerError},
		{"body that is not snappy", put16(atAttributes, 2), nil, ErrUnknownServerError},
		{"body that is not lz4", put16(atAttributes, 3), nil, ErrUnknownServerError},
		{"body that is not zstd", put16(atAttributes, 4), nil, ErrUnknownServerError},
		{"zstd in v6", put16(atAttributes, 4), func(l *ProduceLimits) { l.Version = 6 }, ErrUnsupportedCompressionType},
		{"control batch", put16(atAttributes, 0x20), nil, ErrInvalidRecord},
		{"no records", put32(atRecordCount, 0), nil, ErrInvalidRecord},
		{"negative count", put32(atRecordCount, -3), nil, ErrInvalidRecord},
		{"one record less than said", put32(atRecordCount, 4), nil, ErrInvalidRecord},
		{"last delta does not fit", put32(atLastOffsetDelta, 7), nil, ErrInvalidRecord},
		{"negative last delta", put32(atLastOffsetDelta, -1), nil, ErrInvalidRecord},
		{"count and delta agree, records do not", changed(put32(atRecordCount, 4), func(b []byte) { b[atLastOffsetDelta+3] = 3 }), nil, ErrInvalidRecord},
		{"a record left over", changed(put32(atRecordCount, 2), func(b []byte) { b[atLastOffsetDelta+3] = 1 }), nil, ErrInvalidRecord},
		{"a record's length is wrong", changed(good, func(b []byte) { b[BatchHeaderSize] += 2 }), nil, ErrInvalidRecord},
		{"a record's length is negative", changed(good, func(b []byte) { b[BatchHeaderSize] = 1 }), nil, ErrInvalidRecord},
		{"producer id without sequence", put64(atProducerID, 5), nil, ErrInvalidRecord},
		{"larger than max.message.bytes", good, func(l *ProduceLimits) { l.MaxMessageBytes = int64(len(good)) - 1 }, ErrMessageTooLarge},
		{"larger than a segment", good, func(l *ProduceLimits) { l.SegmentBytes = int64(len(good)) - 1 }, ErrRecordListTooLarge},
		{"too old", good, func(l *ProduceLimits) { l.NowMs = testNow + 1000; l.TimestampBeforeMs = 999 }, ErrInvalidTimestamp},
		{"too new", good, func(l *ProduceLimits) { l.NowMs = testNow - 1000; l.TimestampAfterMs = 999 }, ErrInvalidTimestamp},
		{"no key in a compacted topic", noKey, func(l *ProduceLimits) { l.Compacted = true }, ErrInvalidRecord},
		{"timestamp type set by the producer", put16(atAttributes, 8), func(l *ProduceLimits) { l.LogAppendTime = true }, ErrInvalidTimestamp},
	} {
		lim := testLimits()
		if c.limits != nil {
			c.limits(&lim)
		}
		_, refused := ValidateProduce(bytes.Clone(c.records), &lim)
		if refused == nil {
			t.Errorf("%s: accepted, want %v", c.name, c.want)
		} else if !errors.Is(refused, c.want) {
			t.Errorf("%s: %v, want %v", c.name, refused, c.want)
		}
	}
}

func TestValidateProduceDropsATruncatedTail(t *testing.T) {
	good, lim := testBatch(t, CodecNone, 3, 10), testLimits()
	v, refused := ValidateProduce(append(bytes.Clone(good), good[:len(good)-1]...), &lim)
	if refused != nil || !bytes.Equal(v.Batch, good) {
		t.Fatal(refused)
	}
}

func TestValidateProduceNamesTheRecordsAtFault(t *testing.T) {
	w := NewBatchBuilder(CodecNone)
	for _, ts := range []int64{testNow, testNow - 5000, NoTimestamp, testNow + 5000} {
		w.Append(ts, nil, nil, nil)
	}
	b, _ := w.AppendTo(nil)
	lim := testLimits()
	lim.TimestampBeforeMs, lim.TimestampAfterMs = 1000, 1000
	_, refused := ValidateProduce(b, &lim)
	if refused == nil || refused.Code != ErrInvalidTimestamp || len(refused.Records) != 2 || refused.Records[0].Index != 1 || refused.Records[1].Index != 3 {
		t.Fatalf("%+v", refused)
	}
	if !strings.Contains(refused.Records[1].Message, fmt.Sprint(testNow+5000)) {
		t.Fatal(refused.Records[1].Message)
	}
}

func TestValidateProduceLetsRecordsWithoutTimestampPass(t *testing.T) {
	w := NewBatchBuilder(CodecNone)
	w.Append(NoTimestamp, nil, nil, nil)
	b, _ := w.AppendTo(nil)
	lim := testLimits()
	lim.TimestampBeforeMs, lim.TimestampAfterMs = 0, 0
	if _, refused := ValidateProduce(b, &lim); refused != nil {
		t.Fatal(refused)
	}
}

func TestValidateProduceCorrectsTheHeader(t *testing.T) {
	good := testBatch(t, CodecNone, 3, 10)
	broken := changed(good, func(b []byte) {
		binary.BigEndian.PutUint64(b[atMaxTimestamp:], 5)
		binary.BigEndian.PutUint16(b[atAttributes:], 0x8000|0x80|0x40)
	})
	lim := testLimits()
	v, refused := ValidateProduce(broken, &lim)
	if refused != nil {
		t.Fatal(refused)
	}
	h, _ := ParseBatchHeader(v.Batch)
	if h != v.Header || h.MaxTimestamp != testNow+2 || h.Attributes != 0x40 || CheckBatchCRC(v.Batch) != nil {
		t.Fatalf("%+v, stored %+v", v.Header, h)
	}
}

func TestValidateProduceKeepsGapsInPlainBatchesOnly(t *testing.T) {
	gap := changed(testBatch(t, CodecNone, 2, 1), func(b []byte) {
		second := BatchHeaderSize + 1 + int(b[BatchHeaderSize]>>1)
		b[second+3] = 14 // length, attributes, timestamp delta, then the offset delta: +7
	})
	lim := testLimits()
	if _, refused := ValidateProduce(bytes.Clone(gap), &lim); refused != nil {
		t.Fatal(refused)
	}
	packed, err := Recompress(gap, CodecSnappy)
	if err != nil {
		t.Fatal(err)
	}
	if _, refused := ValidateProduce(packed, &lim); refused == nil || refused.Code != ErrInvalidRecord {
		t.Fatal(refused)
	}
	lim.Codec = CodecZstd // rewritten: numbered anew
	v, refused := ValidateProduce(gap, &lim)
	if refused != nil {
		t.Fatal(refused)
	}
	it, err := NewRecords(v.Batch, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for i := int32(0); it.Next(); i++ {
		if it.Record().OffsetDelta != i {
			t.Fatalf("record %d has delta %d", i, it.Record().OffsetDelta)
		}
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
}

func TestValidateProduceStampsLogAppendTime(t *testing.T) {
	for _, codec := range []Codec{CodecNone, CodecLZ4} {
		lim := testLimits()
		lim.LogAppendTime, lim.NowMs = true, testNow+99
		v, refused := ValidateProduce(testBatch(t, codec, 3, 10), &lim)
		if refused != nil {
			t.Fatal(refused)
		}
		if !v.Header.LogAppendTime() || v.Header.MaxTimestamp != testNow+99 || v.AppendTimeMs != testNow+99 || CheckBatchCRC(v.Batch) != nil {
			t.Fatalf("%+v", v.Header)
		}
	}
}

func TestValidateProduceChangesTheCodecIfTheTopicSaysSo(t *testing.T) {
	for from := CodecNone; from <= CodecZstd; from++ {
		for to := CodecNone; to <= CodecZstd; to++ {
			lim := testLimits()
			lim.Codec = to
			b := testBatch(t, from, 50, 100)
			want := recordsOf(t, b)
			v, refused := ValidateProduce(b, &lim)
			if refused != nil {
				t.Fatalf("%v to %v: %v", from, to, refused)
			}
			if v.Header.Codec() != to || v.Rewritten != (from != to) || CheckBatchCRC(v.Batch) != nil || v.Header.Size() != len(v.Batch) {
				t.Fatalf("%v to %v: %+v", from, to, v.Header)
			}
			if got := recordsOf(t, v.Batch); got != want {
				t.Fatalf("%v to %v: records differ", from, to)
			}
		}
	}
}

func TestValidateProduceBoundsWhatABatchDecompressesTo(t *testing.T) {
	for codec := CodecGzip; codec <= CodecZstd; codec++ {
		lim := testLimits()
		b := testBatch(t, codec, 1, 1<<20)
		size := BatchHeaderSize + 1<<20
		lim.DecompressedBytesMax = int64(size) - 1000
		if _, refused := ValidateProduce(b, &lim); refused == nil || refused.Code != ErrMessageTooLarge {
			t.Fatalf("%v: %v", codec, refused)
		}
		lim.DecompressedBytesMax = int64(size)
		if _, refused := ValidateProduce(b, &lim); refused != nil {
			t.Fatalf("%v: %v", codec, refused)
		}
	}
}

// recordsOf prints all records of a batch.
func recordsOf(t testing.TB, b []byte) string {
	t.Helper()
	it, err := NewRecords(b, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	var s strings.Builder
	for it.Next() {
		r := it.Record()
		headers, err := r.Headers()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&s, "%d %d %q %q %v %v %q\n", r.Offset, r.Timestamp, r.Key, r.Value, r.Key == nil, r.Value == nil, headers)
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return s.String()
}

func TestRecordsTellNullFromEmpty(t *testing.T) {
	w := NewBatchBuilder(CodecNone)
	w.Append(1, nil, []byte{}, []Header{{"null", nil}, {"", []byte{}}})
	w.Append(2, []byte{}, nil, nil)
	b, _ := w.AppendTo(nil)
	want := "0 1 \"\" \"\" true false [{\"null\" \"\"} {\"\" \"\"}]\n1 2 \"\" \"\" false true []\n"
	if got := recordsOf(t, b); got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
}

func TestHoldLeavesOneByteInFrontOfTheBatch(t *testing.T) {
	f, start := NewFramePool(1 << 20).Hold([]byte("batch"))
	if start != 1 || string(f.Bytes[start:]) != "batch" {
		t.Fatalf("%d %q", start, f.Bytes)
	}
}

func BenchmarkValidateProduce(b *testing.B) {
	for _, c := range []struct {
		name     string
		codec    Codec
		n, value int
	}{
		{"64KB/of256B", CodecNone, 240, 240}, {"64KB/of1KiB", CodecNone, 62, 1010}, {"256B", CodecNone, 1, 180},
		{"64KB/snappy", CodecSnappy, 240, 240}, {"64KB/lz4", CodecLZ4, 240, 240}, {"64KB/zstd", CodecZstd, 240, 240}, {"64KB/gzip", CodecGzip, 240, 240},
	} {
		rnd := rand.New(rand.NewPCG(1, 1))
		w := NewBatchBuilder(c.codec)
		for range c.n {
			value := make([]byte, c.value)
			for i := range value {
				value[i] = byte(rnd.IntN(40))
			}
			w.Append(testNow, nil, value, nil)
		}
		batch, _ := w.AppendTo(nil)
		lim := testLimits()
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(w.Bytes()))
			b.ReportAllocs()
			for b.Loop() {
				if _, refused := ValidateProduce(batch, &lim); refused != nil {
					b.Fatal(refused)
				}
			}
		})
	}
}

package records

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/troupe-io/troupe/protocol"
)

func TestABatchIsReadBackAsItWasMade(t *testing.T) {
	for _, payload := range PayloadKinds {
		for _, size := range []int{100, 92, 93, 104, 5000} {
			var pool *Pool
			for _, keys := range KeyKinds {
				for codec := protocol.CodecNone; codec <= protocol.CodecZstd; codec++ {
					name := fmt.Sprintf("%s %s %d %s", payload, keys, size, codec)
					p := Pattern{Keys: keys, KeyCount: 1000, KeySize: 8, Payload: payload, Size: size, Stamped: true, Compressible: 0.5}
					if err := p.Check(); err != nil {
						t.Fatal(err)
					}
					if pool == nil || pool.p.Size != size {
						pool = NewPool(p, 1)
					}
					pool.p.Keys = keys
					checkBatch(t, name, pool.Source(2), codec, payload == "json")
				}
			}
		}
	}
}

func checkBatch(t *testing.T, name string, src *Source, codec protocol.Codec, isJSON bool) {
	t.Helper()
	var b Batch
	b.Reset(3, 1000, 0)
	stamp := &Stamp{Run: 42, Producer: 2}
	for i := range int64(200) {
		b.Append(src, src.Key(), i*10, stamp)
	}
	if err := b.Seal(codec, 1234, 77, 1, 5); err != nil {
		t.Fatal(err)
	}
	if err := protocol.CheckBatchCRC(b.Wire()); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	it, err := protocol.NewRecords(b.Wire(), 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer it.Close()
	n := int64(0)
	for it.Next() {
		r := it.Record()
		s, err := CheckStamp(r.Key, r.Value)
		if want := (Stamp{42, 2, 3, 1000 + n, n * 10}); err != nil || s != want {
			t.Fatalf("%s: %+v instead of %+v: %v", name, s, want, err)
		}
		if len(r.Value) != src.p.Size || isJSON && !json.Valid(r.Value) {
			t.Fatalf("%s: value %q", name, r.Value)
		}
		n++
	}
	if it.Err() != nil || n != 200 || b.Len() != 200 || b.Last() != 1199 {
		t.Fatalf("%s: %d records: %v", name, n, it.Err())
	}
	if h := it.BatchHeader(); h.ProducerID != 77 || h.ProducerEpoch != 1 || h.BaseSequence != 5 || h.BaseTimestamp != 1234 {
		t.Errorf("%s: header %+v", name, h)
	}
}

func TestEachFlippedBitOfAStampedValueIsSeen(t *testing.T) {
	for _, payload := range []string{"random", "json"} {
		src := NewSource(Pattern{Keys: "none", Payload: payload, Size: 120, Stamped: true}, 1, 0)
		key := []byte("key")
		value := Stamp{Run: 1, Number: 2}.Value(src, key)
		if _, err := CheckStamp(key, value); err != nil {
			t.Fatal(err)
		}
		for bit := range len(value) * 8 {
			bad := bytes.Clone(value)
			bad[bit/8] ^= 1 << (bit % 8)
			if s, err := CheckStamp(key, bad); err == nil && s.Number == 2 && payload == "random" {
				t.Errorf("%s: bit %d can be flipped", payload, bit)
			}
		}
		if _, err := CheckStamp([]byte("kez"), value); err == nil {
			t.Errorf("%s: another key is accepted", payload)
		}
	}
}

func FuzzCheckStamp(f *testing.F) {
	for _, payload := range []string{"random", "json"} {
		src := NewSource(Pattern{Keys: "none", Payload: payload, Size: 120, Stamped: true}, 1, 0)
		f.Add([]byte("key"), Stamp{Run: 1, Number: 2}.Value(src, []byte("key")))
	}
	f.Add([]byte(nil), []byte(stampMagic))
	f.Add([]byte(nil), []byte(jsonPrefix+"zz"))
	f.Fuzz(func(_ *testing.T, key, value []byte) { _, _ = CheckStamp(key, value) })
}

// The values are those that Apache Kafka's own test of its murmur2 expects.
func TestKeysGoWhereTheJavaClientSendsThem(t *testing.T) {
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string": -1486304829, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d instead of %d", key, got, want)
		}
	}
}

func TestASourceIsAFunctionOfItsSeed(t *testing.T) {
	p := Pattern{Keys: "zipf", KeyCount: 100, KeySize: 4, Payload: "random", Size: 50}
	a, b, c := NewSource(p, 1, 0), NewSource(p, 1, 0), NewSource(p, 2, 0)
	same := 0
	for range 100 {
		ka := string(a.Key())
		if ka != string(b.Key()) || !bytes.Equal(a.Value(), b.Value()) {
			t.Fatal("two sources of one seed differ")
		}
		if ka == string(c.Key()) {
			same++
		}
	}
	if same == 100 {
		t.Error("two seeds give the same keys")
	}
}

func BenchmarkMakeABatchOf500Records(b *testing.B) {
	for _, stamped := range []bool{false, true} {
		b.Run(fmt.Sprintf("stamped=%v", stamped), func(b *testing.B) {
			src := NewSource(Pattern{Keys: "none", Payload: "random", Size: 100, Stamped: stamped}, 1, 0)
			var stamp *Stamp
			if stamped {
				stamp = &Stamp{}
			}
			var batch Batch
			for b.Loop() {
				batch.Reset(0, 0, 0)
				for range 500 {
					batch.Append(src, nil, 0, stamp)
				}
				if err := batch.Seal(protocol.CodecNone, 0, -1, -1, -1); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
		})
	}
}

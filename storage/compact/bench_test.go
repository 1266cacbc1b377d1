package compact

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// BenchmarkRound compacts a log of 256 MiB on the real disk (or in memory) in one round, of random keys: MB/s counts the log's size once,
// though it is read twice.
func BenchmarkRound(b *testing.B) {
	for _, c := range []struct {
		value, keys int
		codec       protocol.Codec
	}{{1000, 250_000, protocol.CodecNone}, {1000, 25_000, protocol.CodecNone}, {100, 250_000, protocol.CodecNone}, {100, 250_000, protocol.CodecLZ4}} {
		b.Run(fmt.Sprintf("value=%d/keys=%d/%s", c.value, c.keys, c.codec), func(b *testing.B) {
			const total = 256 << 20
			for range b.N {
				b.StopTimer()
				rng := rand.New(rand.NewPCG(1, 1))
				opt := segment.Options{SegmentBytes: 64 << 20, SegmentMs: 1 << 40, RetentionBytes: -1, RetentionMs: -1, IndexInterval: 4096, Compact: true}
				dir := b.TempDir()
				r := newRig(b, vfs.OS(), opt, segment.NewState(0))
				r.log = segment.Open(r.shared, dir+"/t-0", r.pids[1], opt, segment.NewState(0))
				value := make([]byte, c.value)
				for i := range value {
					value[i] = byte('a' + rng.IntN(16))
				}
				w := protocol.NewBatchBuilder(c.codec)
				for bytes := 0; bytes < total+64<<20; {
					w.Reset()
					for w.Bytes() < 100_000 {
						w.Append(1000, fmt.Appendf(nil, "key-%010d", rng.IntN(c.keys)), value, nil)
					}
					batch, err := w.AppendTo(nil)
					if err != nil {
						b.Fatal(err)
					}
					bytes += len(batch)
					r.append(batch)
				}
				if err := r.checkpoint(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				_, s, err := r.clean(Config{NowMs: 2000, DeleteRetentionMs: 1000, MapBytes: 128 << 20, Key: HashKey{1, 2}}, 1<<20)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(s.BytesBefore)
				b.ReportMetric(float64(s.BytesAfter)/float64(s.BytesBefore), "kept")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(s.RecordsRead), "ns/record")
			}
		})
	}
}

package wal_test

import (
	"fmt"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// BenchmarkRecovery recovers a log of about 200 MB on the real disk: from opening it to the answer.
func BenchmarkRecovery(b *testing.B) {
	for _, size := range []int{256, 16 << 10} {
		b.Run(fmt.Sprintf("entries of %d bytes", size), func(b *testing.B) {
			dir := b.TempDir() + "/wal"
			r := newRig(b, vfs.OS(), dir, nil)
			r.mustRecover()
			const total = 200 << 20
			written := 0
			data := make([]byte, size)
			for i := uint64(1); written < total; {
				ga := wal.GroupAppend{Group: 2}
				for range (512 << 10) / size {
					ga.Entries = append(ga.Entries, raftpb.Entry{Index: i, Term: 1, Data: data})
					written += size
					i++
				}
				r.append(ga)
			}
			r.stop()
			b.SetBytes(int64(written))
			b.ResetTimer()
			for range b.N {
				r := newRig(b, vfs.OS(), dir, func(c *wal.Config) { c.Fanout = wal.Goroutines })
				if got := r.mustRecover()[2]; len(got.Entries) != written/size {
					b.Fatalf("%d entries", len(got.Entries))
				}
				b.StopTimer()
				r.stop()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkStartFresh is the time from nothing to a log that answers.
func BenchmarkStartFresh(b *testing.B) {
	for i := range b.N {
		r := newRig(b, vfs.OS(), fmt.Sprintf("%s/wal%d", b.TempDir(), i), nil)
		r.mustRecover()
		b.StopTimer()
		r.stop()
		b.StartTimer()
	}
}

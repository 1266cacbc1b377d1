package segment

import (
	"bytes"
	"testing"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/vfs"
)

func TestWhatIsPublishedCanBeReadFromMemoryAndFromFiles(t *testing.T) {
	for _, size := range []int{200, 5000, 64 << 10, 3 << 20} {
		r := newRig(t, vfs.NewMem(), 64<<20)
		l := r.open(NewState(0), testOptions)
		var want []byte
		for i := range max(5, min(40, 10<<20/size)) {
			b := makeBatch(protocol.CodecNone, size, noTimes(1 + i%3)...)
			want = append(want, stored(b, l.EndOffset())...)
			for !appendBatch(l, b) {
				if !r.stepWriter() && !r.stepOwner(l) {
					t.Fatal("refused, and nothing to wait for")
				}
			}
			l.Publish(l.EndOffset(), l.EndOffset())
		}
		for _, maxBytes := range []int64{1, 100_000, 8 << 20} {
			if got := readAll(t, l.Reader(), 0, maxBytes); !bytes.Equal(got, want) {
				t.Fatalf("size %d: from memory: %d bytes, want %d", size, len(got), len(want))
			}
		}
		state := r.checkpoint(l)
		if l.UnwrittenBytes() != 0 {
			t.Fatalf("%d bytes unwritten after a checkpoint", l.UnwrittenBytes())
		}
		for r.shared.Pool.evictForTest() {
		}
		for _, maxBytes := range []int64{1, 100_000, 8 << 20} {
			if got := readAll(t, l.Reader(), 0, maxBytes); !bytes.Equal(got, want) {
				t.Fatalf("size %d: from files: %d bytes, want %d", size, len(got), len(want))
			}
		}
		l.Close(false)
		r.mustRun()
		if used := r.shared.Pool.UsedBytes(); used != 0 {
			t.Fatalf("%d bytes of chunks left after Close", used)
		}
		l = r.open(state, testOptions)
		if got := readAll(t, l.Reader(), 0, 1<<20); !bytes.Equal(got, want) {
			t.Fatalf("size %d: after reopening: %d bytes, want %d", size, len(got), len(want))
		}
	}
}

package compact

import (
	"testing"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// aged is a log of three closed segments whose records are long past retention.ms, and an active one.
func aged(t *testing.T, keys ...string) *rig {
	r := newRig(t, vfs.NewMem(), segment.Options{SegmentBytes: 1000, SegmentMs: 1 << 40, RetentionBytes: -1, RetentionMs: 1000, IndexInterval: 4096, Compact: true}, segment.State{})
	for i, key := range keys {
		r.append(batchOf(protocol.CodecNone, -1, 0, []rec{{timestamp: int64(10 + i), key: key, value: string(make([]byte, 700))}}))
	}
	if err := r.checkpoint(); err != nil {
		t.Fatal(err)
	}
	return r
}

const longAfter = 1_000_000

func TestASegmentThatCompactionEmptiedDoesNotKeepThoseBehindItFromExpiring(t *testing.T) {
	r := aged(t, "a", "a", "b", "c")
	if _, _, err := r.clean(Config{End: 2, NowMs: 20, DeleteRetentionMs: 1}, 1<<20); err != nil {
		t.Fatal(err)
	}
	if first := mustClosed(t, r)[0]; first.Bytes != 0 || first.Next != 1 {
		t.Fatalf("the first segment is %+v", first)
	}
	if start := r.log.RetentionStart(longAfter); start < 3 {
		t.Errorf("the log starts at %d", start)
	}
}

func TestSegmentsFromBeforeARestartExpireAlsoWhenAReaderWasThereFirst(t *testing.T) {
	r := aged(t, "a", "b", "c", "d")
	r.open()
	if _, err := readFrom(r.log.Reader(), 0); err != nil {
		t.Fatal(err)
	}
	r.log.RetentionStart(longAfter)
	r.run()
	if start := r.log.RetentionStart(longAfter); start < 3 {
		t.Errorf("the log starts at %d", start)
	}
}

func mustClosed(t *testing.T, r *rig) []segment.ClosedSegment {
	closed, err := r.log.Reader().Closed()
	if err != nil {
		t.Fatal(err)
	}
	return closed
}

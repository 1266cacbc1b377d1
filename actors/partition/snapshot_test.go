package partition

import (
	"reflect"
	"testing"

	"github.com/troupe-io/troupe/storage/segment"
	"pgregory.net/rapid"
)

func TestASnapshotReadsBackAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64()
		s := &snapshot{log: segment.NewState(rapid.Int64Range(0, 1<<60).Draw(t, "start"))}
		for range rapid.IntRange(0, 4).Draw(t, "epochs") {
			s.epochs = append(s.epochs, EpochStart{rapid.Int32().Draw(t, "epoch"), n.Draw(t, "at")})
		}
		for i := range rapid.IntRange(0, 9).Draw(t, "batches") {
			id := rapid.Int64Range(0, 3).Draw(t, "id")
			s.producers.record(header(id, 1, int32(i), 1), n.Draw(t, "base"), uint64(i), 5)
		}
		got, err := decodeSnapshot(s.encode(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.log, s.log) || !reflect.DeepEqual(got.epochs, s.epochs) || len(got.producers.byID) != len(s.producers.byID) {
			t.Fatalf("wrote %+v, read %+v", s, got)
		}
		for id, p := range s.producers.byID {
			g := got.producers.byID[id]
			if g == nil || g.epoch != p.epoch || g.count != p.count || g.lastIndex != p.lastIndex || !reflect.DeepEqual(g.batches[:g.count], p.batches[:p.count]) {
				t.Fatalf("producer %d: wrote %+v, read %+v", id, p, g)
			}
		}
	})
}

func FuzzSnapshot(f *testing.F) {
	s := &snapshot{log: segment.NewState(0), epochs: []EpochStart{{1, 0}}}
	s.producers.record(header(9, 1, 0, 1), 3, 4, 5)
	f.Add(s.encode())
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeSnapshot(b, 0); err == nil {
			if _, err := decodeSnapshot(s.encode(), 0); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
		}
	})
}

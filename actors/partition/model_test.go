package partition

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/vfs"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "seed of the random test; 0: one from the clock")
	modelRuns = flag.Int("model.runs", 4, "histories of the random test")
)

// model is what a partition must be, written down as simply as possible.
type model struct {
	batches   []stored // all that were ever appended; epoch unused
	end       int64
	start     int64
	producers [3][]modelBatch
}

type modelBatch struct {
	record record
	offset int64
}

// expect is what producing r must answer, and whether it is appended.
func (m *model) expect(r record) (code protocol.ErrorCode, offset int64, isNew bool) {
	p := m.producers[r.id]
	for _, b := range p[max(0, len(p)-batchesRemembered):] {
		if b.record.sequence == r.sequence && b.record.count == r.count {
			return 0, b.offset, false
		}
	}
	if len(p) > 0 {
		if last := p[len(p)-1].record; r.sequence != last.sequence+last.count {
			return protocol.ErrOutOfOrderSequenceNumber, -1, false
		}
	}
	return 0, m.end, true
}

func (m *model) append(r record) {
	m.batches = append(m.batches, stored{base: m.end, count: r.count, value: string(r.value)})
	m.producers[r.id] = append(m.producers[r.id], modelBatch{r, m.end})
	m.end += int64(r.count)
}

func (m *model) check(h *house, when string) {
	h.tb.Helper()
	if b := h.replica.Reader().Bounds(); b.Start != m.start || b.HighWatermark != m.end {
		h.tb.Fatalf("%s: bounds %+v, want %d to %d", when, b, m.start, m.end)
	}
	var want []stored
	for _, b := range m.batches {
		if b.base+int64(b.count) > m.start {
			want = append(want, b)
		}
	}
	got := h.contents()
	if len(got) != len(want) {
		h.tb.Fatalf("%s: %d batches, want %d", when, len(got), len(want))
	}
	for i := range got {
		got[i].epoch = 0
		if got[i] != want[i] {
			h.tb.Fatalf("%s: batch %d is %d %d %.20q, want %d %d %.20q", when, i, got[i].base, got[i].count, got[i].value, want[i].base, want[i].count, want[i].value)
		}
	}
}

// A random history of produces, retries, deletions, checkpoints, panics and power cuts agrees with the model at every step.
func TestEveryHistoryAgreesWithTheModel(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for i := range *modelRuns {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("-seed %d", seed+uint64(i))
			history(t, newRand(seed+uint64(i)))
		})
	}
}

func history(t *testing.T, rng *rand.Rand) {
	config := topicconfig.Config{RetentionMs: -1, RetentionBytes: -1, SegmentBytes: 20_000 + rng.Int64N(100_000), SegmentMs: 1 << 40, MaxMessageBytes: 1 << 20, CleanupDelete: true}
	h := newHouse(t, vfs.NewMem(), setup{config: &config, poolBytes: 2 << 20, walBytes: 128 << 10})
	m := &model{}
	size := 1 + rng.IntN(3000)
	fresh := func() record {
		id := rng.Int64N(3)
		r := record{id: id, count: 1 + rng.Int32N(3)}
		if p := m.producers[id]; len(p) > 0 {
			last := p[len(p)-1].record
			r.sequence = last.sequence + last.count
		}
		r.value = fmt.Appendf(nil, "%d/%d %s", id, r.sequence, strings.Repeat("z", rng.IntN(size)))
		return r
	}
	produce := func(r record) {
		code, offset, isNew := m.expect(r)
		got := h.produceUntil(r)
		if protocol.ErrorCode(got.ErrorCode) != code || got.BaseOffset != offset {
			t.Fatalf("producer %d, sequence %d: %v at %d, want %v at %d", r.id, r.sequence, protocol.ErrorCode(got.ErrorCode), got.BaseOffset, code, offset)
		}
		if isNew {
			m.append(r)
		}
	}
	for step := range 150 {
		switch n := rng.IntN(100); {
		case n < 60:
			produce(fresh())
		case n < 70: // again, recent or long ago
			if p := m.producers[rng.IntN(3)]; len(p) > 0 {
				produce(p[max(0, len(p)-1-rng.IntN(8))].record)
			}
		case n < 74:
			if r := fresh(); len(m.producers[r.id]) > 0 {
				r.sequence += 1 + rng.Int32N(3)
				produce(r)
			}
		case n < 80:
			offset := m.start + rng.Int64N(m.end-m.start+1)
			for end := time.Now().Add(answerTimeout); ; {
				h.sys.Send(h.replica.PID, &DeleteRecords{Offset: offset, Reply: h.sink, Sender: h.sys, Token: "d"})
				var d *RecordsDeleted
				for d == nil {
					d, _ = h.next().(*RecordsDeleted)
				}
				if d.ErrorCode == 0 {
					if m.start = max(m.start, offset); d.LowWatermark != m.start {
						t.Fatalf("step %d: deleted up to %d: low watermark %d, want %d", step, offset, d.LowWatermark, m.start)
					}
					break
				}
				if protocol.ErrorCode(d.ErrorCode) != protocol.ErrNotLeaderForPartition || time.Now().After(end) {
					t.Fatalf("step %d: delete records: %v", step, protocol.ErrorCode(d.ErrorCode))
				}
			}
		case n < 86:
			h.sys.Send(h.replica.PID, &raftactor.CheckpointWanted{Group: h.replica.Group})
		case n < 92: // dies at some message from now on
			switch rng.IntN(3) {
			case 0:
				h.kill.partition.Store(1)
			case 1:
				h.kill.raft.Store(1)
			default:
				h.kill.wal.Store(1)
			}
		case n < 95:
			h = h.crash(rng.Uint64())
			m.check(h, fmt.Sprintf("step %d, after a power cut", step))
		default:
			h.kill.partition.Store(0)
			h.kill.raft.Store(0)
			h.kill.wal.Store(0)
			produce(fresh()) // whoever was restarting is back then
			m.check(h, fmt.Sprintf("step %d", step))
		}
	}
}

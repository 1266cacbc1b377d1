package partition

// This file owns the tests of topic configurations that reach the segments, also when they change under a running partition.

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/vfs"
)

// reconfigure gives the partition another configuration, as the supervisor does.
func (h *house) reconfigure(c topicconfig.Config) {
	h.replica.config.Store(&c)
	h.sys.Send(h.replica.PID, configChanged{})
}

func TestTheTopicsIndexIntervalIsTheOneThatCounts(t *testing.T) {
	config := topicconfig.Config{RetentionMs: -1, RetentionBytes: -1, SegmentBytes: 1 << 30, SegmentMs: 1 << 40, MaxMessageBytes: 1 << 20, IndexIntervalBytes: 4096}
	h := newHouse(t, vfs.NewMem(), setup{config: &config})
	entries := func() int64 {
		t.Helper()
		for range 20 {
			h.mustProduce(plain(strings.Repeat("x", 1000)))
		}
		h.checkpoint()
		size, err := h.disk.Stat("topics/t-0/00000000000000000000.index")
		if err != nil {
			t.Fatal(err)
		}
		return size / 8
	}
	sparse := entries()
	if sparse < 3 || sparse > 5 {
		t.Fatalf("20 batches of 1 KB have %d index entries at an interval of 4096 bytes", sparse)
	}
	dense := config
	dense.IndexIntervalBytes = 0
	h.reconfigure(dense)
	if got := entries() - sparse; got < 19 || got > 20 {
		t.Fatalf("20 batches of 1 KB have %d index entries at an interval of 0 bytes", got)
	}
}

func TestTheTopicsFileDeleteDelayIsTheOneThatCounts(t *testing.T) {
	config := topicconfig.Config{RetentionMs: -1, RetentionBytes: -1, SegmentBytes: 30_000, SegmentMs: 1 << 40, MaxMessageBytes: 1 << 20,
		FileDeleteDelayMs: time.Hour.Milliseconds()}
	h := newHouse(t, vfs.NewMem(), setup{config: &config})
	var offset int64
	// drop deletes what was written and waits until the files of offset 0's or a later segment are as wanted.
	drop := func(wanted func(log, aside int) bool) {
		t.Helper()
		for range 30 {
			offset = h.mustProduce(plain(strings.Repeat("x", 5000))).BaseOffset
		}
		h.checkpoint()
		h.sys.Send(h.replica.PID, &DeleteRecords{Offset: offset, Reply: h.sink, Sender: h.sys, Token: "drop"})
		h.awaitStart(offset)
		h.checkpoint()
		for end := time.Now().Add(answerTimeout); ; {
			names, err := h.disk.List("topics/t-0")
			if err != nil {
				t.Fatal(err)
			}
			log, aside := 0, 0
			for _, name := range names {
				if strings.HasSuffix(name, ".log") {
					log++
				}
				if strings.HasSuffix(name, ".log.deleted") {
					aside++
				}
			}
			if wanted(log, aside) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the files stay %v", names)
			}
		}
	}
	// The second is one that no timer holds.
	kept := 0
	drop(func(log, aside int) bool { kept = aside; return log == 1 && aside >= 4 })
	never := config
	never.FileDeleteDelayMs = math.MaxInt64
	h.reconfigure(never)
	before := kept
	drop(func(log, aside int) bool { kept = aside; return log == 1 && aside >= before+4 })
	soon := config
	soon.FileDeleteDelayMs = 0
	h.reconfigure(soon)
	drop(func(log, aside int) bool { return log == 1 && aside == kept })
}

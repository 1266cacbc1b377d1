package partition

// This file owns the partition's part in compaction: it lends its log's closed segments to the cleaner and swaps in what comes back. All
// work on files is the cleaner's and the segment writer's. Invariant: every BeginClean and every SwapCleaned is answered once.

import (
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/segment"
)

// BeginClean asks for the closed segments of the log, to be compacted.
type BeginClean struct {
	// Reply is called once, on any goroutine; it must not block.
	Reply func(CleanBegun)
}

// CleanBegun answers BeginClean.
type CleanBegun struct {
	Cleaning *segment.Cleaning
	// LastOffsets is the last offset of each active producer's last batch: what of it stays, so that its last sequence can be
	// told from the log.
	LastOffsets map[int64]int64
	Err         error // why there is nothing to clean
}

// SwapCleaned asks to put a cleaned segment in its place.
type SwapCleaned struct {
	Cleaned *segment.Cleaned
	Reply   func(error) // as in BeginClean
}

var (
	_ actorsystem.Undeliverable = (*BeginClean)(nil)
	_ actorsystem.Undeliverable = (*SwapCleaned)(nil)
)

// Undelivered tells the cleaner that it will not get the segments.
func (m *BeginClean) Undelivered(reason error) { m.Reply(CleanBegun{Err: reason}) }

// Undelivered tells the cleaner that its segment was not swapped in.
func (m *SwapCleaned) Undelivered(reason error) { m.Reply(reason) }

func (p *partition) beginClean(m *BeginClean) {
	if p.log == nil {
		m.Reply(CleanBegun{Err: segment.ErrClosed})
		return
	}
	last := p.producers.lastOffsets()
	p.log.BeginClean(func(c *segment.Cleaning, err error) {
		m.Reply(CleanBegun{Cleaning: c, LastOffsets: last, Err: err})
	})
}

func (p *partition) swapCleaned(m *SwapCleaned) {
	if p.log == nil {
		m.Reply(segment.ErrClosed)
		return
	}
	p.log.Swap(m.Cleaned, m.Reply)
}

// lastOffsets is the last offset of each producer's last batch.
func (s *producers) lastOffsets() map[int64]int64 {
	out := make(map[int64]int64, len(s.byID))
	for id, p := range s.byID {
		b := p.last()
		out[id] = b.baseOffset + int64((b.lastSequence-b.firstSequence)&(1<<31-1)) // sequences wrap
	}
	return out
}

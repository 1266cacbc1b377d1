package raftactor

import (
	"sort"

	"github.com/troupe-io/troupe/protocol"
)

// frames are the buffers that one group's entries alias, each released exactly once, when nothing needs its bytes:
// the entry has left raft's unstable log, no append in flight holds it, and the owner has applied it.
//
//   - held is in log order; releaseTo gives back what the owner has applied.
//   - what another leader overwrote may still be in an append that the WAL writer is working on: it stays in limbo until
//     the answer to the last append sent before has come (settle).
//
// Releases happen at the end of a drain only, after the group's Ready: until then raft's own messages may alias the bytes.
type frames struct {
	held  []heldFrame
	head  int
	limbo []limboFrame
}

type heldFrame struct {
	first, last uint64 // the entries that alias the frame
	frame       protocol.Releaser
}

type limboFrame struct {
	seq   uint64 // of the last append that may hold the frame
	frame protocol.Releaser
}

// framesKept bounds the space that an idle group keeps, in frames (32 bytes each).
const framesKept = 16

// hold takes over one reference for entries first..last, which lie above all held before.
func (f *frames) hold(first, last uint64, frame protocol.Releaser) {
	if frame == nil {
		return
	}
	if f.head == len(f.held) {
		f.head = 0
		if cap(f.held) > framesKept {
			f.held = nil
		}
		f.held = f.held[:0]
	}
	if len(f.held) == cap(f.held) && f.head > len(f.held)/2 { // reuse what has left rather than grow
		n := copy(f.held, f.held[f.head:])
		clear(f.held[n:])
		f.held, f.head = f.held[:n], 0
	}
	f.held = append(f.held, heldFrame{first, last, frame})
}

// releaseTo releases the frames of the entries up to index.
func (f *frames) releaseTo(index uint64) {
	for f.head < len(f.held) && f.held[f.head].last <= index {
		f.held[f.head].frame.Release()
		f.held[f.head].frame = nil
		f.head++
	}
}

// abandonTo forgets the frames of the entries up to index without releasing them: a former owner may still read them. A frame
// that is never released is only garbage.
func (f *frames) abandonTo(index uint64) {
	for f.head < len(f.held) && f.held[f.head].first <= index {
		f.held[f.head].frame = nil
		f.head++
	}
}

// truncate moves the frames of the entries at or above index to limbo, until append seq has been answered.
func (f *frames) truncate(index, seq uint64) {
	cut := len(f.held)
	for cut > f.head && f.held[cut-1].first >= index {
		cut--
		f.limbo = append(f.limbo, limboFrame{seq, f.held[cut].frame})
		f.held[cut].frame = nil
	}
	f.held = f.held[:cut]
	if cut > f.head && f.held[cut-1].last >= index {
		f.held[cut-1].last = index - 1
	}
}

// discard puts a frame that no entry of the log aliases into limbo.
func (f *frames) discard(frame protocol.Releaser, seq uint64) {
	if frame != nil {
		f.limbo = append(f.limbo, limboFrame{seq, frame})
	}
}

// settle releases what waited for appends up to seq.
func (f *frames) settle(seq uint64) {
	if len(f.limbo) == 0 {
		return
	}
	keep := f.limbo[:0]
	for _, l := range f.limbo {
		if l.seq <= seq {
			l.frame.Release()
		} else {
			keep = append(keep, l)
		}
	}
	clear(f.limbo[len(keep):])
	f.limbo = keep
	if len(keep) == 0 {
		f.limbo = nil
	}
}

// of is the frame that the entry at index aliases, or nil.
func (f *frames) of(index uint64) protocol.Releaser {
	held := f.held[f.head:]
	at := sort.Search(len(held), func(i int) bool { return held[i].last >= index })
	if at < len(held) && held[at].first <= index {
		return held[at].frame
	}
	return nil
}

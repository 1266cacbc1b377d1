package raftactor

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/wal"
)

// logView is what raft sees of one group's durable log (raft.Storage): terms and places of all entries above the
// checkpoint, and the payloads of the newest of them.
//
// Invariants:
//   - base < FirstIndex = base+1; len(locs) == last-base; an entry is in the view only once the WAL has it.
//   - runs cover base+1..last in order: entry i has the term of the last run with first <= i; baseTerm is that of base.
//   - window holds the payloads of a contiguous stretch winFirst..winFirst+len(window)-1 <= last; payloads outside it are
//     read from the WAL. Slices of window are handed out; its elements are cleared only by trim.
type logView struct {
	group     wal.GroupID
	reader    wal.Reader
	snapshots SnapshotSource

	base, baseTerm uint64
	last           uint64
	runs           []termRun
	locs           []wal.Location
	special        []specialEntry // the entries that are not EntryNormal, in order: few

	window   []raftpb.Entry
	winFirst uint64
	winBytes int64 // payload bytes in window

	initial struct { // InitialState: used once, when the RawNode starts
		hard raftpb.HardState
		conf raftpb.ConfState
	}
	// checkpoint is the last one the owner gave; its index is >= base, and above it while the WAL is writing it.
	checkpoint wal.Checkpoint
}

type termRun struct{ first, term uint64 }

type specialEntry struct {
	index uint64
	typ   raftpb.EntryType
}

var _ raft.Storage = (*logView)(nil)

// windowKept bounds the empty window space that an idle group keeps, in entries (48 bytes each).
const windowKept = 8

// reset makes the view that of a group whose log starts after checkpoint.
func (v *logView) reset(checkpoint wal.Checkpoint) {
	v.checkpoint = checkpoint
	v.base, v.baseTerm, v.last = checkpoint.Index, checkpoint.Term, checkpoint.Index
	v.runs, v.locs, v.special, v.window, v.winBytes = nil, nil, nil, nil, 0
}

// load fills the view with entries that are in the WAL only.
func (v *logView) load(entries []wal.EntryRef) {
	v.locs = make([]wal.Location, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		invariant.Check(e.Index == v.last+1, "group %d: the WAL gave entry %d after %d", v.group, e.Index, v.last)
		v.add(e.Index, e.Term, e.Type, e.Location)
	}
}

func (v *logView) add(index, term uint64, typ raftpb.EntryType, loc wal.Location) {
	if n := len(v.runs); n == 0 || v.runs[n-1].term != term {
		v.runs = append(v.runs, termRun{index, term})
	}
	if typ != raftpb.EntryNormal {
		v.special = append(v.special, specialEntry{index, typ})
	}
	v.locs = append(v.locs, loc)
	v.last = index
}

// append shows entries that have become durable; those it held at or above entries[0].Index are gone. Payloads enter the
// window below index windowEnd only: those at or above it have already been overwritten by an append that is still in flight.
func (v *logView) append(entries []raftpb.Entry, locs []wal.Location, windowEnd uint64) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].Index
	invariant.Check(first > v.base && first <= v.last+1, "group %d: durable entries from %d do not follow %d..%d", v.group, first, v.base, v.last)
	invariant.Check(len(locs) == len(entries), "group %d: the WAL gave %d locations for %d entries", v.group, len(locs), len(entries))
	v.truncate(first)
	for i := range entries {
		e := &entries[i]
		v.add(e.Index, e.Term, e.Type, locs[i])
		if e.Index >= windowEnd {
			continue
		}
		if len(v.window) == 0 {
			v.winFirst = e.Index
		}
		if v.winFirst+uint64(len(v.window)) == e.Index {
			v.window = append(v.window, *e)
			v.winBytes += int64(len(e.Data))
		}
	}
}

// truncate forgets the entries at or above index.
func (v *logView) truncate(index uint64) {
	if index > v.last {
		return
	}
	v.truncateWindow(index)
	v.locs = v.locs[:index-v.base-1]
	for n := len(v.runs); n > 0 && v.runs[n-1].first >= index; n-- {
		v.runs = v.runs[:n-1]
	}
	for n := len(v.special); n > 0 && v.special[n-1].index >= index; n-- {
		v.special = v.special[:n-1]
	}
	v.last = index - 1
}

// truncateWindow forgets the payloads at or above index: their frames are about to be released.
func (v *logView) truncateWindow(index uint64) {
	for n := len(v.window); n > 0 && v.window[n-1].Index >= index; n-- {
		v.winBytes -= int64(len(v.window[n-1].Data))
		v.window[n-1] = raftpb.Entry{}
		v.window = v.window[:n-1]
	}
	// What follows goes into an array of its own: slices handed out may still see the cleared elements' place.
	v.window = v.window[:len(v.window):len(v.window)]
}

// trim forgets the payloads up to index; they are read from the WAL from now on. It clears entries that raft's apply messages
// alias: their responses must have been stepped before, or raft miscounts the bytes being applied and stalls.
func (v *logView) trim(index uint64) {
	n := 0
	for n < len(v.window) && v.window[n].Index <= index {
		v.winBytes -= int64(len(v.window[n].Data))
		n++
	}
	if n == 0 {
		return
	}
	clear(v.window[:n])
	v.winFirst += uint64(n)
	if n < len(v.window) {
		v.window = v.window[n:]
	} else if n <= windowKept && cap(v.window) <= windowKept {
		v.window = v.window[:0]
	} else {
		v.window = nil
	}
}

// compact forgets the entries up to the durable checkpoint at index.
func (v *logView) compact(index uint64) {
	if index <= v.base {
		return
	}
	invariant.Check(index <= v.last, "group %d: checkpoint %d is above the last durable entry %d", v.group, index, v.last)
	v.trim(index)
	v.baseTerm = v.mustTerm(index)
	v.locs = append([]wal.Location(nil), v.locs[index-v.base:]...)
	v.base = index
	drop := 0
	for drop+1 < len(v.runs) && v.runs[drop+1].first <= index+1 {
		drop++
	}
	v.runs = v.runs[drop:]
	if v.base == v.last {
		v.runs = nil
	} else if v.runs[0].first <= index {
		v.runs[0].first = index + 1
	}
	for len(v.special) > 0 && v.special[0].index <= index {
		v.special = v.special[1:]
	}
	if len(v.special) == 0 {
		v.special = nil
	}
}

// moved takes note that entries stand elsewhere in the WAL now.
func (v *logView) moved(entries []wal.EntryRef) {
	for i := range entries {
		e := &entries[i]
		if e.Index > v.base && e.Index <= v.last && v.mustTerm(e.Index) == e.Term {
			v.locs[e.Index-v.base-1] = e.Location
		}
	}
}

// InitialState is what the RawNode starts from.
func (v *logView) InitialState() (raftpb.HardState, raftpb.ConfState, error) {
	return v.initial.hard, v.initial.conf, nil
}

// FirstIndex is the first entry above the checkpoint.
func (v *logView) FirstIndex() (uint64, error) { return v.base + 1, nil }

// LastIndex is the last durable entry.
func (v *logView) LastIndex() (uint64, error) { return v.last, nil }

// Term is the term of entry i, for i from the checkpoint on.
func (v *logView) Term(i uint64) (uint64, error) {
	switch {
	case i < v.base:
		return 0, raft.ErrCompacted
	case i == v.base:
		return v.baseTerm, nil
	case i > v.last:
		return 0, raft.ErrUnavailable
	}
	at := len(v.runs) - 1
	for v.runs[at].first > i { // the newest runs are asked for most
		at--
	}
	return v.runs[at].term, nil
}

func (v *logView) mustTerm(i uint64) uint64 {
	t, err := v.Term(i)
	invariant.Check(err == nil, "group %d: term of entry %d in %d..%d: %v", v.group, i, v.base, v.last, err)
	return t
}

func (v *logView) typeOf(i uint64) raftpb.EntryType {
	for k := len(v.special) - 1; k >= 0 && v.special[k].index >= i; k-- {
		if v.special[k].index == i {
			return v.special[k].typ
		}
	}
	return raftpb.EntryNormal
}

// Entries yields entries lo..hi-1, at least one, at most maxSize bytes. It may yield fewer than fit, where the window begins or
// ends. What it yields from the window aliases it, until trim.
func (v *logView) Entries(lo, hi, maxSize uint64) ([]raftpb.Entry, error) {
	if lo <= v.base {
		return nil, raft.ErrCompacted
	}
	if hi > v.last+1 || lo >= hi {
		return nil, raft.ErrUnavailable
	}
	winEnd := v.winFirst + uint64(len(v.window))
	if len(v.window) > 0 && lo >= v.winFirst && lo < winEnd {
		found := v.window[lo-v.winFirst : min(hi, winEnd)-v.winFirst]
		size := uint64(found[0].Size())
		n := 1
		for ; n < len(found); n++ {
			if size += uint64(found[n].Size()); size > maxSize {
				break
			}
		}
		return found[:n:n], nil
	}
	if len(v.window) > 0 && lo < v.winFirst {
		hi = min(hi, v.winFirst)
	}
	return v.read(lo, hi, maxSize)
}

// read fetches payloads from the WAL: after a restart, and for followers far behind.
func (v *logView) read(lo, hi, maxSize uint64) ([]raftpb.Entry, error) {
	size, n := uint64(0), 0
	payload := 0
	for i := lo; i < hi; i++ {
		at := v.locs[i-v.base-1]
		size += uint64((&raftpb.Entry{Term: v.mustTerm(i), Index: i, Type: v.typeOf(i)}).Size()) + uint64(at.Size) + 8
		if n > 0 && size > maxSize {
			break
		}
		n++
		payload += int(at.Size)
	}
	entries := make([]raftpb.Entry, n)
	buf := make([]byte, 0, payload)
	for k := range entries {
		i := lo + uint64(k)
		start := len(buf)
		var err error
		if buf, err = v.reader.ReadEntry(buf, v.locs[i-v.base-1]); err != nil {
			return nil, fmt.Errorf("group %d: read entry %d from the write-ahead log: %w", v.group, i, err)
		}
		entries[k] = raftpb.Entry{Term: v.mustTerm(i), Index: i, Type: v.typeOf(i)}
		if len(buf) > start {
			entries[k].Data = buf[start:len(buf):len(buf)]
		}
	}
	return entries, nil
}

// Snapshot is asked for when a follower needs entries below the checkpoint.
func (v *logView) Snapshot() (raftpb.Snapshot, error) {
	if v.snapshots == nil {
		return raftpb.Snapshot{}, raft.ErrSnapshotTemporarilyUnavailable
	}
	return v.snapshots.Snapshot(v.group, v.checkpoint)
}

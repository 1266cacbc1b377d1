package wal

import (
	"cmp"
	"fmt"
	"path"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file rebuilds the state of every group from the files. It writes nothing.
//
// Steps:
//  1. List the files; numbers must follow each other. A file whose header has another number than its name was being
//     recycled: nothing needs it.
//  2. Files that have begun come first, prepared spares (at most a few) after them.
//  3. Every begun file but the last must hold exactly the writes up to the next file's first: anything less is corruption.
//     What lies behind is a torn write that a former recovery cut.
//  4. In the last file, the first bad group ends the log: a write that a crash tore, never acknowledged. If a group of a later
//     write stands behind it, it is no torn write but corruption.
//  5. Records are applied oldest to newest. At the end the entries of each group must be contiguous from its checkpoint.

// recovered is what the files hold.
type recovered struct {
	files     []recoveredFile // begun, oldest first
	spares    []fileStart     // prepared, in order
	leftovers []string        // names to delete
	nextWrite uint64
	groups    map[GroupID]*recoveredGroup
}

type recoveredFile struct {
	fileStart
	end int64
}

// recoveredGroup is a group's state with the places that the writer needs.
type recoveredGroup struct {
	state         *GroupState
	hardFile      uint64
	checkpointAt  Location
	hasCheckpoint bool
	hasHard       bool
}

func corrupt(st fileStart, off int64, format string, args ...any) error {
	return fmt.Errorf("%s at offset %d: %w: %s; restore the file from a copy, or remove this broker's data directory and let its replicas be rebuilt from the others",
		st.name, off, ErrCorrupt, fmt.Sprintf(format, args...))
}

// recoverFiles does all of the above.
func recoverFiles(cfg *Config) (*recovered, error) {
	rec := &recovered{groups: map[GroupID]*recoveredGroup{}, nextWrite: 1}
	seqs, leftovers, err := listFiles(cfg.FS, cfg.Dir)
	if err != nil {
		return nil, err
	}
	rec.leftovers = leftovers
	starts, err := readStarts(cfg, seqs, rec)
	if err != nil {
		return nil, err
	}
	for _, st := range starts {
		switch {
		case !st.begun:
			rec.spares = append(rec.spares, st)
		case len(rec.spares) > 0:
			return nil, corrupt(rec.spares[0], begunAt, "file has no groups, but %s after it has", path.Base(st.name))
		default:
			rec.files = append(rec.files, recoveredFile{fileStart: st})
		}
	}
	if err := rec.scanFiles(cfg, 0); err != nil {
		return nil, err
	}
	for id, g := range rec.groups {
		if err := g.finish(id); err != nil {
			return nil, err
		}
	}
	return rec, nil
}

func readStarts(cfg *Config, seqs []uint64, rec *recovered) ([]fileStart, error) {
	var starts []fileStart
	buf := vfs.AlignedBuffer(2 * blockSize)
	for _, seq := range seqs {
		st, err := readStart(cfg.FS, cfg.Dir, seq, buf)
		if err != nil {
			return nil, err
		}
		if st.id.dirID != cfg.DirID {
			return nil, fmt.Errorf("%s belongs to data directory %016x, this is %016x: give the broker the directory its files came from", st.name, st.id.dirID, cfg.DirID)
		}
		if st.id.seq != seq {
			rec.leftovers = append(rec.leftovers, path.Base(st.name))
			continue
		}
		if n := len(starts); n > 0 && starts[n-1].id.seq+1 != seq {
			return nil, fmt.Errorf("%s: %w: file is missing; restore it, or remove this broker's data directory and let its replicas be rebuilt from the others",
				path.Join(cfg.Dir, fileName(starts[n-1].id.seq+1)), ErrCorrupt)
		}
		starts = append(starts, st)
	}
	return starts, nil
}

// scanFiles reads ScanWorkers files at a time and applies them in order. end is the number of the write that would come next, if
// that is known; 0: the last file is to be judged.
func (rec *recovered) scanFiles(cfg *Config, end uint64) error {
	workers := max(1, min(cfg.ScanWorkers, len(rec.files)))
	scanners := make([]scanner, workers)
	scans := make([]fileScan, workers)
	for i := range scanners {
		scanners[i] = scanner{fs: cfg.FS, verifySelfChecked: cfg.VerifySelfChecked}
	}
	for from := 0; from < len(rec.files); from += workers {
		wave := rec.files[from:min(from+workers, len(rec.files))]
		cfg.Fanout(len(wave), func(i int) { scanners[i].scan(wave[i].fileStart, &scans[i]) })
		for i := range wave {
			out := &scans[i]
			if out.err != nil {
				return out.err
			}
			wave[i].end = out.end
			if at := from + i + 1; at < len(rec.files) {
				if want := rec.files[at].firstWrite; out.nextWrite != want {
					return corrupt(wave[i].fileStart, out.end, "found writes up to %d, but the next file begins with %d (%v)", out.nextWrite-1, want, reason(out.torn))
				}
			} else if end != 0 {
				if out.nextWrite != end {
					return corrupt(wave[i].fileStart, out.end, "found writes up to %d, but %d was written (%v)", out.nextWrite-1, end-1, reason(out.torn))
				}
			} else {
				off, found, err := scanners[i].laterGroup(wave[i].fileStart, out)
				if err != nil {
					return err
				}
				if found {
					return corrupt(wave[i].fileStart, out.end, "write %d is damaged (%v), but a later one stands at offset %d", out.nextWrite, reason(out.torn), off)
				}
				rec.nextWrite = out.nextWrite
			}
			for r := range out.records {
				rec.apply(wave[i].id.seq, &out.records[r])
			}
		}
	}
	return nil
}

func reason(torn error) string {
	if torn == nil {
		return "no write group there"
	}
	return torn.Error()
}

// apply plays one record.
func (rec *recovered) apply(file uint64, r *scanned) {
	if r.typ == recordRemove {
		delete(rec.groups, r.group)
		return
	}
	g := rec.groups[r.group]
	if g == nil {
		g = &recoveredGroup{state: &GroupState{}}
		rec.groups[r.group] = g
	}
	s := g.state
	loc := Location{File: file, Offset: r.off, Size: r.length}
	switch r.typ {
	case recordHardState:
		s.HardState = raftpb.HardState{Term: r.term, Vote: r.vote, Commit: r.index}
		g.hardFile, g.hasHard = file, true
	case recordCheckpoint:
		s.Checkpoint = *r.checkpoint
		g.checkpointAt, g.hasCheckpoint = loc, true
		if r.flags&flagReset != 0 {
			s.Entries = s.Entries[:0]
		} else {
			s.Entries = s.Entries[g.find(r.index+1):]
		}
	case recordEntry, recordMoved:
		if r.index <= s.Checkpoint.Index {
			return
		}
		e := EntryRef{Index: r.index, Term: r.term, Type: raftpb.EntryType(r.entryType), Location: loc}
		at := g.find(r.index)
		if r.typ == recordEntry {
			s.Entries = append(s.Entries[:at], e)
		} else if at < len(s.Entries) && s.Entries[at].Index == r.index {
			s.Entries[at] = e
		} else {
			// Its first copy stood in a file that is gone; entries after it may already be here.
			s.Entries = slices.Insert(s.Entries, at, e)
		}
	}
}

// find is the position of the first entry at or above index.
func (g *recoveredGroup) find(index uint64) int {
	e := g.state.Entries
	if n := len(e); n == 0 || e[n-1].Index < index {
		return n
	}
	at, _ := slices.BinarySearchFunc(e, index, func(e EntryRef, i uint64) int { return cmp.Compare(e.Index, i) })
	return at
}

// finish checks that nothing is missing.
func (g *recoveredGroup) finish(id GroupID) error {
	want := g.state.Checkpoint.Index + 1
	for _, e := range g.state.Entries {
		if e.Index != want {
			return fmt.Errorf("%s at offset %d: %w: group %d has entry %d where %d should follow (checkpoint %d)",
				fileName(e.Location.File), e.Location.Offset, ErrCorrupt, id, e.Index, want, g.state.Checkpoint.Index)
		}
		want++
	}
	g.state.Entries = slices.Clone(g.state.Entries) // what was discarded need not stay in memory
	return nil
}

// index builds the writer's view of the group.
func (g *recoveredGroup) index(id GroupID, files map[uint64]*logFile) *groupInfo {
	s := g.state
	info := &groupInfo{id: id, hard: s.HardState, index: s.Checkpoint.Index, term: s.Checkpoint.Term, last: s.Checkpoint.Index}
	if g.hasHard {
		pin(&info.hardFile, files[g.hardFile])
	}
	if g.hasCheckpoint {
		pin(&info.checkpointFile, files[g.checkpointAt.File])
		info.checkpoint = ref{g.checkpointAt.Offset, g.checkpointAt.Size}
	}
	for _, e := range s.Entries {
		info.append(files[e.Location.File], e.Index, e.Term, ref{e.Location.Offset, e.Location.Size})
	}
	return info
}

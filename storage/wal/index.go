package wal

import (
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/invariant"
)

// This file owns what the writer knows of each group in memory: which files it pins. It holds no payloads and, for groups with
// many live entries, no per-entry state: a busy group costs a few spans.
//
// Invariant: a file's pins count is the number of spans, latest hard states and latest checkpoints that stand in it. Pins move
// when a record is staged; files are recycled only when everything staged is durable.

// lightEntries and lightBytes bound what a group may have live to be copied forward instead of being asked to checkpoint.
const (
	lightEntries = 16
	lightBytes   = 64 << 10
)

// logFile is one file of the log.
type logFile struct {
	seq        uint64
	size       int64
	end        int64 // offset behind the last group
	firstWrite uint64
	filled     bool // every block has been written once
	begun      bool // has its first group
	pins       int
}

// ref is where a record of a known index stands in its span's file.
type ref struct{ off, size uint32 }

// span is a run of live entries whose records stand in one file.
type span struct {
	file        *logFile
	first, last uint64
	// refs has one ref for each entry, or is nil: there were too many to be worth moving.
	refs []ref
}

// termRun says that entries from first on have this term.
type termRun struct{ first, term uint64 }

// groupInfo is one group.
type groupInfo struct {
	id             GroupID
	hard           raftpb.HardState
	hardFile       *logFile // nil: none yet
	checkpoint     ref
	checkpointFile *logFile // nil: none yet
	index, term    uint64   // of the checkpoint
	last           uint64   // last entry, or index if there are none
	terms          []termRun
	spans          []span // by index; together exactly index+1 … last
}

func pin(slot **logFile, f *logFile) {
	if *slot != nil {
		(*slot).pins--
	}
	*slot = f
	if f != nil {
		f.pins++
	}
}

// live is the number of live entries.
func (g *groupInfo) live() uint64 { return g.last - g.index }

// termOf is the term of the entry at i, which must be in [index, last].
func (g *groupInfo) termOf(i uint64) uint64 {
	term := g.term
	for _, r := range g.terms {
		if r.first > i {
			break
		}
		term = r.term
	}
	return term
}

// append notes the entry at i, discarding all at or above it.
func (g *groupInfo) append(f *logFile, i, term uint64, r ref) {
	if i <= g.last {
		g.truncate(i)
	}
	invariant.Check(i == g.last+1 && i > g.index, "wal: group %d appends entry %d after %d (checkpoint %d)", g.id, i, g.last, g.index)
	if n := len(g.terms); n == 0 || g.terms[n-1].term != term {
		g.terms = append(g.terms, termRun{first: i, term: term})
	}
	g.last = i
	if n := len(g.spans); n > 0 && g.spans[n-1].file == f {
		g.spans[n-1].extend(r)
		return
	}
	g.spans = append(g.spans, span{file: f, first: i, last: i, refs: []ref{r}})
	f.pins++
}

// extend adds the entry behind the last.
func (s *span) extend(r ref) {
	if s.refs != nil && len(s.refs) < lightEntries {
		s.refs = append(s.refs, r)
	} else {
		s.refs = nil
	}
	s.last++
}

// truncate discards entries at or above i.
func (g *groupInfo) truncate(i uint64) {
	for n := len(g.spans); n > 0 && g.spans[n-1].last >= i; n = len(g.spans) {
		s := &g.spans[n-1]
		if s.first >= i {
			s.file.pins--
			g.spans = g.spans[:n-1]
			continue
		}
		s.last = i - 1
		if s.refs != nil {
			s.refs = s.refs[:s.last-s.first+1]
		}
	}
	for n := len(g.terms); n > 0 && g.terms[n-1].first >= i; n = len(g.terms) {
		g.terms = g.terms[:n-1]
	}
	g.last = max(g.index, i-1)
}

// resets says whether a checkpoint at (index, term) replaces the log rather than a prefix of it: it came from elsewhere.
func (g *groupInfo) resets(index, term uint64) bool {
	return index < g.index || index > g.last || g.termOf(index) != term
}

// setCheckpoint notes the checkpoint and lets go of entries it covers.
func (g *groupInfo) setCheckpoint(f *logFile, index, term uint64, r ref, reset bool) {
	pin(&g.checkpointFile, f)
	g.checkpoint = r
	if reset {
		for i := range g.spans {
			g.spans[i].file.pins--
		}
		g.spans, g.terms, g.last = g.spans[:0], g.terms[:0], index
	}
	g.index, g.term = index, term
	done := 0
	for done < len(g.spans) && g.spans[done].last <= index {
		g.spans[done].file.pins--
		done++
	}
	g.spans = slices.Delete(g.spans, 0, done)
	if len(g.spans) > 0 && g.spans[0].first <= index {
		s := &g.spans[0]
		if s.refs != nil {
			s.refs = slices.Delete(s.refs, 0, int(index+1-s.first))
		}
		s.first = index + 1
	}
	done = 0
	for done < len(g.terms) && g.terms[done].first <= index {
		done++ // its entries above index, if any, still need the run's term
	}
	if done > 0 && g.last > index {
		done--
		g.terms[done].first = index + 1
	}
	g.terms = slices.Delete(g.terms, 0, done)
}

// drop lets go of everything.
func (g *groupInfo) drop() {
	pin(&g.hardFile, nil)
	pin(&g.checkpointFile, nil)
	for i := range g.spans {
		g.spans[i].file.pins--
	}
	g.spans = nil
}

// hasEntriesIn says whether live entries stand in file.
func (g *groupInfo) hasEntriesIn(file *logFile) bool {
	return slices.ContainsFunc(g.spans, func(s span) bool { return s.file == file })
}

// light says whether the group is small enough for its entries in file to be copied forward, and how many bytes they are.
func (g *groupInfo) light(file *logFile) (total int64, ok bool) {
	if g.live() > lightEntries {
		return 0, false
	}
	for i := range g.spans {
		s := &g.spans[i]
		if s.file != file {
			continue
		}
		if s.refs == nil {
			return 0, false
		}
		for _, r := range s.refs {
			total += recordHeaderSize + int64(r.size)
		}
	}
	return total, total <= lightBytes
}

// moveFront relocates the entry at i, which from holds, to record r in to.
func (g *groupInfo) moveFront(from, to *logFile, i uint64, r ref) {
	at := slices.IndexFunc(g.spans, func(s span) bool { return s.first == i })
	s := &g.spans[at]
	if s.first == s.last {
		from.pins--
		g.spans = slices.Delete(g.spans, at, at+1)
	} else {
		s.first++
		s.refs = slices.Delete(s.refs, 0, 1)
	}
	if at > 0 && g.spans[at-1].file == to && g.spans[at-1].last == i-1 {
		g.spans[at-1].extend(r)
		return
	}
	g.spans = slices.Insert(g.spans, at, span{file: to, first: i, last: i, refs: []ref{r}})
	to.pins++
}

// holds says whether the live entry at i is the record was in file, first of its span.
func (g *groupInfo) holds(file *logFile, i uint64, was ref) bool {
	at := slices.IndexFunc(g.spans, func(s span) bool { return s.first == i })
	return at >= 0 && g.spans[at].file == file && len(g.spans[at].refs) > 0 && g.spans[at].refs[0] == was
}

package wal

import (
	"fmt"
	"io"
	"path"
	"strings"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file owns what people and programs see of a log directory. The names of the JSON fields, and the words in Kind, State and
// Type, stay as they are: programs read them.

// Dumped is one thing found in a log directory: a *DumpedFile, *DumpedWrite, *DumpedRecord or *DumpedEnd.
type Dumped interface {
	// Line shows it to people, without a line break.
	Line() string
}

// DumpedFile is a file. What it holds follows if it is begun.
type DumpedFile struct {
	Kind       string `json:"kind"` // "file"
	File       string `json:"file"`
	State      string `json:"state"`               // begun, prepared, recycled (it waits to become file Becomes), leftover (of an interrupted preparation), unreadable
	Size       int64  `json:"size"`                // bytes
	Directory  string `json:"directory,omitempty"` // the id of the data directory it belongs to, hexadecimal
	ZeroFilled bool   `json:"zero_filled"`
	Becomes    uint64 `json:"becomes,omitempty"`
	Error      string `json:"error,omitempty"` // why it is unreadable
}

// DumpedWrite is a write group. Its records follow.
type DumpedWrite struct {
	Kind    string `json:"kind"` // "write"
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Write   uint64 `json:"write"` // its number
	Bytes   int64  `json:"bytes"`
	Records int    `json:"records"`
}

// DumpedRecord is a record. Fields that its type does not have are left out.
type DumpedRecord struct {
	Kind        string   `json:"kind"` // "record"
	File        string   `json:"file"`
	Offset      int64    `json:"offset"`
	Write       uint64   `json:"write"`
	Group       uint64   `json:"group"`
	Type        string   `json:"type"` // entry, moved-entry, hard-state, checkpoint, remove
	Index       *uint64  `json:"index,omitempty"`
	Term        *uint64  `json:"term,omitempty"`
	EntryType   string   `json:"entry_type,omitempty"` // entries: raft's name of the type
	Size        *int64   `json:"size,omitempty"`       // entries: bytes of the payload
	SelfChecked *bool    `json:"self_checked,omitempty"`
	Vote        *uint64  `json:"vote,omitempty"` // hard states
	Commit      *uint64  `json:"commit,omitempty"`
	Reset       *bool    `json:"reset,omitempty"`     // checkpoints: every entry of the group is discarded
	DataSize    *int64   `json:"data_size,omitempty"` // checkpoints: bytes
	Voters      []uint64 `json:"voters,omitempty"`
	Learners    []uint64 `json:"learners,omitempty"`
}

// DumpedEnd is where the records of a begun file end.
type DumpedEnd struct {
	Kind   string `json:"kind"` // "end"
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	State  string `json:"state"`            // complete, torn (a crash's half-written end), corrupt (bad, and good writes stand behind it)
	Reason string `json:"reason,omitempty"` // of torn and corrupt
	Later  int64  `json:"later,omitempty"`  // corrupt: offset of the next good write
}

// Line implements Dumped.
func (d *DumpedFile) Line() string {
	switch d.State {
	case "leftover":
		return d.File + ": left over from an interrupted preparation"
	case "unreadable":
		return d.File + ": " + d.Error
	case "recycled":
		return fmt.Sprintf("%s: being recycled as file %d", d.File, d.Becomes)
	}
	text := fmt.Sprintf("%s: size=%d directory=%s zero-filled=%v", d.File, d.Size, d.Directory, d.ZeroFilled)
	if d.State == "prepared" {
		text += "\n  prepared, not begun"
	}
	return text
}

// Line implements Dumped.
func (d *DumpedWrite) Line() string {
	return fmt.Sprintf("  offset=%d write=%d bytes=%d records=%d", d.Offset, d.Write, d.Bytes, d.Records)
}

// Line implements Dumped.
func (d *DumpedRecord) Line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "    offset=%d group=%d %s", d.Offset, d.Group, d.Type)
	switch {
	case d.Vote != nil:
		fmt.Fprintf(&b, " term=%d vote=%d commit=%d", *d.Term, *d.Vote, *d.Commit)
	case d.Reset != nil:
		fmt.Fprintf(&b, " index=%d term=%d reset=%v data=%d voters=%v learners=%v", *d.Index, *d.Term, *d.Reset, *d.DataSize, d.Voters, d.Learners)
	case d.Size != nil:
		fmt.Fprintf(&b, " index=%d term=%d type=%s size=%d self-checked=%v", *d.Index, *d.Term, d.EntryType, *d.Size, *d.SelfChecked)
	}
	return b.String()
}

// Line implements Dumped.
func (d *DumpedEnd) Line() string {
	switch d.State {
	case "corrupt":
		return fmt.Sprintf("  offset=%d CORRUPT: %s; a later write stands at offset %d", d.Offset, d.Reason, d.Later)
	case "torn":
		return fmt.Sprintf("  offset=%d torn tail: %s", d.Offset, d.Reason)
	}
	return fmt.Sprintf("  offset=%d end", d.Offset)
}

// Dump prints every file, write group and record of a log directory, one a line; see Walk.
func Dump(fs vfs.FS, dir string, w io.Writer) error {
	return Walk(fs, dir, func(d Dumped) error {
		_, err := fmt.Fprintln(w, d.Line())
		return err
	})
}

// Walk visits every file, write group and record of a log directory in order, and what it cannot read. It changes nothing and
// does not need the broker's configuration; payloads with a checksum of their own are not verified beyond their first 22 bytes.
// The error is that of reading or of visit, which ends the walk; damage is visited, not returned.
func Walk(fs vfs.FS, dir string, visit func(Dumped) error) error {
	seqs, leftovers, err := listFiles(fs, dir)
	if err != nil {
		return err
	}
	for _, name := range leftovers {
		if err := visit(&DumpedFile{Kind: "file", File: name, State: "leftover"}); err != nil {
			return err
		}
	}
	s := scanner{fs: fs, verifySelfChecked: func([]byte) error { return nil }}
	buf := vfs.AlignedBuffer(2 * blockSize)
	for _, seq := range seqs {
		st, err := readStart(fs, dir, seq, buf)
		d := &DumpedFile{Kind: "file", File: fileName(seq), State: "begun"}
		if err == nil {
			d.Size, d.Directory, d.ZeroFilled = st.id.size, fmt.Sprintf("%016x", st.id.dirID), st.id.filled
		}
		switch {
		case err != nil:
			d.State, d.Error = "unreadable", err.Error()
		case st.id.seq != seq:
			d.State, d.Becomes = "recycled", st.id.seq
		case !st.begun:
			d.State = "prepared"
		}
		if err := visit(d); err != nil {
			return err
		}
		if d.State == "begun" {
			if err := walkFile(&s, st, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkFile visits a begun file group by group.
func walkFile(s *scanner, st fileStart, visit func(Dumped) error) error {
	if err := s.open(st.name, st.id.size); err != nil {
		return err
	}
	scan := fileScan{end: blockSize, nextWrite: st.firstWrite}
	if err := walkGroups(s, st, &scan, visit); err != nil {
		s.close()
		return err
	}
	s.close()
	end := &DumpedEnd{Kind: "end", File: path.Base(st.name), Offset: scan.end, State: "complete"}
	switch off, found, err := s.laterGroup(st, &scan); {
	case err != nil:
		return err
	case found:
		end.State, end.Reason, end.Later = "corrupt", reason(scan.torn), int64(off)
	case scan.torn != nil:
		end.State, end.Reason = "torn", scan.torn.Error()
	}
	return visit(end)
}

func walkGroups(s *scanner, st fileStart, scan *fileScan, visit func(Dumped) error) error {
	name := path.Base(st.name)
	for scan.end < s.size {
		at := scan.end
		scan.records, scan.extras = scan.records[:0], scan.extras[:0]
		more, err := s.group(st.id, scan)
		if err != nil {
			return fmt.Errorf("read %s at offset %d: %w", st.name, at, err)
		}
		if !more {
			return nil
		}
		write := scan.nextWrite - 1
		if err := visit(&DumpedWrite{Kind: "write", File: name, Offset: at, Write: write, Bytes: scan.end - at, Records: len(scan.records)}); err != nil {
			return err
		}
		for i := range scan.records {
			if err := visit(dumpRecord(name, write, &scan.records[i], scan.extras)); err != nil {
				return err
			}
		}
	}
	return nil
}

func dumpRecord(file string, write uint64, r *scanned, extras []extra) *DumpedRecord {
	d := &DumpedRecord{Kind: "record", File: file, Offset: int64(r.off), Write: write, Group: uint64(r.group), Type: r.typ.String()}
	index, term := uint64(r.index), uint64(r.term)
	switch r.typ {
	case recordHardState:
		vote := extras[r.extra].vote // copied: the next group overwrites the extras
		d.Term, d.Vote, d.Commit = &term, &vote, &index
	case recordCheckpoint:
		c := &extras[r.extra].checkpoint
		reset, size := r.flags&flagReset != 0, int64(len(c.Data))
		d.Index, d.Term, d.Reset, d.DataSize, d.Voters, d.Learners = &index, &term, &reset, &size, c.ConfState.Voters, c.ConfState.Learners
	case recordRemove:
	default:
		checked, size := r.flags&flagSelfChecked != 0, int64(r.length)
		d.Index, d.Term, d.EntryType, d.Size, d.SelfChecked = &index, &term, raftpb.EntryType(r.entryType).String(), &size, &checked
	}
	return d
}

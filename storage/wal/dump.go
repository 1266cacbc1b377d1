package wal

import (
	"fmt"
	"io"
	"path"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
)

// Dump prints every file, write group and record of a log directory, one a line, and what it cannot read. It changes nothing and
// does not need the broker's configuration; payloads with a checksum of their own are not verified beyond their first 22 bytes.
// The error is that of reading or of w; damage is printed, not returned.
func Dump(fs vfs.FS, dir string, w io.Writer) error {
	seqs, leftovers, err := listFiles(fs, dir)
	if err != nil {
		return err
	}
	out := &printer{w: w}
	for _, name := range leftovers {
		out.line("%s: left over from an interrupted preparation", name)
	}
	s := scanner{fs: fs, verifySelfChecked: func([]byte) error { return nil }}
	buf := vfs.AlignedBuffer(2 * blockSize)
	for _, seq := range seqs {
		st, err := readStart(fs, dir, seq, buf)
		switch {
		case err != nil:
			out.line("%s: %v", fileName(seq), err)
			continue
		case st.id.seq != seq:
			out.line("%s: being recycled as file %d", fileName(seq), st.id.seq)
			continue
		}
		out.line("%s: size=%d directory=%016x zero-filled=%v", path.Base(st.name), st.id.size, st.id.dirID, st.id.filled)
		if !st.begun {
			out.line("  prepared, not begun")
			continue
		}
		if err := out.file(&s, st); err != nil {
			return err
		}
	}
	return out.err
}

// printer remembers the first error of its writer.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// file prints a begun file group by group.
func (p *printer) file(s *scanner, st fileStart) error {
	if err := s.open(st.name, st.id.size); err != nil {
		return err
	}
	scan := fileScan{end: blockSize, nextWrite: st.firstWrite}
	for p.err == nil && scan.end < s.size {
		at := scan.end
		scan.records, scan.extras = scan.records[:0], scan.extras[:0]
		more, err := s.group(st.id, &scan)
		if err != nil {
			s.close()
			return fmt.Errorf("read %s at offset %d: %w", st.name, at, err)
		}
		if !more {
			break
		}
		p.line("  offset=%d write=%d bytes=%d records=%d", at, scan.nextWrite-1, scan.end-at, len(scan.records))
		for i := range scan.records {
			p.record(&scan.records[i], scan.extras)
		}
	}
	s.close()
	switch off, found, err := s.laterGroup(st, &scan); {
	case err != nil:
		return err
	case found:
		p.line("  offset=%d CORRUPT: %s; a later write stands at offset %d", scan.end, reason(scan.torn), off)
	case scan.torn != nil:
		p.line("  offset=%d torn tail: %v", scan.end, scan.torn)
	default:
		p.line("  offset=%d end", scan.end)
	}
	return nil
}

func (p *printer) record(r *scanned, extras []extra) {
	switch r.typ {
	case recordHardState:
		p.line("    offset=%d group=%d %s term=%d vote=%d commit=%d", r.off, r.group, r.typ, r.term, extras[r.extra].vote, r.index)
	case recordCheckpoint:
		c := &extras[r.extra].checkpoint
		p.line("    offset=%d group=%d %s index=%d term=%d reset=%v data=%d voters=%v learners=%v", r.off, r.group, r.typ, r.index, r.term,
			r.flags&flagReset != 0, len(c.Data), c.ConfState.Voters, c.ConfState.Learners)
	case recordRemove:
		p.line("    offset=%d group=%d %s", r.off, r.group, r.typ)
	default:
		p.line("    offset=%d group=%d %s index=%d term=%d type=%s size=%d self-checked=%v", r.off, r.group, r.typ, r.index, r.term,
			raftpb.EntryType(r.entryType), r.length, r.flags&flagSelfChecked != 0)
	}
}

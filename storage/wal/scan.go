package wal

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file reads log files: their start blocks, and the groups of one file in big aligned reads. It judges nothing beyond one
// file; recover.go does.

// scanWindow is how much is read at once, bytes.
const scanWindow = 4 << 20

// fileStart is what a file's first blocks tell.
type fileStart struct {
	name  string
	id    identity
	begun bool
	// firstWrite is the number of the file's first group, if begun.
	firstWrite uint64
}

// scanned is a record found in a file.
type scanned struct {
	recordHeader
	off        uint32 // of the record in its file
	vote       uint64 // of a hard state
	checkpoint *Checkpoint
}

// fileScan is what one file holds.
type fileScan struct {
	records   []scanned
	end       int64  // offset behind the last good group
	nextWrite uint64 // number that the group after it would have
	torn      error  // why the bytes at end are not the next group; nil if they are no group at all
	err       error  // reading failed
}

// openToRead opens a log file for big aligned reads, past the page cache where that can be done.
func openToRead(fs vfs.FS, name string) (vfs.File, error) {
	f, err := fs.Open(name, vfs.OpenOptions{ReadOnly: true, Direct: true})
	if errors.Is(err, vfs.ErrNotSupported) {
		f, err = fs.Open(name, vfs.OpenOptions{ReadOnly: true})
	}
	return f, err
}

// listFiles finds the log's files, in order of their numbers, and leftovers that can be deleted.
func listFiles(fs vfs.FS, dir string) (seqs []uint64, leftovers []string, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("list the write-ahead log's directory: %w", err)
	}
	for _, name := range names {
		if seq, ok := parseFileName(name); ok {
			seqs = append(seqs, seq)
		} else if isPreparedName(name) {
			leftovers = append(leftovers, name)
		}
	}
	slices.Sort(seqs)
	return seqs, leftovers, nil
}

// readStart reads a file's start block and its first group's header. buf holds at least two blocks, aligned.
func readStart(fs vfs.FS, dir string, seq uint64, buf []byte) (fileStart, error) {
	st := fileStart{name: path.Join(dir, fileName(seq))}
	f, err := openToRead(fs, st.name)
	if err != nil {
		return st, fmt.Errorf("open log file: %w", err)
	}
	defer f.Close()
	buf = buf[:2*blockSize]
	clear(buf)
	if n, err := f.ReadAt(buf, 0); err != nil && !errors.Is(err, io.EOF) {
		return st, fmt.Errorf("read start of %s (%d bytes): %w", st.name, n, err)
	}
	if st.id, err = decodeIdentity(buf); err != nil {
		return st, fmt.Errorf("%s at offset 0: %w", st.name, err)
	}
	if g, ok := decodeBegun(buf, st.id.dirID, st.id.seq); ok {
		st.begun, st.firstWrite = true, g.firstWrite
	} else if g, ok := decodeGroupHeader(buf[blockSize:], st.id.dirID, st.id.seq); ok {
		st.begun, st.firstWrite = true, g.write
	}
	return st, nil
}

// scanner reads one file at a time through one buffer.
type scanner struct {
	fs                vfs.FS
	verifySelfChecked func([]byte) error
	buf               []byte // aligned
	f                 vfs.File
	size              int64
	start, end        int64 // of the file, what buf[0:end-start] holds
}

// open starts on a file.
func (s *scanner) open(name string, size int64) error {
	f, err := openToRead(s.fs, name)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	if s.buf == nil {
		s.buf = vfs.AlignedBuffer(scanWindow)
	}
	s.f, s.size, s.start, s.end = f, size, 0, 0
	return nil
}

func (s *scanner) close() { s.f.Close() }

// at returns n bytes from off, a multiple of the block size; fewer if the file ends.
func (s *scanner) at(off, n int64) ([]byte, error) {
	n = min(n, s.size-off)
	if off >= s.start && off+n <= s.end {
		return s.buf[off-s.start : off-s.start+n], nil
	}
	kept := 0
	if off >= s.start && off < s.end { // slide: what is already here moves to the front
		have := s.buf[off-s.start : s.end-s.start]
		if n > int64(len(s.buf)) {
			s.buf = vfs.AlignedBuffer(int(vfs.AlignUp(n)))
		}
		kept = copy(s.buf, have)
	} else if n > int64(len(s.buf)) {
		s.buf = vfs.AlignedBuffer(int(vfs.AlignUp(n)))
	}
	want := s.buf[:min(int64(len(s.buf)), s.size-off)]
	got, err := s.f.ReadAt(want[kept:], off+int64(kept))
	if err != nil && !errors.Is(err, io.EOF) {
		s.start, s.end = 0, 0
		return nil, err
	}
	clear(want[kept+got:]) // a file that is shorter than its header says: missing bytes are no group
	s.start, s.end = off, off+int64(len(want))
	return s.buf[:n], nil
}

// scan reads the groups of a begun file from number firstWrite on. Good groups go into out.records.
func (s *scanner) scan(st fileStart, out *fileScan) {
	out.records, out.end, out.nextWrite, out.torn = out.records[:0], blockSize, st.firstWrite, nil
	if out.err = s.open(st.name, st.id.size); out.err != nil {
		return
	}
	defer s.close()
	for out.end < s.size {
		more, err := s.group(st.id, out)
		if err != nil {
			out.err = fmt.Errorf("read %s at offset %d: %w", st.name, out.end, err)
			return
		}
		if !more {
			return
		}
	}
}

// group reads the group at out.end, if there is a good one.
func (s *scanner) group(id identity, out *fileScan) (more bool, err error) {
	b, err := s.at(out.end, blockSize)
	if err != nil {
		return false, err
	}
	h, ok := decodeGroupHeader(b, id.dirID, id.seq)
	if !ok {
		return false, nil
	}
	if h.write != out.nextWrite {
		out.torn = fmt.Errorf("group at offset %d is of write %d, want %d", out.end, h.write, out.nextWrite)
		return false, nil
	}
	if out.end+h.total() > s.size {
		out.torn = fmt.Errorf("group at offset %d has %d bytes, beyond the file's end", out.end, h.total())
		return false, nil
	}
	if b, err = s.at(out.end, h.total()); err != nil {
		return false, err
	}
	seed := seedOf(id.dirID, id.seq, uint32(h.write))
	good := len(out.records)
	at, end := int64(groupHeaderSize), groupHeaderSize+int64(h.bytes)
	for range h.records {
		rec, payload, err := decodeRecord(b[at:end], seed, uint32(h.write), s.verifySelfChecked)
		r := scanned{recordHeader: rec, off: uint32(out.end + at)}
		if err == nil {
			err = r.decode(payload)
		}
		if err != nil {
			out.records = out.records[:good]
			out.torn = fmt.Errorf("offset %d: %w", out.end+at, err)
			return false, nil
		}
		out.records = append(out.records, r)
		at += recordHeaderSize + int64(rec.length)
	}
	if at != end {
		out.records = out.records[:good]
		out.torn = fmt.Errorf("group at offset %d: its %d records end at %d, not %d", out.end, h.records, at, end)
		return false, nil
	}
	out.end += h.total()
	out.nextWrite++
	return true, nil
}

// decode takes what recovery keeps of a payload.
func (r *scanned) decode(payload []byte) error {
	switch r.typ {
	case recordEntry, recordMoved:
		if r.index == 0 {
			return fmt.Errorf("entry of group %d has index 0", r.group)
		}
	case recordHardState:
		if len(payload) != 8 {
			return fmt.Errorf("hard state of group %d has %d bytes, want 8", r.group, len(payload))
		}
		r.vote = le.Uint64(payload)
	case recordCheckpoint:
		c, err := decodeCheckpoint(r.recordHeader, payload)
		if err != nil {
			return err
		}
		r.checkpoint = &c
	case recordRemove:
	default:
		return fmt.Errorf("unknown record type %d", r.typ)
	}
	return nil
}

// laterGroup looks behind a file's last good group for one of a later write: then what lies between is not a torn tail.
func (s *scanner) laterGroup(st fileStart, out *fileScan) (off int64, found bool, err error) {
	if err := s.open(st.name, st.id.size); err != nil {
		return 0, false, err
	}
	defer s.close()
	for off = out.end; off < s.size; off += blockSize {
		if off+blockSize > s.end || off < s.start {
			if _, err := s.at(off, min(int64(len(s.buf)), s.size-off)); err != nil {
				return 0, false, fmt.Errorf("read %s at offset %d: %w", st.name, off, err)
			}
		}
		b, err := s.at(off, blockSize)
		if err != nil {
			return 0, false, fmt.Errorf("read %s at offset %d: %w", st.name, off, err)
		}
		if le.Uint32(b[4:]) != groupMagic {
			continue
		}
		if h, ok := decodeGroupHeader(b, st.id.dirID, st.id.seq); ok && h.write > out.nextWrite {
			return off, true, nil
		}
	}
	return 0, false, nil
}

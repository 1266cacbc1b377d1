package compact

import (
	"encoding/binary"
	"fmt"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// source reads one segment front to back, a batch at a time. Its buffer holds readBytes, or one batch if that is larger.
type source struct {
	c     *segment.Cleaning
	i     int
	f     vfs.File
	size  int64
	pos   int64 // of the next batch
	buf   []byte
	at, n int // buf[at:n] is what was read and not handed out; its first byte is that at pos
}

// readBytes at a time: what a disk does in well under a millisecond, so that the write-ahead log need not wait for long.
const readBytes = 256 << 10

func (s *source) open(c *segment.Cleaning, i int, size int64) error {
	f, err := c.Open(i)
	if err != nil {
		return err
	}
	if cap(s.buf) != readBytes {
		s.buf = make([]byte, readBytes)
	}
	*s = source{c: c, i: i, f: f, size: size, buf: s.buf[:readBytes]}
	return nil
}

func (s *source) close() {
	if s.f != nil {
		s.f.Close()
		s.f = nil
	}
}

// rewind begins the segment anew.
func (s *source) rewind() { s.pos, s.at, s.n = 0, 0, 0 }

// left is how many bytes of the segment come after the batches handed out.
func (s *source) left() int64 { return s.size - s.pos }

// next is the next batch, nil at the end. It is good until the next call.
func (s *source) next() ([]byte, error) {
	if s.pos >= s.size {
		return nil, nil
	}
	if err := s.fill(protocol.BatchHeaderSize); err != nil {
		return nil, err
	}
	size := int64(int32(binary.BigEndian.Uint32(s.buf[s.at+8:]))) + 12
	if size < protocol.BatchHeaderSize || size > s.left() || s.buf[s.at+16] != 2 {
		return nil, s.corrupt("a batch of %d bytes and magic %d", size, s.buf[s.at+16])
	}
	if err := s.fill(int(size)); err != nil {
		return nil, err
	}
	b := s.buf[s.at : s.at+int(size)]
	s.at += int(size)
	s.pos += size
	return b, nil
}

// fill makes sure that n bytes from pos on are in the buffer.
func (s *source) fill(n int) error {
	if s.n-s.at >= n {
		return nil
	}
	if int64(n) > s.left() {
		return s.corrupt("a batch begins %d bytes before the end", s.left())
	}
	have := s.n - s.at
	if n > len(s.buf) {
		grown := make([]byte, n)
		copy(grown, s.buf[s.at:s.n])
		s.buf = grown
	} else {
		copy(s.buf, s.buf[s.at:s.n])
	}
	from := s.pos + int64(have)
	want := min(int64(len(s.buf)-have), s.size-from)
	s.at, s.n = 0, have
	for want > 0 { // a batch may be larger than one read
		got, err := s.f.ReadAt(s.buf[s.n:s.n+int(min(want, readBytes))], from)
		if int64(got) < min(want, readBytes) {
			return s.corrupt("%d bytes at %d, of %d (%v)", got, from, want, err)
		}
		s.n, from, want = s.n+got, from+int64(got), want-int64(got)
	}
	return nil
}

func (s *source) corrupt(format string, args ...any) error {
	seg := s.c.Segments()[s.i]
	return fmt.Errorf("compact the segment at offset %d, position %d: found "+format+": %w", append(append([]any{seg.Base, s.pos}, args...), segment.ErrCorrupt)...)
}

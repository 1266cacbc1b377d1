package segment

import "github.com/troupe-io/troupe/storage/vfs"

// Slice is a run of bytes of a log: memory and file parts in order. Release it once, when the bytes have been sent.
type Slice struct {
	Parts []Part
	Size  int64

	chunks  []*chunk
	file    *handle
	partsOf [3]Part
	heldOf  [3]*chunk
}

// Part is memory (Bytes != nil) or a range of a file (for sendfile).
type Part struct {
	Bytes  []byte
	File   vfs.File
	Offset int64
	Length int64
}

// Release gives chunks and file handles back.
func (s *Slice) Release() {
	for i, c := range s.chunks {
		c.release()
		s.chunks[i] = nil
	}
	s.chunks = nil
	if s.file != nil {
		s.file.release()
		s.file = nil
	}
	s.Parts, s.Size = nil, 0
}

// Append copies all bytes of s to b: for tests and senders without sendfile.
func (s *Slice) Append(b []byte) ([]byte, error) {
	for _, p := range s.Parts {
		if p.Bytes != nil {
			b = append(b, p.Bytes...)
			continue
		}
		n := len(b)
		b = append(b, make([]byte, p.Length)...)
		if err := readFull(p.File, b[n:], p.Offset); err != nil {
			return b[:n], err
		}
	}
	return b, nil
}

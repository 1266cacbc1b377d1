package wal

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file owns the handles through which entries are read back. The mutex guards only the small table of open handles, which
// many goroutines share; reads happen outside it.

// ErrLocationGone says that a location's file was recycled: the entry is checkpointed, or was moved (see Moved).
var ErrLocationGone = errors.New("the write-ahead log no longer holds this location")

// readersMax bounds the open handles.
const readersMax = 16

type reader struct {
	fs                vfs.FS
	dir               string
	dirID             uint64
	verifySelfChecked func([]byte) error

	mu   sync.Mutex
	open []openFile // least recently opened first
}

type openFile struct {
	seq uint64
	f   vfs.File
}

var _ Reader = (*reader)(nil)

func newReader(cfg *Config) *reader {
	return &reader{fs: cfg.FS, dir: cfg.Dir, dirID: cfg.DirID, verifySelfChecked: cfg.VerifySelfChecked}
}

func (r *reader) handle(seq uint64) (vfs.File, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.open, func(o openFile) bool { return o.seq == seq }); i >= 0 {
		return r.open[i].f, nil
	}
	f, err := r.fs.Open(path.Join(r.dir, fileName(seq)), vfs.OpenOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	if len(r.open) == readersMax {
		r.open[0].f.Close() // a read under way in it fails and is tried again
		r.open = slices.Delete(r.open, 0, 1)
	}
	r.open = append(r.open, openFile{seq, f})
	return f, nil
}

// forget closes the handle of a file that is about to be recycled; 0 closes all.
func (r *reader) forget(seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = slices.DeleteFunc(r.open, func(o openFile) bool {
		gone := o.seq == seq || seq == 0
		if gone {
			o.f.Close()
		}
		return gone
	})
}

// ReadEntry implements Reader.
func (r *reader) ReadEntry(dst []byte, loc Location) ([]byte, error) {
	if loc.Size > maxFileBytes {
		return dst, fmt.Errorf("read entry at %+v: size is beyond any file", loc)
	}
	var err error
	for range 2 { // a handle may be closed under us by another reader or by the writer, once
		var out []byte
		if out, err = r.readOnce(dst, loc); err == nil {
			return out, nil
		}
	}
	return dst, fmt.Errorf("read entry in %s at offset %d: %w", fileName(loc.File), loc.Offset, err)
}

func (r *reader) readOnce(dst []byte, loc Location) ([]byte, error) {
	f, err := r.handle(loc.File)
	if errors.Is(err, vfs.ErrNotExist) {
		return nil, ErrLocationGone
	} else if err != nil {
		return nil, err
	}
	at := len(dst)
	dst = slices.Grow(dst, recordHeaderSize+int(loc.Size))
	b := dst[at : at+recordHeaderSize+int(loc.Size)]
	if _, err := f.ReadAt(b, int64(loc.Offset)); err != nil {
		return nil, err
	}
	write := le.Uint32(b[12:])
	h, payload, err := decodeRecord(b, seedOf(r.dirID, loc.File, write), write, r.verifySelfChecked)
	if err == nil && (h.length != loc.Size || (h.typ != recordEntry && h.typ != recordMoved)) {
		err = fmt.Errorf("found a %s record of %d bytes, want an entry of %d", h.typ, h.length, loc.Size)
	}
	if err != nil {
		if id, idErr := r.identity(f); idErr == nil && id.seq != loc.File {
			return nil, ErrLocationGone
		}
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	copy(b, payload)
	return dst[:at+len(payload)], nil
}

func (r *reader) identity(f vfs.File) (identity, error) {
	var b [identitySize]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return identity{}, err
	}
	return decodeIdentity(b[:])
}

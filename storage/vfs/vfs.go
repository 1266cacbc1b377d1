// Package vfs is the only door to the disk.
//
// OS is the machine's file system. NewMem is one in memory that knows what is synced and what is not, and that CrashClone
// turns into what a power cut would have left. Faulty wraps either and lets a test fail any operation.
//
// What is assumed of a disk and its file system (and what Mem therefore models):
//
//   - A write is durable when it returns on a DSync file, or when a later Sync or DataSync of the same file returns. Before
//     that, any part of it may or may not survive a crash, in units of a 512-byte sector, in any order.
//   - A sector is never half old and half new.
//   - Writing a range does not damage bytes outside the blocks (4 KiB) that it touches; bytes that were durable and are
//     written again with the same content stay as they are.
//   - Creating, renaming and removing a name is atomic, and durable after SyncDir of its directory; before that, such
//     changes of one directory survive in the order they were made, up to some point (journaling file systems do this).
//     Syncing a file does not make its name durable.
//   - After a failed sync nothing is known about what was written before it: a sync is never tried again.
//
// Not assumed: that a file's size or preallocation survives without Sync or DataSync, that a write larger than a sector
// is atomic, that bit rot does not happen (the formats above carry checksums).
package vfs

import (
	"errors"
	"io"
	"io/fs"
	"syscall"
)

// BlockSize is the unit of direct I/O: offsets, lengths and addresses of buffers on a Direct file are multiples of it, bytes.
const BlockSize = 4096

// SectorSize is the largest unit that a disk writes atomically, bytes.
const SectorSize = 512

// ErrNotSupported says that a file system cannot do what was asked (direct I/O, preallocation). Callers fall back.
var ErrNotSupported = errors.New("not supported by this file system")

// ErrLocked says that another process (or another opener) holds the lock.
var ErrLocked = errors.New("locked by another process")

// ErrNotExist and ErrExist are io/fs's, so that users of this package need no os.
var (
	ErrNotExist = fs.ErrNotExist
	ErrExist    = fs.ErrExist
)

// IsNoSpace says whether err means that the disk, or the quota, is full: nothing is broken, and it may pass.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// FS is a file system. Paths are slash-separated. The real one is OS(); tests use a memory one that can crash.
type FS interface {
	// Open opens for reading and writing, creating if create is set. direct asks for O_DIRECT (+ O_DSYNC when dsync);
	// a file system that refuses it answers ErrNotSupported.
	Open(name string, opt OpenOptions) (File, error)
	Remove(name string) error
	RemoveAll(name string) error
	Rename(oldname, newname string) error
	MkdirAll(name string) error
	List(dir string) ([]string, error) // names, sorted; a missing dir is fs.ErrNotExist
	Stat(name string) (size int64, err error)
	SyncDir(dir string) error
	// Lock takes an exclusive advisory lock on the file name until the Closer is closed. Held elsewhere: ErrLocked.
	Lock(name string) (io.Closer, error)
	// Space is the size of the volume that dir lies on and what of it is free for this process, bytes.
	Space(dir string) (total, free int64, err error)
}

// OpenOptions says how to open a file.
type OpenOptions struct {
	Create, ReadOnly, Direct, DSync bool
}

// File is an open file. Offsets are always explicit.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error     // fsync
	DataSync() error // fdatasync
	Truncate(size int64) error
	// Preallocate reserves space (fallocate) and extends the size; ErrNotSupported where the file system cannot.
	Preallocate(size int64) error
	Size() (int64, error)
	// Fd is the descriptor for sendfile, and whether there is one.
	Fd() (uintptr, bool)
}

// Package vfs is the only door to the disk.
package vfs

import "io"

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
	// Lock takes an exclusive advisory lock on the file name until the Closer is closed.
	Lock(name string) (io.Closer, error)
	Free(dir string) (bytes int64, err error)
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
	Preallocate(size int64) error // fallocate; extends the size
	Size() (int64, error)
	// Fd is the descriptor for sendfile, and whether there is one.
	Fd() (uintptr, bool)
}

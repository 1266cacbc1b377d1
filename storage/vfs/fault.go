package vfs

import (
	"io"
	"sync/atomic"
)

// OpKind names an operation of FS or File.
type OpKind string

// The operations that Faulty shows. Reads of a directory and sizes are not among them.
const (
	OpOpen        OpKind = "open"
	OpRemove      OpKind = "remove"
	OpRename      OpKind = "rename"
	OpSyncDir     OpKind = "syncdir"
	OpRead        OpKind = "read"
	OpWrite       OpKind = "write"
	OpSync        OpKind = "sync" // Sync and DataSync
	OpTruncate    OpKind = "truncate"
	OpPreallocate OpKind = "preallocate"
)

// Op is one operation about to be done.
type Op struct {
	Kind   OpKind
	Name   string // of the file as it was opened
	Offset int64  // of reads and writes
	Size   int64  // bytes of reads and writes; the new size of truncate and preallocate
	N      int64  // counts the operations that Faulty has seen, from 1
}

// Faulty shows every operation to before, which may fail it: a non-nil error is the operation's answer, and nothing is
// done. before may be called from several goroutines.
func Faulty(fs FS, before func(Op) error) FS { return &faultFS{FS: fs, before: before} }

// FailNth fails the n-th operation (from 1) for which match is true, and no other. A nil match takes all.
func FailNth(n int64, err error, match func(Op) bool) func(Op) error {
	var seen atomic.Int64
	return func(op Op) error {
		if (match == nil || match(op)) && seen.Add(1) == n {
			return err
		}
		return nil
	}
}

type faultFS struct {
	FS
	before func(Op) error
	n      atomic.Int64
}

func (f *faultFS) op(kind OpKind, name string, offset, size int64) error {
	return f.before(Op{Kind: kind, Name: name, Offset: offset, Size: size, N: f.n.Add(1)})
}

func (f *faultFS) Open(name string, opt OpenOptions) (File, error) {
	if err := f.op(OpOpen, name, 0, 0); err != nil {
		return nil, pathErr("open", name, err)
	}
	file, err := f.FS.Open(name, opt)
	if err != nil {
		return nil, err
	}
	return &faultFile{File: file, fs: f, name: name}, nil
}

func (f *faultFS) Remove(name string) error {
	if err := f.op(OpRemove, name, 0, 0); err != nil {
		return pathErr("remove", name, err)
	}
	return f.FS.Remove(name)
}

func (f *faultFS) Rename(oldname, newname string) error {
	if err := f.op(OpRename, oldname, 0, 0); err != nil {
		return pathErr("rename", oldname, err)
	}
	return f.FS.Rename(oldname, newname)
}

func (f *faultFS) SyncDir(dir string) error {
	if err := f.op(OpSyncDir, dir, 0, 0); err != nil {
		return pathErr("sync", dir, err)
	}
	return f.FS.SyncDir(dir)
}

func (f *faultFS) Lock(name string) (io.Closer, error) { return f.FS.Lock(name) }

type faultFile struct {
	File
	fs   *faultFS
	name string
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.op(OpRead, f.name, off, int64(len(p))); err != nil {
		return 0, pathErr("read", f.name, err)
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.fs.op(OpWrite, f.name, off, int64(len(p))); err != nil {
		return 0, pathErr("write", f.name, err)
	}
	return f.File.WriteAt(p, off)
}

func (f *faultFile) Sync() error {
	if err := f.fs.op(OpSync, f.name, 0, 0); err != nil {
		return pathErr("fsync", f.name, err)
	}
	return f.File.Sync()
}

func (f *faultFile) DataSync() error {
	if err := f.fs.op(OpSync, f.name, 0, 0); err != nil {
		return pathErr("fdatasync", f.name, err)
	}
	return f.File.DataSync()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.fs.op(OpTruncate, f.name, 0, size); err != nil {
		return pathErr("truncate", f.name, err)
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Preallocate(size int64) error {
	if err := f.fs.op(OpPreallocate, f.name, 0, size); err != nil {
		return pathErr("fallocate", f.name, err)
	}
	return f.File.Preallocate(size)
}

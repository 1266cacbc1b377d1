package vfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sys/unix"
)

// OS is the machine's file system.
func OS() FS { return osFS{} }

type osFS struct{}

func (osFS) Open(name string, opt OpenOptions) (File, error) {
	flags := os.O_RDWR
	if opt.ReadOnly {
		flags = os.O_RDONLY
	}
	if opt.Create {
		flags |= os.O_CREATE
	}
	if opt.Direct {
		flags |= unix.O_DIRECT
	}
	if opt.DSync {
		flags |= unix.O_DSYNC
	}
	f, err := os.OpenFile(filepath.FromSlash(name), flags, 0o644)
	if err != nil {
		if opt.Direct && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)) {
			return nil, fmt.Errorf("open %s for direct I/O: %w", name, ErrNotSupported)
		}
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Remove(name string) error    { return os.Remove(filepath.FromSlash(name)) }
func (osFS) RemoveAll(name string) error { return os.RemoveAll(filepath.FromSlash(name)) }
func (osFS) Rename(oldname, newname string) error {
	return os.Rename(filepath.FromSlash(oldname), filepath.FromSlash(newname))
}
func (osFS) MkdirAll(name string) error { return os.MkdirAll(filepath.FromSlash(name), 0o755) }

func (osFS) List(dir string) ([]string, error) {
	d, err := os.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	sort.Strings(names)
	return names, nil
}

func (osFS) Stat(name string) (int64, error) {
	i, err := os.Stat(filepath.FromSlash(name))
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.FromSlash(name), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil // closing the file gives the lock back
}

func (osFS) Space(dir string) (total, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.FromSlash(dir), &st); err != nil {
		return 0, 0, fmt.Errorf("space of the volume of %s: %w", dir, err)
	}
	return int64(st.Blocks) * int64(st.Bsize), int64(st.Bavail) * int64(st.Bsize), nil
}

// osFile is an os.File; its own methods do ReadAt, WriteAt, Close, Sync and Truncate, safely against a concurrent Close.
type osFile struct{ *os.File }

func (f osFile) DataSync() error {
	return f.control("fdatasync", func(fd int) error { return unix.Fdatasync(fd) })
}

func (f osFile) Preallocate(size int64) error {
	err := f.control("fallocate", func(fd int) error { return unix.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return fmt.Errorf("preallocate %s: %w", f.Name(), ErrNotSupported)
	}
	return err
}

func (f osFile) Size() (int64, error) {
	i, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

func (f osFile) Fd() (uintptr, bool) { return f.File.Fd(), true }

func (f osFile) control(op string, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var opErr error
	if err := raw.Control(func(fd uintptr) {
		for {
			if opErr = do(int(fd)); !errors.Is(opErr, unix.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	if opErr != nil {
		return &os.PathError{Op: op, Path: f.Name(), Err: opErr}
	}
	return nil
}

package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"
	"sync"
	"syscall"
)

// ErrCrashed is what every operation answers after the operation given to CrashAt.
var ErrCrashed = errors.New("the machine has crashed")

// Mem is a file system in memory that remembers what is durable. It is safe for concurrent use (one mutex: it stands in
// for the kernel).
//
// Invariants: every inode holds two images, what is read (cur) and what is durable (dur), that share the pages on which they
// agree. names is what is read; durable holds the names that survive a crash; pending, per directory, the changes between
// them in order.
type Mem struct {
	mu       sync.Mutex
	names    map[string]*inode
	durable  map[string]*inode
	pending  map[string][]nameChange
	dirs     map[string]bool // directories are durable at once: nothing here depends on losing one
	locks    map[string]bool
	capacity int64 // bytes; 0: unlimited
	noDirect bool

	ops     int64
	crashAt int64 // 0: never
	crashed bool
}

// nameChange is one atomic change of names: add (may replace), remove, or both (rename). Empty names are absent.
type nameChange struct {
	remove, add string
	node        *inode
}

var _ FS = (*Mem)(nil)

// NewMem is an empty memory file system.
func NewMem() *Mem {
	return &Mem{names: map[string]*inode{}, durable: map[string]*inode{}, pending: map[string][]nameChange{},
		dirs: map[string]bool{"/": true, ".": true}, locks: map[string]bool{}}
}

// SetCapacity limits the bytes of all files together; beyond it writes and Preallocate answer ENOSPC. 0 is unlimited.
func (m *Mem) SetCapacity(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = bytes
}

// RefuseDirect makes Direct opens answer ErrNotSupported.
func (m *Mem) RefuseDirect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noDirect = true
}

// Ops counts the operations so far that change something: writes, syncs, truncations, changes of names.
func (m *Mem) Ops() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// CrashAt makes the machine crash in the middle of the n-th changing operation from now on (1 is the next): that
// operation is done but not durable, and it and everything after it answers ErrCrashed. CrashClone tells what is left.
func (m *Mem) CrashAt(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crashAt = m.ops + n
}

// Crashed says whether the operation given to CrashAt was reached.
func (m *Mem) Crashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

// change counts an operation. It says whether this very one is the crash: then it is to be done without durability and
// answered with ErrCrashed.
func (m *Mem) change() (crashing bool, err error) {
	if m.crashed {
		return false, ErrCrashed
	}
	m.ops++
	if m.crashAt != 0 && m.ops >= m.crashAt {
		m.crashed = true
		return true, nil
	}
	return false, nil
}

func clean(name string) string { return path.Clean(name) }

func pathErr(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// Open implements FS.
func (m *Mem) Open(name string, opt OpenOptions) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = clean(name)
	if m.crashed {
		return nil, pathErr("open", name, ErrCrashed)
	}
	if opt.Direct && m.noDirect {
		return nil, fmt.Errorf("open %s for direct I/O: %w", name, ErrNotSupported)
	}
	n := m.names[name]
	if n == nil {
		if !opt.Create || opt.ReadOnly {
			return nil, pathErr("open", name, fs.ErrNotExist)
		}
		if !m.dirs[path.Dir(name)] {
			return nil, pathErr("open", name, fs.ErrNotExist)
		}
		crashing, err := m.change()
		if err != nil {
			return nil, pathErr("open", name, err)
		}
		n = newInode()
		m.rename(nameChange{add: name, node: n})
		if crashing {
			return nil, pathErr("open", name, ErrCrashed)
		}
	}
	return &memFile{m: m, n: n, name: name, opt: opt}, nil
}

// rename does one change of names now and notes it as pending in the directory it belongs to.
func (m *Mem) rename(c nameChange) {
	apply(m.names, c)
	at := c.add
	if at == "" {
		at = c.remove
	}
	dir := path.Dir(at)
	m.pending[dir] = append(m.pending[dir], c)
}

func apply(names map[string]*inode, c nameChange) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.node
	}
}

func (m *Mem) changeNames(op, name string, c nameChange) error {
	crashing, err := m.change()
	if err != nil {
		return pathErr(op, name, err)
	}
	m.rename(c)
	if crashing {
		return pathErr(op, name, ErrCrashed)
	}
	return nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = clean(name)
	if m.names[name] == nil {
		if m.dirs[name] && len(m.below(name)) == 0 {
			delete(m.dirs, name)
			return nil
		}
		return pathErr("remove", name, fs.ErrNotExist)
	}
	return m.changeNames("remove", name, nameChange{remove: name})
}

// below lists the files under dir.
func (m *Mem) below(dir string) []string {
	var out []string
	for n := range m.names {
		if strings.HasPrefix(n, dir+"/") {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = clean(name)
	if m.names[name] != nil {
		return m.changeNames("remove", name, nameChange{remove: name})
	}
	for _, n := range m.below(name) {
		if err := m.changeNames("remove", n, nameChange{remove: n}); err != nil {
			return err
		}
	}
	for d := range m.dirs {
		if d == name || strings.HasPrefix(d, name+"/") {
			delete(m.dirs, d)
		}
	}
	return nil
}

// Rename implements FS, for files and for whole directories (whose files then move one by one).
func (m *Mem) Rename(oldname, newname string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldname, newname = clean(oldname), clean(newname)
	if n := m.names[oldname]; n != nil {
		if !m.dirs[path.Dir(newname)] {
			return pathErr("rename", newname, fs.ErrNotExist)
		}
		return m.changeNames("rename", oldname, nameChange{remove: oldname, add: newname, node: n})
	}
	if !m.dirs[oldname] {
		return pathErr("rename", oldname, fs.ErrNotExist)
	}
	for d := range m.dirs {
		if d == oldname || strings.HasPrefix(d, oldname+"/") {
			delete(m.dirs, d)
			m.dirs[newname+strings.TrimPrefix(d, oldname)] = true
		}
	}
	for _, n := range m.below(oldname) {
		c := nameChange{remove: n, add: newname + strings.TrimPrefix(n, oldname), node: m.names[n]}
		if err := m.changeNames("rename", n, c); err != nil {
			return err
		}
	}
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.crashed {
		return pathErr("mkdir", name, ErrCrashed)
	}
	for d := clean(name); !m.dirs[d]; d = path.Dir(d) {
		if m.names[d] != nil {
			return pathErr("mkdir", d, syscall.ENOTDIR)
		}
		m.dirs[d] = true
	}
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = clean(dir)
	if m.crashed {
		return nil, pathErr("list", dir, ErrCrashed)
	}
	if !m.dirs[dir] {
		return nil, pathErr("list", dir, fs.ErrNotExist)
	}
	var out []string
	for n := range m.names {
		if path.Dir(n) == dir {
			out = append(out, path.Base(n))
		}
	}
	for d := range m.dirs {
		if d != dir && path.Dir(d) == dir {
			out = append(out, path.Base(d))
		}
	}
	sort.Strings(out)
	return out, nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = clean(name)
	if n := m.names[name]; n != nil {
		return n.cur.size, nil
	}
	if m.dirs[name] {
		return 0, nil
	}
	return 0, pathErr("stat", name, fs.ErrNotExist)
}

// SyncDir implements FS: every change of names in dir so far is durable.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = clean(dir)
	if !m.dirs[dir] {
		return pathErr("sync", dir, fs.ErrNotExist)
	}
	crashing, err := m.change()
	if err != nil || crashing {
		return pathErr("sync", dir, ErrCrashed)
	}
	for _, c := range m.pending[dir] {
		apply(m.durable, c)
	}
	delete(m.pending, dir)
	return nil
}

type memLock struct {
	m    *Mem
	name string
}

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	delete(l.m.locks, l.name)
	return nil
}

// Lock implements FS.
func (m *Mem) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = clean(name)
	if m.locks[name] {
		return nil, fmt.Errorf("lock %s: %w", name, ErrLocked)
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

// Space implements FS: the capacity and what is left of it, an exbibyte without one.
func (m *Mem) Space(string) (total, free int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if total = m.capacity; total == 0 {
		total = 1 << 60
	}
	return total, max(0, total-m.used()), nil
}

func (m *Mem) used() int64 {
	var total int64
	for _, n := range m.names {
		total += n.cur.size
	}
	return total
}

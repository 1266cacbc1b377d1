package vfs

import (
	"fmt"
	"io"
	"io/fs"
	"syscall"
)

type page [BlockSize]byte

// image is one view of a file's content. A nil page is all zeros.
type image struct {
	size  int64
	pages []*page
}

// inode is a file's two images. A page pointer that both hold is durable as it is; dirty names the pages where they differ.
type inode struct {
	cur, dur image
	dirty    map[int]struct{}
}

func newInode() *inode { return &inode{dirty: map[int]struct{}{}} }

func (i *image) page(at int) *page {
	if at < len(i.pages) {
		return i.pages[at]
	}
	return nil
}

func (i *image) set(at int, p *page) {
	for at >= len(i.pages) {
		i.pages = append(i.pages, make([]*page, max(1, min(at+1-len(i.pages), 1<<16)))...)
	}
	i.pages[at] = p
}

// write puts p at off. durable writes reach both images.
func (n *inode) write(p []byte, off int64, durable bool) {
	end := off + int64(len(p))
	n.cur.size = max(n.cur.size, end)
	if durable {
		n.dur.size = max(n.dur.size, end)
	}
	for len(p) > 0 {
		at, in := int(off/BlockSize), int(off%BlockSize)
		part := p[:min(len(p), BlockSize-in)]
		cur, dur := n.cur.page(at), n.dur.page(at)
		switch shared := cur == dur; {
		case durable && shared:
			if cur == nil {
				cur = new(page)
				n.cur.set(at, cur)
				n.dur.set(at, cur)
			}
			copy(cur[in:], part)
		case shared:
			fresh := new(page)
			if cur != nil {
				*fresh = *cur
			}
			n.cur.set(at, fresh)
			n.dirty[at] = struct{}{}
			copy(fresh[in:], part)
		default:
			if cur == nil {
				cur = new(page)
				n.cur.set(at, cur)
			}
			copy(cur[in:], part)
			if durable {
				if dur == nil {
					dur = new(page)
					n.dur.set(at, dur)
				}
				copy(dur[in:], part)
			}
		}
		p, off = p[len(part):], off+int64(len(part))
	}
}

func (n *inode) read(p []byte, off int64) (int, error) {
	if off >= n.cur.size {
		return 0, io.EOF
	}
	want := len(p)
	p = p[:min(int64(want), n.cur.size-off)]
	for done := 0; done < len(p); {
		at, in := int((off+int64(done))/BlockSize), int((off+int64(done))%BlockSize)
		part := p[done:min(len(p), done+BlockSize-in)]
		if pg := n.cur.page(at); pg != nil {
			copy(part, pg[in:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	if len(p) < want {
		return len(p), io.EOF
	}
	return len(p), nil
}

func (n *inode) truncate(size int64) {
	keep := int((size + BlockSize - 1) / BlockSize)
	for at := keep; at < len(n.cur.pages); at++ {
		if n.cur.pages[at] != nil {
			n.cur.pages[at] = nil
			n.dirty[at] = struct{}{}
		}
	}
	n.cur.pages = n.cur.pages[:min(keep, len(n.cur.pages))]
	if in := size % BlockSize; in != 0 && size < n.cur.size {
		if pg := n.cur.page(keep - 1); pg != nil {
			fresh := *pg
			clear(fresh[in:])
			n.cur.pages[keep-1] = &fresh
			n.dirty[keep-1] = struct{}{}
		}
	}
	n.cur.size = size
}

func (n *inode) sync() {
	for at := range n.dirty {
		if p := n.cur.page(at); p != nil || at < len(n.dur.pages) {
			n.dur.set(at, p)
		}
	}
	clear(n.dirty)
	n.dur.size = n.cur.size
	n.dur.pages = n.dur.pages[:min(len(n.dur.pages), int((n.dur.size+BlockSize-1)/BlockSize))]
}

// memFile is a handle. Handles stay usable when their name is removed.
type memFile struct {
	m      *Mem
	n      *inode
	name   string
	opt    OpenOptions
	closed bool
}

func (f *memFile) check(op string) error {
	switch {
	case f.closed:
		return pathErr(op, f.name, fs.ErrClosed)
	case f.m.crashed:
		return pathErr(op, f.name, ErrCrashed)
	}
	return nil
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if off < 0 || (f.opt.Direct && !aligned(p, off)) {
		return 0, pathErr("read", f.name, fmt.Errorf("direct read of %d bytes at %d is not aligned: %w", len(p), off, syscall.EINVAL))
	}
	return f.n.read(p, off)
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	if f.opt.ReadOnly {
		return 0, pathErr("write", f.name, syscall.EBADF)
	}
	if off < 0 || (f.opt.Direct && !aligned(p, off)) {
		return 0, pathErr("write", f.name, fmt.Errorf("direct write of %d bytes at %d is not aligned: %w", len(p), off, syscall.EINVAL))
	}
	if err := f.grow(off + int64(len(p))); err != nil {
		return 0, pathErr("write", f.name, err)
	}
	crashing, err := f.m.change()
	if err != nil {
		return 0, pathErr("write", f.name, err)
	}
	f.n.write(p, off, f.opt.DSync && !crashing)
	if crashing {
		return 0, pathErr("write", f.name, ErrCrashed)
	}
	return len(p), nil
}

// grow answers ENOSPC if the file may not become size bytes long.
func (f *memFile) grow(size int64) error {
	if more := size - f.n.cur.size; more > 0 && f.m.capacity > 0 && f.m.used()+more > f.m.capacity {
		return syscall.ENOSPC
	}
	return nil
}

func (f *memFile) syncAs(op string) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check(op); err != nil {
		return err
	}
	crashing, err := f.m.change()
	if err != nil || crashing {
		return pathErr(op, f.name, ErrCrashed)
	}
	f.n.sync()
	return nil
}

func (f *memFile) Sync() error     { return f.syncAs("fsync") }
func (f *memFile) DataSync() error { return f.syncAs("fdatasync") }

func (f *memFile) resize(op string, size int64, shrink bool) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check(op); err != nil {
		return err
	}
	if f.opt.ReadOnly || size < 0 {
		return pathErr(op, f.name, syscall.EINVAL)
	}
	if err := f.grow(size); err != nil {
		return pathErr(op, f.name, err)
	}
	crashing, err := f.m.change()
	if err != nil {
		return pathErr(op, f.name, err)
	}
	if shrink || size > f.n.cur.size {
		f.n.truncate(size)
	}
	if crashing {
		return pathErr(op, f.name, ErrCrashed)
	}
	return nil
}

func (f *memFile) Truncate(size int64) error    { return f.resize("truncate", size, true) }
func (f *memFile) Preallocate(size int64) error { return f.resize("fallocate", size, false) }

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.check("stat"); err != nil {
		return 0, err
	}
	return f.n.cur.size, nil
}

func (f *memFile) Fd() (uintptr, bool) { return 0, false }

func (f *memFile) Close() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if f.closed {
		return pathErr("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	return nil
}

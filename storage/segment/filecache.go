package segment

import (
	"container/list"
	"errors"
	"path"
	"sync"
	"sync/atomic"

	"github.com/troupe-io/troupe/storage/vfs"
)

// FileCache bounds the open segment files of a broker. Handles are counted; those in use are never closed, so the bound holds
// for the unused ones: at most limit plus what slices and writers hold at one moment.
//
// A mutex guards it: readers and writers share it, and opening and closing happen outside.
type FileCache struct {
	limit int
	size  atomic.Int64

	// swaps is held while the segments that a directory lists are found out, and while compaction changes them: a log that is opened
	// anew must not see half of what its former self's writer still does. It is broker-wide, since the two share nothing else.
	swaps sync.Mutex

	mu   sync.Mutex
	open map[fileKey]*handle
	idle list.List // of *handle with no user, least recently used first
}

type fileMode uint8

const (
	readMode   fileMode = iota // through the page cache, read only
	writeMode                  // through the page cache
	directMode                 // O_DIRECT if the file system grants it
)

// fileKey names an open file. Compaction and restarts put new files in the place of old ones: of is the segment that the opener means,
// so that nobody is handed what another opened under the same name; 0 is no segment's.
type fileKey struct {
	name string
	mode fileMode
	of   uint64
}

// handle is one open file. Its File may be used until release.
type handle struct {
	vfs.File
	direct bool // O_DIRECT was granted: offsets, lengths and addresses must be aligned

	cache *FileCache
	key   fileKey
	users int
	gone  bool // forgotten: close with the last user
	elem  *list.Element
}

// NewFileCache keeps up to limit files open. A broker's default is 256.
func NewFileCache(limit int) *FileCache {
	return &FileCache{limit: max(limit, 1), open: map[fileKey]*handle{}}
}

// Open is how many files are open.
func (c *FileCache) Open() int64 { return c.size.Load() }

// acquire opens name, or shares the handle that is open already. Modes other than readMode create the file.
func (c *FileCache) acquire(fs vfs.FS, name string, mode fileMode, of uint64) (*handle, error) {
	key := fileKey{name, mode, of}
	c.mu.Lock()
	if h := c.open[key]; h != nil {
		c.use(h)
		c.mu.Unlock()
		return h, nil
	}
	c.mu.Unlock()

	f, direct, err := openFile(fs, name, mode)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if h := c.open[key]; h != nil { // somebody was faster
		c.use(h)
		c.mu.Unlock()
		f.Close()
		return h, nil
	}
	h := &handle{File: f, direct: direct, cache: c, key: key, users: 1}
	c.open[key] = h
	c.size.Store(int64(len(c.open)))
	victims := c.overLimit()
	c.mu.Unlock()
	for _, v := range victims {
		v.File.Close()
	}
	return h, nil
}

func openFile(fs vfs.FS, name string, mode fileMode) (f vfs.File, direct bool, err error) {
	switch mode {
	case directMode:
		f, err = fs.Open(name, vfs.OpenOptions{Create: true, Direct: true})
		if err == nil {
			return f, true, nil
		}
		if !errors.Is(err, vfs.ErrNotSupported) {
			return nil, false, err
		}
		f, err = fs.Open(name, vfs.OpenOptions{Create: true})
	case writeMode:
		f, err = fs.Open(name, vfs.OpenOptions{Create: true})
	default:
		f, err = fs.Open(name, vfs.OpenOptions{ReadOnly: true})
	}
	return f, false, err
}

func (c *FileCache) use(h *handle) {
	h.users++
	if h.elem != nil {
		c.idle.Remove(h.elem)
		h.elem = nil
	}
}

func (c *FileCache) overLimit() (victims []*handle) {
	for len(c.open) > c.limit && c.idle.Len() > 0 {
		v := c.idle.Remove(c.idle.Front()).(*handle)
		v.elem = nil
		delete(c.open, v.key)
		victims = append(victims, v)
	}
	c.size.Store(int64(len(c.open)))
	return victims
}

// retain adds a user.
func (h *handle) retain() {
	h.cache.mu.Lock()
	h.users++
	h.cache.mu.Unlock()
}

func (h *handle) release() {
	c := h.cache
	c.mu.Lock()
	h.users--
	if h.users < 0 {
		c.mu.Unlock()
		panic("segment: file handle released twice")
	}
	var victims []*handle
	if h.users == 0 {
		if h.gone {
			victims = []*handle{h}
		} else {
			h.elem = c.idle.PushBack(h)
			victims = c.overLimit()
		}
	}
	c.mu.Unlock()
	for _, v := range victims {
		v.File.Close()
	}
}

// forget closes the handles of files of a segment as soon as nobody uses them; the next acquire opens the file anew.
func (c *FileCache) forget(of uint64, names ...string) {
	c.forgetIf(func(fileKey) bool { return true }, of, names)
}

// forgetWriting is forget for the handles that write.
func (c *FileCache) forgetWriting(of uint64, names ...string) {
	c.forgetIf(func(key fileKey) bool { return key.mode >= writeMode }, of, names)
}

func (c *FileCache) forgetIf(match func(fileKey) bool, of uint64, names []string) {
	var keys []fileKey
	for _, name := range names {
		for mode := readMode; mode <= directMode; mode++ {
			if key := (fileKey{name, mode, of}); match(key) {
				keys = append(keys, key)
			}
		}
	}
	c.forgetKeys(keys)
}

func (c *FileCache) forgetKeys(keys []fileKey) {
	var victims []*handle
	c.mu.Lock()
	for _, key := range keys {
		h := c.open[key]
		if h == nil {
			continue
		}
		delete(c.open, key)
		h.gone = true
		if h.elem != nil {
			c.idle.Remove(h.elem)
			h.elem = nil
			victims = append(victims, h)
		}
	}
	c.size.Store(int64(len(c.open)))
	c.mu.Unlock()
	for _, v := range victims {
		v.File.Close()
	}
}

// forgetDir forgets every file in dir.
func (c *FileCache) forgetDir(dir string) {
	var keys []fileKey
	c.mu.Lock()
	for key := range c.open {
		if path.Dir(key.name) == dir {
			keys = append(keys, key)
		}
	}
	c.mu.Unlock()
	c.forgetKeys(keys)
}

// Close closes every file that nobody uses, and the others with their last user: for the end of a broker.
func (c *FileCache) Close() {
	var keys []fileKey
	c.mu.Lock()
	for key := range c.open {
		keys = append(keys, key)
	}
	c.mu.Unlock()
	c.forgetKeys(keys)
}

package segment

import "github.com/troupe-io/troupe/storage/vfs"

// Files written with O_DIRECT are not in the page cache, and the kernel's own readahead starts small for each sendfile. So a
// reader that goes front to back is kept readAheadBytes ahead of; any other gets just the range it asked for.
const (
	readAheadBytes = 8 << 20
	// readAheadStep keeps each request below what one call of the kernel is willing to read ahead.
	readAheadStep = 512 << 10
)

// readAhead tells the kernel that [from, to) will be read now, and perhaps what follows. It only hints: a lost race between
// readers costs a hint.
func (s *seg) readAhead(f vfs.File, from, to int64) {
	sequential := s.lastRead.Swap(to) == from
	advised := s.advised.Load()
	want := to
	if sequential {
		if advised >= to+readAheadBytes/2 && advised <= to+2*readAheadBytes {
			return
		}
		want = min(to+readAheadBytes, s.written.Load())
		if advised > from && advised <= want {
			from = advised
		}
	}
	s.advised.Store(want)
	fd, ok := f.Fd()
	if !ok {
		return
	}
	for ; from < want; from += readAheadStep {
		n := min(readAheadStep, want-from)
		if !cached(fd, from) || !cached(fd, from+n-1) { // asking the kernel to walk what it has costs as much as a tenth of sending it
			willNeed(fd, from, n)
		}
	}
}

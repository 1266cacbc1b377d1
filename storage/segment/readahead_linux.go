package segment

import "golang.org/x/sys/unix"

// willNeed starts reading a range into the page cache. Errors do not matter: it is a hint.
func willNeed(fd uintptr, from, n int64) { _ = unix.Fadvise(int(fd), from, n, unix.FADV_WILLNEED) }

// atRandom turns the kernel's own readahead off for a file: a hint, too.
func atRandom(fd uintptr) { _ = unix.Fadvise(int(fd), 0, 0, unix.FADV_RANDOM) }

// cached says whether the byte at off is in the page cache (RWF_NOWAIT reads nothing that would have to be waited for).
func cached(fd uintptr, off int64) bool {
	var b [1]byte
	n, err := unix.Preadv2(int(fd), [][]byte{b[:]}, off, unix.RWF_NOWAIT)
	return err == nil && n == 1
}

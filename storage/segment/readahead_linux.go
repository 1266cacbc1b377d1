package segment

import "golang.org/x/sys/unix"

// willNeed starts reading a range into the page cache. Errors do not matter: it is a hint.
func willNeed(fd uintptr, from, n int64) { _ = unix.Fadvise(int(fd), from, n, unix.FADV_WILLNEED) }

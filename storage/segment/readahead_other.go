//go:build !linux

package segment

func willNeed(uintptr, int64, int64) {}

func cached(uintptr, int64) bool { return false }

func atRandom(uintptr) {}

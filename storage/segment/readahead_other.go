//go:build !linux

package segment

func willNeed(uintptr, int64, int64) {}

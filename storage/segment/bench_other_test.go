//go:build !linux

package segment

func dropPages(uintptr) {}

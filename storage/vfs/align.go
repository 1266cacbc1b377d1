package vfs

import "unsafe"

// AlignedBuffer returns n zeroed bytes that start at a multiple of BlockSize in memory, fit for direct I/O. Its capacity is
// n as well, so that an append cannot leave the aligned memory unnoticed.
func AlignedBuffer(n int) []byte {
	b := make([]byte, n+BlockSize)
	at := 0
	if rest := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % BlockSize); rest != 0 {
		at = BlockSize - rest
	}
	return b[at : at+n : at+n]
}

// AlignUp rounds n up to a multiple of BlockSize.
func AlignUp(n int64) int64 { return (n + BlockSize - 1) &^ (BlockSize - 1) }

// aligned says whether a transfer is fit for direct I/O.
func aligned(p []byte, off int64) bool {
	return len(p)%BlockSize == 0 && off%BlockSize == 0 &&
		uintptr(unsafe.Pointer(unsafe.SliceData(p)))%BlockSize == 0
}

package test

import "hash/crc32"

var castagnoliTable = crc32.MakeTable(crc32.Castagnoli)

// castagnoli is the checksum of a record batch: CRC-32C from the attributes on.
func castagnoli(b []byte) uint32 { return crc32.Checksum(b, castagnoliTable) }

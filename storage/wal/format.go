package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file owns the bytes: names, start block, group header, record header. docs/formats.md tells the same in tables.
//
// Invariants of the format:
//   - A write group starts at a multiple of blockSize; one group is one write; bytes of a complete group are never rewritten.
//   - Write numbers rise by one from group to group, through files and restarts. Records' checksums are seeded with the
//     directory's id, the file's number and the write's number, so nothing left over from another life of a file, or from a
//     torn write that recovery cut, can be taken for a record of this group.
//   - The first group after every recovery is empty: it takes the number that a torn write may have used.

const (
	blockSize = vfs.BlockSize

	magic         = "troupWAL"
	formatVersion = 1
	identitySize  = 64  // bytes at offset 0 of the start block: who the file is
	begunAt       = 512 // offset of the begun mark in the start block: a sector of its own
	begunSize     = 32

	groupMagic      = 0x31475754 // "TWG1"
	groupHeaderSize = 40

	recordHeaderSize = 40
	// selfCheckedPrefix is how much of a self-checked payload the record's checksum covers, bytes: the kind byte and the
	// batch header up to and including the batch's own CRC and the field before it.
	selfCheckedPrefix = 22
)

// recordType is what a record is.
type recordType uint8

const (
	recordEntry      recordType = 1 // discards every entry of its group at or above its index, then adds itself
	recordHardState  recordType = 2
	recordCheckpoint recordType = 3
	recordRemove     recordType = 4
	recordMoved      recordType = 5 // a copy of a live entry: takes the place of the one with its index, discards nothing
)

func (t recordType) String() string {
	switch t {
	case recordEntry:
		return "entry"
	case recordHardState:
		return "hard-state"
	case recordCheckpoint:
		return "checkpoint"
	case recordRemove:
		return "remove"
	case recordMoved:
		return "moved-entry"
	}
	return "type-" + strconv.Itoa(int(t))
}

const (
	flagSelfChecked = 1 // entry: the payload's own checksum covers what lies beyond selfCheckedPrefix
	flagReset       = 2 // checkpoint: every entry of the group is discarded, not only those up to the index
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// ErrCorrupt is in every error that says the files are damaged in a way no crash explains. Nothing is guessed then: the
// operator restores the file, or gives the broker's copy up.
var ErrCorrupt = errors.New("write-ahead log is corrupt")

func fileName(seq uint64) string     { return fmt.Sprintf("wal-%016x.log", seq) }
func preparedName(seq uint64) string { return fmt.Sprintf("prepare-%016x.tmp", seq) }

// parseFileName says whether name is a log file's and its number.
func parseFileName(name string) (seq uint64, ok bool) {
	hex, found := strings.CutPrefix(name, "wal-")
	hex, found2 := strings.CutSuffix(hex, ".log")
	if !found || !found2 || len(hex) != 16 {
		return 0, false
	}
	seq, err := strconv.ParseUint(hex, 16, 64)
	return seq, err == nil && fileName(seq) == name
}

func isPreparedName(name string) bool {
	return strings.HasPrefix(name, "prepare-") && strings.HasSuffix(name, ".tmp")
}

// identity is the first sector of a file, written when it is prepared.
type identity struct {
	dirID  uint64
	seq    uint64
	size   int64 // bytes
	filled bool  // every block has been written once: overwriting is quicker than first writes
}

func (id identity) encode(b []byte) {
	clear(b[:identitySize])
	copy(b, magic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint32(b[12:], blockSize)
	le.PutUint64(b[16:], id.seq)
	le.PutUint64(b[24:], id.dirID)
	le.PutUint64(b[32:], uint64(id.size))
	if id.filled {
		b[40] = 1
	}
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

func decodeIdentity(b []byte) (identity, error) {
	if len(b) < identitySize || string(b[:8]) != magic {
		return identity{}, fmt.Errorf("%w: no log file header", ErrCorrupt)
	}
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return identity{}, fmt.Errorf("%w: checksum of the file header does not match", ErrCorrupt)
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return identity{}, fmt.Errorf("log file has format version %d, this program reads %d: use the program that wrote it", v, formatVersion)
	}
	id := identity{seq: le.Uint64(b[16:]), dirID: le.Uint64(b[24:]), size: int64(le.Uint64(b[32:])), filled: b[40] == 1}
	if id.size < 2*blockSize || id.size%blockSize != 0 || id.size > maxFileBytes || le.Uint32(b[12:]) != blockSize {
		return identity{}, fmt.Errorf("%w: file header gives size %d and block size %d", ErrCorrupt, id.size, le.Uint32(b[12:]))
	}
	return id, nil
}

// begun is the second sector of a file, written together with its first group.
type begun struct {
	firstWrite uint64 // number of the file's first group; all before it is in the files before
}

func (g begun) encode(b []byte, dirID, seq uint64) {
	b = b[begunAt : begunAt+begunSize]
	clear(b)
	le.PutUint64(b[8:], g.firstWrite)
	le.PutUint64(b[16:], seq)
	le.PutUint32(b, crc32.Update(seedOf(dirID, seq, 0), castagnoli, b[4:]))
}

func decodeBegun(b []byte, dirID, seq uint64) (begun, bool) {
	b = b[begunAt : begunAt+begunSize]
	if le.Uint32(b) != crc32.Update(seedOf(dirID, seq, 0), castagnoli, b[4:]) || le.Uint64(b[16:]) != seq {
		return begun{}, false
	}
	return begun{firstWrite: le.Uint64(b[8:])}, true
}

// seedOf is the initial checksum of all that is written by one write into one file of one directory.
func seedOf(dirID, fileSeq uint64, write uint32) uint32 {
	var b [20]byte
	le.PutUint64(b[0:], dirID)
	le.PutUint64(b[8:], fileSeq)
	le.PutUint32(b[16:], write)
	return crc32.Checksum(b[:], castagnoli)
}

// groupHeader opens a write group.
type groupHeader struct {
	write   uint64 // number of the write
	bytes   uint32 // of the records that follow, without the padding
	records uint32
}

// total is what the group occupies in its file, bytes.
func (g groupHeader) total() int64 { return vfs.AlignUp(groupHeaderSize + int64(g.bytes)) }

func (g groupHeader) encode(b []byte, dirID, fileSeq uint64) {
	le.PutUint32(b[4:], groupMagic)
	le.PutUint64(b[8:], g.write)
	le.PutUint32(b[16:], g.bytes)
	le.PutUint32(b[20:], g.records)
	le.PutUint64(b[24:], fileSeq)
	le.PutUint64(b[32:], 0)
	le.PutUint32(b, crc32.Update(seedOf(dirID, fileSeq, uint32(g.write)), castagnoli, b[4:groupHeaderSize]))
}

func decodeGroupHeader(b []byte, dirID, fileSeq uint64) (groupHeader, bool) {
	if len(b) < groupHeaderSize || le.Uint32(b[4:]) != groupMagic || le.Uint64(b[24:]) != fileSeq {
		return groupHeader{}, false
	}
	g := groupHeader{write: le.Uint64(b[8:]), bytes: le.Uint32(b[16:]), records: le.Uint32(b[20:])}
	if le.Uint32(b) != crc32.Update(seedOf(dirID, fileSeq, uint32(g.write)), castagnoli, b[4:groupHeaderSize]) {
		return groupHeader{}, false
	}
	return g, true
}

// recordHeader opens a record. Index and term hold for a hard state its commit index and term.
type recordHeader struct {
	length    uint32 // of the payload, bytes
	typ       recordType
	flags     uint8
	entryType uint8
	write     uint32 // low half of the write's number: a lone record can be verified by its file and this
	group     GroupID
	index     uint64
	term      uint64
}

// encode writes the header to b, whose payload already stands behind it.
func (h recordHeader) encode(b []byte, seed uint32) {
	le.PutUint32(b[4:], h.length)
	b[8], b[9], b[10], b[11] = byte(h.typ), h.flags, h.entryType, 0
	le.PutUint32(b[12:], h.write)
	le.PutUint64(b[16:], uint64(h.group))
	le.PutUint64(b[24:], h.index)
	le.PutUint64(b[32:], h.term)
	le.PutUint32(b, crc32.Update(seed, castagnoli, b[4:recordHeaderSize+h.covered()]))
}

// covered is how many bytes of the payload the record's checksum covers.
func (h recordHeader) covered() int {
	if h.flags&flagSelfChecked != 0 {
		return min(int(h.length), selfCheckedPrefix)
	}
	return int(h.length)
}

func parseRecordHeader(b []byte) recordHeader {
	return recordHeader{length: le.Uint32(b[4:]), typ: recordType(b[8]), flags: b[9], entryType: b[10],
		write: le.Uint32(b[12:]), group: GroupID(le.Uint64(b[16:])), index: le.Uint64(b[24:]), term: le.Uint64(b[32:])}
}

// decodeRecord verifies the record at the start of b and returns it with its payload, a slice of b.
func decodeRecord(b []byte, seed uint32, write uint32, verifySelfChecked func([]byte) error) (recordHeader, []byte, error) {
	if len(b) < recordHeaderSize {
		return recordHeader{}, nil, fmt.Errorf("%d bytes are too few for a record header", len(b))
	}
	h := parseRecordHeader(b)
	if int64(h.length) > int64(len(b)-recordHeaderSize) {
		return recordHeader{}, nil, fmt.Errorf("record length %d exceeds the %d bytes that are left of its write", h.length, len(b)-recordHeaderSize)
	}
	if le.Uint32(b) != crc32.Update(seed, castagnoli, b[4:recordHeaderSize+h.covered()]) {
		return recordHeader{}, nil, errors.New("record checksum does not match")
	}
	if h.write != write {
		return recordHeader{}, nil, fmt.Errorf("record belongs to write %d, not %d", h.write, write)
	}
	payload := b[recordHeaderSize : recordHeaderSize+int(h.length) : recordHeaderSize+int(h.length)]
	if h.flags&flagSelfChecked != 0 && int(h.length) > selfCheckedPrefix {
		if verifySelfChecked == nil {
			return recordHeader{}, nil, errors.New("record has a self-checked payload, but nothing was configured to check it")
		}
		if err := verifySelfChecked(payload); err != nil {
			return recordHeader{}, nil, fmt.Errorf("payload does not verify: %w", err)
		}
	}
	return h, payload, nil
}

// appendConfState encodes what stands before Data in a checkpoint's payload.
func appendConfState(dst []byte, c *Checkpoint) ([]byte, error) {
	size := c.ConfState.Size()
	dst = le.AppendUint32(dst, uint32(size))
	at := len(dst)
	dst = append(dst, make([]byte, size)...)
	if _, err := c.ConfState.MarshalTo(dst[at:]); err != nil {
		return nil, fmt.Errorf("encode configuration of checkpoint %d: %w", c.Index, err)
	}
	return dst, nil
}

// decodeCheckpoint copies what it keeps.
func decodeCheckpoint(h recordHeader, payload []byte) (Checkpoint, error) {
	c := Checkpoint{Index: h.index, Term: h.term}
	if len(payload) < 4 || int64(le.Uint32(payload)) > int64(len(payload)-4) {
		return c, fmt.Errorf("checkpoint of group %d at %d is cut short", h.group, h.index)
	}
	conf := payload[4 : 4+le.Uint32(payload)]
	if err := c.ConfState.Unmarshal(conf); err != nil {
		return c, fmt.Errorf("decode configuration of group %d at checkpoint %d: %w", h.group, h.index, err)
	}
	if data := payload[4+len(conf):]; len(data) > 0 {
		c.Data = append([]byte(nil), data...)
	}
	return c, nil
}

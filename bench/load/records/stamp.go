package records

// This file owns the stamp: what a record's value begins with so that a reader can tell whose it is, which one it is, when it was due, and
// whether a bit of it changed. Invariant: CheckStamp accepts a value only if the checksum over key, stamp and the rest of the value
// holds.
//
//	binary, 40 bytes: "TRB1" | CRC-32C (4) | run (8) | producer (4) | partition (4) | number (8) | due, ns since the run began (8)
//	JSON:             {"stamp":"<the same in 80 hexadecimal digits>", …
//
// All integers are big endian. The checksum covers the key, the stamp after the checksum (binary), and the value after the stamp.

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
)

const (
	stampBytes  = 40
	stampMagic  = "TRB1"
	stampCRCEnd = 8
	jsonPrefix  = `{"stamp":"`
)

// StampSize is the smallest value that a stamp fits into, bytes.
func StampSize(payload string) int {
	if payload == "json" {
		return len(jsonPrefix) + 2*stampBytes + len(`"}`)
	}
	return stampBytes
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Stamp is what a record says about itself.
type Stamp struct {
	Run       uint64 // drawn anew by each run
	Producer  int32
	Partition int32
	Number    int64 // counts from 0 for each producer and partition
	Due       int64 // ns since the run began
}

// put writes the stamp into a value, whose rest is there already.
func (s *Stamp) put(key, value []byte, json bool) {
	var raw [stampBytes]byte
	b := raw[:]
	at := 0
	if json {
		at = len(jsonPrefix)
	} else {
		b = value[:stampBytes]
	}
	copy(b, stampMagic)
	binary.BigEndian.PutUint64(b[8:], s.Run)
	binary.BigEndian.PutUint32(b[16:], uint32(s.Producer))
	binary.BigEndian.PutUint32(b[20:], uint32(s.Partition))
	binary.BigEndian.PutUint64(b[24:], uint64(s.Number))
	binary.BigEndian.PutUint64(b[32:], uint64(s.Due))
	if json {
		binary.BigEndian.PutUint32(b[4:], stampCRC(key, b, value[at+2*stampBytes:]))
		hex.Encode(value[at:], b)
		return
	}
	binary.BigEndian.PutUint32(b[4:], stampCRC(key, b, value[stampBytes:]))
}

func stampCRC(key, stamp, rest []byte) uint32 {
	crc := uint32(0)
	if len(key) > 0 {
		crc = crc32.Update(0, castagnoli, key)
	}
	return crc32.Update(crc32.Update(crc, castagnoli, stamp[stampCRCEnd:stampBytes]), castagnoli, rest)
}

var errNoStamp = errors.New("the value does not begin with a stamp of troupe bench")

// CheckStamp reads the stamp of a record and checks it.
func CheckStamp(key, value []byte) (s Stamp, err error) {
	var raw [stampBytes]byte
	b, rest := raw[:], value
	switch {
	case len(value) >= stampBytes && string(value[:4]) == stampMagic:
		b, rest = value[:stampBytes], value[stampBytes:]
	case len(value) >= len(jsonPrefix)+2*stampBytes && bytes.HasPrefix(value, []byte(jsonPrefix)):
		if _, err := hex.Decode(b, value[len(jsonPrefix):len(jsonPrefix)+2*stampBytes]); err != nil || string(b[:4]) != stampMagic {
			return s, errNoStamp
		}
		rest = value[len(jsonPrefix)+2*stampBytes:]
	default:
		return s, errNoStamp
	}
	if want, got := binary.BigEndian.Uint32(b[4:]), stampCRC(key, b, rest); want != got {
		return s, fmt.Errorf("checksum %08x, the stamp says %08x", got, want)
	}
	return Stamp{Run: binary.BigEndian.Uint64(b[8:]), Producer: int32(binary.BigEndian.Uint32(b[16:])),
		Partition: int32(binary.BigEndian.Uint32(b[20:])), Number: int64(binary.BigEndian.Uint64(b[24:])),
		Due: int64(binary.BigEndian.Uint64(b[32:]))}, nil
}

// Value is a value of its own that begins with the stamp.
func (s Stamp) Value(src *Source, key []byte) []byte {
	v := append([]byte(nil), src.Value()...)
	s.put(key, v, src.json)
	return v
}

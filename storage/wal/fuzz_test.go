package wal

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// FuzzDecodeRecord feeds the record decoder anything; what it accepts must encode to the same bytes.
func FuzzDecodeRecord(f *testing.F) {
	seed := seedOf(7, 1, 3)
	for _, h := range []recordHeader{
		{typ: recordEntry, group: 2, index: 5, term: 1, length: 3, write: 3},
		{typ: recordHardState, group: 2, index: 5, term: 1, length: 8, write: 3},
		{typ: recordCheckpoint, group: 2, index: 5, term: 1, length: 9, write: 3, flags: flagReset},
		{typ: recordRemove, group: 2, write: 3},
		{typ: recordMoved, group: 2, index: 5, term: 1, length: 40, write: 3, flags: flagSelfChecked},
	} {
		b := make([]byte, recordHeaderSize+h.length)
		h.encode(b, seed)
		f.Add(b, true)
		f.Add(b[:len(b)-1], false)
	}
	f.Fuzz(func(t *testing.T, b []byte, fix bool) {
		if fix && len(b) >= recordHeaderSize { // reach what stands behind the checksum
			h := parseRecordHeader(b)
			if int64(h.length) > int64(len(b)-recordHeaderSize) {
				h.length = uint32(len(b) - recordHeaderSize)
			}
			h.write = 3
			h.encode(b[:recordHeaderSize+int(h.length)], seed)
		}
		h, payload, err := decodeRecord(b, seed, 3, func([]byte) error { return nil })
		if err != nil {
			return
		}
		again := append(make([]byte, recordHeaderSize), payload...)
		h.encode(again, seed)
		if again[11] = b[11]; b[11] == 0 && !bytes.Equal(again, b[:len(again)]) {
			t.Fatalf("decoded %+v from\n%x, which encodes as\n%x", h, b[:len(again)], again)
		}
		r := scanned{recordHeader: h}
		_ = r.decode(payload, &fileScan{})
	})
}

// fuzzLog is a small valid log directory: three files' worth of groups, built once by hand.
func fuzzLog() (file []byte) {
	const size = minFileBytes
	file = make([]byte, size)
	identity{dirID: 7, seq: 1, size: size}.encode(file)
	begun{firstWrite: 1}.encode(file, 7, 1)
	at, write := int64(blockSize), uint64(1)
	put := func(headers []recordHeader, payloads [][]byte) {
		seed := seedOf(7, 1, uint32(write))
		used := at + groupHeaderSize
		for i, h := range headers {
			h.length, h.write = uint32(len(payloads[i])), uint32(write)
			rec := file[used : used+recordHeaderSize+int64(len(payloads[i]))]
			copy(rec[recordHeaderSize:], payloads[i])
			h.encode(rec, seed)
			used += int64(len(rec))
		}
		g := groupHeader{write: write, bytes: uint32(used - at - groupHeaderSize), records: uint32(len(headers))}
		g.encode(file[at:], 7, 1)
		at += g.total()
		write++
	}
	conf, _ := appendConfState(nil, &Checkpoint{ConfState: raftpb.ConfState{Voters: []uint64{1, 2, 3}}})
	put([]recordHeader{{typ: recordEntry, group: 2, index: 1, term: 1}, {typ: recordHardState, group: 2, index: 1, term: 1}},
		[][]byte{[]byte("one"), make([]byte, 8)})
	put([]recordHeader{{typ: recordEntry, group: 2, index: 2, term: 1}, {typ: recordCheckpoint, group: 2, index: 1, term: 1}},
		[][]byte{make([]byte, 6000), append(conf, "state"...)})
	put([]recordHeader{{typ: recordRemove, group: 5}, {typ: recordMoved, group: 2, index: 2, term: 1}}, [][]byte{nil, make([]byte, 6000)})
	return file
}

// FuzzRecovery damages a valid log in two places and recovers it: the outcome is a prefix of the history or an error, never a
// panic. Where fix is set, checksums of the damaged group header are made good again.
func FuzzRecovery(f *testing.F) {
	good := fuzzLog()
	f.Add(uint32(0), byte(0), uint32(0), byte(0))
	f.Add(uint32(8), byte(1), uint32(600), byte(1))
	f.Add(uint32(blockSize+9), byte(1), uint32(0), byte(0))
	f.Add(uint32(blockSize+groupHeaderSize+5), byte(0xff), uint32(2*blockSize), byte(3))
	f.Add(uint32(4*blockSize+100), byte(4), uint32(5*blockSize), byte(3))
	sys := actorsystem.New(actorsystem.Config{})
	f.Fuzz(func(t *testing.T, at1 uint32, with1 byte, at2 uint32, with2 byte) {
		b := bytes.Clone(good)
		b[int(at1)%len(b)] ^= with1
		b[int(at2)%len(b)] ^= with2
		m := vfs.NewMem()
		if err := m.MkdirAll("/wal"); err != nil {
			t.Fatal(err)
		}
		file, err := m.Open("/wal/"+fileName(1), vfs.OpenOptions{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		l, err := New(Config{Dir: "/wal", FS: m, System: sys, Disk: &diskstate.State{}, DirID: 7})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := recoverFiles(&l.cfg)
		if err != nil {
			return
		}
		if rec.nextWrite > 4 {
			t.Fatalf("more writes than there were: %d", rec.nextWrite)
		}
		if g := rec.groups[2]; g != nil {
			for _, e := range g.state.Entries {
				if _, err := l.Reader().ReadEntry(nil, e.Location); err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("recovered entry %+v: %v", e, err)
				}
			}
		}
		if err := Dump(m, "/wal", &bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
}

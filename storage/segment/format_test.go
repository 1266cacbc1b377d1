package segment

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/vfs"
)

func fileContent(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name, vfs.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, _ := f.Size()
	b := make([]byte, size)
	if err := readFull(f, b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// exactBatch is a batch of n records and exactly size bytes.
func exactBatch(size, n int, ts int64) []byte {
	times := make([]int64, n)
	for i := range times {
		times[i] = ts
	}
	for first := max(0, size-protocol.BatchHeaderSize-14*n-6); ; first++ {
		b := makeRecords(protocol.CodecNone, func(i int) int {
			if i == 0 {
				return first
			}
			return 0
		}, times...)
		if len(b) == size {
			return b
		}
		if len(b) > size {
			panic(fmt.Sprintf("no batch of %d records has %d bytes", n, size))
		}
	}
}

func TestASegmentsFilesAreByteForByteKafkas(t *testing.T) {
	fs := vfs.NewMem()
	r := newRig(t, fs, 64<<20)
	opt := testOptions
	opt.IndexInterval = 1000
	l := r.open(NewState(5_000_000_000), opt)
	var log []byte
	add := func(size, n int, ts int64) {
		b := exactBatch(size, n, ts)
		log = append(log, stored(b, l.EndOffset())...)
		if !appendBatch(l, b) {
			t.Fatal("refused")
		}
	}
	// relative offsets, position: bytes since the last entry before it
	add(600, 2, 100) // +0..1 at 0: 0
	add(600, 3, 300) // +2..4 at 600: 600
	add(600, 1, 200) // +5 at 1200: 1200 > 1000: entry (5, 1200), time entry (300, 4)
	add(600, 1, 250) // +6 at 1800: 600
	add(600, 1, 260) // +7 at 2400: 1200: entry (7, 2400), no larger time
	add(1000, 1, 7)  // +8 at 3000: 600
	add(600, 4, 400) // +9..12 at 4000: 1600: entry (12, 4000), time entry (400, 12)
	add(600, 1, 500) // +13 at 4600: 600
	l.Publish(l.EndOffset(), l.EndOffset())
	l.RollIfDue(1 << 50) // closes it: time entry (500, 13)
	add(600, 1, 600)
	r.checkpoint(l)

	wantIndex := "00000005000004b0" + "0000000700000960" + "0000000c00000fa0"
	wantTime := "000000000000012c00000004" + "00000000000001900000000c" + "00000000000001f40000000d"
	base := "data/t-0/00000000005000000000"
	if got := hex.EncodeToString(fileContent(t, fs, base+".index")); got != wantIndex {
		t.Errorf("index\n%s, want\n%s", got, wantIndex)
	}
	if got := hex.EncodeToString(fileContent(t, fs, base+".timeindex")); got != wantTime {
		t.Errorf("time index\n%s, want\n%s", got, wantTime)
	}
	if got := fileContent(t, fs, base+".log"); !bytes.Equal(got, log[:5200]) {
		t.Errorf("log of %d bytes differs, want %d", len(got), 5200)
	}
	names, _ := fs.List("data/t-0")
	want := "00000000005000000000.index 00000000005000000000.log 00000000005000000000.timeindex 00000000005000000014.log"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("files %s, want %s", got, want)
	}
	if got := fileContent(t, fs, "data/t-0/00000000005000000014.log"); len(got) != 4096 || !bytes.Equal(got[:600], log[5200:]) {
		t.Errorf("the active log has %d bytes, want its 600 and padding", len(got))
	}
	l.Close(false)
	r.mustRun()
	if got := fileContent(t, fs, "data/t-0/00000000005000000014.log"); !bytes.Equal(got, log[5200:]) {
		t.Errorf("the active log has %d bytes after Close, want 600", len(got))
	}
}

func TestMissingAndWrongIndexesAreRebuilt(t *testing.T) {
	damage := map[string]func(fs vfs.FS, name string) error{
		"missing": func(fs vfs.FS, name string) error { return fs.Remove(name) },
		"short": func(fs vfs.FS, name string) error {
			f, _ := fs.Open(name, vfs.OpenOptions{})
			return f.Truncate(12)
		},
		"torn": func(fs vfs.FS, name string) error {
			f, _ := fs.Open(name, vfs.OpenOptions{})
			return f.Truncate(31)
		},
		"zeroed": func(fs vfs.FS, name string) error {
			f, _ := fs.Open(name, vfs.OpenOptions{})
			size, _ := f.Size()
			_, err := f.WriteAt(make([]byte, size), 0)
			return err
		},
		"lying": func(fs vfs.FS, name string) error { // well formed, but at positions where no batch starts
			f, _ := fs.Open(name, vfs.OpenOptions{})
			if strings.HasSuffix(name, timeIndexSuffix) {
				return nil
			}
			b := []byte{}
			for i := range int32(10) {
				b = appendIndexEntry(b, i*3+1, i*100+7)
			}
			if err := f.Truncate(0); err != nil {
				return err
			}
			_, err := f.WriteAt(b, 0)
			return err
		},
	}
	for how, do := range damage {
		for _, which := range []string{"closed", "active"} {
			t.Run(which+" "+how, func(t *testing.T) {
				fs := vfs.NewMem()
				r := newRig(t, fs, 64<<20)
				opt := testOptions
				opt.IndexInterval = 500
				l := r.open(NewState(0), opt)
				var want []byte
				for i := range 100 {
					b := exactBatch(300, 2, int64(1000+i*10))
					want = append(want, stored(b, l.EndOffset())...)
					appendBatch(l, b)
					l.Publish(l.EndOffset(), l.EndOffset())
					if i == 49 {
						l.RollIfDue(1 << 50)
					}
				}
				state := r.checkpoint(l)
				l.Close(false)
				r.mustRun()
				base := int64(0)
				if which == "active" {
					base = state.ActiveBase
				}
				good := [2][]byte{}
				names := (&seg{base: base}).names("data/t-0")[1:]
				for i, name := range names {
					good[i] = fileContent(t, fs, name)
					if err := do(fs, name); err != nil {
						t.Fatal(err)
					}
				}
				r = newRig(t, fs, 64<<20)
				l = r.open(state, opt)
				for offset := range l.EndOffset() {
					s, err := l.Reader().Read(offset, l.EndOffset(), 1, true)
					if err != nil {
						t.Fatal(err)
					}
					if got, _ := s.Append(nil); !bytes.Equal(got, want[offset/2*300:offset/2*300+300]) {
						t.Fatalf("read at %d: wrong batch", offset)
					}
					s.Release()
					ts := 1000 + offset/2*10
					found, ok, err := l.Reader().OffsetForTimestamp(ts)
					if err != nil || !ok || found.Offset != offset/2*2 {
						t.Fatalf("timestamp %d: %+v %v %v", ts, found, ok, err)
					}
				}
				appendBatch(l, exactBatch(300, 2, 5000)) // the writer looks at the active one
				l.Publish(l.EndOffset(), l.EndOffset())
				l.RollIfDue(1 << 50)
				r.checkpoint(l)
				if which == "closed" {
					for i, name := range names {
						if got := fileContent(t, fs, name); !bytes.Equal(got, good[i]) {
							t.Fatalf("%s was not rebuilt as it was:\n%x, want\n%x", name, got, good[i])
						}
					}
				}
				if how != "lying" || which == "closed" { // a lie in the active one is only walked around
					for _, base := range []int64{0, state.ActiveBase} {
						if err := checkSegmentFiles(fs, "data/t-0", base); err != nil {
							t.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func TestFilesThatHoldLessThanTheCheckpointAreAnErrorNotAGuess(t *testing.T) {
	for what, do := range map[string]func(fs vfs.FS) error{
		"short": func(fs vfs.FS) error {
			f, _ := fs.Open("data/t-0/00000000000000000000.log", vfs.OpenOptions{})
			return f.Truncate(500)
		},
		"no file":      func(fs vfs.FS) error { return fs.Remove("data/t-0/00000000000000000000.log") },
		"no directory": func(fs vfs.FS) error { return fs.RemoveAll("data/t-0") },
	} {
		t.Run(what, func(t *testing.T) {
			fs := vfs.NewMem()
			r := newRig(t, fs, 64<<20)
			l := r.open(NewState(0), testOptions)
			appendBatch(l, exactBatch(600, 1, 1))
			state := r.checkpoint(l)
			l.Close(false)
			r.mustRun()
			if err := do(fs); err != nil {
				t.Fatal(err)
			}
			r = newRig(t, fs, 64<<20)
			l = r.open(state, testOptions)
			if _, err := l.Reader().Read(0, 1, 1000, true); !errors.Is(err, ErrCorrupt) {
				t.Errorf("read: %v, want corruption", err)
			}
			appendBatch(l, exactBatch(600, 1, 2))
			l.Checkpoint(1)
			r.run(l)
			if !errors.Is(r.failed, ErrCorrupt) || !errors.Is(l.Err(), ErrCorrupt) {
				t.Errorf("owner heard %v, log says %v, want corruption", r.failed, l.Err())
			}
			if r.shared.Disk.Failed() != nil {
				t.Errorf("one corrupt log fenced the disk: %v", r.shared.Disk.Failed())
			}
			if appendBatch(l, exactBatch(600, 1, 3)) {
				t.Error("a corrupt log took a batch")
			}
			l.Close(true)
			r.run(l)
			if names, err := fs.List("data/t-0"); err == nil {
				t.Errorf("the removed directory holds %v", names)
			}
		})
	}
}

func TestALogStructIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Log{}); size > 1152 {
		t.Errorf("a Log is %d bytes", size)
	} else {
		t.Logf("a Log is %d bytes", size)
	}
}

func FuzzDecodeState(f *testing.F) {
	b, _ := NewState(7).AppendBinary(nil)
	f.Add(b)
	f.Add(append(b, 1, 2, 3))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, rest, err := DecodeState(b)
		if err != nil {
			return
		}
		again, err := s.AppendBinary(nil)
		if err != nil || !bytes.Equal(append(again, rest...), b) {
			t.Fatalf("%x decodes to %+v, which encodes to %x", b, s, again)
		}
	})
}

func FuzzWalkASegmentFile(f *testing.F) {
	f.Add(exactBatch(300, 2, 10), uint16(300))
	f.Add(append(exactBatch(300, 2, 10), exactBatch(200, 1, 11)...), uint16(500))
	f.Add(make([]byte, 100), uint16(100))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		if len(b) == 0 {
			return
		}
		fs := vfs.NewMem()
		if err := fs.MkdirAll("data/t-0"); err != nil {
			t.Fatal(err)
		}
		file, err := fs.Open("data/t-0/00000000000000000000.log", vfs.OpenOptions{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		from := NewState(0)
		from.LogEndOffset, from.ActiveSize, from.LargestTimestamp, from.IndexEntries = 10, int64(size)+1, 50, 1
		r := newRig(t, fs, 64<<20)
		l := r.open(from, testOptions)
		for offset := range int64(11) {
			if s, err := l.Reader().Read(offset, 10, 1000, offset%2 == 0); err == nil {
				s.Release()
			}
		}
		_, _, _ = l.Reader().OffsetForTimestamp(10)
		_, _, _ = l.Reader().MaxTimestamp()
	})
}

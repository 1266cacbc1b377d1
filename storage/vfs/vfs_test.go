package vfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"syscall"
	"testing"

	"github.com/troupe-io/troupe/storage/vfs"
)

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eachFS(t *testing.T, run func(t *testing.T, fs vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { run(t, vfs.OS(), t.TempDir()) })
	t.Run("mem", func(t *testing.T) {
		m := vfs.NewMem()
		ok(t, m.MkdirAll("/data"))
		run(t, m, "/data")
	})
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	eachFS(t, func(t *testing.T, fs vfs.FS, dir string) {
		name := path.Join(dir, "f")
		if _, err := fs.Open(name, vfs.OpenOptions{}); !errors.Is(err, vfs.ErrNotExist) {
			t.Fatalf("open of a missing file: %v", err)
		}
		f := must(fs.Open(name, vfs.OpenOptions{Create: true}))(t)
		ok(t, f.Preallocate(10000))
		if n := must(f.Size())(t); n != 10000 {
			t.Fatalf("size after Preallocate: %d", n)
		}
		data := bytes.Repeat([]byte("abc"), 3000)
		must(f.WriteAt(data, 4000))(t)
		ok(t, f.DataSync())
		ok(t, f.Sync())
		got := make([]byte, len(data))
		must(f.ReadAt(got, 4000))(t)
		if !bytes.Equal(got, data) {
			t.Fatal("read something else than was written")
		}
		ok(t, f.Truncate(5))
		if n := must(fs.Stat(name))(t); n != 5 {
			t.Fatalf("size after Truncate: %d", n)
		}
		ok(t, f.Truncate(5000))
		must(f.ReadAt(got[:1000], 4000))(t)
		if !bytes.Equal(got[:1000], make([]byte, 1000)) {
			t.Fatal("truncated bytes came back")
		}
		ok(t, f.Close())
		ok(t, fs.Rename(name, name+"2"))
		ok(t, fs.SyncDir(dir))
		if names := must(fs.List(dir))(t); !slices.Equal(names, []string{"f2"}) {
			t.Fatalf("names %v", names)
		}
		ok(t, fs.MkdirAll(path.Join(dir, "a/b")))
		ok(t, fs.RemoveAll(path.Join(dir, "a")))
		ok(t, fs.Remove(name+"2"))
		if names := must(fs.List(dir))(t); len(names) != 0 {
			t.Fatalf("names %v", names)
		}
		if _, err := fs.List(path.Join(dir, "nowhere")); !errors.Is(err, vfs.ErrNotExist) {
			t.Fatalf("list of a missing directory: %v", err)
		}
		if total, free, err := fs.Space(dir); err != nil || free <= 0 || total < free {
			t.Fatalf("space %d of %d: %v", free, total, err)
		}
	})
}

func TestALockIsExclusiveUntilClosed(t *testing.T) {
	eachFS(t, func(t *testing.T, fs vfs.FS, dir string) {
		name := path.Join(dir, "lock")
		l := must(fs.Lock(name))(t)
		if _, err := fs.Lock(name); !errors.Is(err, vfs.ErrLocked) {
			t.Fatalf("second lock: %v", err)
		}
		ok(t, l.Close())
		ok(t, must(fs.Lock(name))(t).Close())
	})
}

func TestDirectIOWorksWithAlignedBuffersOrIsRefusedWithErrNotSupported(t *testing.T) {
	eachFS(t, func(t *testing.T, fs vfs.FS, dir string) {
		f, err := fs.Open(path.Join(dir, "d"), vfs.OpenOptions{Create: true, Direct: true, DSync: true})
		if errors.Is(err, vfs.ErrNotSupported) {
			t.Log("no direct I/O here")
			return
		}
		ok(t, err)
		defer f.Close()
		b := vfs.AlignedBuffer(2 * vfs.BlockSize)
		b[5000] = 7
		must(f.WriteAt(b, vfs.BlockSize))(t)
		got := vfs.AlignedBuffer(vfs.BlockSize)
		must(f.ReadAt(got, 2*vfs.BlockSize))(t)
		if got[5000-vfs.BlockSize] != 7 {
			t.Fatal("lost a byte")
		}
		if _, err := f.WriteAt(b[1:vfs.BlockSize], 0); !errors.Is(err, syscall.EINVAL) {
			t.Fatalf("unaligned direct write: %v", err)
		}
	})
	m := vfs.NewMem()
	m.RefuseDirect()
	if _, err := m.Open("/x", vfs.OpenOptions{Create: true, Direct: true}); !errors.Is(err, vfs.ErrNotSupported) {
		t.Fatalf("refused direct open: %v", err)
	}
}

func TestACrashKeepsWhatIsSyncedAndAnySectorsOfTheRest(t *testing.T) {
	m := vfs.NewMem()
	f := must(m.Open("/f", vfs.OpenOptions{Create: true}))(t)
	ok(t, m.SyncDir("/"))
	old := bytes.Repeat([]byte{1}, 8*vfs.BlockSize)
	must(f.WriteAt(old, 0))(t)
	ok(t, f.DataSync())
	must(f.WriteAt(bytes.Repeat([]byte{2}, 4*vfs.BlockSize), 2*vfs.BlockSize))(t)
	var all, none, torn bool
	for seed := range uint64(200) {
		c := m.CrashClone(rng(seed))
		got := make([]byte, len(old))
		must(must(c.Open("/f", vfs.OpenOptions{}))(t).ReadAt(got, 0))(t)
		twos := bytes.Count(got, []byte{2})
		all, none = all || twos == 4*vfs.BlockSize, none || twos == 0
		torn = torn || twos%vfs.BlockSize != 0
		for s := 0; s < len(got); s += vfs.SectorSize {
			if !bytes.Equal(got[s:s+vfs.SectorSize], bytes.Repeat(got[s:s+1], vfs.SectorSize)) {
				t.Fatalf("seed %d: a sector was torn", seed)
			}
			if outside := s < 2*vfs.BlockSize || s >= 6*vfs.BlockSize; outside && got[s] != 1 {
				t.Fatalf("seed %d: durable bytes changed", seed)
			}
		}
	}
	if !all || !none || !torn {
		t.Fatalf("crashes lack variety: all %v none %v torn %v", all, none, torn)
	}
}

func TestACrashKeepsDSyncWritesAndForgetsUnsyncedNamesInOrder(t *testing.T) {
	m := vfs.NewMem()
	ok(t, m.MkdirAll("/d"))
	f := must(m.Open("/d/a", vfs.OpenOptions{Create: true, DSync: true}))(t)
	must(f.WriteAt([]byte("hello"), 0))(t)
	ok(t, m.SyncDir("/d"))
	ok(t, m.Rename("/d/a", "/d/b"))
	must(m.Open("/d/c", vfs.OpenOptions{Create: true}))(t)
	seen := map[string]bool{}
	for seed := range uint64(100) {
		c := m.CrashClone(rng(seed))
		names := must(c.List("/d"))(t)
		seen[fmt.Sprint(names)] = true
		got := make([]byte, 5)
		must(must(c.Open("/d/"+names[0], vfs.OpenOptions{}))(t).ReadAt(got, 0))(t)
		if string(got) != "hello" {
			t.Fatalf("a durable write was lost: %q", got)
		}
	}
	want := map[string]bool{"[a]": true, "[b]": true, "[b c]": true}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Fatalf("outcomes %v, want %v", seen, want)
	}
}

func TestCrashAtStopsTheMachineInTheMiddleOfAnOperation(t *testing.T) {
	m := vfs.NewMem()
	f := must(m.Open("/f", vfs.OpenOptions{Create: true, DSync: true}))(t)
	ok(t, m.SyncDir("/"))
	m.CrashAt(2)
	must(f.WriteAt([]byte("durable"), 0))(t)
	if _, err := f.WriteAt([]byte("perhaps"), 0); !errors.Is(err, vfs.ErrCrashed) {
		t.Fatalf("the crashing write: %v", err)
	}
	if err := f.Sync(); !errors.Is(err, vfs.ErrCrashed) || !m.Crashed() {
		t.Fatalf("after the crash: %v", err)
	}
	seen := map[string]bool{}
	for seed := range uint64(50) {
		got := make([]byte, 7)
		must(must(m.CrashClone(rng(seed)).Open("/f", vfs.OpenOptions{}))(t).ReadAt(got, 0))(t)
		seen[string(got)] = true
	}
	if len(seen) != 2 || !seen["durable"] || !seen["perhaps"] {
		t.Fatalf("outcomes %v", seen)
	}
}

func TestAFullDiskAnswersNoSpaceAndRecovers(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(10000)
	f := must(m.Open("/f", vfs.OpenOptions{Create: true}))(t)
	ok(t, f.Preallocate(8000))
	if _, err := f.WriteAt(make([]byte, 4000), 7000); !vfs.IsNoSpace(err) {
		t.Fatalf("write beyond the capacity: %v", err)
	}
	if total, free, err := m.Space("/"); err != nil || total != 10000 || free != 2000 {
		t.Fatalf("space %d of %d: %v", free, total, err)
	}
	m.SetCapacity(20000)
	must(f.WriteAt(make([]byte, 4000), 7000))(t)
}

func TestFaultyFailsTheNthMatchingOperationOnly(t *testing.T) {
	boom := errors.New("boom")
	var ops []vfs.OpKind
	fail := vfs.FailNth(2, boom, func(op vfs.Op) bool { return op.Kind == vfs.OpWrite })
	fs := vfs.Faulty(vfs.NewMem(), func(op vfs.Op) error { ops = append(ops, op.Kind); return fail(op) })
	f := must(fs.Open("/f", vfs.OpenOptions{Create: true}))(t)
	for i := range 3 {
		if _, err := f.WriteAt([]byte{1}, 0); errors.Is(err, boom) != (i == 1) {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	ok(t, f.Sync())
	if !slices.Equal(ops, []vfs.OpKind{"open", "write", "write", "write", "sync"}) {
		t.Fatalf("operations %v", ops)
	}
}

// A random history on the memory file system must read like the same history on a plain byte slice, and what was synced
// must survive every crash.
func TestARandomHistoryReadsBackAndSurvivesWhatItSynced(t *testing.T) {
	for seed := range uint64(30) {
		r := rng(seed)
		m := vfs.NewMem()
		f := must(m.Open("/f", vfs.OpenOptions{Create: true}))(t)
		d := must(m.Open("/f", vfs.OpenOptions{DSync: true}))(t)
		ok(t, m.SyncDir("/"))
		var cur []byte
		for range 60 {
			switch r.IntN(4) {
			case 0, 1:
				p, off := bytes.Repeat([]byte{byte(1 + r.IntN(250))}, 1+r.IntN(9000)), r.IntN(20000)
				cur = append(cur, make([]byte, max(0, off+len(p)-len(cur)))...)
				copy(cur[off:], p)
				to := f
				if r.IntN(2) == 0 {
					to = d
				}
				must(to.WriteAt(p, int64(off)))(t)
			case 2:
				n := r.IntN(25000)
				ok(t, f.Truncate(int64(n)))
				cur = append(cur[:min(n, len(cur))], make([]byte, max(0, n-len(cur)))...)
			case 3:
				ok(t, f.Sync())
				got := make([]byte, len(cur))
				c := m.CrashClone(r)
				if n := must(c.Stat("/f"))(t); n != int64(len(cur)) {
					t.Fatalf("seed %d: size %d after a crash, want %d", seed, n, len(cur))
				}
				if len(cur) > 0 {
					must(must(c.Open("/f", vfs.OpenOptions{}))(t).ReadAt(got, 0))(t)
				}
				if !bytes.Equal(got, cur) {
					t.Fatalf("seed %d: synced bytes changed in a crash", seed)
				}
			}
			got := make([]byte, len(cur))
			if len(cur) > 0 {
				must(f.ReadAt(got, 0))(t)
			}
			if !bytes.Equal(got, cur) {
				t.Fatalf("seed %d: read something else than was written", seed)
			}
		}
	}
}

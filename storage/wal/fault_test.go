package wal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func big(n int) string { return strings.Repeat("x", n) }

func TestAFullDiskRefusesProduceAndRecoversByItself(t *testing.T) {
	m := vfs.NewMem()
	r := newRig(t, m, "/wal", func(c *wal.Config) { small(c); c.LimitBytes = 4 << 20 })
	defer r.stop()
	r.mustRecover()
	m.SetCapacity(300 << 10) // the first file, and one of 128 KiB, but not two
	last := uint64(0)
	grow := func() *wal.Append {
		last++
		return r.send(wal.GroupAppend{Group: 2, Entries: entries(1, last, big(3000))})
	}
	// What is in flight still finds room in the prepared file; beyond that it waits.
	var waiting []*wal.Append
	for range 100 {
		waiting = append(waiting, grow())
	}
	eventually(t, "the disk is full", r.disk.Full)
	m.SetCapacity(0)
	for _, a := range waiting {
		if got := r.wait(a); got.Err != nil {
			t.Fatal(got.Err)
		}
	}
	eventually(t, "the disk is no longer full", func() bool { return !r.disk.Full() })
	if r.disk.Failed() != nil {
		t.Fatalf("a full disk is not a failure: %v", r.disk.Failed())
	}
	if got := r.mustRecover()[2]; uint64(len(got.Entries)) != last {
		t.Fatalf("%d entries, want %d", len(got.Entries), last)
	}
}

func TestADirectoryThatIsFullFromTheStartRecovers(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(1)
	r := newRig(t, m, "/wal", small)
	defer r.stop()
	r.mustRecover()
	eventually(t, "the disk is full", r.disk.Full)
	a := r.send(wal.GroupAppend{Group: 2, Entries: entries(1, 1, "x")})
	m.SetCapacity(0)
	if got := r.wait(a); got.Err != nil {
		t.Fatal(got.Err)
	}
}

func TestAFailedWriteIsFinal(t *testing.T) {
	for _, direct := range []bool{true, false} {
		m := vfs.NewMem()
		if !direct {
			m.RefuseDirect()
		}
		var armed atomic.Bool
		fs := vfs.Faulty(m, func(op vfs.Op) error {
			kind := vfs.OpWrite
			if !direct {
				kind = vfs.OpSync
			}
			if op.Kind == kind && strings.HasSuffix(op.Name, ".log") && armed.Swap(false) {
				return syscall.EIO
			}
			return nil
		})
		r := newRig(t, fs, "/wal", small)
		r.mustRecover()
		r.append(wal.GroupAppend{Group: 2, Entries: entries(1, 1, "kept")})
		eventually(t, "the spare is ready", func() bool {
			names, err := m.List("/wal")
			return err == nil && strings.Contains(strings.Join(names, " "), "wal-0000000000000002.log")
		})
		armed.Store(true)
		for i := range 3 {
			got := r.wait(r.send(wal.GroupAppend{Group: 2, Entries: entries(1, 2+uint64(i), "lost")}))
			if !errors.Is(got.Err, syscall.EIO) {
				t.Fatalf("append %d after a failed write: %v", i, got.Err)
			}
		}
		if !errors.Is(r.disk.Failed(), syscall.EIO) {
			t.Fatalf("disk state: %v", r.disk.Failed())
		}
		if _, err := r.recover(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("recover after a failed write: %v", err)
		}
		r.stop()
		r = newRig(t, m, "/wal", small)
		if got := r.show(2, r.mustRecover()[2]); !strings.Contains(got, "1/1=kept") {
			t.Fatal(got)
		}
		r.stop()
	}
}

// flip changes one byte of a file.
func flip(t *testing.T, fs vfs.FS, name string, at int64) {
	t.Helper()
	f, err := fs.Open(name, vfs.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x40
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}

func TestDamageBeforeTheLastWriteIsRefusedWithFileAndOffset(t *testing.T) {
	m := vfs.NewMem()
	small := func(c *wal.Config) { small(c); c.FirstFileBytes, c.LimitBytes = c.FileBytes, 4<<20 }
	r := newRig(t, m, "/wal", small)
	r.mustRecover()
	var locs []wal.Location
	for i := range uint64(40) {
		a := r.append(wal.GroupAppend{Group: 2, Entries: entries(1, i+1, big(5000))})
		locs = append(locs, a.Groups[0].Locations...)
	}
	r.stop()
	// The first file is left as soon as one is prepared; what little it has by then may be moved out of it. So the old file is the
	// first that is full of entries.
	for len(locs) > 10 && locs[0].File != locs[9].File {
		locs = locs[1:]
	}
	if locs[0].File == locs[len(locs)-1].File {
		t.Fatal("the history is too short for two files")
	}
	name := func(l wal.Location) string { return fmt.Sprintf("/wal/wal-%016x.log", l.File) }
	block := func(l wal.Location) int64 { return int64(l.Offset) &^ 4095 }
	for what, at := range map[string]struct {
		loc wal.Location
		off int64
	}{
		"payload in an old file":       {locs[0], int64(locs[0].Offset) + 100},
		"record header in an old file": {locs[1], int64(locs[1].Offset) + 17},
		"group header in an old file":  {locs[1], block(locs[1]) + 9},
		"payload in the last file":     {locs[len(locs)-2], int64(locs[len(locs)-2].Offset) + 100},
		"group header in the last":     {locs[len(locs)-2], block(locs[len(locs)-2]) + 9},
		"file header":                  {locs[0], 20},
	} {
		flip(t, m, name(at.loc), at.off)
		r := newRig(t, m, "/wal", small)
		_, err := r.recover()
		if !errors.Is(err, wal.ErrCorrupt) || !strings.Contains(err.Error(), name(at.loc)) || !strings.Contains(err.Error(), "offset") {
			t.Errorf("%s: %v", what, err)
		}
		if got := r.wait(r.send(wal.GroupAppend{Group: 2, Entries: entries(1, 41, "no")})); got.Err == nil {
			t.Errorf("%s: an append to a corrupt log was acknowledged", what)
		}
		r.stop()
		flip(t, m, name(at.loc), at.off)
	}
	if err := m.Rename(name(locs[0]), "/wal/elsewhere"); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, m, "/wal", small)
	if _, err := r.recover(); !errors.Is(err, wal.ErrCorrupt) {
		t.Errorf("a file missing: %v", err)
	}
	r.stop()
	if err := m.Rename("/wal/elsewhere", name(locs[0])); err != nil {
		t.Fatal(err)
	}
	r = newRig(t, m, "/wal", func(c *wal.Config) { small(c); c.DirID = 8 })
	if _, err := r.recover(); err == nil || !strings.Contains(err.Error(), "belongs to data directory") {
		t.Errorf("files of another directory: %v", err)
	}
	r.stop()
	r = newRig(t, m, "/wal", small)
	if got := r.mustRecover()[2]; len(got.Entries) != 40 {
		t.Errorf("%d entries after all damage was undone", len(got.Entries))
	}
	r.stop()
}

func TestATornLastWriteIsCutWhole(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(64 << 10) // one file: nothing is moved
	r := newRig(t, m, "/wal", small)
	r.mustRecover()
	r.append(wal.GroupAppend{Group: 2, Entries: entries(1, 1, "kept")})
	a := r.append(wal.GroupAppend{Group: 2, Entries: entries(1, 2, "b", "c")})
	r.stop()
	l := a.Groups[0].Locations[1]
	flip(t, m, fmt.Sprintf("/wal/wal-%016x.log", l.File), int64(l.Offset)+40)
	for range 2 {
		r = newRig(t, m, "/wal", small)
		if got := r.show(2, r.mustRecover()[2]); !strings.HasSuffix(got, ": 1/1=kept") {
			t.Fatal(got)
		}
		r.stop()
	}
}

func TestDumpShowsRecordsAndDamage(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(64 << 10) // one file
	r := newRig(t, m, "/wal", small)
	r.mustRecover()
	a := r.append(wal.GroupAppend{Group: 2, Entries: entries(1, 1, "x"), HardState: raftpb.HardState{Term: 1, Vote: 3, Commit: 0}},
		wal.GroupAppend{Group: 4, Checkpoint: &wal.Checkpoint{Index: 9, Term: 2, ConfState: raftpb.ConfState{Voters: []uint64{5}}}})
	r.append(wal.GroupAppend{Group: 2, Remove: true})
	r.stop()
	var out bytes.Buffer
	if err := wal.Dump(m, "/wal", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"wal-0000000000000001.log: size=65536", "write=1", "group=2 entry index=1 term=1", "group=2 hard-state term=1 vote=3 commit=0",
		"group=4 checkpoint index=9 term=2 reset=true", "voters=[5]", "group=2 remove", "end"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("dump lacks %q:\n%s", want, out.String())
		}
	}
	// Programs read these names: they stay.
	var lines []string
	if err := wal.Walk(m, "/wal", func(d wal.Dumped) error {
		line, err := json.Marshal(d)
		lines = append(lines, string(line))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`{"kind":"file","file":"wal-0000000000000001.log","state":"begun","size":65536,"directory":"`, `{"kind":"write","file":"wal-0000000000000001.log","offset":4096,"write":1,`,
		`"group":2,"type":"entry","index":1,"term":1,"entry_type":"EntryNormal","size":`, `"group":2,"type":"hard-state","term":1,"vote":3,"commit":0}`,
		`"group":4,"type":"checkpoint","index":9,"term":2,"reset":true,"data_size":0,"voters":[5]}`, `"group":2,"type":"remove"}`, `"state":"complete"}`} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("the walk lacks %s:\n%s", want, strings.Join(lines, "\n"))
		}
	}
	l := a.Groups[0].Locations[0]
	flip(t, m, "/wal/wal-0000000000000001.log", int64(l.Offset)+8)
	out.Reset()
	if err := wal.Dump(m, "/wal", &out); err != nil || !strings.Contains(out.String(), "CORRUPT") {
		t.Fatalf("%v\n%s", err, out.String())
	}
}

func TestAppendsThatNeedNoSyncAreAnsweredWithoutAWrite(t *testing.T) {
	var writes sync.Map // by file
	fs := vfs.Faulty(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite || op.Kind == vfs.OpSync {
			n, _ := writes.LoadOrStore(op.Name, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}
		return nil
	})
	r := newRig(t, fs, "/wal", small)
	defer r.stop()
	r.mustRecover()
	file, index := uint64(1), uint64(0)
	for file == 1 { // until the log has left its first file for a zero-filled one, where it stays
		index++
		a := r.append(wal.GroupAppend{Group: 2, Entries: entries(1, index, "x"), Checkpoint: &wal.Checkpoint{Index: index - 1, Term: 1}})
		file = a.Groups[0].Locations[0].File
	}
	eventually(t, "the first file is gone", func() bool { _, err := fs.Stat("/wal/wal-0000000000000001.log"); return err != nil })
	r.mustRecover()
	count, _ := writes.Load(fmt.Sprintf("/wal/wal-%016x.log", file))
	before := count.(*atomic.Int64).Load()
	for i := range uint64(100) {
		r.seq++
		a := &wal.Append{Groups: []wal.GroupAppend{{Group: 2, HardState: raftpb.HardState{Term: 1, Commit: i % 2}}}, Reply: r.sender, Incarnation: 1}
		r.sys.Send(r.pid, a)
		if got := r.wait(a); got.Err != nil {
			t.Fatal(got.Err)
		}
	}
	if n := count.(*atomic.Int64).Load() - before; n != 0 {
		t.Fatalf("%d writes for commit indexes alone", n)
	}
	r.append(wal.GroupAppend{Group: 2, Entries: entries(1, index+1, "z")})
	if n := count.(*atomic.Int64).Load() - before; n != 1 {
		t.Fatalf("%d writes for one append", n)
	}
}

// bomb panics the writer: it appends where nothing is.
func bomb() wal.GroupAppend { return wal.GroupAppend{Group: 9, Entries: entries(1, 100, "gap")} }

func TestAfterAPanicTheWriterRecoversAndDropsWhatItsFormerSelfWasSent(t *testing.T) {
	m := vfs.NewMem()
	r := newRig(t, m, "/wal", small)
	defer r.stop()
	r.mustRecover()
	r.append(wal.GroupAppend{Group: 2, Entries: entries(1, 1, "kept")})
	r.send(bomb())
	r.send(wal.GroupAppend{Group: 2, Entries: entries(1, 2, "of a sender that has not recovered")})
	r.sys.Send(r.pid, &wal.Recover{Reply: r.sender, Incarnation: 2})
	got := recv(t, r.recov, "Recovered")
	if got.Err != nil || got.Incarnation != 2 {
		t.Fatalf("%+v", got)
	}
	if s := r.show(2, got.Groups[2]); !strings.HasSuffix(s, ": 1/1=kept") {
		t.Fatal(s)
	}
	a := &wal.Append{Groups: []wal.GroupAppend{{Group: 2, Entries: entries(2, 2, "new")}}, Reply: r.sender, Incarnation: 2, Sync: true}
	r.sys.Send(r.pid, a)
	if got := r.wait(a); got.Err != nil {
		t.Fatal(got.Err)
	}
}

func TestARecoverOfOneShardLeavesTheOthersAlone(t *testing.T) {
	m := vfs.NewMem()
	r := newRig(t, m, "/wal", small)
	r.mustRecover()
	for g := range wal.GroupID(10) {
		r.append(wal.GroupAppend{Group: g + 1, Entries: entries(1, 1, fmt.Sprint("first of ", g+1))})
	}
	r.stop()
	r = newRig(t, m, "/wal", small)
	defer r.stop()
	for shard := range wal.GroupID(2) {
		for range 2 {
			r.sys.Send(r.pid, &wal.Recover{Reply: r.sender, Incarnation: 1, Wants: func(g wal.GroupID) bool { return g%2 == shard }})
			got := recv(t, r.recov, "Recovered")
			if got.Err != nil || len(got.Groups) != 5 {
				t.Fatalf("shard %d: %d groups, %v", shard, len(got.Groups), got.Err)
			}
			for g, s := range got.Groups {
				if g%2 != shard || !strings.HasSuffix(r.show(g, s), fmt.Sprint("first of ", g)) {
					t.Fatalf("group %d: %s", g, r.show(g, s))
				}
			}
		}
		r.append(wal.GroupAppend{Group: shard + 2, Entries: entries(1, 2, "second")})
	}
}

// counting counts the writes to log files.
func counting(fs vfs.FS, writes *atomic.Int64) vfs.FS {
	return vfs.Faulty(fs, func(op vfs.Op) error {
		if op.Kind == vfs.OpWrite && strings.HasSuffix(op.Name, ".log") {
			writes.Add(1)
		}
		return nil
	})
}

// Thousands of idle groups pin the oldest file; one busy group fills the log several times over. The idle ones' state must be
// carried forward in few writes, whole, without asking anyone but the busy group to checkpoint.
func TestThousandsOfIdleGroupsAreCarriedForwardInFewWrites(t *testing.T) {
	const idle = 5000
	m := vfs.NewMem()
	var writes atomic.Int64
	sized := func(c *wal.Config) {
		small(c)
		c.FileBytes, c.FirstFileBytes, c.LimitBytes, c.WriteBytes = 4<<20, 4<<20, 32<<20, 1<<20
	}
	r := newRig(t, counting(m, &writes), "/wal", sized)
	r.mustRecover()
	var parts []wal.GroupAppend
	for g := range wal.GroupID(idle) {
		parts = append(parts, wal.GroupAppend{Group: g + 10, HardState: raftpb.HardState{Term: 1, Vote: 1, Commit: 3},
			Checkpoint: &wal.Checkpoint{Index: 2, Term: 1, Data: []byte(fmt.Sprint("state of ", g+10))}, Entries: entries(1, 3, fmt.Sprint("entry of ", g+10))})
	}
	r.append(parts...)
	before, appends, moved := writes.Load(), 0, 0
	for i := uint64(1); i <= 4000; i++ {
		r.send(wal.GroupAppend{Group: 2, Entries: entries(1, i, big(20000))})
		appends++
		for waiting := 1; waiting > 0; {
			select {
			case got := <-r.appended:
				if waiting--; got.Err != nil {
					t.Fatal(got.Err)
				}
			case p := <-r.pressure:
				if len(p.Groups) != 1 || p.Groups[0] != 2 {
					t.Fatalf("%d groups are asked to checkpoint", len(p.Groups))
				}
				r.send(wal.GroupAppend{Group: 2, Checkpoint: &wal.Checkpoint{Index: i - 1, Term: 1}})
				appends++
				waiting++
			case <-r.moved:
				moved++
			}
		}
	}
	extra := writes.Load() - before - int64(appends)
	t.Logf("%d appends, %d other writes, %d messages of moved entries", appends, extra, moved)
	if extra > 200 {
		t.Errorf("%d writes beyond the appends' own", extra)
	}
	r.stop()
	r = newRig(t, m, "/wal", sized)
	defer r.stop()
	groups := r.mustRecover()
	if len(groups) != idle+1 {
		t.Fatalf("%d groups, want %d", len(groups), idle+1)
	}
	for _, g := range []wal.GroupID{10, 11, 2500, idle + 9} {
		want := fmt.Sprintf(`term=1 vote=1 commit=3 checkpoint=2/1 "state of %d" voters=[]: 3/1=entry of %d`, g, g)
		if got := r.show(g, groups[g]); got != want {
			t.Errorf("group %d: %s", g, got)
		}
	}
	if names, err := m.List("/wal"); err != nil || len(names) > 8 {
		t.Errorf("files %v, %v", names, err)
	}
}

func TestAtTheLimitAppendsWaitUntilACheckpointMakesRoom(t *testing.T) {
	m := vfs.NewMem()
	r := newRig(t, m, "/wal", small)
	defer r.stop()
	r.mustRecover()
	var sent []*wal.Append
	for i := uint64(1); i <= 200; i++ { // 200 x 8 KiB against a limit of 512 KiB
		sent = append(sent, r.send(wal.GroupAppend{Group: 2, Entries: entries(1, i, big(5000))}))
	}
	urgent := false
	checkpointed := uint64(0)
	var checkpoints []*wal.Append
	for acked := uint64(0); acked < 200; {
		select {
		case got := <-r.appended:
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			if len(got.Append.Groups[0].Entries) == 0 {
				continue
			}
			if got.Append != sent[acked] {
				t.Fatal("out of order")
			}
			acked++
		case p := <-r.pressure:
			if urgent = urgent || p.Urgent; p.Urgent && acked > checkpointed {
				checkpointed = acked
				checkpoints = append(checkpoints, r.send(wal.GroupAppend{Group: 2, Checkpoint: &wal.Checkpoint{Index: acked, Term: 1}}))
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("stuck after %d", acked)
		}
	}
	if !urgent || len(checkpoints) == 0 {
		t.Fatal("the limit was never reached")
	}
	names, err := m.List("/wal")
	if err != nil || len(names) > 7 {
		t.Fatalf("files %v, %v", names, err)
	}
}

func TestTheWriterStopsItsPreparer(t *testing.T) {
	r := newRig(t, vfs.NewMem(), "/wal", small)
	r.mustRecover()
	r.stop()
	for _, a := range r.sys.Actors() {
		if a.Kind == "wal-preparer" && strings.Contains(a.Parent, r.pid.Id) {
			t.Fatalf("still there: %+v", a)
		}
	}
}

package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// sharedSystem hosts the actors of all tests: making a system costs more than most tests do.
var sharedSystem = sync.OnceValue(func() *actorsystem.System { return actorsystem.New(actorsystem.Config{Log: testLog()}) })

var rigs atomic.Int64

// rig is one log with its actor, and a sender that keeps what comes back.
type rig struct {
	t        testing.TB
	sys      *actorsystem.System
	log      *wal.Log
	pid      *actor.PID
	sender   *actor.PID
	disk     *diskstate.State
	appended chan *wal.Appended
	recov    chan *wal.Recovered
	pressure chan *wal.Pressure
	moved    chan *wal.Moved
	seq      uint64
	movedTo  map[movedKey]wal.Location
}

func testLog() zerolog.Logger {
	if os.Getenv("WAL_TEST_LOG") != "" {
		return zerolog.New(os.Stderr)
	}
	return zerolog.Nop()
}

func newRig(t testing.TB, fs vfs.FS, dir string, change func(*wal.Config)) *rig {
	t.Helper()
	r := &rig{t: t, sys: sharedSystem(), disk: &diskstate.State{},
		appended: make(chan *wal.Appended, 10000), recov: make(chan *wal.Recovered, 10),
		pressure: make(chan *wal.Pressure, 10000), moved: make(chan *wal.Moved, 10000)}
	name := fmt.Sprint("log-", rigs.Add(1))
	cfg := wal.Config{Dir: dir, FS: fs, System: r.sys, Disk: r.disk, DirID: 7, RetryAfter: 5 * time.Millisecond, Log: testLog()}
	if change != nil {
		change(&cfg)
	}
	var err error
	if r.log, err = wal.New(cfg); err != nil {
		t.Fatal(err)
	}
	r.sender, err = r.sys.SpawnRoot(actorsystem.Spec{Kind: "test", Name: name, New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case *wal.Appended:
				r.appended <- m
			case *wal.Recovered:
				r.recov <- m
			case *wal.Pressure:
				r.pressure <- m
			case *wal.Moved:
				r.moved <- m
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	r.pid, err = r.sys.SpawnRoot(actorsystem.Spec{Kind: "wal", Name: name, Lane: actorsystem.Own, WantsDrained: true, New: r.log.NewActor})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) stop() {
	r.t.Helper()
	if err := r.sys.StopWait(r.pid, 10*time.Second); err != nil {
		r.t.Fatal(err)
	}
	r.sys.Stop(r.sender)
}

func (r *rig) send(groups ...wal.GroupAppend) *wal.Append {
	r.seq++
	a := &wal.Append{Groups: groups, Reply: r.sender, Incarnation: 1, Seq: r.seq, Sync: true}
	r.sys.Send(r.pid, a)
	return a
}

func recv[T any](t testing.TB, c chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s within 20 s", what)
		panic("unreachable")
	}
}

func (r *rig) wait(a *wal.Append) *wal.Appended {
	r.t.Helper()
	got := recv(r.t, r.appended, "Appended")
	if got.Append != a {
		r.t.Fatalf("answer to append %d, want %d", got.Append.Seq, a.Seq)
	}
	return got
}

func (r *rig) append(groups ...wal.GroupAppend) *wal.Append {
	r.t.Helper()
	a := r.send(groups...)
	if got := r.wait(a); got.Err != nil {
		r.t.Fatal(got.Err)
	}
	return a
}

func (r *rig) recover() (map[wal.GroupID]*wal.GroupState, error) {
	r.t.Helper()
	r.sys.Send(r.pid, &wal.Recover{Reply: r.sender, Incarnation: 1})
	got := recv(r.t, r.recov, "Recovered")
	return got.Groups, got.Err
}

func (r *rig) mustRecover() map[wal.GroupID]*wal.GroupState {
	r.t.Helper()
	groups, err := r.recover()
	if err != nil {
		r.t.Fatal(err)
	}
	return groups
}

func entries(term, from uint64, payloads ...string) []raftpb.Entry {
	out := make([]raftpb.Entry, len(payloads))
	for i, p := range payloads {
		out[i] = raftpb.Entry{Index: from + uint64(i), Term: term, Data: []byte(p)}
	}
	return out
}

// read reads a recovered entry; if it was moved meanwhile, where Moved says.
func (r *rig) read(group wal.GroupID, e wal.EntryRef) ([]byte, error) {
	r.t.Helper()
	if r.movedTo == nil {
		r.movedTo = map[movedKey]wal.Location{}
	}
	loc := e.Location
	for {
		data, err := r.log.Reader().ReadEntry(nil, loc)
		if !errors.Is(err, wal.ErrLocationGone) {
			return data, err
		}
		key := movedKey{group, e.Index}
		for r.movedTo[key] == (wal.Location{}) { // the log says so before the old file goes
			m := recv(r.t, r.moved, fmt.Sprintf("Moved for entry %d of group %d, which is gone from %+v", e.Index, group, loc))
			for _, x := range m.Entries {
				r.movedTo[movedKey{m.Group, x.Index}] = x.Location
			}
		}
		loc = r.movedTo[key]
		delete(r.movedTo, key)
	}
}

type movedKey struct {
	group wal.GroupID
	index uint64
}

// show prints a group's state with the payloads read back.
func (r *rig) show(id wal.GroupID, s *wal.GroupState) string {
	r.t.Helper()
	if s == nil {
		return "none"
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "term=%d vote=%d commit=%d checkpoint=%d/%d %q voters=%v:", s.HardState.Term, s.HardState.Vote, s.HardState.Commit,
		s.Checkpoint.Index, s.Checkpoint.Term, s.Checkpoint.Data, s.Checkpoint.ConfState.Voters)
	for _, e := range s.Entries {
		data, err := r.read(id, e)
		if err != nil {
			r.t.Fatal(err)
		}
		fmt.Fprintf(&b, " %d/%d=%s", e.Index, e.Term, data)
	}
	return b.String()
}

func eachDisk(t *testing.T, run func(t *testing.T, fs vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { run(t, vfs.OS(), t.TempDir()+"/wal") })
	t.Run("mem", func(t *testing.T) { run(t, vfs.NewMem(), "/wal") })
	t.Run("mem without direct I/O", func(t *testing.T) {
		m := vfs.NewMem()
		m.RefuseDirect()
		run(t, m, "/wal")
	})
}

func TestWhatIsAppendedIsRecovered(t *testing.T) {
	eachDisk(t, func(t *testing.T, fs vfs.FS, dir string) {
		r := newRig(t, fs, dir, nil)
		if groups := r.mustRecover(); len(groups) != 0 {
			t.Fatalf("a fresh log has groups: %v", groups)
		}
		a := r.append(
			wal.GroupAppend{Group: 1, Entries: entries(1, 1, "a", "b", "c"), HardState: raftpb.HardState{Term: 1, Vote: 2, Commit: 1}},
			wal.GroupAppend{Group: 2, Entries: entries(3, 1, "", "x")})
		r.append(wal.GroupAppend{Group: 1, Entries: entries(2, 2, "B")})
		r.append(wal.GroupAppend{Group: 2, Checkpoint: &wal.Checkpoint{Index: 1, Term: 3, Data: []byte("state"), ConfState: raftpb.ConfState{Voters: []uint64{1, 2}}}})
		r.append(wal.GroupAppend{Group: 3, Entries: entries(1, 1, "gone")})
		r.append(wal.GroupAppend{Group: 3, Remove: true})
		got, err := r.log.Reader().ReadEntry([]byte("prefix-"), a.Groups[1].Locations[1])
		if err != nil || string(got) != "prefix-x" {
			t.Fatalf("read %q, %v", got, err)
		}
		want := map[wal.GroupID]string{
			1: `term=1 vote=2 commit=1 checkpoint=0/0 "" voters=[]: 1/1=a 2/2=B`,
			2: `term=0 vote=0 commit=0 checkpoint=1/3 "state" voters=[1 2]: 2/3=x`,
		}
		check := func(r *rig) {
			t.Helper()
			groups := r.mustRecover()
			if len(groups) != len(want) {
				t.Fatalf("recovered %d groups, want %d", len(groups), len(want))
			}
			for id, w := range want {
				if g := r.show(id, groups[id]); g != w {
					t.Errorf("group %d:\n got %s\nwant %s", id, g, w)
				}
			}
		}
		check(r)
		r.stop()
		for range 3 {
			r = newRig(t, fs, dir, nil)
			check(r) // from the scan at the start
			check(r) // from the files again
			r.stop()
		}
	})
}

func seeded(t testing.TB, seed uint64) *rand.Rand {
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

package raftactor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/wal"
)

// fakeWAL answers Append and Recover in order, from a disk in memory. With manual, it does so when the test says.
type fakeWAL struct {
	node   *testNode
	disk   *fakeDisk
	manual bool
	fail   error
	queue  []any // *wal.Append, *wal.Recover
	syncs  int
}

func (f *fakeWAL) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *wal.Append:
		if f.node != nil {
			f.node.w.logf("wal %d: %s", f.node.id, describeAppend(m))
		}
		f.queue = append(f.queue, m)
	case *wal.Recover:
		f.queue = append(f.queue, m)
	case actorsystem.Drained:
		if !f.manual {
			f.complete(len(f.queue))
		}
	}
}

// complete makes the oldest n requests durable with one sync, and answers them.
func (f *fakeWAL) complete(n int) {
	done := f.queue[:min(n, len(f.queue))]
	f.queue = slices.Clone(f.queue[len(done):])
	f.syncs++
	for _, m := range done {
		switch m := m.(type) {
		case *wal.Append:
			if f.fail != nil {
				f.send(m.Reply, &wal.Appended{Append: m, Err: f.fail})
				continue
			}
			f.disk.apply(m)
			f.send(m.Reply, &wal.Appended{Append: m})
		case *wal.Recover:
			f.send(m.Reply, &wal.Recovered{Incarnation: m.Incarnation, Groups: f.disk.state(m.Wants)})
		}
	}
}

func (f *fakeWAL) send(to *actor.PID, m any) { f.node.w.sys.Send(to, m) }

func describeAppend(m *wal.Append) string {
	var b strings.Builder
	fmt.Fprintf(&b, "append %d", m.Seq)
	if !m.Sync {
		b.WriteString(" unsynced")
	}
	for i := range m.Groups {
		g := &m.Groups[i]
		fmt.Fprintf(&b, "; group %d", g.Group)
		if g.Remove {
			b.WriteString(" remove")
		}
		if !raft.IsEmptyHardState(g.HardState) {
			fmt.Fprintf(&b, " [%s]", raft.DescribeHardState(g.HardState))
		}
		if g.Checkpoint != nil {
			fmt.Fprintf(&b, " checkpoint %d", g.Checkpoint.Index)
		}
		for _, e := range g.Entries {
			fmt.Fprintf(&b, " %s", strings.ReplaceAll(raft.DescribeEntry(e, func(d []byte) string { return string(d) }), " ", ":"))
		}
	}
	return b.String()
}

// fakeDisk is what the WAL files hold. It checks what the contract asks of the raft actor.
type fakeDisk struct {
	groups   map[wal.GroupID]*diskGroup
	payloads [][]byte
	reads    int
}

type diskGroup struct {
	hard       raftpb.HardState
	checkpoint wal.Checkpoint
	entries    []wal.EntryRef
}

func newFakeDisk() *fakeDisk { return &fakeDisk{groups: map[wal.GroupID]*diskGroup{}} }

func (d *fakeDisk) apply(m *wal.Append) {
	for i := range m.Groups {
		ga := &m.Groups[i]
		if ga.Remove {
			delete(d.groups, ga.Group)
			continue
		}
		g := d.groups[ga.Group]
		if g == nil {
			g = &diskGroup{}
			d.groups[ga.Group] = g
		}
		if !raft.IsEmptyHardState(ga.HardState) {
			if ga.HardState.Term < g.hard.Term {
				panic("a term went back")
			}
			if !m.Sync && (ga.HardState.Term != g.hard.Term || ga.HardState.Vote != g.hard.Vote) {
				panic("a vote without a sync")
			}
			g.hard = ga.HardState
		}
		if ga.Checkpoint != nil {
			g.checkpoint = *ga.Checkpoint
			g.checkpoint.Data = slices.Clone(ga.Checkpoint.Data)
			for len(g.entries) > 0 && g.entries[0].Index <= g.checkpoint.Index {
				g.entries = g.entries[1:]
			}
		}
		ga.Locations = ga.Locations[:0]
		for k := range ga.Entries {
			e := &ga.Entries[k]
			if k == 0 {
				for n := len(g.entries); n > 0 && g.entries[n-1].Index >= e.Index; n-- {
					g.entries = g.entries[:n-1]
				}
			}
			next := g.checkpoint.Index + 1
			if n := len(g.entries); n > 0 {
				next = g.entries[n-1].Index + 1
			}
			if e.Index != next {
				panic(fmt.Sprintf("group %d: entry %d appended where %d belongs", ga.Group, e.Index, next))
			}
			if strings.Contains(string(e.Data), "#") {
				panic("an entry was written after its frame was released")
			}
			loc := wal.Location{File: 1, Offset: uint32(len(d.payloads)), Size: uint32(len(e.Data))}
			d.payloads = append(d.payloads, slices.Clone(e.Data))
			g.entries = append(g.entries, wal.EntryRef{Index: e.Index, Term: e.Term, Type: e.Type, Location: loc})
			ga.Locations = append(ga.Locations, loc)
		}
	}
}

func (d *fakeDisk) state(wants func(wal.GroupID) bool) map[wal.GroupID]*wal.GroupState {
	out := map[wal.GroupID]*wal.GroupState{}
	for _, id := range slices.Sorted(maps.Keys(d.groups)) {
		if g := d.groups[id]; wants == nil || wants(id) {
			out[id] = &wal.GroupState{HardState: g.hard, Checkpoint: g.checkpoint, Entries: slices.Clone(g.entries)}
		}
	}
	return out
}

// ReadEntry implements wal.Reader.
func (d *fakeDisk) ReadEntry(dst []byte, loc wal.Location) ([]byte, error) {
	if loc.File != 1 || int(loc.Offset) >= len(d.payloads) || len(d.payloads[loc.Offset]) != int(loc.Size) {
		return nil, errors.New("no record there")
	}
	d.reads++
	return append(dst, d.payloads[loc.Offset]...), nil
}

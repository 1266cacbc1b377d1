package wal_test

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// The model of one group: every state it went through, record by record.

type modelEntry struct {
	index, term uint64
	data        []byte
}

type modelState struct {
	hard       raftpb.HardState
	checkpoint wal.Checkpoint
	entries    []modelEntry
}

func (s modelState) last() uint64 {
	if n := len(s.entries); n > 0 {
		return s.entries[n-1].index
	}
	return s.checkpoint.Index
}

func (s modelState) term(i uint64) uint64 {
	if i == s.checkpoint.Index {
		return s.checkpoint.Term
	}
	return s.entries[i-s.checkpoint.Index-1].term
}

func (s modelState) withCheckpoint(c wal.Checkpoint) modelState {
	if c.Index < s.checkpoint.Index {
		return s
	}
	if c.Index > s.last() || s.term(c.Index) != c.Term {
		s.entries = nil
	} else {
		s.entries = slices.Clone(s.entries[c.Index-s.checkpoint.Index:])
	}
	s.checkpoint = c
	return s
}

func (s modelState) withEntry(e raftpb.Entry) modelState {
	s.entries = append(slices.Clone(s.entries[:e.Index-s.checkpoint.Index-1]), modelEntry{e.Index, e.Term, e.Data})
	return s
}

func (s modelState) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "hard=%+v checkpoint=%d/%d %q:", s.hard, s.checkpoint.Index, s.checkpoint.Term, s.checkpoint.Data)
	for _, e := range s.entries {
		fmt.Fprintf(&b, " %d/%d=%08x", e.index, e.term, crc32.ChecksumIEEE(e.data))
	}
	return b.String()
}

// modelGroup has a state after each record; states[0] is where the history began.
type modelGroup struct {
	states      []modelState
	checkpoints []*wal.Checkpoint // that made states[i], or nil
	acked       int               // states[acked] is acknowledged
}

func (g *modelGroup) now() modelState { return g.states[len(g.states)-1] }

func (g *modelGroup) push(s modelState, c *wal.Checkpoint) {
	g.states, g.checkpoints = append(g.states, s), append(g.checkpoints, c)
}

// allows says whether a crash may have left got: an acknowledged state or a later one. A checkpoint may be ahead of the records
// before it (it is written ahead when the log is full).
func (g *modelGroup) allows(got string) bool {
	for k := g.acked; k < len(g.states); k++ {
		s := g.states[k]
		if s.String() == got {
			return true
		}
		for _, c := range g.checkpoints[k+1:] {
			if c != nil && c.Index <= s.last() && c.Index >= s.checkpoint.Index && s.term(c.Index) == c.Term && s.withCheckpoint(*c).String() == got {
				return true
			}
		}
	}
	return false
}

// driver runs a random history against a log and keeps the model.
type driver struct {
	t         testing.TB
	r         *rig
	rng       *rand.Rand
	groups    map[wal.GroupID]*modelGroup
	flying    []flight
	failed    error
	pressured int
	what      string // for messages
}

// flight is an append under way and how far each of its groups' models are when it is acknowledged.
type flight struct {
	a    *wal.Append
	upTo map[wal.GroupID]int
}

func (d *driver) group(id wal.GroupID) *modelGroup {
	if d.groups[id] == nil {
		d.groups[id] = &modelGroup{states: make([]modelState, 1), checkpoints: make([]*wal.Checkpoint, 1)}
	}
	return d.groups[id]
}

func (d *driver) payload() []byte {
	n := d.rng.IntN(300)
	switch d.rng.IntN(20) {
	case 0:
		n = d.rng.IntN(6000)
	case 1:
		n = d.rng.IntN(20000)
	case 2:
		n = 0
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.rng.Uint32())
	}
	if n > 40 && d.rng.IntN(2) == 0 {
		sealSelfChecked(b)
	}
	return b
}

// A self-checked payload of these tests begins with 'S', and bytes 18-21 are the checksum of what follows them.
func sealSelfChecked(b []byte) {
	b[0] = 'S'
	c := crc32.ChecksumIEEE(b[22:])
	b[18], b[19], b[20], b[21] = byte(c), byte(c>>8), byte(c>>16), byte(c>>24)
}

func verifySelfChecked(b []byte) error {
	c := crc32.ChecksumIEEE(b[22:])
	if b[18] != byte(c) || b[19] != byte(c>>8) || b[20] != byte(c>>16) || b[21] != byte(c>>24) {
		return errors.New("payload's own checksum does not match")
	}
	return nil
}

func selfChecked(b []byte) bool { return b[0] == 'S' && verifySelfChecked(b) == nil }

// change draws one group's part of an append and plays it on the model.
func (d *driver) change(id wal.GroupID) wal.GroupAppend {
	g := d.group(id)
	ga := wal.GroupAppend{Group: id}
	s := g.now()
	hard := func() {
		s.hard.Term = max(s.hard.Term, s.term(s.last()))
		s.hard.Commit = s.last()
		s.hard.Vote = d.rng.Uint64N(4)
		ga.HardState = s.hard
		if s.hard != (raftpb.HardState{}) {
			g.push(s, nil)
		}
	}
	grow := func(from, term uint64) {
		for i := range uint64(1 + d.rng.IntN(5)) {
			e := raftpb.Entry{Index: from + i, Term: term, Data: d.payload(), Type: raftpb.EntryType(d.rng.IntN(3))}
			ga.Entries = append(ga.Entries, e)
			s = s.withEntry(e)
			g.push(s, nil)
		}
	}
	check := func(index, term uint64) {
		c := wal.Checkpoint{Index: index, Term: term, Data: d.payload()[:0:0], ConfState: raftpb.ConfState{Voters: []uint64{1, index}}}
		c.Data = []byte(fmt.Sprint("state at ", index))
		s = s.withCheckpoint(c)
		g.push(s, &c)
		ga.Checkpoint = &c
	}
	switch pick := d.rng.IntN(20); {
	case pick < 10:
		grow(s.last()+1, max(1, s.term(s.last())+uint64(d.rng.IntN(2))))
	case pick < 12 && len(s.entries) > 0:
		grow(s.entries[d.rng.IntN(len(s.entries))].index, s.term(s.last())+1)
	case pick < 16 && len(s.entries) > 0:
		e := s.entries[d.rng.IntN(len(s.entries))]
		check(e.index, e.term)
	case pick == 16:
		check(s.last()+1+d.rng.Uint64N(5), s.term(s.last())+1)
		if d.rng.IntN(2) == 0 {
			grow(s.last()+1, s.term(s.last()))
		}
	case pick == 17 && d.rng.IntN(4) == 0:
		ga.Remove = true
		s = modelState{}
		g.push(s, nil)
		return ga
	}
	hard()
	return ga
}

func (d *driver) send(groups ...wal.GroupAppend) {
	a := d.r.send(groups...)
	d.track(a)
}

func (d *driver) track(a *wal.Append) {
	f := flight{a: a, upTo: map[wal.GroupID]int{}}
	for i := range a.Groups {
		f.upTo[a.Groups[i].Group] = len(d.group(a.Groups[i].Group).states) - 1
	}
	d.flying = append(d.flying, f)
}

// steps sends n rounds of random appends, several at a time, and takes their answers.
func (d *driver) steps(n, groups int) {
	for range n {
		for range 1 + d.rng.IntN(4) {
			var parts []wal.GroupAppend
			for _, id := range d.rng.Perm(groups)[:min(groups, 1+d.rng.IntN(3))] {
				parts = append(parts, d.change(wal.GroupID(id+1)))
			}
			d.send(parts...)
		}
		if d.settle(); d.failed != nil {
			return
		}
	}
}

// settle waits for everything in flight; it checkpoints what the log asks for.
func (d *driver) settle() {
	for len(d.flying) > 0 {
		select {
		case m := <-d.r.appended:
			if m.Append != d.flying[0].a {
				d.t.Fatalf("%s: got the answer to append %d (%v), want that to %d", d.what, m.Append.Seq, m.Err, d.flying[0].a.Seq)
			}
			if m.Err != nil {
				d.failed = m.Err
			} else {
				if d.failed != nil {
					d.t.Fatal("an append was acknowledged after one that failed")
				}
				for id, at := range d.flying[0].upTo {
					d.groups[id].acked = max(d.groups[id].acked, at)
				}
			}
			d.flying = d.flying[1:]
		case p := <-d.r.pressure:
			d.pressured++
			if d.failed == nil {
				d.checkpoint(p.Groups)
			}
		case m := <-d.r.moved:
			d.checkMoved(m)
		case <-time.After(20 * time.Second):
			d.t.Fatalf("%s: %d appends are not answered within 20 s: %+v", d.what, len(d.flying), d.r.sys.Actors())
		}
	}
}

// checkpoint answers Pressure, with what is acknowledged.
func (d *driver) checkpoint(groups []wal.GroupID) {
	var parts []wal.GroupAppend
	for _, id := range groups {
		g := d.group(id)
		acked, s := g.states[g.acked], g.now()
		at := min(acked.last(), s.last())
		for at >= s.checkpoint.Index && at > acked.checkpoint.Index && s.term(at) != acked.term(at) {
			at-- // overwritten by what is in flight: not committed
		}
		if at <= acked.checkpoint.Index {
			continue
		}
		c := wal.Checkpoint{Index: at, Term: acked.term(at), Data: []byte("on demand")}
		g.push(s.withCheckpoint(c), &c)
		parts = append(parts, wal.GroupAppend{Group: id, Checkpoint: &c})
	}
	if len(parts) > 0 {
		d.send(parts...)
	}
}

// checkMoved reads entries at their new place.
func (d *driver) checkMoved(m *wal.Moved) {
	for _, e := range m.Entries {
		data, err := d.r.log.Reader().ReadEntry(nil, e.Location)
		if errors.Is(err, wal.ErrLocationGone) || errors.Is(err, vfs.ErrCrashed) {
			continue
		}
		if err != nil {
			d.t.Fatalf("read moved entry: %v", err)
		}
		known := false
		for _, s := range d.groups[m.Group].states {
			for _, x := range s.entries {
				known = known || (x.index == e.Index && x.term == e.Term && bytes.Equal(x.data, data))
			}
		}
		if !known {
			d.t.Fatalf("moved entry %d/%d of group %d was never appended so", e.Index, e.Term, m.Group)
		}
	}
}

// compare checks what was recovered and makes it the model's new beginning; false: the machine crashed meanwhile.
func (d *driver) compare(r *rig, got map[wal.GroupID]*wal.GroupState, what string) bool {
	d.t.Helper()
	next := map[wal.GroupID]*modelGroup{}
	for id, s := range got {
		m := modelState{hard: s.HardState, checkpoint: s.Checkpoint}
		for _, e := range s.Entries {
			data, err := r.read(id, e)
			if errors.Is(err, vfs.ErrCrashed) {
				return false // nothing can be said; the model stays as it is
			}
			if err != nil {
				d.t.Fatalf("%s: group %d: %v", what, id, err)
			}
			m.entries = append(m.entries, modelEntry{e.Index, e.Term, data})
		}
		g := d.groups[id]
		if g == nil || !g.allows(m.String()) {
			d.t.Errorf("%s: group %d recovered as\n  %v", what, id, m)
			if g != nil {
				for _, s := range g.states[g.acked:] {
					d.t.Errorf("  allowed %v", s)
				}
			}
			d.t.FailNow()
		}
		next[id] = &modelGroup{states: []modelState{m}, checkpoints: make([]*wal.Checkpoint, 1)}
	}
	for id, g := range d.groups {
		if got[id] == nil && !g.allows(modelState{}.String()) {
			d.t.Fatalf("%s: group %d is lost; acknowledged was\n  %v", what, id, g.states[g.acked])
		}
	}
	d.groups, d.failed, d.flying = next, nil, nil
	return true
}

func small(c *wal.Config) {
	c.FileBytes, c.FirstFileBytes, c.LimitBytes, c.WriteBytes = 128<<10, 64<<10, 512<<10, 8<<10
	c.SelfChecked, c.VerifySelfChecked, c.Fanout = selfChecked, verifySelfChecked, wal.Goroutines
}

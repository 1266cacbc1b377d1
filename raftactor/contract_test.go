package raftactor

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor/internal/rawnode"
	"github.com/troupe-io/troupe/storage/wal"
)

// Each test here is one mistake against etcd raft's contract for asynchronous storage, or against the owner's, that a prototype made.

func TestAReadyShowsMessagesOnly(t *testing.T) {
	ready := reflect.TypeFor[rawnode.Ready]()
	for i := range ready.NumField() {
		if f := ready.Field(i); !slices.Contains([]string{"Messages", "LeaderChanged", "Leader", "Term"}, f.Name) {
			t.Errorf("rawnode.Ready shows %s: work that is in Messages too would be done twice", f.Name)
		}
	}
	node := reflect.TypeFor[*rawnode.Node]()
	if _, ok := node.MethodByName("Advance"); ok {
		t.Error("Advance must not be reachable with asynchronous storage writes")
	}
	for i := range node.Elem().NumField() {
		if node.Elem().Field(i).IsExported() {
			t.Errorf("rawnode.Node shows its field %s", node.Elem().Field(i).Name)
		}
	}
}

func TestACommittedBatchCanBeTakenOnce(t *testing.T) {
	c := &Committed{First: 1, Last: 1, entries: []Entry{{Index: 1}}}
	if len(c.Take()) != 1 {
		t.Fatal("the batch is empty")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("taken twice")
		}
	}()
	c.Take()
}

// oneNode is a single voter, elected, with its owner.
func oneNode(t testing.TB, tune func(*Config)) (*world, *testNode, *testOwner) {
	w := newWorld(t, 1, 1)
	w.tune = tune
	w.startAll()
	o := w.nodes[1].open(1, 1)
	w.run()
	return w, w.nodes[1], o
}

func TestAnAnswerOfTheWALOutOfOrderIsAnInvariantFailure(t *testing.T) {
	w, n, o := oneNode(t, nil)
	n.wal.manual = true
	n.propose(1, "a")
	w.run()
	n.propose(1, "b")
	w.run()
	second := n.wal.queue[1].(*wal.Append)
	n.send(&wal.Appended{Append: second})
	w.run()
	if len(w.failures) != 1 || !strings.Contains(w.failures[0], "out of order") {
		t.Fatal("not noticed:", w.failures)
	}
	if len(o.applied) != 0 {
		t.Fatal("acknowledged", o.applied)
	}
	w.failures = nil
	w.close()
}

func TestACommitIndexAloneIsNotWritten(t *testing.T) {
	w, n, o := oneNode(t, nil)
	before := n.live.seq
	n.propose(1, "a")
	w.run()
	if len(o.applied) != 1 {
		t.Fatal("not committed")
	}
	if appends := n.live.seq - before; appends != 1 {
		t.Fatalf("%d appends for one proposal", appends)
	}
	w.close()
}

// A vote may be given in a term that is on disk already: it must be there too before the candidate hears of it.
func TestAVoteIsDurableBeforeItIsGiven(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.startAll()
	n := w.nodes[2]
	n.open(1, 1, 2, 3)
	w.run()
	vote := func(from NodeID, index uint64) {
		n.send(&Received{Group: 1, Message: raftpb.Message{Type: raftpb.MsgVote, From: from, To: 2, Term: 5, Index: index, LogTerm: 1}})
		w.run()
	}
	vote(1, 0) // its log is behind: refused, but its term is taken over
	w.net = nil
	n.wal.manual = true
	vote(3, 1)
	if len(w.net) != 0 {
		t.Fatal("the vote was given before it was durable")
	}
	n.wal.complete(1)
	w.run()
	if len(w.net) != 1 || w.net[0].m.Message.Reject || n.disk.groups[1].hard.Vote != 3 {
		t.Fatal(w.net, n.disk.groups[1].hard)
	}
	w.close()
}

// What a follower sends to a leader whose term is old arrives when that node leads anew: it acknowledges nothing.
func TestALateWordOfANewerTermIsNoAcknowledgement(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.startAll()
	for id := NodeID(1); id <= 3; id++ {
		w.nodes[id].open(1, 1, 2, 3)
	}
	w.run()
	w.nodes[1].campaign(1)
	w.run()
	for !w.nodes[1].leads(1) {
		w.deliver(0)
	}
	term := w.nodes[1].group(1).node.Term()
	for len(w.net) > 0 { // the leader's first append to node 3 is lost
		w.drop(0)
	}
	for range 2 {
		w.nodes[1].send(&Received{Group: 1, Message: raftpb.Message{Type: raftpb.MsgAppResp, From: 3, To: 1, Term: term}})
	}
	w.settle()
	w.nodes[1].propose(1, "a")
	for range 10 {
		w.nodes[1].tick(1)
		w.settle()
	}
	if got := w.nodes[3].owners[1].payloads(); !slices.Equal(got, []string{"a"}) {
		t.Fatalf("node 3 is not served any more: %v", got)
	}
	w.close()
}

func TestAnAppendReplacesAllEntriesAtAndAboveIt(t *testing.T) {
	v := &logView{}
	v.reset(wal.Checkpoint{Index: 1, Term: 1})
	entry := func(index, term uint64) raftpb.Entry {
		return raftpb.Entry{Index: index, Term: term, Data: []byte{byte(term)}}
	}
	at := func(n int) []wal.Location { return make([]wal.Location, n) }
	v.append([]raftpb.Entry{entry(2, 1), entry(3, 2), entry(4, 2)}, at(3), ^uint64(0))
	v.append([]raftpb.Entry{entry(3, 3)}, at(1), ^uint64(0))
	if last, _ := v.LastIndex(); last != 3 {
		t.Fatalf("last index %d", last)
	}
	for index, want := range map[uint64]uint64{1: 1, 2: 1, 3: 3} {
		if term, err := v.Term(index); err != nil || term != want {
			t.Errorf("term of %d: %d, %v", index, term, err)
		}
	}
	if got, err := v.Entries(2, 4, 1<<20); err != nil || len(got) != 2 || got[1].Term != 3 {
		t.Fatal(got, err)
	}
}

// The restart sees exactly the configuration at its checkpoint, and applies those above it once.
func TestARestartBeginsWithTheConfigurationOfItsCheckpoint(t *testing.T) {
	for _, late := range []bool{false, true} {
		w, n, o := oneNode(t, nil)
		change := func(s string) {
			ccs, _ := raftpb.ConfChangesFromString(s)
			n.send(&ProposeConfChange{Group: 1, Change: raftpb.ConfChangeV2{Changes: ccs}, Waiter: s})
			w.run()
		}
		change("l2")
		o.save()
		w.run()
		change("l3")
		if late {
			o.save()
			w.run()
		}
		if len(o.confs) != 2 || o.confs[1].Waiter != "l3" {
			t.Fatal(o.confs)
		}
		n.crash(0)
		n.start()
		o = n.open(1, 9) // the voters of the first configuration do not count any more
		w.run()
		if want := map[bool]int{false: 1, true: 2}[late]; len(o.checkpoint.ConfState.Learners) != want {
			t.Fatalf("learners at the checkpoint: %v", o.checkpoint.ConfState.Learners)
		}
		for range 30 {
			n.tick(1)
			w.run()
		}
		if !n.leads(1) {
			t.Fatal("no leader after the restart")
		}
		g := n.group(1)
		if cs := g.confs[len(g.confs)-1].state; !slices.Equal(cs.Learners, []uint64{2, 3}) || !slices.Equal(cs.Voters, []uint64{1}) {
			t.Fatal(cs)
		}
		w.close()
	}
}

func TestTheCommitIndexAtARestartLiesBetweenCheckpointAndLastEntry(t *testing.T) {
	for commit, want := range map[uint64]uint64{0: 7, 8: 8, 99: 9} {
		w := newWorld(t, 1, 1)
		n := w.nodes[1]
		for range 2 {
			n.disk.payloads = append(n.disk.payloads, []byte("x"))
		}
		n.disk.groups[1] = &diskGroup{
			hard:       raftpb.HardState{Term: 3, Commit: commit},
			checkpoint: wal.Checkpoint{Index: 7, Term: 2, ConfState: raftpb.ConfState{Voters: []uint64{1, 2, 3}}},
			entries: []wal.EntryRef{
				{Index: 8, Term: 3, Location: wal.Location{File: 1, Offset: 0, Size: 1}},
				{Index: 9, Term: 3, Location: wal.Location{File: 1, Offset: 1, Size: 1}}},
		}
		w.startAll()
		n.open(1, 1, 2, 3)
		w.run()
		if got := n.group(1).node.Status().Commit; got != want {
			t.Errorf("commit %d in the WAL, checkpoint 7, last entry 9: restarted with %d", commit, got)
		}
		w.close()
	}
}

// Raft counts the bytes that are being applied by the entries in the response. If the view were trimmed first, the count would never
// come down, and the group would stall without a word.
func TestRaftHearsThatEntriesAreAppliedBeforeTheyAreTrimmed(t *testing.T) {
	w, n, o := oneNode(t, func(c *Config) { c.MaxCommittedSize = 300 })
	o.autoApply = false
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("%03d-%080d", i, 0))
	}
	n.propose(1, want...)
	w.run()
	for range 200 {
		for i, m := range o.batches { // entry by entry, so that responses are split too
			o.apply(m)
			for index := m.First; index <= m.Last; index++ {
				n.send(&Applied{Group: 1, Index: index})
				w.run()
			}
			o.batches[i] = nil
		}
		o.batches = slices.DeleteFunc(o.batches, func(m *Committed) bool { return m == nil })
	}
	if !slices.Equal(o.payloads(), want) {
		t.Fatalf("stalled after %d entries", len(o.applied))
	}
	if held := w.unreleased(); held != 0 {
		t.Fatalf("%d frames were not released", held)
	}
	if n.live.viewBytes != 0 {
		t.Fatalf("the view counts %d bytes when it is empty", n.live.viewBytes)
	}
	w.close()
}

func TestAProposalThatIsTooMuchComesBackAndTheRestGoesThrough(t *testing.T) {
	w, n, o := oneNode(t, func(c *Config) { c.MaxUncommittedSize = 100 })
	n.wal.manual = true
	n.propose(1, strings.Repeat("a", 60), strings.Repeat("b", 30), strings.Repeat("c", 30))
	w.run()
	if len(o.dropped) != 1 || o.dropped[0][0] != 'c' || !errors.Is(o.droppedErrs[0], ErrTooMuch) {
		t.Fatal(o.dropped, o.droppedErrs)
	}
	w.settle()
	n.wal.manual = false
	n.propose(1, strings.Repeat("d", 200)) // alone, any size is taken
	w.settle()
	if len(o.committed) != 3 || w.unreleased() != 0 {
		t.Fatal(o.committed, w.unreleased())
	}
	w.close()
}

func TestWhatTheLogCannotHoldIsRefused(t *testing.T) {
	w, n, o := oneNode(t, func(c *Config) { c.MaxEntryBytes = 10 })
	n.propose(1, "a", "much too large", "b")
	w.run()
	if !slices.Equal(o.payloads(), []string{"a", "b"}) || len(o.dropped) != 1 || !errors.Is(o.droppedErrs[0], ErrTooLarge) || w.unreleased() != 0 {
		t.Fatal(o.applied, o.dropped, w.unreleased())
	}
	n.send(&Checkpoint{Group: 1, Index: o.index, Data: make([]byte, 11)})
	w.run()
	if o.durable != 0 {
		t.Fatal("the checkpoint was written")
	}
	w.close()
}

func TestAnOwnerThatClaimsTooMuchIsAnInvariantFailure(t *testing.T) {
	w, n, _ := oneNode(t, nil)
	n.send(&Applied{Group: 1, Index: 100})
	w.run()
	if len(w.failures) != 1 || !strings.Contains(w.failures[0], "only") {
		t.Fatal("not noticed:", w.failures)
	}
	w.failures = nil
	w.close()
}

func TestAFollowerThatLagsIsServedFromTheWAL(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.tune = func(c *Config) { c.CacheBytes = 1; c.MaxSizePerMsg = 200 }
	w.startAll()
	for id := NodeID(1); id <= 3; id++ {
		w.nodes[id].open(1, 1, 2, 3)
	}
	w.run()
	w.nodes[1].campaign(1)
	w.settle()
	w.nodes[3].cut = true
	for i := range 50 {
		w.nodes[1].propose(1, fmt.Sprintf("%050d", i))
		w.settle()
	}
	if len(w.nodes[1].group(1).view.window) != 0 {
		t.Fatal("the leader keeps everything in memory for a follower that is away")
	}
	w.nodes[3].cut = false
	for range 40 {
		w.nodes[1].tick(1)
		w.settle()
	}
	if got := len(w.nodes[3].owners[1].applied); got != 50 {
		t.Fatalf("the follower has %d entries", got)
	}
	if w.nodes[1].disk.reads == 0 {
		t.Fatal("nothing was read from the WAL")
	}
	if w.unreleased() != 0 {
		t.Fatalf("%d frames were not released", w.unreleased())
	}
	w.close()
}

func TestMovedEntriesAreReadWhereTheyStandNow(t *testing.T) {
	w, n, o := oneNode(t, nil)
	n.propose(1, "old")
	w.run()
	loc := wal.Location{File: 1, Offset: uint32(len(n.disk.payloads)), Size: 3}
	n.disk.payloads = append(n.disk.payloads, []byte("new"))
	n.send(&wal.Moved{Group: 1, Entries: []wal.EntryRef{{Index: 3, Term: 2, Location: loc}, {Index: 3, Term: 9}, {Index: 77, Term: 2}}})
	n.send(&OpenGroup{Group: 1, Owner: o.pid})
	w.run()
	if !slices.Equal(o.payloads(), []string{"new"}) {
		t.Fatal(o.applied)
	}
	w.close()
}

func TestAnotherOwnerTakesOver(t *testing.T) {
	w, n, o := oneNode(t, nil)
	o.autoApply = false
	n.propose(1, "a", "b")
	w.run()
	former := o.batches[len(o.batches)-1].Take()
	next := &testOwner{node: n, group: 1, voters: o.voters, autoApply: true, autoResume: true}
	next.pid, _ = w.sys.SpawnRoot(actorsystem.Spec{Kind: "owner", Name: "next", New: func() actor.Actor { return next }})
	n.owners[2] = next
	n.send(&OpenGroup{Group: 1, Owner: next.pid})
	w.run()
	if !slices.Equal(next.payloads(), []string{"a", "b"}) {
		t.Fatal(next.applied)
	}
	if string(former[0].Data) != "a" || string(former[1].Data) != "b" {
		t.Fatal("the former owner's entries were overwritten under it")
	}
	w.close()
}

func TestAGroupThatIsClosedGivesEverythingBack(t *testing.T) {
	w, n, o := oneNode(t, nil)
	n.wal.manual = true
	n.propose(1, "a")
	w.run()
	n.propose(1, "b")
	n.send(&CloseGroup{Group: 1, Remove: true, Reply: o.pid})
	w.run()
	if !slices.Equal(o.dropped, []string{"b", "a"}) || !o.closed {
		t.Fatal(o.dropped, o.droppedErrs)
	}
	if w.unreleased() != 1 {
		t.Fatalf("%d frames are held; one is with the WAL writer", w.unreleased())
	}
	w.settle()
	if w.unreleased() != 0 || len(n.disk.groups) != 0 {
		t.Fatal(w.unreleased(), n.disk.groups)
	}
	w.close()
}

func TestMetricsTellWhatHappened(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	w, n, _ := oneNode(t, func(c *Config) { c.Metrics = m })
	n.propose(1, "a", "b")
	ccs, _ := raftpb.ConfChangesFromString("l2")
	n.send(&ProposeConfChange{Group: 1, Change: raftpb.ConfChangeV2{Changes: ccs}})
	n.propose(2, "nobody")
	w.run()
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, s := range f.Metric {
			name := f.GetName()
			for _, l := range s.Label {
				name += "/" + l.GetValue()
			}
			got[name] = s.GetCounter().GetValue() + s.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"troupe_raft_applied_entries_total/normal": 3, // and the empty one that begins the term
		"troupe_raft_applied_entries_total/conf":   1,
		"troupe_raft_proposals_total":              3,
		"troupe_raft_proposals_dropped_total":      1,
		"troupe_raft_leader_changes_total":         1,
		"troupe_raft_groups":                       1,
		"troupe_raft_log_view_bytes":               got["troupe_raft_log_view_bytes"],
		"troupe_raft_snapshots_refused_total":      0,
		"troupe_raft_wal_appends_total":            got["troupe_raft_wal_appends_total"],
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v", got)
	}
	w.close()
}

func TestASnapshotIsRefusedNotPretended(t *testing.T) {
	w, n, _ := oneNode(t, nil)
	before := n.group(1).describe()
	n.send(&Received{Group: 1, Message: raftpb.Message{Type: raftpb.MsgSnap, From: 2, To: 1, Term: 9,
		Snapshot: &raftpb.Snapshot{Metadata: raftpb.SnapshotMetadata{Index: 100, Term: 9, ConfState: raftpb.ConfState{Voters: []uint64{1}}}}}})
	w.run()
	if after := n.group(1).describe(); after != before {
		t.Fatal(after)
	}
	w.close()
}

func TestRaftsPanicsStayPanics(t *testing.T) {
	var out strings.Builder
	log := zerolog.New(&out).Level(zerolog.DebugLevel)
	l := &raftLogger{&log, 4}
	l.Infof("hello %d", 1)
	l.Warning("there")
	if s := out.String(); !strings.Contains(s, "hello 1") || !strings.Contains(s, `"group":4`) {
		t.Fatal(s)
	}
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "group 4: boom 7") {
			t.Fatal(r)
		}
	}()
	l.Panicf("boom %d", 7)
}

// manyOwner is the owner of thousands of groups.
type manyOwner struct {
	sys  *actorsystem.System
	raft *actor.PID
	led  int
}

func (o *manyOwner) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *Opened:
		o.sys.Send(o.raft, &Resume{Group: m.Group, Applied: m.Checkpoint.Index})
	case *Committed:
		m.Take()
		o.sys.Send(o.raft, &Applied{Group: m.Group, Index: m.Last})
	case *LeaderChanged:
		if m.Leader != 0 {
			o.led++
		}
	}
}

func TestTenThousandGroupsCostAHandfulOfWritesAndLittleMemory(t *testing.T) {
	const groups = 10_000
	w := newWorld(t, 1, 1)
	w.startAll()
	n := w.nodes[1]
	o := &manyOwner{sys: w.sys, raft: n.raft}
	pid, _ := w.sys.SpawnRoot(actorsystem.Spec{Kind: "many", Name: "1", New: func() actor.Actor { return o }})
	w.run()
	disk := n.disk
	before := heap()
	syncs := n.wal.syncs
	for i := range groups {
		w.sys.Send(n.raft, &OpenGroup{Group: wal.GroupID(i + 1), Owner: pid, Voters: []NodeID{1}})
	}
	w.run()
	syncs = n.wal.syncs - syncs
	if o.led != groups {
		t.Fatalf("%d groups have a leader", o.led)
	}
	disk.groups, disk.payloads = map[wal.GroupID]*diskGroup{}, nil
	each := (heap() - before) / groups
	t.Logf("%d groups: %d syncs, %d bytes each", groups, syncs, each)
	if syncs > 6 {
		t.Errorf("%d syncs to open them", syncs)
	}
	if each > 6<<10 {
		t.Errorf("%d bytes a group", each)
	}
	if len(w.clock.timers) != 0 {
		t.Error("idle single voters keep a timer")
	}
	w.sys.Stop(pid)
	w.close()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

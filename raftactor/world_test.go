package raftactor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/wal"
)

// world is a deterministic cluster: raft actors, fake WALs and owners on one dispatcher that runs one mailbox at a time, in an order
// drawn from a seed; a network and disks that do what the test says.
type world struct {
	t      testing.TB
	sys    *actorsystem.System
	disp   *stepDispatcher
	clock  *fakeClock
	rng    *rand.Rand
	nodes  map[NodeID]*testNode
	net    []envelope
	trace  *strings.Builder // nil: no transcript
	frames []*countedFrame
	tune   func(*Config)
	// zeroReleased makes a released frame unreadable, so that reading one is seen.
	zeroReleased bool
}

type testNode struct {
	w      *world
	id     NodeID
	life   int
	disk   *fakeDisk
	wal    *fakeWAL
	walPID *actor.PID
	raft   *actor.PID
	spec   actorsystem.Spec
	live   *Raft // the running incarnation: to look at, between runs only
	owners map[wal.GroupID]*testOwner
	down   bool
	cut    bool // off the network
}

type envelope struct {
	to NodeID
	m  Outgoing
}

func newWorld(t testing.TB, seed uint64, nodes int) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 7)), clock: &fakeClock{}, nodes: map[NodeID]*testNode{}, zeroReleased: true}
	w.disp = &stepDispatcher{rng: w.rng}
	w.sys = actorsystem.New(actorsystem.Config{Clock: w.clock, Dispatcher: w.disp})
	for id := NodeID(1); id <= NodeID(nodes); id++ {
		w.nodes[id] = &testNode{w: w, id: id, disk: newFakeDisk(), owners: map[wal.GroupID]*testOwner{}}
	}
	return w
}

// startAll starts every node.
func (w *world) startAll() {
	for id := NodeID(1); id <= NodeID(len(w.nodes)); id++ {
		w.nodes[id].start()
	}
	w.run()
}

func (n *testNode) start() {
	n.life++
	n.down = false
	n.wal = &fakeWAL{node: n, disk: n.disk}
	var err error
	n.walPID, err = n.w.sys.SpawnRoot(actorsystem.Spec{Kind: "wal", Name: fmt.Sprintf("%d.%d", n.id, n.life), WantsDrained: true,
		New: func() actor.Actor { return n.wal }})
	if err != nil {
		n.w.t.Fatal(err)
	}
	cfg := Config{System: n.w.sys, WAL: n.walPID, Reader: n.disk, NodeID: n.id, Log: zerolog.Nop(), Peers: (*testPeers)(n), Seed: 1}
	if n.w.tune != nil {
		n.w.tune(&cfg)
	}
	n.spec = Spec(fmt.Sprintf("%d.%d", n.id, n.life), cfg)
	construct := n.spec.New
	n.spec.New = func() actor.Actor {
		a := construct()
		n.live = a.(*Raft)
		return a
	}
	if n.raft, err = n.w.sys.SpawnRoot(n.spec); err != nil {
		n.w.t.Fatal(err)
	}
}

// crash ends the node; of the appends its WAL has not answered, the first keep are on disk.
func (n *testNode) crash(keep int) {
	for _, a := range n.wal.queue[:min(keep, len(n.wal.queue))] {
		if p, ok := a.(*wal.Append); ok {
			n.disk.apply(p)
		}
	}
	n.down = true
	n.wal.queue = nil
	for _, o := range n.sortedOwners() {
		n.w.sys.Stop(o.pid)
	}
	n.w.sys.Stop(n.raft)
	n.w.sys.Stop(n.walPID)
	n.owners = map[wal.GroupID]*testOwner{}
	n.w.run()
	n.w.net = slices.DeleteFunc(n.w.net, func(e envelope) bool { // what comes from a dead node may still arrive; what goes to it does not
		if e.to == n.id {
			e.release()
			return true
		}
		return false
	})
}

func (n *testNode) sortedOwners() []*testOwner {
	var out []*testOwner
	for _, o := range n.owners {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b *testOwner) int { return int(a.group) - int(b.group) })
	return out
}

// open opens a group with an owner that applies everything at once.
func (n *testNode) open(group wal.GroupID, voters ...NodeID) *testOwner {
	o := &testOwner{node: n, group: group, voters: voters, autoApply: true, autoResume: true}
	pid, err := n.w.sys.SpawnRoot(actorsystem.Spec{Kind: "owner", Name: fmt.Sprintf("%d.%d/%d", n.id, n.life, group),
		New: func() actor.Actor { return o }})
	if err != nil {
		n.w.t.Fatal(err)
	}
	o.pid = pid
	n.owners[group] = o
	n.w.sys.Send(n.raft, &OpenGroup{Group: group, Owner: pid, Voters: voters})
	return o
}

func (n *testNode) send(m any) { n.w.sys.Send(n.raft, m) }

// propose proposes strings; each waits under its own name.
func (n *testNode) propose(group wal.GroupID, payloads ...string) {
	p := &Propose{Group: group}
	for _, s := range payloads {
		f := n.w.frame(s)
		p.Proposals = append(p.Proposals, Proposal{Data: f.data, Frame: f, Waiter: s})
	}
	n.send(p)
}

// group looks at the raft actor's state; only between runs.
func (n *testNode) group(id wal.GroupID) *group { return n.live.groups[id] }

func (n *testNode) leads(id wal.GroupID) bool {
	g := n.group(id)
	return g != nil && g.node.Leads()
}

// campaign makes the node stand for election now.
func (n *testNode) campaign(group wal.GroupID) {
	n.send(&Received{Group: group, Message: raftpb.Message{Type: raftpb.MsgTimeoutNow, From: n.id, To: n.id}})
}

func (n *testNode) tick(ticks int) {
	for range ticks {
		n.send(tick{n.live.incarnation})
	}
}

// run runs the actors until nothing is left to do but what the test holds: WAL syncs of manual WALs, messages on the network.
func (w *world) run() {
	for w.disp.step() {
	}
}

// settle runs until even the disks and the network have nothing left.
func (w *world) settle() {
	for range 10_000 {
		w.run()
		did := false
		for id := NodeID(1); id <= NodeID(len(w.nodes)); id++ {
			if n := w.nodes[id]; !n.down && len(n.wal.queue) > 0 {
				n.wal.complete(len(n.wal.queue))
				did = true
			}
		}
		w.run()
		if len(w.net) > 0 {
			w.deliver(0)
			did = true
		}
		if !did && w.disp.idle() {
			return
		}
	}
	w.t.Fatal("the cluster does not come to rest")
}

// deliver hands over the i-th message on the network.
func (w *world) deliver(i int) {
	e := w.net[i]
	w.net = slices.Delete(w.net, i, i+1)
	n := w.nodes[e.to]
	if n == nil || n.down {
		e.release()
		return
	}
	// A link copies what it receives into a frame of its own.
	m := e.m.Message
	m.Entries = slices.Clone(m.Entries)
	size := 0
	for i := range m.Entries {
		size += len(m.Entries[i].Data)
	}
	var f protocol.Releaser
	if size > 0 {
		frame := w.frame("")
		buf := make([]byte, 0, size)
		for i := range m.Entries {
			at := len(buf)
			buf = append(buf, m.Entries[i].Data...)
			if len(m.Entries[i].Data) > 0 {
				m.Entries[i].Data = buf[at:len(buf):len(buf)]
			}
		}
		frame.data = buf
		f = frame
	}
	e.release()
	w.sys.Send(n.raft, &Received{Group: e.m.Group, Message: m, Frame: f})
	w.run()
}

func (e envelope) release() {
	for _, f := range e.m.Frames {
		f.Release()
	}
}

func (w *world) drop(i int) {
	w.net[i].release()
	w.net = slices.Delete(w.net, i, i+1)
}

func (w *world) logf(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, format+"\n", args...)
	}
}

func (w *world) close() {
	for _, n := range w.nodes {
		if !n.down {
			w.sys.Stop(n.raft)
			w.sys.Stop(n.walPID)
			for _, o := range n.owners {
				w.sys.Stop(o.pid)
			}
		}
	}
	w.run()
	w.sys.Shutdown()
}

// testPeers is a node's way to the others.
type testPeers testNode

func (p *testPeers) Send(to NodeID, messages []Outgoing) {
	for _, m := range messages {
		if p.cut || p.w.nodes[to] == nil || p.w.nodes[to].cut {
			envelope{to, m}.release()
			continue
		}
		p.w.logf("%d -> %d: %s", p.id, to, describe(m.Message))
		p.w.net = append(p.w.net, envelope{to, m})
	}
}

func describe(m raftpb.Message) string {
	return strings.TrimPrefix(raft.DescribeMessage(m, func(d []byte) string { return string(d) }), fmt.Sprintf("%x->%x ", m.From, m.To))
}

// countedFrame is a frame that knows how often it was released, and spoils its bytes when it is.
type countedFrame struct {
	w        *world
	data     []byte
	refs     int
	released bool
}

func (w *world) frame(s string) *countedFrame {
	f := &countedFrame{w: w, data: []byte(s), refs: 1}
	w.frames = append(w.frames, f)
	return f
}

func (f *countedFrame) Retain(n int32) {
	if f.refs <= 0 {
		panic("retained after its release")
	}
	f.refs += int(n)
}

func (f *countedFrame) Release() {
	f.refs--
	if f.refs < 0 {
		panic("released twice")
	}
	if f.refs == 0 {
		f.released = true
		if f.w.zeroReleased {
			for i := range f.data {
				f.data[i] = '#'
			}
		}
	}
}

// unreleased counts the frames that somebody still holds.
func (w *world) unreleased() (n int) {
	for _, f := range w.frames {
		if f.refs > 0 {
			n++
		}
	}
	return n
}

// testOwner is a state machine: the list of what was applied. Its checkpoints carry the whole list.
type testOwner struct {
	node   *testNode
	pid    *actor.PID
	group  wal.GroupID
	voters []NodeID

	autoApply, autoResume bool

	opened      bool
	checkpoint  wal.Checkpoint
	index       uint64
	applied     []string // "index/term payload"
	committed   []string // waiters that came back with their entry
	dropped     []string
	droppedErrs []error
	leader      LeaderChanged
	confs       []*ConfChanged
	durable     uint64
	wanted      []CheckpointWanted
	restarts    int
	closed      bool
	batches     []*Committed // with autoApply off: not yet taken
}

func (o *testOwner) Receive(ctx actor.Context) {
	w := o.node.w
	name := fmt.Sprintf("owner %d/%d", o.node.id, o.group)
	switch m := ctx.Message().(type) {
	case *Opened:
		o.opened = true
		o.checkpoint = m.Checkpoint
		o.index = m.Checkpoint.Index
		o.applied, o.batches = nil, nil
		if len(m.Checkpoint.Data) > 0 {
			o.applied = strings.Split(string(m.Checkpoint.Data), "\n")
		}
		w.logf("%s: opened at %d (term %d, voters %v)", name, m.Checkpoint.Index, m.Checkpoint.Term, m.Checkpoint.ConfState.Voters)
		if o.autoResume {
			w.sys.Send(o.node.raft, &Resume{Group: o.group, Applied: o.index})
		}
	case *Committed:
		if m.First != o.index+1 {
			panic(fmt.Sprintf("%s: %d..%d committed after %d", name, m.First, m.Last, o.index))
		}
		if o.autoApply {
			o.apply(m)
			w.sys.Send(o.node.raft, &Applied{Group: o.group, Index: m.Last})
		} else {
			w.logf("%s: committed %d..%d", name, m.First, m.Last)
			o.batches = append(o.batches, m)
			o.index = m.Last
		}
	case *LeaderChanged:
		o.leader = *m
		w.logf("%s: leader %d at term %d", name, m.Leader, m.Term)
	case *Dropped:
		for _, waiter := range m.Waiters {
			o.dropped = append(o.dropped, fmt.Sprint(waiter))
			o.droppedErrs = append(o.droppedErrs, m.Err)
		}
		w.logf("%s: dropped %v: %v", name, m.Waiters, m.Err)
	case *ConfChanged:
		o.confs = append(o.confs, m)
		w.logf("%s: configuration at %d: %s", name, m.Index, raft.DescribeConfState(m.ConfState))
	case *CheckpointDurable:
		o.durable = m.Index
		w.logf("%s: checkpoint %d is durable", name, m.Index)
	case *CheckpointWanted:
		o.wanted = append(o.wanted, *m)
		w.logf("%s: checkpoint wanted, urgent %v", name, m.Urgent)
	case *Restarted:
		o.restarts++
		w.logf("%s: the raft actor restarted", name)
		w.sys.Send(o.node.raft, &OpenGroup{Group: o.group, Owner: o.pid, Voters: o.voters})
	case *Closed:
		o.closed = true
		w.logf("%s: closed", name)
	}
}

func (o *testOwner) apply(m *Committed) {
	for _, e := range m.Take() {
		o.applied = append(o.applied, fmt.Sprintf("%d/%d %s", e.Index, e.Term, e.Data))
		if e.Waiter != nil {
			if fmt.Sprint(e.Waiter) != string(e.Data) {
				panic(fmt.Sprintf("entry %d %q came with the waiter of %v", e.Index, e.Data, e.Waiter))
			}
			o.committed = append(o.committed, fmt.Sprint(e.Waiter))
		}
		o.node.w.logf("owner %d/%d: applied %d/%d %s (waiter %v)", o.node.id, o.group, e.Index, e.Term, e.Data, e.Waiter)
	}
	o.index = m.Last
}

// applyHeld applies what came while autoApply was off.
func (o *testOwner) applyHeld() {
	for _, m := range o.batches {
		o.apply(m)
		o.node.send(&Applied{Group: o.group, Index: m.Last})
	}
	o.batches = nil
}

// save sends a checkpoint of what is applied.
func (o *testOwner) save() {
	o.node.send(&Checkpoint{Group: o.group, Index: o.index, Data: []byte(strings.Join(o.applied, "\n"))})
}

func (o *testOwner) payloads() []string {
	var out []string
	for _, a := range o.applied {
		_, p, _ := strings.Cut(a, " ")
		out = append(out, p)
	}
	return out
}

// stepDispatcher runs one mailbox at a time, in an order drawn from a seed.
type stepDispatcher struct {
	rng   *rand.Rand
	queue []func()
	fifo  bool
}

func (d *stepDispatcher) Schedule(f func()) { d.queue = append(d.queue, f) }
func (d *stepDispatcher) Throughput() int   { return 1 }
func (d *stepDispatcher) idle() bool        { return len(d.queue) == 0 }

func (d *stepDispatcher) step() bool {
	if len(d.queue) == 0 {
		return false
	}
	i := 0
	if !d.fifo {
		i = d.rng.IntN(len(d.queue))
	}
	f := d.queue[i]
	d.queue = slices.Delete(d.queue, i, i+1)
	f()
	return true
}

// fakeClock stands still; its timers fire when the test says so.
type fakeClock struct{ timers []*fakeTimer }

type fakeTimer struct {
	c *fakeClock
	f func()
}

func (c *fakeClock) Now() time.Time { return time.Unix(1_000_000, 0) }

func (c *fakeClock) AfterFunc(_ time.Duration, f func()) actorsystem.Timer {
	t := &fakeTimer{c, f}
	c.timers = append(c.timers, t)
	return t
}

func (t *fakeTimer) Stop() bool {
	for i, x := range t.c.timers {
		if x == t {
			t.c.timers = slices.Delete(t.c.timers, i, i+1)
			return true
		}
	}
	return false
}

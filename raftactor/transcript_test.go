package raftactor

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/storage/wal"
)

// TestTranscripts plays the scenarios in testdata. Below each command stands everything that actors told each other outside the
// raft actor: its appends to the WAL, its messages to peers, what owners got. Commands:
//
//	cluster nodes=N [manual]        N raft actors, each with its WAL; manual: a WAL syncs only on command
//	open [node=N] group=G voters=(…) [hold] [noresume]  open the group, on all nodes or one; hold: the owner keeps what is committed
//	campaign node=N group=G         stand for election now
//	tick node=N [n=1]
//	propose node=N group=G          one line per Propose, words are its proposals
//	conf node=N group=G             raft's notation, e.g. "v4 r1"
//	sync node=N [n=1]               the WAL writes and answers its oldest n requests
//	deliver [from=N] [to=N] [n=all] messages on the network
//	lose [from=N] [to=N]            lose them
//	settle                          sync and deliver until nothing is left; no WAL is manual any more
//	manual node=N                   from now on its WAL syncs on command only
//	cut node=N, join node=N         from now on the network loses, or carries, all messages from and to it
//	resume node=N group=G           the owner sends Resume
//	apply node=N group=G            the owner applies what it held
//	checkpoint node=N group=G
//	pressure node=N group=G [urgent]
//	close node=N group=G [remove]
//	crash node=N [keep=K]           of the unsynced appends the first K are on disk
//	start node=N
//	bomb node=N                     the raft actor panics and is restarted
//	fail node=N                     the WAL fails from now on
//	state                           every group's log
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") || strings.Contains(path, "rapid") {
			return
		}
		var w *world
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "cluster" {
				if w != nil {
					w.close()
				}
				var nodes int
				d.ScanArgs(t, "nodes", &nodes)
				w = newWorld(t, 1, nodes)
				w.disp.fifo = true
				w.trace = &strings.Builder{}
				w.startAll()
				for _, n := range w.nodes {
					n.wal.manual = d.HasArg("manual")
				}
				return w.taken()
			}
			return w.command(t, d)
		})
		w.close()
	})
}

func (w *world) taken() string {
	s := w.trace.String()
	w.trace.Reset()
	if s == "" {
		return "ok"
	}
	return s
}

func (w *world) command(t *testing.T, d *datadriven.TestData) string {
	var id NodeID
	var group wal.GroupID
	var n, keep int
	d.MaybeScanArgs(t, "node", &id)
	d.MaybeScanArgs(t, "group", (*uint64)(&group))
	d.MaybeScanArgs(t, "n", &n)
	d.MaybeScanArgs(t, "keep", &keep)
	node := w.nodes[id]
	switch d.Cmd {
	case "open":
		var voters []uint64
		if arg, ok := d.Arg("voters"); ok {
			for i := range arg.Vals {
				var v uint64
				arg.Scan(t, i, &v)
				voters = append(voters, v)
			}
		}
		for i := NodeID(1); i <= NodeID(len(w.nodes)); i++ {
			if (id == 0 || id == i) && !w.nodes[i].down {
				if o := w.nodes[i].owners[group]; o != nil { // the owner restarted
					w.sys.Send(w.nodes[i].raft, &OpenGroup{Group: group, Owner: o.pid, Voters: voters})
					continue
				}
				o := w.nodes[i].open(group, voters...)
				o.autoApply = !d.HasArg("hold")
				o.autoResume = !d.HasArg("noresume")
			}
		}
	case "campaign":
		node.campaign(group)
	case "tick":
		node.tick(max(1, n))
	case "propose":
		for line := range strings.Lines(d.Input) {
			node.propose(group, strings.Fields(line)...)
		}
	case "conf":
		ccs, err := raftpb.ConfChangesFromString(d.Input)
		if err != nil {
			t.Fatal(err)
		}
		node.send(&ProposeConfChange{Group: group, Change: raftpb.ConfChangeV2{Changes: ccs}, Waiter: "conf " + d.Input})
	case "transfer":
		var to NodeID
		d.ScanArgs(t, "to", &to)
		node.send(&TransferLeadership{Group: group, To: to})
	case "sync":
		w.run()
		node.wal.complete(max(1, n))
	case "deliver", "lose":
		w.run()
		var from, to NodeID
		d.MaybeScanArgs(t, "from", &from)
		d.MaybeScanArgs(t, "to", &to)
		batch := 0
		for i := 0; i < len(w.net) && (n == 0 || batch < n); {
			if e := w.net[i]; (to != 0 && e.to != to) || (from != 0 && e.m.Message.From != from) {
				i++
				continue
			}
			if batch++; d.Cmd == "lose" {
				w.drop(i)
			} else {
				w.deliver(i)
			}
			if batch > 1000 {
				t.Fatal("the network never empties")
			}
		}
	case "settle":
		for _, n := range w.nodes {
			if !d.HasArg("manual") {
				n.wal.manual = false
			}
		}
		w.settle()
	case "manual":
		node.wal.manual = true
	case "cut":
		node.cut = true
	case "join":
		node.cut = false
	case "resume":
		o := node.owners[group]
		node.send(&Resume{Group: group, Applied: o.checkpoint.Index})
	case "apply":
		node.owners[group].applyHeld()
	case "checkpoint":
		node.owners[group].save()
	case "pressure":
		node.send(&wal.Pressure{Groups: []wal.GroupID{group}, Urgent: d.HasArg("urgent")})
	case "close":
		node.send(&CloseGroup{Group: group, Remove: d.HasArg("remove"), Reply: node.owners[group].pid})
		w.run()
		w.sys.Stop(node.owners[group].pid)
		delete(node.owners, group)
	case "crash":
		node.crash(keep)
	case "start":
		manual := node.wal.manual
		node.start()
		node.wal.manual = false
		w.run() // recovers
		node.wal.manual = manual
	case "bomb":
		node.send(&Checkpoint{Group: group, Index: 1 << 60})
	case "fail":
		node.wal.fail = fmt.Errorf("input/output error")
	case "state":
		for i := NodeID(1); i <= NodeID(len(w.nodes)); i++ {
			n := w.nodes[i]
			if n.down {
				w.logf("%d: down", i)
				continue
			}
			for _, gid := range n.live.openGroups() {
				g := n.live.groups[gid]
				w.logf("%d/%d: %s", i, gid, g.describe())
			}
		}
		w.logf("frames held: %d", w.unreleased())
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	w.run()
	return w.taken()
}

func (g *group) describe() string {
	st := g.node.Status()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s leader %d; log", strings.TrimPrefix(st.RaftState.String(), "State"), raft.DescribeHardState(st.HardState), st.Lead)
	for i := g.view.base; i <= g.view.last; i++ {
		fmt.Fprintf(&b, " %d/%d", g.view.mustTerm(i), i)
	}
	fmt.Fprintf(&b, "; in memory %d, in flight %d", len(g.view.window), len(g.inflight.queue)-g.inflight.head)
	if len(g.confs) > 1 || !slices.Equal(g.confs[0].state.Voters, g.view.checkpoint.ConfState.Voters) {
		fmt.Fprintf(&b, "; %s", raft.DescribeConfState(g.confs[len(g.confs)-1].state))
	}
	return b.String()
}

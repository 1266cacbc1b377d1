package raftactor

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// ledger is what the clients of all groups were promised: numbers, each proposed once.
type ledger struct {
	mu    sync.Mutex
	next  uint64
	acked map[wal.GroupID][]uint64 // in the order of the acknowledgements
	more  chan struct{}            // gets a token every so many acknowledgements
	bad   []string
}

func (l *ledger) number() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next
}

func (l *ledger) ack(g wal.GroupID, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[g] = append(l.acked[g], n)
	if len(l.acked[g])%100 == 0 {
		select {
		case l.more <- struct{}{}:
		default:
		}
	}
}

func (l *ledger) snapshot() map[wal.GroupID]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[wal.GroupID]int{}
	for g, a := range l.acked {
		out[g] = len(a)
	}
	return out
}

// bookkeeper is one group's owner and client: it keeps some proposals under way, and applies them to a list.
type bookkeeper struct {
	sys     *actorsystem.System
	raft    *actor.PID
	self    *actor.PID
	group   wal.GroupID
	ledger  *ledger
	stop    bool
	waiting int
	leads   bool
	index   uint64
	list    []uint64
	saved   int
	verify  func(list []uint64) // called when it leads and has applied its term's first entry
	term    uint64
}

type halt struct{}

func (b *bookkeeper) propose() {
	for b.leads && !b.stop && b.waiting < 8 {
		n := b.ledger.number()
		data := binary.LittleEndian.AppendUint64(make([]byte, 0, 100), n)
		data = append(data, make([]byte, n%90)...)
		b.waiting++
		b.sys.Send(b.raft, &Propose{Group: b.group, Proposals: []Proposal{{Data: data, Waiter: n}}})
	}
}

func (b *bookkeeper) checkpoint() {
	data := make([]byte, 0, 8*len(b.list))
	for _, n := range b.list {
		data = binary.LittleEndian.AppendUint64(data, n)
	}
	b.saved = len(b.list)
	b.sys.Send(b.raft, &Checkpoint{Group: b.group, Index: b.index, Data: data})
}

func (b *bookkeeper) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		b.self = ctx.Self()
		b.sys.Send(b.raft, &OpenGroup{Group: b.group, Owner: b.self, Voters: []NodeID{1}})
	case *Restarted:
		b.leads, b.waiting = false, 0
		b.sys.Send(b.raft, &OpenGroup{Group: b.group, Owner: b.self, Voters: []NodeID{1}})
	case *Opened:
		b.index, b.list = m.Checkpoint.Index, nil
		for d := m.Checkpoint.Data; len(d) > 0; d = d[8:] {
			b.list = append(b.list, binary.LittleEndian.Uint64(d))
		}
		b.saved = len(b.list)
		b.sys.Send(b.raft, &Resume{Group: b.group, Applied: b.index})
	case *LeaderChanged:
		b.leads, b.term = m.Leader == 1, m.Term
		b.propose()
	case *Committed:
		if m.First != b.index+1 {
			b.ledger.mu.Lock()
			b.ledger.bad = append(b.ledger.bad, fmt.Sprintf("group %d: %d..%d after %d", b.group, m.First, m.Last, b.index))
			b.ledger.mu.Unlock()
		}
		for _, e := range m.Take() {
			n := binary.LittleEndian.Uint64(e.Data)
			b.list = append(b.list, n)
			if e.Waiter != nil {
				b.waiting--
				b.ledger.ack(b.group, n)
			}
		}
		b.index = m.Last
		b.sys.Send(b.raft, &Applied{Group: b.group, Index: m.Last})
		if b.verify != nil && b.leads && m.Term == b.term {
			b.verify(b.list)
			b.verify = nil
		}
		if len(b.list)-b.saved > 200 {
			b.checkpoint()
		}
		b.propose()
	case *Dropped:
		b.waiting -= len(m.Waiters)
	case *CheckpointWanted:
		if len(b.list) > b.saved || m.Urgent {
			b.checkpoint()
		}
	case halt:
		b.stop = true
	}
}

// chaos makes every so many messages of the raft actor panic it.
type chaos struct {
	mu    sync.Mutex
	every int
	n     int
}

func (c *chaos) BeforeMessage(kind, _ string, _ uint64, _ any) {
	if kind != "raft" || c.every == 0 {
		return
	}
	c.mu.Lock()
	c.n++
	hit := c.n%c.every == 0
	c.mu.Unlock()
	if hit {
		panic("chaos")
	}
}

// TestNothingAcknowledgedIsLostWithTheRealLog runs groups on the real write-ahead log, kills the raft actor under load, and cuts the power
// again and again: what was acknowledged is there after each restart, once and in order.
func TestNothingAcknowledgedIsLostWithTheRealLog(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = 11
	}
	t.Logf("seed %d (the interleaving is the machine's)", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	disk := vfs.NewMem()
	l := &ledger{acked: map[wal.GroupID][]uint64{}, more: make(chan struct{}, 1)}
	const groups, lives = 12, 5
	for life := range lives {
		sys := actorsystem.New(actorsystem.Config{Fault: &chaos{every: 400 + life*300}})
		log, err := wal.New(wal.Config{Dir: "wal", FS: disk, System: sys, Disk: &diskstate.State{}, DirID: 3, FileBytes: 256 << 10, LimitBytes: 2 << 20})
		if err != nil {
			t.Fatal(err)
		}
		spawn := func(s actorsystem.Spec) *actor.PID {
			pid, err := sys.SpawnRoot(s)
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		walPID := spawn(actorsystem.Spec{Kind: "wal", Name: "wal", Lane: actorsystem.Own, WantsDrained: true, New: log.NewActor})
		raftSpec := Spec("1", Config{System: sys, WAL: walPID, Reader: log.Reader(), NodeID: 1, Log: zerolog.Nop()})
		// Restarts are what is tested: many of them must not make the supervisor give up.
		parent := spawn(actorsystem.Spec{Kind: "root", Name: "1", Children: actorsystem.Restart(1_000_000, time.Second),
			New: func() actor.Actor { return &spawner{sys: sys, spec: raftSpec} }})
		raftPID, err := sys.Ask(parent, 10*time.Second, func(reply *actor.PID) any { return whichChild{reply} })
		if err != nil {
			t.Fatal(err)
		}
		promised := l.snapshot()
		var verified sync.WaitGroup
		var keepers []*actor.PID
		for g := wal.GroupID(1); g <= groups; g++ {
			verified.Add(1)
			b := &bookkeeper{sys: sys, raft: raftPID.(*actor.PID), group: g, ledger: l}
			b.verify = func(list []uint64) {
				defer verified.Done()
				l.verify(g, list, promised[g])
			}
			keepers = append(keepers, spawn(actorsystem.Spec{Kind: "keeper", Name: fmt.Sprint(g), New: func() actor.Actor { return b }}))
		}
		verified.Wait()
		for range 5 + rng.IntN(10) {
			<-l.more
		}
		before := l.snapshot()
		crashed := disk.CrashClone(rng)
		for _, pid := range keepers {
			sys.Send(pid, halt{})
		}
		for _, pid := range append(keepers, parent, walPID) {
			if err := sys.StopWait(pid, 10*time.Second); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("life %d: %d acknowledged in group 1, %d restarts", life, before[1], sys.RestartsByKind()["raft"])
		sys.Shutdown()
		l.cut(before) // what was acknowledged after the power went, nobody heard
		disk = crashed
		if len(l.bad) > 0 {
			t.Fatal(l.bad[0])
		}
	}
}

// verify compares the list with what was promised.
func (l *ledger) verify(g wal.GroupID, list []uint64, promised int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := map[uint64]int{}
	for i, n := range list {
		if _, twice := at[n]; twice {
			l.bad = append(l.bad, fmt.Sprintf("group %d: %d is there twice", g, n))
		}
		at[n] = i
	}
	last := -1
	for _, n := range l.acked[g][:promised] {
		i, ok := at[n]
		if !ok || i < last {
			l.bad = append(l.bad, fmt.Sprintf("group %d: %d was acknowledged and is not in its place", g, n))
			return
		}
		last = i
	}
}

func (l *ledger) cut(to map[wal.GroupID]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for g := range l.acked {
		l.acked[g] = l.acked[g][:to[g]]
	}
}

// spawner supervises the raft actor.
type spawner struct {
	sys   *actorsystem.System
	spec  actorsystem.Spec
	child *actor.PID
}

type whichChild struct{ reply *actor.PID }

func (s *spawner) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.child, _ = s.sys.Spawn(ctx, s.spec)
	case whichChild:
		s.sys.Send(m.reply, s.child)
	}
}

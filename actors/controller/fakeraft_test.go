package controller

import (
	"math/rand"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/wal"
)

// fakeRaft is a raft actor of one group and one voter that commits at once. Its log outlives the owner.
type fakeRaft struct {
	system *actorsystem.System
	log    []raftactor.Entry // entry n has index n+1
	point  wal.Checkpoint
	owner  *actor.PID
	term   uint64
	drop   int // proposals to drop
	hold   bool
	held   []raftactor.Entry
	checks int
}

func (f *fakeRaft) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *raftactor.OpenGroup:
		f.owner, f.held = m.Owner, nil // as the real one: nothing is delivered between Opened and Resume
		f.system.Send(f.owner, &raftactor.Opened{Group: m.Group, Checkpoint: f.point})
	case *raftactor.Resume:
		f.term++
		f.held = nil
		var old []raftactor.Entry
		for _, e := range f.log[m.Applied:] {
			e.Waiter = nil
			old = append(old, e)
		}
		f.system.Send(f.owner, &raftactor.LeaderChanged{Group: m.Group, Term: f.term, Leader: 1})
		if len(old) > 0 {
			f.deliver(old)
		}
	case *raftactor.Propose:
		var entries []raftactor.Entry
		for _, p := range m.Proposals {
			if f.drop > 0 {
				f.drop--
				f.system.Send(f.owner, &raftactor.Dropped{Group: m.Group, Waiters: []any{p.Waiter}, Err: errDropped{}})
				continue
			}
			e := raftactor.Entry{Index: uint64(len(f.log) + 1), Term: f.term, Data: p.Data, Waiter: p.Waiter}
			f.log = append(f.log, e)
			entries = append(entries, e)
		}
		if f.hold {
			f.held = append(f.held, entries...)
		} else if len(entries) > 0 {
			f.deliver(entries)
		}
	case release:
		f.hold = false
		if len(f.held) > 0 {
			f.deliver(f.held)
		}
	case *raftactor.Checkpoint:
		f.checks++
		f.point = wal.Checkpoint{Index: m.Index, Term: f.term, Data: m.Data}
		f.system.Send(f.owner, &raftactor.CheckpointDurable{Group: m.Group, Index: m.Index})
	case func(*fakeRaft):
		m(f)
	}
}

// release delivers what was held back.
type release struct{}

type errDropped struct{}

func (errDropped) Error() string { return "dropped by the test" }

func (f *fakeRaft) deliver(entries []raftactor.Entry) {
	f.system.Send(f.owner, raftactor.NewCommitted(Group, entries[0].Index, entries[len(entries)-1].Index, entries))
}

// house is a controller over a fake raft, and a subscriber that applies images as told.
type house struct {
	t      *testing.T
	system *actorsystem.System
	raft   *actor.PID
	pid    *actor.PID
	holder *Holder
	images chan ImageChanged
	ear    *actor.PID
}

// build starts a house; hear makes a subscriber whose images come through house.images.
func build(t *testing.T, hear bool, change func(*Config)) *house {
	t.Helper()
	h := &house{t: t, system: actorsystem.New(actorsystem.Config{}), holder: &Holder{}, images: make(chan ImageChanged, 1000)}
	t.Cleanup(h.system.Shutdown)
	var err error
	h.raft, err = h.system.SpawnRoot(actorsystem.Spec{Kind: "raft", Name: "fake", New: func() actor.Actor { return &fakeRaft{system: h.system} }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{System: h.system, Raft: h.raft, Voters: []uint64{1}, Self: Broker{ID: 1, Host: "localhost", Port: 9092},
		Holder: h.holder, Random: rand.New(rand.NewSource(1))}
	if change != nil {
		change(&cfg)
	}
	h.pid, err = h.system.SpawnRoot(Spec(cfg))
	if err != nil {
		t.Fatal(err)
	}
	if hear {
		ear, err := h.system.SpawnRoot(actorsystem.Spec{Kind: "ear", Name: "1", New: func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if m, ok := ctx.Message().(ImageChanged); ok {
					h.images <- m
				}
			})
		}})
		if err != nil {
			t.Fatal(err)
		}
		h.system.Send(h.pid, Subscribe{ear})

		h.ear = ear
		h.ready(ear)
	}
	return h
}

// ready takes images until one has a cluster, and applies it.
func (h *house) ready(ear *actor.PID) {
	for m := range h.images {
		h.system.Send(h.pid, ImageApplied{Index: m.Image.Index, Subscriber: ear})
		if m.Image.ClusterID != "" {
			return
		}
	}
}

func (h *house) next() ImageChanged {
	h.t.Helper()
	select {
	case m := <-h.images:
		return m
	case <-time.After(10 * time.Second):
		h.t.Fatal("no image came")
		panic("unreachable")
	}
}

// ask sends what build makes of the Done function, and waits for the answer.
func (h *house) ask(build func(done func(Answer)) any) Answer {
	h.t.Helper()
	return h.wait(h.send(build))
}

func (h *house) send(build func(done func(Answer)) any) chan Answer {
	got := make(chan Answer, 2)
	h.system.Send(h.pid, build(func(a Answer) { got <- a }))
	return got
}

func (h *house) wait(got chan Answer) Answer {
	h.t.Helper()
	select {
	case a := <-got:
		return a
	case <-time.After(10 * time.Second):
		h.t.Fatal("no answer came")
		panic("unreachable")
	}
}

func create(done func(Answer), names ...string) *CreateTopics {
	m := &CreateTopics{Ask: Ask{TimeoutMs: 10_000, Done: done}}
	for _, n := range names {
		m.Topics = append(m.Topics, NewTopic{Name: n, Partitions: 3, ReplicationFactor: 1})
	}
	return m
}

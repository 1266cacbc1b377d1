package controller

import (
	"fmt"
	"math/rand"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
)

func TestANewClusterGetsANameAndItsFirstBroker(t *testing.T) {
	h := build(t, true, nil)
	i := h.holder.Load()
	if len(i.ClusterID) != 22 || i.Controller != 1 || len(i.Brokers) != 1 || i.Brokers[0].Host != "localhost" || i.Brokers[0].Port != 9092 {
		t.Fatalf("image %+v", i)
	}
	if i.Layers.Cluster["min.insync.replicas"] != "1" {
		t.Fatalf("dynamic defaults %v", i.Layers.Cluster)
	}
}

func TestCreatedTopicsAreInTheImageBeforeTheAnswer(t *testing.T) {
	h := build(t, false, nil)
	a := h.ask(func(done func(Answer)) any { return create(done, "a", "b.c", "b_c", "..", "a") })
	want := []int16{0, 0, kerr.InvalidTopicException.Code, kerr.InvalidTopicException.Code, kerr.TopicAlreadyExists.Code}
	for n, r := range a.Results {
		if r.Code != want[n] {
			t.Errorf("topic %d: code %d (%s), want %d", n, r.Code, r.Message, want[n])
		}
	}
	topic := h.holder.Load().Topic("a")
	if topic == nil || a.Image.Topic("a") != topic || len(topic.Partitions) != 3 || topic.Partitions[0].Group != 2 || topic.Partitions[2].Group != 4 {
		t.Fatalf("topic %+v", topic)
	}
	if h.holder.Load().TopicByID(topic.ID) != topic || topic.ID[6]>>4 != 4 || topic.ID[8]>>6 != 2 {
		t.Fatalf("id %x", topic.ID)
	}
}

func TestTheAnswerWaitsUntilThePartitionsAreReady(t *testing.T) {
	h := build(t, true, nil)
	got := h.send(func(done func(Answer)) any { return create(done, "a") })
	m := h.next()
	if len(m.Created) != 1 || m.Created[0].Topic.Name != "a" || m.Created[0].End != 3 || m.Full {
		t.Fatalf("change %+v", m)
	}
	// what is sent after the image was published, and answered, proves that the create still waits
	h.ask(func(done func(Answer)) any {
		c := create(done, "x")
		c.ValidateOnly = true
		return c
	})
	select {
	case a := <-got:
		t.Fatalf("answered before the partitions are ready: %+v", a)
	default:
	}
	h.system.Send(h.pid, ImageApplied{Index: m.Image.Index, Subscriber: earPID(h)})
	if a := h.wait(got); a.Code != 0 || a.Results[0].Code != 0 {
		t.Fatalf("answer %+v", a)
	}
}

func TestACreateThatTakesTooLongIsATimeOutAndGoesOn(t *testing.T) {
	h := build(t, true, nil)
	a := h.ask(func(done func(Answer)) any {
		m := create(done, "a")
		m.TimeoutMs = 1
		return m
	})
	if a.Code != kerr.RequestTimedOut.Code {
		t.Fatalf("answer %+v", a)
	}
	if h.next(); h.holder.Load().Topic("a") == nil {
		t.Fatal("the topic was not created")
	}
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	h := build(t, true, nil)
	before := h.holder.Load()
	a := h.ask(func(done func(Answer)) any {
		m := create(done, "a", "a")
		m.ValidateOnly = true
		return m
	})
	if a.Results[0].Code != 0 || a.Results[0].Topic == nil || a.Results[1].Code != kerr.TopicAlreadyExists.Code || h.holder.Load() != before {
		t.Fatalf("answer %+v", a)
	}
}

func TestADroppedProposalIsARetriableError(t *testing.T) {
	h := build(t, true, nil)
	h.system.Send(h.raft, func(f *fakeRaft) { f.drop = 1 })
	a := h.ask(func(done func(Answer)) any { return create(done, "a") })
	if a.Code != kerr.NotController.Code {
		t.Fatalf("answer %+v", a)
	}
}

func TestDroppedRegistrationIsTriedAgain(t *testing.T) {
	h := build(t, false, func(c *Config) {
		c.System.Send(c.Raft, func(f *fakeRaft) { f.drop = 2 })
	})
	// a request that came before the controller was ready is served once it is
	a := h.ask(func(done func(Answer)) any { return create(done, "a") })
	if a.Code != 0 || h.holder.Load().ClusterID == "" {
		t.Fatalf("answer %+v", a)
	}
}

func TestAfterAPanicTheStateIsRebuiltAndClientsHearOfIt(t *testing.T) {
	fault := &faultAt{}
	h := &house{t: t, system: actorsystem.New(actorsystem.Config{Fault: fault}), holder: &Holder{}}
	t.Cleanup(h.system.Shutdown)
	h.raft, _ = h.system.SpawnRoot(actorsystem.Spec{Kind: "raft", Name: "fake", New: func() actor.Actor { return &fakeRaft{system: h.system} }})
	h.pid, _ = h.system.SpawnRoot(Spec(Config{System: h.system, Raft: h.raft, Voters: []uint64{1}, Self: Broker{ID: 1}, Holder: h.holder, Random: rand.New(rand.NewSource(1)), CheckpointEntries: 3}))
	for n := range 5 {
		h.ask(func(done func(Answer)) any { return create(done, fmt.Sprint("t", n)) })
	}
	h.system.Send(h.raft, func(f *fakeRaft) { f.hold = true })
	held := h.send(func(done func(Answer)) any { return create(done, "held") })
	h.ask(func(done func(Answer)) any { c := create(done, "x"); c.ValidateOnly = true; return c }) // held was taken
	fault.on.Store("t9")
	if a := h.ask(func(done func(Answer)) any { return create(done, "t9") }); a.Code != kerr.RequestTimedOut.Code {
		t.Fatalf("the request that killed the controller: %+v", a)
	}
	if a := h.wait(held); a.Code != kerr.RequestTimedOut.Code {
		t.Fatalf("the request that was under way: %+v", a)
	}
	fault.on.Store("")
	h.system.Send(h.raft, release{})
	if a := h.ask(func(done func(Answer)) any { return create(done, "after") }); a.Code != 0 {
		t.Fatalf("answer %+v", a)
	}
	i := h.holder.Load()
	for _, name := range []string{"t0", "t4", "held", "after"} {
		if i.Topic(name) == nil {
			t.Errorf("topic %s is gone", name)
		}
	}
	if i.TopicCount() != 7 {
		t.Errorf("%d topics", i.TopicCount())
	}
}

type faultAt struct{ on atomic.Value }

func (f *faultAt) BeforeMessage(kind, _ string, _ uint64, message any) {
	if m, ok := message.(*CreateTopics); ok && kind == "controller" && m.Topics[0].Name == f.on.Load() {
		panic("injected")
	}
}

func TestProducerIDsAreNeverGivenTwice(t *testing.T) {
	h := build(t, false, nil)
	seen := map[int64]bool{}
	take := func(n int) {
		var all []chan Answer
		for range n {
			all = append(all, h.send(func(done func(Answer)) any { return &NextProducerID{Ask{Done: done}} }))
		}
		for _, got := range all {
			a := h.wait(got)
			if a.Code != 0 || seen[a.ProducerID] {
				t.Fatalf("answer %+v", a)
			}
			seen[a.ProducerID] = true
		}
	}
	take(ProducerIDBlock + 10)
	h.system.Send(h.pid, &raftactor.Restarted{Group: Group})
	take(10)
	if !seen[0] || !seen[ProducerIDBlock] || !seen[2*ProducerIDBlock] {
		t.Fatal("blocks are not what they should be")
	}
}

func TestACheckpointIsGivenWhenWanted(t *testing.T) {
	h := build(t, false, nil)
	h.ask(func(done func(Answer)) any { return create(done, "a") })
	h.system.Send(h.pid, &raftactor.CheckpointWanted{Group: Group})
	h.ask(func(done func(Answer)) any { return create(done, "b") })
	got := make(chan int, 1)
	h.system.Send(h.raft, func(f *fakeRaft) { got <- f.checks })
	if n := <-got; n != 1 {
		t.Fatalf("%d checkpoints", n)
	}
	h.system.Send(h.pid, &raftactor.Restarted{Group: Group})
	h.ask(func(done func(Answer)) any { return create(done, "c") })
	if h.holder.Load().TopicCount() != 3 {
		t.Fatal("topics are missing after restoring the checkpoint")
	}
}

func TestALateSubscriberHearsEverything(t *testing.T) {
	h := build(t, true, nil)
	got := h.send(func(done func(Answer)) any { return create(done, "a") })
	m := h.next()
	h.system.Send(h.pid, Unsubscribe{earPID(h)})
	if a := h.wait(got); a.Code != 0 {
		t.Fatalf("answer %+v", a)
	}
	h.system.Send(h.pid, Subscribe{earPID(h)})
	if again := h.next(); !again.Full || again.Image != m.Image {
		t.Fatalf("change %+v", again)
	}
}

func TestTenThousandPartitionsTakeTheControllerMilliseconds(t *testing.T) {
	h := build(t, false, nil)
	began := time.Now()
	a := h.ask(func(done func(Answer)) any {
		m := create(done, "big")
		m.Topics[0].Partitions = 10_000
		return m
	})
	if a.Results[0].Code != 0 || len(h.holder.Load().Topic("big").Partitions) != 10_000 {
		t.Fatalf("answer %+v", a.Results[0])
	}
	t.Logf("one topic of 10,000 partitions: %v", time.Since(began))
	began = time.Now()
	var all []chan Answer
	for n := range 10_000 {
		all = append(all, h.send(func(done func(Answer)) any { return create(done, fmt.Sprint("t.", n)) }))
	}
	for _, got := range all {
		h.wait(got)
	}
	t.Logf("10,000 topics in as many requests: %v", time.Since(began))
	if h.holder.Load().TopicCount() != 10_001 {
		t.Fatal(h.holder.Load().TopicCount())
	}
}

func earPID(h *house) *actor.PID { return h.ear }

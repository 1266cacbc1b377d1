package coordinator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/segment"
)

// fakePartition is a partition with its log in memory: an actor that takes Produce and Wait, and a Replica.
type fakePartition struct {
	system *actorsystem.System
	leads  atomic.Bool
	stay   atomic.Uint64
	nth    atomic.Int32 // the batch that is refused, 1 is the next; 0: none
	lose   atomic.Int32 // so many batches are appended, and their producer hears NOT_LEADER
	refuse atomic.Int32 // error code for the next batches

	random *rand.Rand // nil: none; else some batches are refused, and some lost. Of the actor: see fates

	mu      sync.Mutex // the log is read by the loader and by tests
	batches [][]byte
	end     int64

	held    []*partition.Produce // while holding
	holding bool
	waits   []*partition.Wait
}

type (
	hold    struct{ on bool }
	dismiss struct{} // the end of leadership
	fates   struct{ random *rand.Rand }
	told    struct{ done chan struct{} } // all that has come is answered
)

func (p *fakePartition) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *partition.Produce:
		if p.holding {
			p.held = append(p.held, m)
			return
		}
		p.append(m)
	case *partition.Wait:
		p.waits = append(p.waits, m)
	case *partition.Cancel:
		p.waits = slices.DeleteFunc(p.waits, func(w *partition.Wait) bool { return w.Token == m.Token })
	case hold:
		p.holding = m.on
		if !m.on {
			for _, h := range p.held {
				p.append(h)
			}
			p.held = nil
		}
	case fates:
		p.random = m.random
	case told:
		close(m.done)
	case dismiss:
		p.leads.Store(false)
		for _, w := range p.waits {
			p.system.Send(w.Reply, &partition.Woken{Token: w.Token})
		}
		p.waits = nil
	}
}

func (p *fakePartition) append(m *partition.Produce) {
	r := partition.ProduceResult{Token: m.Token, Index: m.Index, ErrorCode: int16(p.refuse.Load()), BaseOffset: -1}
	if p.nth.Load() > 0 && p.nth.Add(-1) == 0 {
		r.ErrorCode = int16(protocol.ErrNotEnoughReplicas)
	}
	if p.random != nil {
		switch p.random.IntN(8) {
		case 0, 1:
			r.ErrorCode = int16([]protocol.ErrorCode{protocol.ErrRequestTimedOut, protocol.ErrNotEnoughReplicas}[p.random.IntN(2)])
		case 2:
			p.lose.Store(1)
		}
	}
	if r.ErrorCode == 0 {
		b := append([]byte(nil), m.Batch...)
		if err := protocol.CheckBatchCRC(b); err != nil {
			panic(err)
		}
		p.mu.Lock()
		protocol.PatchBatch(b, p.end, 1)
		r.BaseOffset = p.end
		p.end += int64(m.Header.RecordCount)
		p.batches = append(p.batches, b)
		p.mu.Unlock()
	}
	m.Frame.Release()
	if r.ErrorCode == 0 && p.lose.Load() > 0 {
		p.lose.Add(-1)
		r.ErrorCode, r.BaseOffset = int16(protocol.ErrNotLeaderForPartition), -1
	}
	p.system.Send(m.Reply, &partition.Produced{Results: []partition.ProduceResult{r}})
}

func (p *fakePartition) Leadership() partition.Leadership {
	return partition.Leadership{Leader: 1, Epoch: 1, Self: p.leads.Load(), Stay: p.stay.Load()}
}

func (p *fakePartition) Log() LogReader { return p }

func (p *fakePartition) Bounds() segment.Bounds {
	p.mu.Lock()
	defer p.mu.Unlock()
	return segment.Bounds{HighWatermark: p.end, LastStable: p.end}
}

func (p *fakePartition) Read(offset, upTo, maxBytes int64, minOneBatch bool) (*segment.Slice, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &segment.Slice{}
	for _, b := range p.batches {
		h, _ := protocol.ParseBatchHeader(b)
		if h.LastOffset() >= offset && h.BaseOffset < upTo && len(s.Parts) < 3 { // small pieces, so that loading takes several
			s.Parts = append(s.Parts, segment.Part{Bytes: b, Length: int64(len(b))})
			s.Size += int64(len(b))
		}
	}
	return s, nil
}

func (p *fakePartition) count() (batches int, records int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.batches), p.end
}

// stage is a coordinator and its surroundings.
type stage struct {
	t      testing.TB
	system *actorsystem.System
	part   *fakePartition
	partID *actor.PID
	pid    *actor.PID
	frames *protocol.FramePool
}

func newStage(t testing.TB, change ...func(*Config)) *stage {
	s := &stage{t: t, system: actorsystem.New(actorsystem.Config{Log: zerolog.Nop()}), frames: protocol.NewFramePool(1 << 20)}
	t.Cleanup(s.system.Shutdown)
	s.part = &fakePartition{system: s.system}
	s.part.leads.Store(true)
	spawn := func(spec actorsystem.Spec) *actor.PID {
		pid, err := s.system.SpawnRoot(spec)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	s.partID = spawn(actorsystem.Spec{Kind: "partition", Name: "p", New: func() actor.Actor { return s.part }})
	cfg := group.DefaultConfig()
	var ids atomic.Int64
	cfg.InitialRebalanceDelayMs, cfg.NewID = 0, func() string { return fmt.Sprint(ids.Add(1)) }
	whole := Config{System: s.system, Log: zerolog.Nop(), Metrics: NewMetrics(nil), Frames: s.frames,
		Loader: spawn(LoaderSpec()), Replica: s.part, Actor: s.partID, Group: cfg}
	for _, f := range change {
		f(&whole)
	}
	s.pid = spawn(Spec(whole))
	s.ready()
	return s
}

// send sends a request and returns where its answer comes.
func (s *stage) send(body any) chan any {
	got := make(chan any, 2)
	s.system.Send(s.pid, &Request{Client: group.Client{ID: "c", Host: "/h"}, Body: body, Answer: func(r any) { got <- r }})
	return got
}

func (s *stage) ask(body any) any { return s.await(s.send(body)) }

func (s *stage) await(got chan any) any {
	s.t.Helper()
	select {
	case r := <-got:
		return r
	case <-time.After(10 * time.Second):
		s.t.Fatal("no answer")
		return nil
	}
}

// ready waits until the coordinator serves.
func (s *stage) ready() {
	for {
		r := s.ask(group.Describe{Group: "nobody", Version: 6}).(*kmsg.DescribeGroupsResponseGroup)
		if protocol.ErrorCode(r.ErrorCode) != protocol.ErrCoordinatorLoadInProgress {
			return
		}
	}
}

func commit(group string, offset int64, partitions int) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group = 8, group
	t := kmsg.OffsetCommitRequestTopic{Topic: "t"}
	for i := range partitions {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(i), offset
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = []kmsg.OffsetCommitRequestTopic{t}
	return req
}

func (s *stage) commit(group string, offset int64) protocol.ErrorCode {
	s.t.Helper()
	return commitCode(s.ask(commit(group, offset, 1)))
}

func commitCode(r any) protocol.ErrorCode {
	return protocol.ErrorCode(r.(*kmsg.OffsetCommitResponse).Topics[0].Partitions[0].ErrorCode)
}

func (s *stage) fetch(id string) (int64, protocol.ErrorCode) {
	s.t.Helper()
	r := s.ask(group.Fetch{Group: id, MemberEpoch: -1, Stable: true,
		Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}}).(*kmsg.OffsetFetchResponseGroup)
	if r.ErrorCode != 0 {
		return -1, protocol.ErrorCode(r.ErrorCode)
	}
	return r.Topics[0].Partitions[0].Offset, 0
}

func TestAcknowledgedCommitsSurviveAPanicOfTheCoordinator(t *testing.T) {
	s := newStage(t)
	for i := range 20 {
		if err := s.commit(fmt.Sprint("g", i%5), int64(i)); err != protocol.ErrNone {
			t.Fatal(err)
		}
	}
	s.ask(hostile{}) // panics; answered all the same
	s.ready()
	for i := range 5 {
		if at, err := s.fetch(fmt.Sprint("g", i)); at != int64(15+i) || err != 0 {
			t.Errorf("g%d: %d, %v", i, at, err)
		}
	}
	if n := s.frames.InUse(); n != 0 {
		t.Errorf("%d bytes of frames were not released", n)
	}
}

// hostile is a request that no Machine knows: handling it is an invariant failure.
type hostile struct{}

func TestWhoWaitsHearsOfAPanic(t *testing.T) {
	s := newStage(t)
	s.system.Send(s.partID, hold{true})
	waiting := s.send(commit("g", 1, 1))
	s.ready() // its batch is on the way
	s.ask(hostile{})
	if err := commitCode(s.await(waiting)); err != protocol.ErrNotCoordinator {
		t.Errorf("the commit under way was answered %v", err)
	}
	// The batch of the former incarnation comes through now: what is loaded has it.
	s.system.Send(s.partID, hold{false})
	for {
		s.ready()
		at, err := s.fetch("g")
		if err == protocol.ErrNone && at == 1 {
			return
		}
		if err == protocol.ErrNone && at != -1 {
			t.Fatalf("offset %d", at)
		}
	}
}

func TestWhatWaitsBecomesOneBatch(t *testing.T) {
	s := newStage(t)
	s.system.Send(s.partID, hold{true})
	var waiting []chan any
	for i := range 1000 {
		waiting = append(waiting, s.send(commit(fmt.Sprint("g", i%100), int64(i), 1)))
	}
	s.ready() // the coordinator has taken them all
	s.system.Send(s.partID, hold{false})
	for i, w := range waiting {
		if err := commitCode(s.await(w)); err != protocol.ErrNone {
			t.Fatalf("commit %d: %v", i, err)
		}
	}
	// As many as may be on their way, and one with all the rest.
	if batches, records := s.part.count(); batches > batchesOnWayMax+1 || records != 1000 {
		t.Errorf("1000 commits became %d records in %d batches", records, batches)
	}
	if at, _ := s.fetch("g7"); at != 907 {
		t.Errorf("g7 is at %d", at)
	}
}

func TestAnAppendLargerThanABatchIsSplitAndAnsweredOnce(t *testing.T) {
	s := newStage(t)
	const partitions = 40_000
	if err := commitCode(s.ask(commit("big", 7, partitions))); err != protocol.ErrNone {
		t.Fatal(err)
	}
	if batches, records := s.part.count(); batches < 2 || records != partitions {
		t.Errorf("%d records in %d batches", records, batches)
	}
	s.part.refuse.Store(int32(protocol.ErrNotEnoughReplicas))
	if err := commitCode(s.ask(commit("big", 8, partitions))); err != protocol.ErrCoordinatorNotAvailable {
		t.Errorf("refused: %v", err)
	}
	s.part.refuse.Store(0)
	if at, _ := s.fetch("big"); at != 7 {
		t.Errorf("after the refusal the offset is %d", at)
	}
}

func TestLosingLeadershipAnswersWhoWaitsAndComingBackLoadsWhatWasCommitted(t *testing.T) {
	s := newStage(t)
	s.commit("g", 5)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = 3, "w", 10_000, 10_000, "x"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p"}}
	first := s.await(s.send(join)).(*kmsg.JoinGroupResponse)
	if first.ErrorCode != 0 {
		t.Fatal(protocol.ErrorCode(first.ErrorCode))
	}
	sync := kmsg.NewPtrSyncGroupRequest() // the group completes its rebalance, so a second member's join waits
	sync.Group, sync.MemberID, sync.Generation = "w", first.MemberID, first.Generation
	s.ask(sync)
	waiting := s.send(join)
	s.ready()
	s.system.Send(s.partID, dismiss{})
	if r := s.await(waiting).(*kmsg.JoinGroupResponse); protocol.ErrorCode(r.ErrorCode) != protocol.ErrNotCoordinator {
		t.Errorf("the waiting member was answered %v", protocol.ErrorCode(r.ErrorCode))
	}
	if _, err := s.fetch("g"); err != protocol.ErrNotCoordinator {
		t.Errorf("on standby: %v", err)
	}
	s.part.leads.Store(true)
	s.ready()
	if at, err := s.fetch("g"); at != 5 || err != 0 {
		t.Errorf("%d, %v", at, err)
	}
	d := s.ask(group.Describe{Group: "w", Version: 6}).(*kmsg.DescribeGroupsResponseGroup)
	if d.State != "Stable" || len(d.Members) != 1 {
		t.Errorf("the group came back as %s with %d members", d.State, len(d.Members))
	}
}

// oneTopic is a cluster with the topic t, or with none at all.
type oneTopic struct {
	id   [16]byte
	none bool
	lags bool // another broker knows newer topics
}

func (o oneTopic) Version() int64  { return 7 }
func (o oneTopic) Complete() bool  { return !o.lags }
func (o oneTopic) Names() []string { return nil }
func (o oneTopic) Topic(name string) (group.TopicInfo, bool) {
	return group.TopicInfo{Name: "t", ID: o.id, Partitions: 1}, name == "t" && !o.none
}
func (o oneTopic) TopicByID(id [16]byte) (group.TopicInfo, bool) {
	return group.TopicInfo{Name: "t", ID: o.id, Partitions: 1}, id == o.id && !o.none
}

// A topic is deleted and nobody tells the coordinator, or it is loading, or the log refuses its records: the broker died in between.
func TestOffsetsOfTopicsThatAreNoMoreGoWhenTheCoordinatorLoads(t *testing.T) {
	var topics atomic.Pointer[oneTopic]
	topics.Store(&oneTopic{id: [16]byte{1}})
	s := newStage(t, func(c *Config) { c.Group.Topics = func() group.Topics { return *topics.Load() } })
	reload := func(meanwhile func()) {
		t.Helper()
		s.system.Send(s.partID, dismiss{})
		for err := protocol.ErrNone; err != protocol.ErrNotCoordinator; { // until the coordinator has heard of it
			_, err = s.fetch("old")
		}
		s.part.mu.Lock() // nothing of the log can be read
		s.part.leads.Store(true)
		s.system.Send(s.pid, LeadershipChanged{})
		meanwhile()
		s.part.mu.Unlock()
		s.ready()
	}
	want := func(when string, offsets map[string]int64) {
		t.Helper()
		for g, want := range offsets {
			if at, err := s.fetch(g); at != want || err != 0 {
				t.Errorf("%s: group %s has the offset %d, %v; want %d", when, g, at, err, want)
			}
		}
	}
	committed := func(g string, offset int64, id byte) {
		req := commit(g, offset, 1)
		if id != 0 {
			req.Topics[0].TopicID = [16]byte{id}
		}
		s.ask(req)
	}
	committed("old", 5, 1)
	committed("byName", 7, 0)
	reload(func() {})
	want("the topic is there", map[string]int64{"old": 5, "byName": 7})
	reload(func() {
		topics.Store(&oneTopic{id: [16]byte{2}})
		s.system.Send(s.pid, TopicDeleted{Topic: "t", ID: [16]byte{1}})
	})
	committed("anew", 6, 2)
	want("made anew while the coordinator loaded", map[string]int64{"old": -1, "byName": 7, "anew": 6})
	s.part.refuse.Store(int32(protocol.ErrNotEnoughReplicas))
	topics.Store(&oneTopic{none: true})
	s.system.Send(s.pid, TopicDeleted{Topic: "t", ID: [16]byte{2}})
	want("deleted, and the log refuses it", map[string]int64{"anew": 6})
	s.part.refuse.Store(0)
	topics.Store(&oneTopic{none: true, lags: true})
	reload(func() {})
	want("not known yet, perhaps", map[string]int64{"byName": 7, "anew": 6})
	topics.Store(&oneTopic{none: true})
	reload(func() {})
	want("deleted", map[string]int64{"old": -1, "byName": -1, "anew": -1})
	_, records := s.part.count()
	reload(func() {})
	if _, n := s.part.count(); n != records {
		t.Errorf("%d records, after another restart %d: the offsets' end is not in the log", records, n)
	}
}

func TestWhoComesNewIsToldToTryAgainWhenMemoryIsUsedUp(t *testing.T) {
	var pressed atomic.Bool
	s := newStage(t, func(c *Config) { c.Overloaded = pressed.Load })
	s.commit("old", 1)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.RebalanceTimeoutMillis, join.ProtocolType = 3, "w", 10_000, 10_000, "x"
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p"}}
	member := s.ask(join).(*kmsg.JoinGroupResponse)
	pressed.Store(true)
	again := *join
	if r := s.ask(&again).(*kmsg.JoinGroupResponse); protocol.ErrorCode(r.ErrorCode) != protocol.ErrCoordinatorNotAvailable {
		t.Errorf("a new member: %v", protocol.ErrorCode(r.ErrorCode))
	}
	large := *join
	large.MemberID, large.Protocols = member.MemberID, []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: make([]byte, 1<<20)}}
	if r := s.ask(&large).(*kmsg.JoinGroupResponse); protocol.ErrorCode(r.ErrorCode) != protocol.ErrCoordinatorNotAvailable {
		t.Errorf("a member that brings much more: %v", protocol.ErrorCode(r.ErrorCode))
	}
	if err := s.commit("new", 1); err != protocol.ErrCoordinatorNotAvailable {
		t.Errorf("a commit of a new group: %v", err)
	}
	if err := s.commit("old", 2); err != 0 {
		t.Errorf("a commit of a group that is there: %v", err)
	}
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "w", member.MemberID, member.Generation
	if r := s.ask(beat).(*kmsg.HeartbeatResponse); r.ErrorCode != 0 {
		t.Errorf("a heartbeat of a member: %v", protocol.ErrorCode(r.ErrorCode))
	}
}

func TestTimersFireThroughTheActor(t *testing.T) {
	s := newStage(t)
	join := kmsg.NewPtrJoinGroupRequest()
	join.Version, join.Group, join.SessionTimeoutMillis, join.ProtocolType = 3, "g", 6_000, "x"
	join.RebalanceTimeoutMillis = 50
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p"}}
	a := s.ask(join).(*kmsg.JoinGroupResponse) // by the initial delay's timer
	b := s.ask(join).(*kmsg.JoinGroupResponse) // by the rebalance time-out: a does not rejoin
	if a.ErrorCode != 0 || b.ErrorCode != 0 || b.Generation != a.Generation+1 || b.LeaderID != b.MemberID {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestAPartitionIsChosenByJavasHash(t *testing.T) {
	for id, hash := range map[string]int32{"": 0, "a": 97, "hello": 99162322, "polygenelubricants": 0, "\U0001f600": 1772899, "é": 233} {
		if got := PartitionFor(id, 1<<31-1); got != hash%(1<<31-1) {
			t.Errorf("%q: %d, Java says %d", id, got, hash)
		}
	}
	if p := PartitionFor("hello", 50); p != 22 {
		t.Errorf("hello is on partition %d of 50", p)
	}
}

// The log may hold what this broker did not write.
func TestWhatCannotBeReadIsSkipped(t *testing.T) {
	s := newStage(t)
	s.commit("g", 5)
	var b record.Builder
	b.Add([]byte{0, 99, 0}, []byte("?"))
	b.Add([]byte{0, 1, 0, 9}, []byte("?"))
	b.Add(record.AppendKey(nil, &record.Key{Type: record.OffsetCommit, Group: "g", Topic: "t"}), []byte{0, 77})
	batch, h := b.Seal(1)
	f := s.frames.Get(1 + len(batch))
	copy(f.Bytes[1:], batch)
	s.system.Send(s.partID, &partition.Produce{Batch: f.Bytes[1:], Frame: f, Start: 1, Header: h, Reply: s.partID})
	s.ask(hostile{})
	s.ready()
	if at, err := s.fetch("g"); at != 5 || err != 0 {
		t.Errorf("%d, %v", at, err)
	}
}

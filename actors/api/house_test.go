package api

import (
	"math/rand"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/diskstate"
)

// This file is a broker without sockets and disks: a controller over a raft that commits at once, a supervisor that makes a
// replica led by this broker for each new partition, and calls whose answers come back to the test.

// instantRaft commits what is proposed at once.
type instantRaft struct {
	system *actorsystem.System
	index  uint64
	owner  *actor.PID
}

func (f *instantRaft) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *raftactor.OpenGroup:
		f.owner = m.Owner
		f.system.Send(f.owner, &raftactor.Opened{Group: m.Group})
	case *raftactor.Resume:
		f.system.Send(f.owner, &raftactor.LeaderChanged{Group: m.Group, Term: 1, Leader: 1})
	case *raftactor.Propose:
		first := f.index + 1
		var entries []raftactor.Entry
		for _, p := range m.Proposals {
			f.index++
			entries = append(entries, raftactor.Entry{Index: f.index, Term: 1, Data: p.Data, Waiter: p.Waiter})
		}
		f.system.Send(f.owner, raftactor.NewCommitted(m.Group, first, f.index, entries))
	}
}

// supervisor stands in for the one that starts partitions.
type supervisor struct {
	system    *actorsystem.System
	pid       *actor.PID // controller
	directory *partition.Directory
	ready     chan uint64
}

func (s *supervisor) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.system.Send(s.pid, controller.Subscribe{Subscriber: ctx.Self()})
	case controller.ImageChanged:
		all := map[partition.Key]*partition.Replica{}
		m.Image.Topics(func(t *controller.Topic) {
			for n := range t.Partitions {
				r := &partition.Replica{Topic: t.Name, TopicID: t.ID, Partition: int32(n), Group: t.Partitions[n].Group}
				field[partition.Leadership](r, "leader").Store(&partition.Leadership{Leader: 1, Epoch: 7, Self: true})
				all[partition.Key{TopicID: t.ID, Partition: int32(n)}] = r
			}
		})
		field[map[partition.Key]*partition.Replica](s.directory, "byKey").Store(&all)
		s.system.Send(s.pid, controller.ImageApplied{Index: m.Image.Index, Subscriber: ctx.Self()})
		if m.Image.ClusterID != "" {
			select {
			case s.ready <- m.Image.Index:
			default:
			}
		}
	}
}

// field reaches an unexported atomic.Pointer[T] of what the partition package alone may fill.
func field[T any](of any, name string) *atomic.Pointer[T] {
	f := reflect.ValueOf(of).Elem().FieldByName(name)
	return (*atomic.Pointer[T])(unsafe.Pointer(f.UnsafeAddr()))
}

func newBroker(t *testing.T) *Broker {
	t.Helper()
	system := actorsystem.New(actorsystem.Config{})
	t.Cleanup(system.Shutdown)
	b := &Broker{System: system, NodeID: 1, Metadata: &controller.Holder{}, Replicas: &partition.Directory{}, Disk: &diskstate.State{}, LogDir: "/data",
		Settings: Settings{AutoCreateTopics: true, NumPartitions: 2, ReplicationFactor: 1, GroupTopicPartitions: 3, GroupTopicReplicationFactor: 1,
			Static: []StaticConfig{{Name: "log.dirs", Value: "/data", Type: kmsg.ConfigTypeString, Doc: "where data is"},
				{Name: "password", Value: "secret", Sensitive: true, Type: kmsg.ConfigTypePassword}}}}
	spawn := func(spec actorsystem.Spec) *actor.PID {
		pid, err := system.SpawnRoot(spec)
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
	raft := spawn(actorsystem.Spec{Kind: "raft", Name: "1", New: func() actor.Actor { return &instantRaft{system: system} }})
	b.Controller = spawn(controller.Spec(controller.Config{System: system, Raft: raft, Voters: []uint64{1}, Holder: b.Metadata,
		Self: controller.Broker{ID: 1, Host: "broker.example", Port: 9092, Rack: "r1"}, Random: rand.New(rand.NewSource(1)),
		Static: map[string]string{"log.segment.bytes": "2097152"}}))
	s := &supervisor{system: system, pid: b.Controller, directory: b.Replicas, ready: make(chan uint64, 1)}
	spawn(actorsystem.Spec{Kind: "supervisor", Name: "1", New: func() actor.Actor { return s }})
	select {
	case <-s.ready:
	case <-time.After(10 * time.Second):
		t.Fatal("the controller did not start")
	}
	return b
}

// answerTo is a connection's side of one call.
type answerTo struct {
	Responder // what these handlers do not use
	t         *testing.T
	got       chan kmsg.Response
}

func (a *answerTo) Reply(r kmsg.Response) { a.got <- r }
func (a *answerTo) Close(reason string) {
	a.t.Errorf("the connection was closed: %s", reason)
	close(a.got)
}
func (a *answerTo) Mute(int32)        {}
func (a *answerTo) Blocking(f func()) { f() }

// ask sends req in version through the wire's bytes both ways, as a client would.
func ask[R kmsg.Response](t *testing.T, b *Broker, req kmsg.Request, version int16) R {
	t.Helper()
	route, ok := Lookup(req.Key())
	if !ok || version < route.Min || version > route.Max {
		t.Fatalf("key %d version %d is not served", req.Key(), version)
	}
	req.SetVersion(version)
	read := kmsg.RequestForKey(req.Key())
	read.SetVersion(version)
	if err := read.ReadFrom(req.AppendTo(nil)); err != nil {
		t.Fatalf("key %d version %d: request: %v", req.Key(), version, err)
	}
	a := &answerTo{t: t, got: make(chan kmsg.Response, 2)}
	route.Handle(&Call{Broker: b, Key: req.Key(), Version: version, Request: read, Responder: a})
	var resp kmsg.Response
	select {
	case resp = <-a.got:
	case <-time.After(10 * time.Second):
		t.Fatalf("key %d version %d: no answer", req.Key(), version)
	}
	resp.SetVersion(version)
	back := req.ResponseKind()
	back.SetVersion(version)
	if err := back.ReadFrom(resp.AppendTo(nil)); err != nil {
		t.Fatalf("key %d version %d: response: %v", req.Key(), version, err)
	}
	return back.(R)
}

// eachVersion runs f as a subtest for each version that is served.
func eachVersion(t *testing.T, key int16, f func(t *testing.T, b *Broker, version int16)) {
	route, ok := Lookup(key)
	if !ok {
		t.Fatalf("key %d is not served", key)
	}
	for v := route.Min; v <= route.Max; v++ {
		t.Run(kmsg.NameForKey(key)+"/v"+string(rune('0'+v/10))+string(rune('0'+v%10)), func(t *testing.T) { f(t, newBroker(t), v) })
	}
}

func ptr[T any](v T) *T { return &v }

// makeTopic creates a topic through the API.
func makeTopic(t *testing.T, b *Broker, name string, partitions int32, configs ...string) *controller.Topic {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, 1
	for i := 0; i < len(configs); i += 2 {
		rt.Configs = append(rt.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	resp := ask[*kmsg.CreateTopicsResponse](t, b, req, 7)
	if resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("create %s: %+v", name, resp.Topics[0])
	}
	return b.Metadata.Load().Topic(name)
}

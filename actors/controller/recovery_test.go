package controller

import (
	"fmt"
	"math/rand"
	randv2 "math/rand/v2"
	"testing"
	"time"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/raftactor"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// This file runs the controller over the real raft actor and the real WAL on a memory disk that crashes.

// boot starts a broker's control plane from disk.
func boot(t *testing.T, disk vfs.FS) *house {
	t.Helper()
	h := &house{t: t, system: actorsystem.New(actorsystem.Config{}), holder: &Holder{}}
	t.Cleanup(h.system.Shutdown)
	log, err := wal.New(wal.Config{Dir: "wal", FS: disk, System: h.system, Disk: &diskstate.State{}, DirID: 1})
	if err != nil {
		t.Fatal(err)
	}
	writer, err := h.system.SpawnRoot(actorsystem.Spec{Kind: "wal", Name: "1", Lane: actorsystem.Own, New: log.NewActor, WantsDrained: true})
	if err != nil {
		t.Fatal(err)
	}
	h.raft, err = h.system.SpawnRoot(raftactor.Spec("1", raftactor.Config{System: h.system, WAL: writer, Reader: log.Reader(), NodeID: 1}))
	if err != nil {
		t.Fatal(err)
	}
	h.pid, err = h.system.SpawnRoot(Spec(Config{System: h.system, Raft: h.raft, Voters: []raftactor.NodeID{1}, Holder: h.holder,
		Self: Broker{ID: 1, Host: "localhost", Port: 9092}, Random: rand.New(rand.NewSource(time.Now().UnixNano())), CheckpointEntries: 7}))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestWhatWasAnsweredIsThereAfterACrash(t *testing.T) {
	disk := vfs.NewMem()
	cluster := ""
	want := map[string]TopicID{}
	for life := range 5 {
		h := boot(t, disk)
		for n := range 10 {
			name := fmt.Sprintf("t-%d-%d", life, n)
			a := h.ask(func(done func(Answer)) any { return create(done, name) })
			if a.Code != 0 || a.Results[0].Code != 0 {
				t.Fatalf("life %d: %+v", life, a)
			}
			want[name] = a.Results[0].Topic.ID
		}
		i := h.holder.Load()
		if cluster == "" {
			cluster = i.ClusterID
		}
		if i.ClusterID != cluster || i.TopicCount() != len(want) {
			t.Fatalf("life %d: cluster %q, %d topics", life, i.ClusterID, i.TopicCount())
		}
		for name, id := range want {
			if topic := i.Topic(name); topic == nil || topic.ID != id {
				t.Errorf("life %d: topic %s is %+v", life, name, topic)
			}
		}
		victim := fmt.Sprintf("t-%d-0", life)
		if a := h.ask(func(done func(Answer)) any {
			return &DeleteTopics{Ask: Ask{TimeoutMs: 10_000, Done: done}, IDs: []TopicID{want[victim]}}
		}); a.Code != 0 || a.Results[0].Code != 0 {
			t.Fatalf("life %d: %+v", life, a)
		}
		delete(want, victim)
		disk = disk.CrashClone(randv2.New(randv2.NewPCG(1, uint64(life))))
	}
}

package group

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// steady is groups of three members each, stable.
func steady(b *testing.B, groups int) (*world, []*kmsg.HeartbeatRequest) {
	w := newWorld(b)
	w.cfg.InitialRebalanceDelayMs = 0
	w.restart()
	var beats []*kmsg.HeartbeatRequest
	for g := range groups {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.ProtocolType = 3, fmt.Sprint("g", g), "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 45_000, 300_000
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("topic")}}
		for range 3 {
			w.m.JoinGroup(w.now, "w", Client{ID: "client", Host: "/127.0.0.1"}, req)
		}
		w.drain()
		w.m.Tick(w.now)
		w.drain()
		c := w.m.lookup(req.Group).classic
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.MemberID, sync.Generation = req.Group, c.leader, c.generation
		w.m.SyncGroup(w.now, "w", sync)
		w.drain()
		for _, x := range c.members {
			sync.MemberID = x.id
			w.m.SyncGroup(w.now, "w", sync)
			w.drain()
			h := kmsg.NewPtrHeartbeatRequest()
			h.Group, h.MemberID, h.Generation = req.Group, x.id, c.generation
			beats = append(beats, h)
		}
	}
	return w, beats
}

// One operation is one heartbeat, with all that its clock brings: 1,000 a second come from 1,000 groups of three.
func BenchmarkHeartbeatsOf1000GroupsOf3(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w, beats := steady(b, 1000)
	w.log = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		w.now++ // one each millisecond
		if at, ok := w.m.NextDeadline(); ok && at <= w.now {
			w.m.Tick(w.now)
		}
		w.m.Heartbeat(w.now, "w", beats[i%len(beats)])
		for _, r := range w.m.Replies() {
			if r.Response.(*kmsg.HeartbeatResponse).ErrorCode != 0 && i > 0 {
				b.Fatal(show(r.Response))
			}
		}
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-state")
}

// One operation is one commit of one partition, made durable.
func BenchmarkOffsetCommit(b *testing.B) {
	w := newWorld(b)
	req := kmsg.NewPtrOffsetCommitRequest()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	req.Version, req.Group = 8, "g"
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	b.ReportAllocs()
	for range b.N {
		w.m.OffsetCommit(w.now, "w", req)
		for _, a := range w.m.Appends() {
			w.m.Appended(w.now, a.ID, 0)
		}
		w.m.Replies()
	}
}

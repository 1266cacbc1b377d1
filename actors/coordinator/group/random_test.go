package group

// Random histories of several clients against one Machine, with appends that are held, committed or refused, and crashes.

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

var (
	randomRuns = flag.Int("group.runs", 150, "random histories to play")
	randomSeed = flag.Uint64("group.seed", 1, "seed of the first history")
)

// client that follows the protocol more or less.
type client struct {
	id         string
	instance   *string
	generation int32
	leader     bool
	members    []string
	version    int16
}

func TestRandomHistoriesKeepTheInvariants(t *testing.T) {
	for i := range uint64(*randomRuns) {
		seed := *randomSeed + i
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newHistory(t, seed).play(250) })
	}
}

type history struct {
	*world
	rnd     *rand.Rand
	clients []*client
	waiting map[string]*client // waiter, who asked
	n       int
	fails   bool // some appends are refused
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 7)), waiting: map[string]*client{}}
	h.fails = seed%2 == 0
	h.cfg.MaxSize = []int{3, 100}[h.rnd.IntN(2)]
	h.cfg.InitialRebalanceDelayMs = int32(h.rnd.IntN(3) * 1000)
	h.cfg.OffsetsRetentionMs, h.cfg.RetentionCheckMs = 400_000, 50_000
	h.restart()
	for i := range 5 {
		c := &client{version: int16(h.rnd.IntN(10))}
		if i >= 3 {
			c.instance, c.version = new(string), int16(5+h.rnd.IntN(5))
			*c.instance = fmt.Sprint("i", i)
		}
		h.clients = append(h.clients, c)
	}
	return h
}

func (h *history) play(steps int) {
	for range steps {
		h.step()
		h.collect()
		h.check()
	}
	// Give everything time: then all must have been answered, and what is durable is what a restart finds.
	for _, id := range h.held {
		h.fate(id, protocol.ErrNone)
	}
	h.held = nil
	h.collect()
	for _, id := range h.held {
		h.fate(id, protocol.ErrNone)
	}
	h.held = nil
	if len(h.recs) == 0 {
		h.compareWithReplay()
	}
	for range 40 {
		h.advance(300_000)
		h.collect()
		for _, id := range h.held {
			h.fate(id, protocol.ErrNone)
		}
		h.held = nil
		h.collect()
		h.check()
	}
	for w := range h.waiting {
		h.t.Errorf("%s was never answered", w)
	}
	h.compareWithReplay()
}

func (h *history) waiter(c *client) string {
	h.n++
	w := fmt.Sprint("w", h.n)
	h.waiting[w] = c
	return w
}

func (h *history) step() {
	c := h.clients[h.rnd.IntN(len(h.clients))]
	id, generation := c.id, c.generation
	if h.rnd.IntN(20) == 0 {
		id = []string{"", "stranger", h.clients[0].id}[h.rnd.IntN(3)]
	}
	if h.rnd.IntN(20) == 0 {
		generation += int32(h.rnd.IntN(3)) - 1
	}
	switch h.rnd.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = c.version, "g", id, c.instance, "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 6000+int32(h.rnd.IntN(3)*3000), 5000+int32(h.rnd.IntN(3)*10000)
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: subscription("t")}}
		if h.rnd.IntN(4) == 0 {
			req.Protocols = append([]kmsg.JoinGroupRequestProtocol{{Name: "sticky", Metadata: subscription("t", "u")}}, req.Protocols...)
		}
		h.m.JoinGroup(h.now, h.waiter(c), Client{ID: "c", Host: "/h"}, req)
	case 6, 7, 8, 9, 10:
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = "g", id, c.instance, generation
		if c.leader {
			for _, m := range c.members {
				req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m, MemberAssignment: []byte(m)})
			}
		}
		h.m.SyncGroup(h.now, h.waiter(c), req)
	case 11, 12:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = "g", id, c.instance, generation
		h.m.Heartbeat(h.now, h.waiter(c), req)
	case 13, 14:
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.Generation = 8, "g", id, c.instance, generation
		if h.rnd.IntN(3) == 0 {
			req.Group, req.MemberID, req.InstanceID, req.Generation = fmt.Sprint("s", h.rnd.IntN(2)), "", nil, -1
		}
		for range 1 + h.rnd.IntN(3) {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset = int32(h.rnd.IntN(3)), int64(h.rnd.IntN(1000))
			req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: []string{"t", "u"}[h.rnd.IntN(2)], Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}})
		}
		h.m.OffsetCommit(h.now, h.waiter(c), req)
	case 15:
		h.m.OffsetFetch(h.now, h.waiter(c), Fetch{Group: []string{"g", "s0"}[h.rnd.IntN(2)], MemberEpoch: -1, Stable: h.rnd.IntN(2) == 0})
	case 16:
		switch h.rnd.IntN(6) {
		case 0:
			h.m.DeleteGroup(h.now, h.waiter(c), []string{"g", "s0", "s1"}[h.rnd.IntN(3)])
		case 1:
			h.m.TopicDeleted(h.now, "u", [16]byte{})
		case 2:
			req := kmsg.NewPtrOffsetDeleteRequest()
			req.Group = "s0"
			req.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 1}}}}
			h.m.OffsetDelete(h.now, h.waiter(c), req)
		default:
			req := kmsg.NewPtrLeaveGroupRequest()
			req.Version, req.Group = 4, "g"
			req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: id, InstanceID: c.instance}}
			h.m.LeaveGroup(h.now, h.waiter(c), req)
		}
	case 17:
		h.advance(int64(h.rnd.IntN(4000)))
	case 18:
		if h.rnd.IntN(40) == 0 {
			h.crash()
		}
	}
}

// advance lets time pass, timer by timer.
func (h *history) advance(ms int64) {
	end := h.now + ms
	for {
		at, ok := h.m.NextDeadline()
		if !ok || at > end {
			break
		}
		h.now = max(h.now, at)
		h.m.Tick(h.now)
		h.collect()
	}
	h.now = end
}

// collect takes what came out; appends meet their fate now or later.
func (h *history) collect() {
	for {
		h.take()
		if len(h.held) == 0 || h.rnd.IntN(3) == 0 {
			return
		}
		id := h.held[0]
		h.held = h.held[1:]
		err := protocol.ErrNone
		if h.fails && h.rnd.IntN(6) == 0 {
			err = protocol.ErrNotEnoughReplicas
		}
		h.fate(id, err)
	}
}

func (h *history) fate(id uint64, err protocol.ErrorCode) {
	if err == protocol.ErrNone {
		h.log = append(h.log, h.recs[id]...)
	}
	delete(h.recs, id)
	h.m.Appended(h.now, id, err)
	h.take()
}

func (h *history) take() {
	for _, a := range h.m.Appends() {
		h.recs[a.ID] = append(h.recs[a.ID], cloneRecords(a.Records)...)
		h.held = append(h.held, a.ID)
	}
	for _, r := range h.m.Replies() {
		c := h.waiting[r.To.(string)]
		if c == nil {
			h.t.Fatalf("%v was answered twice: %s", r.To, show(r.Response))
		}
		delete(h.waiting, r.To.(string))
		if j, ok := r.Response.(*kmsg.JoinGroupResponse); ok {
			switch protocol.ErrorCode(j.ErrorCode) {
			case protocol.ErrNone, protocol.ErrMemberIDRequired:
				c.id, c.generation, c.leader, c.members = j.MemberID, j.Generation, j.LeaderID == j.MemberID, nil
				for _, m := range j.Members {
					c.members = append(c.members, m.MemberID)
				}
			case protocol.ErrUnknownMemberID, protocol.ErrFencedInstanceID:
				c.id = ""
			}
		}
	}
}

// crash loses what was not committed, and the connections.
func (h *history) crash() {
	clear(h.waiting)
	h.restart()
}

// compareWithReplay finds in a replay of the log all that must be durable.
func (h *history) compareWithReplay() {
	h.compareWith(h.log)
	// What compaction leaves of the log must say the same: of each key in the clean part the last record, with or without the
	// delete markers among them.
	for _, clean := range []int{len(h.log) / 2, len(h.log)} {
		last := map[string]int{}
		for i, r := range h.log[:clean] {
			last[string(r.Key)] = i
		}
		for _, markers := range []bool{true, false} {
			kept := slices.Clone(h.log[:0])
			for i, r := range h.log {
				if i >= clean || last[string(r.Key)] == i && (markers || r.Value != nil) {
					kept = append(kept, r)
				}
			}
			h.compareWith(kept)
		}
	}
}

// compareWith is compareWithReplay of one form of the log.
func (h *history) compareWith(log []record.Record) {
	again := New(h.cfg)
	for _, r := range log {
		if err := again.Replay(h.now, r.Key, r.Value); err != nil {
			h.t.Fatal(err)
		}
	}
	again.Loaded(h.now)
	for _, g := range again.sorted() {
		if h.m.lookup(g.id) == nil && !h.fails {
			h.t.Errorf("group %q is in the log only", g.id)
		}
	}
	for _, g := range h.m.sorted() {
		if !g.exists() {
			continue
		}
		got := again.lookup(g.id)
		if got == nil {
			if len(g.offsets) > 0 || g.classic.state == Stable {
				h.t.Errorf("group %q is not in the log", g.id)
			}
			continue
		}
		if !reflect.DeepEqual(g.allOffsets(), got.allOffsets()) {
			h.t.Errorf("group %q has offsets %v, its log %v", g.id, g.allOffsets(), got.allOffsets())
		}
		if h.fails || g.classic.state != Stable {
			continue
		}
		a, b := g.classic, got.classic
		if a.generation != b.generation || a.leader != b.leader || len(a.members) != len(b.members) {
			h.t.Errorf("group %q is at generation %d, its log at %d", g.id, a.generation, b.generation)
			continue
		}
		for i := range a.members {
			if x, y := a.members[i], b.members[i]; x.id != y.id || string(x.assignment) != string(y.assignment) {
				h.t.Errorf("group %q: member %s has %q, in the log it is %s with %q", g.id, x.id, x.assignment, y.id, y.assignment)
			}
		}
	}
}

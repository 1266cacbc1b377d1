package group

// The scenarios in testdata/*.txt are the documentation of the state machine. A command is a request, a step of the clock or the
// fate of an append; below it stands what came out. Appends are committed at once unless `hold` was said.

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/protocol"
)

// world is a Machine, its log and its clock.
type world struct {
	t    testing.TB
	cfg  Config
	m    *Machine
	now  int64
	ids  int
	hold bool
	held []uint64
	recs map[uint64][]record.Record // not yet committed
	log  []record.Record
	out  strings.Builder

	topics *fakeTopics
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, cfg: DefaultConfig(), now: 1_000_000, recs: map[uint64][]record.Record{}, topics: &fakeTopics{}}
	w.cfg.Topics = func() Topics { return w.topics }
	w.cfg.NewID = func() string { w.ids++; return strconv.Itoa(w.ids) }
	w.m = New(w.cfg)
	w.m.Loaded(w.now)
	return w
}

// restart is a crash: what is committed is all there is.
func (w *world) restart() {
	w.m = New(w.cfg)
	w.held, w.recs = nil, map[uint64][]record.Record{}
	for _, r := range w.log {
		if err := w.m.Replay(w.now, r.Key, r.Value); err != nil {
			w.t.Fatal(err)
		}
	}
	w.m.Loaded(w.now)
}

// drain prints what came out, and commits.
func (w *world) drain() string {
	w.out.Reset()
	for {
		for _, a := range w.m.Appends() {
			for _, r := range a.Records {
				own := record.Record{Key: append([]byte(nil), r.Key...)}
				if r.Value != nil {
					own.Value = append([]byte{}, r.Value...)
				}
				w.recs[a.ID] = append(w.recs[a.ID], own)
				fmt.Fprintf(&w.out, "append %s\n", showRecord(r))
			}
			w.held = append(w.held, a.ID)
		}
		for _, r := range w.m.Replies() {
			fmt.Fprintf(&w.out, "%v: %s\n", r.To, show(r.Response))
		}
		if w.hold || len(w.held) == 0 {
			break
		}
		w.settle(protocol.ErrNone)
	}
	if w.out.Len() == 0 {
		return "ok\n"
	}
	return w.out.String()
}

func (w *world) settle(err protocol.ErrorCode) {
	held := w.held
	w.held = nil
	for _, id := range held {
		if err == protocol.ErrNone {
			w.log = append(w.log, w.recs[id]...)
		}
		delete(w.recs, id)
		w.m.Appended(w.now, id, err)
	}
}

func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return w.run(t, d)
		})
	})
}

func (w *world) run(t *testing.T, d *datadriven.TestData) string {
	var out strings.Builder
	arg := func(name, or string) string {
		for _, a := range d.CmdArgs {
			if a.Key == name {
				return strings.Join(a.Vals, ",")
			}
		}
		return or
	}
	list := func(name string) []string {
		for _, a := range d.CmdArgs {
			if a.Key == name {
				return a.Vals
			}
		}
		return nil
	}
	num := func(name string, or int) int {
		n, err := strconv.Atoi(arg(name, strconv.Itoa(or)))
		if err != nil {
			d.Fatalf(t, "%s: %v", name, err)
		}
		return n
	}
	opt := func(name string) *string {
		if s := arg(name, ""); s != "" {
			return &s
		}
		return nil
	}
	group, waiter := arg("group", "g"), arg("w", d.Cmd)
	switch d.Cmd {
	case "config":
		w.cfg.MaxSize = num("max-size", w.cfg.MaxSize)
		w.cfg.InitialRebalanceDelayMs = int32(num("delay", int(w.cfg.InitialRebalanceDelayMs)))
		w.cfg.OffsetsRetentionMs = int64(num("retention", int(w.cfg.OffsetsRetentionMs)))
		w.restart()
	case "restart":
		w.restart()
	case "hold":
		w.hold = true
	case "commit-appends":
		w.hold = false
	case "fail-appends":
		code, err := strconv.Atoi(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		w.hold = false
		w.settle(protocol.ErrorCode(code))
	case "unload":
		w.m.Unload(w.now, protocol.ErrNotCoordinator)
		w.held, w.recs = nil, map[uint64][]record.Record{}
	case "pass":
		n, err := strconv.Atoi(d.CmdArgs[0].Key)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		end := w.now + int64(n)
		for {
			at, ok := w.m.NextDeadline()
			if !ok || at > end {
				break
			}
			w.now = max(at, w.now)
			w.m.Tick(w.now)
			if s := w.drain(); s != "ok\n" {
				fmt.Fprintf(&out, "after %d ms:\n%s", w.now-end+int64(n), s)
			}
		}
		w.now = end
	case "join":
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = int16(num("v", 9)), group, arg("id", ""), opt("instance")
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(num("session", 10000)), int32(num("rebalance", 60000))
		req.ProtocolType = arg("type", "consumer")
		protocols := list("protocols")
		if protocols == nil {
			protocols = []string{"range"}
		}
		for _, p := range protocols {
			name, topics, _ := strings.Cut(p, "/")
			if topics == "" {
				topics = "t"
			}
			req.Protocols = append(req.Protocols, kmsg.JoinGroupRequestProtocol{Name: name, Metadata: subscription(strings.Split(topics, "+")...)})
		}
		w.m.JoinGroup(w.now, waiter, Client{ID: arg("client", "c"), Host: "/127.0.0.1"}, req)
	case "sync":
		req := kmsg.NewPtrSyncGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = 5, group, arg("id", ""), opt("instance")
		req.Generation, req.Protocol, req.ProtocolType = int32(num("gen", 1)), opt("protocol"), opt("type")
		for _, a := range list("assign") {
			id, what, _ := strings.Cut(a, ":")
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: id, MemberAssignment: []byte(what)})
		}
		w.m.SyncGroup(w.now, waiter, req)
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = group, arg("id", ""), opt("instance"), int32(num("gen", 1))
		w.m.Heartbeat(w.now, waiter, req)
	case "leave":
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group, req.MemberID = int16(num("v", 5)), group, arg("id", "")
		for _, id := range list("ids") {
			id, instance, has := strings.Cut(id, "@")
			l := kmsg.LeaveGroupRequestMember{MemberID: id}
			if has {
				l.InstanceID = &instance
			}
			req.Members = append(req.Members, l)
		}
		w.m.LeaveGroup(w.now, waiter, req)
	case "commit":
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = int16(num("v", 9)), group, arg("id", ""), opt("instance")
		req.Generation, req.RetentionTimeMillis = int32(num("gen", -1)), int64(num("retention", -1))
		for _, o := range list("offsets") { // topic/partition@offset
			tp, at, _ := strings.Cut(o, "@")
			topic, part, _ := strings.Cut(tp, "/")
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			n, _ := strconv.Atoi(part)
			p.Partition = int32(n)
			p.Offset, _ = strconv.ParseInt(at, 10, 64)
			md := strings.Repeat("x", num("metadata", 0))
			p.Metadata = &md
			req.Topics = append(req.Topics, kmsg.OffsetCommitRequestTopic{Topic: topic, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}})
		}
		w.m.OffsetCommit(w.now, waiter, req)
	case "fetch":
		f := Fetch{Group: group, MemberEpoch: -1, Stable: arg("stable", "") != ""}
		for _, o := range list("offsets") {
			topic, part, _ := strings.Cut(o, "/")
			n, _ := strconv.Atoi(part)
			f.Topics = append(f.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: topic, Partitions: []int32{int32(n)}})
		}
		w.m.OffsetFetch(w.now, waiter, f)
	case "offset-delete":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		for _, o := range list("offsets") {
			topic, part, _ := strings.Cut(o, "/")
			n, _ := strconv.Atoi(part)
			req.Topics = append(req.Topics, kmsg.OffsetDeleteRequestTopic{Topic: topic, Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: int32(n)}}})
		}
		w.m.OffsetDelete(w.now, waiter, req)
	case "delete":
		w.m.DeleteGroup(w.now, waiter, group)
	case "topic-deleted":
		w.m.TopicDeleted(w.now, arg("topic", "t"), [16]byte{})
	case "describe":
		w.m.DescribeGroup(waiter, group, int16(num("v", 6)))
	case "list":
		w.m.ListGroups(waiter, list("states"), list("types"))
	case "state":
		return w.state()
	default:
		if s, done := w.runConsumer(t, d, arg, list, num, opt); done {
			return s
		}
	}
	s := w.drain()
	if d.Cmd == "pass" && out.Len() > 0 && s == "ok\n" {
		s = ""
	}
	w.check()
	return out.String() + s
}

// subscription is a consumer's subscription of version 1.
func subscription(topics ...string) []byte {
	s := kmsg.ConsumerMemberMetadata{Version: 1, Topics: topics}
	return s.AppendTo(nil)
}

func (w *world) state() string {
	var b strings.Builder
	for _, g := range w.m.sorted() {
		c := g.classic
		if c == nil {
			continue
		}
		fmt.Fprintf(&b, "%s: %v generation %d leader %q pending %d\n", g.id, c.state, c.generation, c.leader, len(c.pendingJoin))
		for _, x := range c.members {
			fmt.Fprintf(&b, "  %s", x.id)
			if x.instanceID != nil {
				fmt.Fprintf(&b, " instance %s", *x.instanceID)
			}
			fmt.Fprintf(&b, " assigned %q session ends in %d ms\n", x.assignment, x.session.deadline-w.now)
		}
	}
	if b.Len() == 0 {
		return "no groups\n"
	}
	return b.String()
}

func code(c int16) string { return protocol.ErrorCode(c).String() }

func deref(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// show is a response in one line.
func show(r any) string {
	switch r := r.(type) {
	case *kmsg.JoinGroupResponse:
		if r.ErrorCode != 0 {
			return fmt.Sprintf("join %s member %q", code(r.ErrorCode), r.MemberID)
		}
		s := fmt.Sprintf("join member %s generation %d leader %s protocol %s/%s", r.MemberID, r.Generation, r.LeaderID, deref(r.ProtocolType), deref(r.Protocol))
		if r.SkipAssignment {
			s += " skip-assignment"
		}
		for _, m := range r.Members {
			s += " " + m.MemberID
			if m.InstanceID != nil {
				s += "@" + *m.InstanceID
			}
		}
		return s
	case *kmsg.SyncGroupResponse:
		if r.ErrorCode != 0 {
			return "sync " + code(r.ErrorCode)
		}
		return fmt.Sprintf("sync %s/%s %q", deref(r.ProtocolType), deref(r.Protocol), r.MemberAssignment)
	case *kmsg.HeartbeatResponse:
		return "heartbeat " + code(r.ErrorCode)
	case *kmsg.LeaveGroupResponse:
		s := "leave " + code(r.ErrorCode)
		for _, m := range r.Members {
			s += fmt.Sprintf(" %q@%s %s", m.MemberID, deref(m.InstanceID), code(m.ErrorCode))
		}
		return s
	case *kmsg.OffsetCommitResponse:
		s := "commit"
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s += fmt.Sprintf(" %s/%d %s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
		return s
	case *kmsg.OffsetFetchResponseGroup:
		s := "fetch " + code(r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s += fmt.Sprintf(" %s/%d@%d", t.Topic, p.Partition, p.Offset)
			}
		}
		return s
	case *kmsg.OffsetDeleteResponse:
		s := "offset-delete " + code(r.ErrorCode)
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				s += fmt.Sprintf(" %s/%d %s", t.Topic, p.Partition, code(p.ErrorCode))
			}
		}
		return s
	case *kmsg.DeleteGroupsResponseGroup:
		return "delete " + code(r.ErrorCode)
	case []kmsg.ListGroupsResponseGroup:
		s := "list"
		for _, g := range r {
			s += fmt.Sprintf(" (%s %s %s %s)", g.Group, g.GroupType, g.ProtocolType, g.GroupState)
		}
		return s
	case *kmsg.DescribeGroupsResponseGroup:
		s := fmt.Sprintf("describe %s %s %q %q %q", code(r.ErrorCode), r.State, r.ProtocolType, r.Protocol, deref(r.ErrorMessage))
		for _, m := range r.Members {
			s += fmt.Sprintf("\n  %s@%s client %s%s metadata %d bytes assignment %q", m.MemberID, deref(m.InstanceID), m.ClientID, m.ClientHost, len(m.ProtocolMetadata), m.MemberAssignment)
		}
		return s
	}
	return showConsumer(r)
}

func showRecord(r record.Record) string {
	k, err := record.ParseKey(r.Key)
	if err != nil {
		return err.Error()
	}
	what := fmt.Sprintf("%d %s", k.Type, k.Group)
	if k.Topic != "" {
		what += fmt.Sprintf(" %s/%d", k.Topic, k.Partition)
	}
	if r.Value == nil {
		for _, s := range []string{k.Member, k.Regex} {
			if s != "" {
				what += " " + s
			}
		}
		return what + " tombstone"
	}
	switch k.Type {
	case record.OffsetCommit:
		o, err := record.ParseOffset(r.Value)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprintf("%s @%d expires %d", what, o.Offset, o.ExpireTimestamp)
	case record.GroupMetadata:
		g, err := record.ParseGroup(r.Value)
		if err != nil {
			return err.Error()
		}
		s := fmt.Sprintf("%s generation %d leader %s protocol %q/%s", what, g.Generation, deref(g.Leader), g.ProtocolType, deref(g.Protocol))
		for _, m := range g.Members {
			s += fmt.Sprintf(" %s=%q", m.MemberID, m.Assignment)
		}
		return s
	}
	return what + showConsumerRecord(k, r.Value)
}

// check verifies the invariants of the state.
func (w *world) check() {
	w.t.Helper()
	for _, g := range w.m.groups {
		for topic, parts := range g.offsets {
			if len(parts) == 0 {
				w.t.Errorf("group %s keeps topic %s without offsets", g.id, topic)
			}
			for p, o := range parts {
				if o.pending < 0 || !o.committed && o.pending == 0 {
					w.t.Errorf("group %s: %s/%d has %d pending, committed %v", g.id, topic, p, o.pending, o.committed)
				}
			}
		}
		w.checkConsumer(g)
		c := g.classic
		if c == nil {
			continue
		}
		awaiting, supported := 0, map[string]int{}
		for _, x := range c.members {
			if c.byID[x.id] != x {
				w.t.Errorf("group %s: member %s is not in the index", g.id, x.id)
			}
			if x.joinWaiter != nil {
				awaiting++
			}
			if x.syncWaiter != nil && c.state != CompletingRebalance {
				w.t.Errorf("group %s: member %s waits for a sync in state %v", g.id, x.id, c.state)
			}
			named := map[string]bool{}
			for _, p := range x.protocols {
				if !named[p.Name] {
					supported[p.Name]++
				}
				named[p.Name] = true
			}
			if x.instanceID != nil && c.statics[*x.instanceID] != x.id {
				w.t.Errorf("group %s: instance %s does not lead to %s", g.id, *x.instanceID, x.id)
			}
			if x.session.index == 0 && !x.waiting() && c.state != Dead && !g.converting {
				w.t.Errorf("group %s in state %v: member %s has no session time-out and does not wait", g.id, c.state, x.id)
			}
		}
		if awaiting != c.awaiting || len(c.byID) != len(c.members) || fmt.Sprint(sortedCounts(supported)) != fmt.Sprint(sortedCounts(c.supported)) {
			w.t.Errorf("group %s: counts %d %d %v are wrong for its members: %d %d %v", g.id, c.awaiting, len(c.byID), c.supported, awaiting, len(c.members), supported)
		}
		switch {
		case (len(c.members) == 0) != (c.leader == ""):
			w.t.Errorf("group %s has %d members and leader %q", g.id, len(c.members), c.leader)
		case c.leader != "" && c.byID[c.leader] == nil:
			w.t.Errorf("group %s: leader %s is no member", g.id, c.leader)
		case c.state == Empty && len(c.members) > 0:
			w.t.Errorf("group %s is empty with %d members", g.id, len(c.members))
		case (c.state == Stable || c.state == CompletingRebalance) && (len(c.members) == 0 || c.protocolName == nil):
			w.t.Errorf("group %s is %v with %d members", g.id, c.state, len(c.members))
		case c.state == PreparingRebalance && c.join.index == 0 && !g.converting:
			w.t.Errorf("group %s prepares a rebalance without a time-out", g.id)
		}
		for id := range c.pendingSync {
			if c.byID[id] == nil {
				w.t.Errorf("group %s waits for the sync of %s, who is gone", g.id, id)
			}
		}
	}
}

func sortedCounts(m map[string]int) []string {
	var list []string
	for k, v := range m {
		list = append(list, fmt.Sprint(k, v))
	}
	sort.Strings(list)
	return list
}

// cloneRecords copies records out of the Machine's buffer.
func cloneRecords(list []record.Record) []record.Record {
	own := make([]record.Record, len(list))
	for i, r := range list {
		own[i].Key = append([]byte{}, r.Key...)
		if r.Value != nil {
			own[i].Value = append([]byte{}, r.Value...)
		}
	}
	return own
}

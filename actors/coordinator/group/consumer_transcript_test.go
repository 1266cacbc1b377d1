package group

// What the transcripts need for groups of KIP-848: requests, topics, and what comes out in one line.

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/coordinator/record"
)

// fakeTopics is a cluster's topics; the id of topic t is "t" and zeros.
type fakeTopics struct {
	version int64
	list    []TopicInfo // by name
}

func (f *fakeTopics) Version() int64 { return f.version }
func (f *fakeTopics) Complete() bool { return f.version > 0 }
func (f *fakeTopics) Names() (names []string) {
	for _, t := range f.list {
		names = append(names, t.Name)
	}
	return names
}

func (f *fakeTopics) Topic(name string) (TopicInfo, bool) {
	return f.find(func(t TopicInfo) bool { return t.Name == name })
}

func (f *fakeTopics) TopicByID(id [16]byte) (TopicInfo, bool) {
	return f.find(func(t TopicInfo) bool { return t.ID == id })
}

func (f *fakeTopics) find(is func(TopicInfo) bool) (TopicInfo, bool) {
	if i := slices.IndexFunc(f.list, is); i >= 0 {
		return f.list[i], true
	}
	return TopicInfo{}, false
}

// set makes a topic, changes its size, or with no partitions deletes it.
func (f *fakeTopics) set(name string, partitions int32) {
	f.version++
	f.list = slices.DeleteFunc(slices.Clone(f.list), func(t TopicInfo) bool { return t.Name == name })
	if partitions > 0 {
		f.list = append(f.list, TopicInfo{Name: name, ID: idOf(name), Partitions: partitions})
		slices.SortFunc(f.list, func(a, b TopicInfo) int { return strings.Compare(a.Name, b.Name) })
	}
}

func idOf(name string) (id [16]byte) {
	copy(id[:], name)
	return id
}

func nameOf(id [16]byte) string { return strings.TrimRight(string(id[:]), "\x00") }

// parseOwned reads t/0+1,u/2.
func parseOwned(list []string) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	out := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for _, s := range list {
		topic, parts, _ := strings.Cut(s, "/")
		t := kmsg.NewConsumerGroupHeartbeatRequestTopic()
		t.TopicID = idOf(topic)
		for _, p := range strings.Split(parts, "+") {
			if n, err := strconv.Atoi(p); err == nil {
				t.Partitions = append(t.Partitions, int32(n))
			}
		}
		if len(t.Partitions) > 0 {
			out = append(out, t)
		}
	}
	return out
}

func (w *world) runConsumer(t *testing.T, d *datadriven.TestData, arg func(string, string) string, list func(string) []string,
	num func(string, int) int, opt func(string) *string) (string, bool) {
	has := func(name string) bool {
		return slices.ContainsFunc(d.CmdArgs, func(a datadriven.CmdArg) bool { return a.Key == name })
	}
	group, waiter := arg("group", "g"), arg("w", d.Cmd)
	switch d.Cmd {
	case "topic":
		w.topics.set(arg("name", "t"), int32(num("partitions", 0)))
	case "consumer-config":
		w.cfg.ConsumerMaxSize = num("max-size", w.cfg.ConsumerMaxSize)
		w.cfg.Consumer.AssignmentIntervalMs = int32(num("interval", int(w.cfg.Consumer.AssignmentIntervalMs)))
		w.cfg.ConsumerMigration = map[string]Migration{"": MigrationBidirectional, "disabled": MigrationDisabled, "upgrade": MigrationUpgrade}[arg("migration", "")]
		w.restart()
	case "beat": // a heartbeat; with epoch=0 or without an epoch it joins
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID = int16(num("v", 1)), group, arg("id", ""), opt("instance")
		req.MemberEpoch, req.RebalanceTimeoutMillis = int32(num("epoch", 0)), -1
		req.ServerAssignor = opt("assignor")
		if req.MemberEpoch == 0 {
			req.RebalanceTimeoutMillis, req.SubscribedTopicNames = 60_000, []string{"t"}
			req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		}
		req.RebalanceTimeoutMillis = int32(num("rebalance", int(req.RebalanceTimeoutMillis)))
		if has("topics") {
			req.SubscribedTopicNames = slices.DeleteFunc(append([]string{}, list("topics")...), func(s string) bool { return s == "" })
		}
		if has("no-topics") {
			req.SubscribedTopicNames = nil
		}
		if has("regex") {
			s := arg("regex", "")
			req.SubscribedTopicRegex = &s
		}
		if has("owned") {
			req.Topics = parseOwned(list("owned"))
		}
		if has("no-owned") {
			req.Topics = nil
		}
		w.m.Handle(w.now, waiter, Client{ID: arg("client", "c"), Host: "/127.0.0.1"}, req)
	case "describe-consumer":
		w.m.Handle(w.now, waiter, Client{}, DescribeConsumer{Group: group})
	case "fetch-as":
		id := arg("id", "")
		w.m.Handle(w.now, waiter, Client{}, Fetch{Group: group, MemberID: &id, MemberEpoch: int32(num("epoch", -1)),
			Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: idOf("t"), Partitions: []int32{0}}}})
	case "commit-as": // with topic ids, as the handler gives them
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.MemberID, req.Generation = int16(num("v", 10)), group, arg("id", ""), int32(num("epoch", -1))
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = int32(num("partition", 0)), int64(num("offset", 1))
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", TopicID: idOf("t"), Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
		w.m.Handle(w.now, waiter, Client{}, req)
	default:
		d.Fatalf(t, "unknown command")
	}
	return "", false
}

func showSet(s partitionSet) string {
	var list []string
	for i := range s {
		var parts []string
		for k, p := range s[i].Partitions {
			item := strconv.Itoa(int(p))
			if s[i].Epochs != nil {
				item += "@" + strconv.Itoa(int(s[i].Epochs[k]))
			}
			parts = append(parts, item)
		}
		list = append(list, nameOf(s[i].TopicID)+"/"+strings.Join(parts, "+"))
	}
	return "[" + strings.Join(list, " ") + "]"
}

func stateOf(state int8) string {
	return map[int8]string{memberStable: "stable", memberUnrevokedPartitions: "unrevoked", memberUnreleased: "unreleased"}[state]
}

func showConsumer(r any) string {
	switch r := r.(type) {
	case *kmsg.ConsumerGroupHeartbeatResponse:
		if r.ErrorCode != 0 {
			return fmt.Sprintf("beat %s %s", code(r.ErrorCode), deref(r.ErrorMessage))
		}
		s := fmt.Sprintf("beat %s epoch %d", deref(r.MemberID), r.MemberEpoch)
		if r.Assignment != nil {
			var set partitionSet
			for _, t := range r.Assignment.Topics {
				set = append(set, record.TopicPartitions{TopicID: t.TopicID, Partitions: t.Partitions})
			}
			s += " " + showSet(set)
		}
		return s
	case *kmsg.ConsumerGroupDescribeResponseGroup:
		if r.ErrorCode != 0 {
			return fmt.Sprintf("describe %s %s", code(r.ErrorCode), deref(r.ErrorMessage))
		}
		s := fmt.Sprintf("describe %s epoch %d assignment %d %s", r.State, r.Epoch, r.AssignmentEpoch, r.AssignorName)
		for _, m := range r.Members {
			s += fmt.Sprintf("\n  %s@%s type %d epoch %d topics %v regex %q has %s target %s", m.MemberID, deref(m.InstanceID), m.MemberType, m.MemberEpoch,
				m.SubscribedTopics, deref(m.SubscribedTopicRegex), showDescribed(m.Assignment), showDescribed(m.TargetAssignment))
		}
		return s
	}
	return fmt.Sprintf("%T", r)
}

func showDescribed(a kmsg.Assignment) string {
	var set partitionSet
	for _, t := range a.TopicPartitions {
		set = append(set, record.TopicPartitions{TopicID: t.TopicID, Partitions: t.Partitions})
	}
	return showSet(set)
}

// showConsumerRecord is a consumer group's record, after its type and group.
func showConsumerRecord(k record.Key, value []byte) string {
	ch, err := decodeChange(k, value)
	if err != nil {
		return " " + err.Error()
	}
	s := ""
	if k.Member != "" {
		s = " " + k.Member
	}
	switch v := ch.value.(type) {
	case record.GroupEpoch:
		return s + fmt.Sprintf(" epoch %d", v.Epoch)
	case *record.Member:
		return s + fmt.Sprintf(" subscribed to %v %q", v.Topics, *v.Regex)
	case record.AssignmentEpoch:
		return s + fmt.Sprintf(" assignment epoch %d", v.Epoch)
	case partitionSet:
		return s + " target " + showSet(v)
	case *record.CurrentAssignment:
		s += fmt.Sprintf(" %s epoch %d, before %d, has %s", stateOf(v.State), v.MemberEpoch, v.PreviousMemberEpoch, showSet(v.Assigned))
		if len(v.PendingRevocation) > 0 {
			s += " gives up " + showSet(v.PendingRevocation)
		}
		return s
	case *record.ResolvedRegex:
		return s + fmt.Sprintf(" %q is %v", k.Regex, v.Topics)
	}
	return s + " " + k.Regex
}

// checkConsumer verifies the invariants of a consumer group.
func (w *world) checkConsumer(g *Group) {
	w.t.Helper()
	c := g.consumer
	if c == nil {
		return
	}
	if g.classic != nil {
		w.t.Errorf("group %s is of both protocols", g.id)
	}
	again := w.m.newConsumer(g)
	again.ledger = c.ledger
	again.derive()
	for what, pair := range map[string][2]any{"owners": {c.owners, again.owners}, "statics": {c.statics, again.statics}, "regexes": {c.regexUsers, again.regexUsers},
		"topics": {c.topicUsers, again.topicUsers}, "classic members": {c.classicMembers, again.classicMembers}} {
		if got, want := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); got != want && !c.torn {
			w.t.Errorf("group %s: %s are %s, its members say %s", g.id, what, got, want)
		}
	}
	seen := map[string]string{}
	for id, x := range c.members {
		if x.id != id || id == "" {
			w.t.Errorf("group %s: member %q is kept as %q", g.id, x.id, id)
		}
		if t := c.timers[id]; w.m.closed == 0 && (t == nil || t.session.index == 0) {
			w.t.Errorf("group %s: member %s has no session time-out", g.id, id)
		}
		for _, s := range []partitionSet{x.assigned, x.revoking} {
			s.each(func(p tp) {
				key := fmt.Sprint(nameOf(p.topic), "/", p.partition)
				if other := seen[key]; other != "" && !c.torn {
					w.t.Errorf("group %s: %s belongs to %s and %s", g.id, key, other, id)
				}
				seen[key] = id
			})
		}
	}
	for id := range c.timers {
		if c.members[id] == nil {
			w.t.Errorf("group %s keeps timers of %s, who is gone", g.id, id)
		}
	}
	if (len(c.underWay) > 0) != (c.base != nil) {
		w.t.Errorf("group %s: %d edits under way, base %v", g.id, len(c.underWay), c.base != nil)
	}
}

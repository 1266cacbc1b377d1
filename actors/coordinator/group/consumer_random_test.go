package group

// Random histories of consumers of both protocols in one group, which comes and goes between the protocols meanwhile: answers
// get lost, appends are held, refused, members vanish, topics change, the broker crashes. At every step no partition is
// held by two members; when the chaos ends the group settles, every partition has its consumer, and a replay of the log
// gives the group as it is in memory.

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/protocol"
)

func TestRandomHistoriesOfBothProtocolsKeepPartitionsApartAndSettle(t *testing.T) {
	for i := range uint64(*randomRuns+1) / 2 {
		seed := *randomSeed + i
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { newFleet(t, seed).play(400) })
	}
}

// partition is a topic's partition.
type partition struct {
	topic string
	n     int32
}

// consumerClient is a consumer as its coordinator knows it by its requests.
type consumerClient struct {
	name     string
	classic  bool
	instance *string
	topics   []string
	regex    string

	id      string
	epoch   int32 // member epoch or generation
	joined  bool
	synced  bool               // classic: has an assignment
	owned   map[partition]bool // what it consumes
	target  map[partition]bool // what it was told to have; nil: nothing new
	waiting string             // the waiter of its request on the way
	gone    bool               // has left for now
	lost    bool               // an answer: it tells everything of itself again, to be told everything
	leader  []kmsg.JoinGroupResponseMember
}

func (c *consumerClient) reset() {
	c.joined, c.synced, c.epoch, c.owned, c.target, c.leader = false, false, 0, map[partition]bool{}, nil, nil
}

type fleet struct {
	*world
	rnd     *rand.Rand
	clients []*consumerClient
	fails   bool
	calm    bool
	n       int
}

func newFleet(t *testing.T, seed uint64) *fleet {
	f := &fleet{world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 848))}
	f.fails = seed%3 == 0
	f.cfg.InitialRebalanceDelayMs = 0
	f.cfg.Consumer.AssignmentIntervalMs = []int32{0, 1000}[f.rnd.IntN(2)]
	f.topics.set("t", int32(1+f.rnd.IntN(6)))
	f.topics.set("u", int32(1+f.rnd.IntN(4)))
	f.restart()
	for i := range 6 {
		c := &consumerClient{name: fmt.Sprint("c", i), classic: seed%2 == 0 && i < 3, topics: []string{"t", "u"}}
		switch {
		case i%3 == 1:
			s := fmt.Sprint("i", i)
			c.instance = &s
		case i == 5 && !c.classic:
			c.regex, c.topics = "[tu]", nil
		case i == 4:
			c.topics = []string{"t"}
		}
		c.reset()
		f.clients = append(f.clients, c)
	}
	return f
}

func (f *fleet) play(steps int) {
	for range steps {
		f.step()
		f.collect()
		f.verify()
	}
	f.calm = true
	for _, c := range f.clients {
		if c.gone {
			c.gone = false
		}
	}
	for range 60 {
		for _, c := range f.clients {
			f.act(c)
			f.collect()
		}
		f.pass(3000)
		f.verify()
	}
	f.settled()
	f.replays()
}

func (f *fleet) step() {
	c := f.clients[f.rnd.IntN(len(f.clients))]
	switch k := f.rnd.IntN(100); {
	case k < 70:
		f.act(c)
	case k < 74 && c.joined:
		f.leave(c)
	case k < 77: // vanishes and comes back as another
		c.reset()
		c.id, c.waiting = "", ""
		c.gone = f.rnd.IntN(2) == 0
	case k < 80:
		c.gone = false
	case k < 92:
		f.pass(int64(f.rnd.IntN(3000)))
	case k < 94:
		f.pass(int64(f.rnd.IntN(50_000)))
	case k < 97:
		f.topics.set([]string{"t", "u"}[f.rnd.IntN(2)], int32(f.rnd.IntN(6)))
	case k < 98:
		f.restart()
		for _, c := range f.clients {
			c.waiting = ""
		}
	}
}

// pass lets time go by.
func (f *fleet) pass(ms int64) {
	end := f.now + ms
	for {
		at, ok := f.m.NextDeadline()
		if !ok || at > end {
			break
		}
		f.now = max(f.now, at)
		f.m.Tick(f.now)
		f.collect()
	}
	f.now = end
}

// act has a client do what comes next for it.
func (f *fleet) act(c *consumerClient) {
	if c.waiting != "" || c.gone {
		return
	}
	f.n++
	c.waiting = fmt.Sprint("w", f.n)
	// It lets go of what it no longer has, mostly.
	if c.target != nil && (f.calm || f.rnd.IntN(4) > 0) {
		c.owned, c.target = c.target, nil
	}
	client := Client{ID: c.name, Host: "/h"}
	switch {
	case c.classic && !c.joined:
		req := kmsg.NewPtrJoinGroupRequest()
		req.Version, req.Group, req.MemberID, req.InstanceID, req.ProtocolType = 5, "g", c.id, c.instance, "consumer"
		req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 30_000, 20_000
		s := kmsg.ConsumerMemberMetadata{Version: 1, Topics: c.topics}
		c.owned = map[partition]bool{} // eager: it gives all up before it rejoins
		req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: s.AppendTo(nil)}}
		f.m.Handle(f.now, c.waiting, client, req)
	case c.classic && !c.synced:
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = "g", c.id, c.instance, c.epoch
		for i, m := range c.leader {
			a := kmsg.ConsumerMemberAssignment{}
			for _, t := range f.topics.list {
				var parts []int32
				for p := range t.Partitions {
					if int(p)%len(c.leader) == i {
						parts = append(parts, p)
					}
				}
				if len(parts) > 0 {
					a.Topics = append(a.Topics, kmsg.ConsumerMemberAssignmentTopic{Topic: t.Name, Partitions: parts})
				}
			}
			req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: m.MemberID, MemberAssignment: a.AppendTo(nil)})
		}
		f.m.Handle(f.now, c.waiting, client, req)
	case c.classic:
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.Generation = "g", c.id, c.instance, c.epoch
		f.m.Handle(f.now, c.waiting, client, req)
	default:
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		if c.id == "" {
			c.id = fmt.Sprint(c.name, "-", f.n)
		}
		req.Version, req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = 1, "g", c.id, c.instance, c.epoch
		req.RebalanceTimeoutMillis = -1
		if !c.joined || c.lost {
			req.RebalanceTimeoutMillis, req.SubscribedTopicNames, req.SubscribedTopicRegex = 20_000, append([]string{}, c.topics...), &c.regex
		}
		if !c.joined {
			req.MemberEpoch, c.owned = 0, map[partition]bool{}
		}
		c.lost = false
		req.Topics = f.ownedBy(c)
		f.m.Handle(f.now, c.waiting, client, req)
	}
}

func (f *fleet) ownedBy(c *consumerClient) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	list := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	for p := range c.owned {
		list = append(list, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: idOf(p.topic), Partitions: []int32{p.n}})
	}
	return list
}

func (f *fleet) leave(c *consumerClient) {
	f.n++
	c.waiting, c.gone = fmt.Sprint("w", f.n), f.rnd.IntN(3) > 0
	id, epoch := c.id, leaveEpoch
	c.reset()
	c.id = ""
	if c.classic {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group = 4, "g"
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: id, InstanceID: c.instance}}
		f.m.Handle(f.now, c.waiting, Client{}, req)
		return
	}
	if c.instance != nil && f.rnd.IntN(2) == 0 {
		epoch = staticLeaveEpoch
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version, req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = 1, "g", id, c.instance, epoch
	f.m.Handle(f.now, c.waiting, Client{}, req)
}

// collect takes what came out; appends meet their fate now or later.
func (f *fleet) collect() {
	for {
		for _, a := range f.m.Appends() {
			f.recs[a.ID] = append(f.recs[a.ID], cloneRecords(a.Records)...)
			f.held = append(f.held, a.ID)
		}
		for _, r := range f.m.Replies() {
			f.answered(r)
		}
		if len(f.held) == 0 || !f.calm && f.rnd.IntN(3) == 0 {
			return
		}
		id := f.held[0]
		f.held = f.held[1:]
		err := protocol.ErrNone
		if f.fails && !f.calm && f.rnd.IntN(6) == 0 {
			err = protocol.ErrNotEnoughReplicas
		} else {
			f.log = append(f.log, f.recs[id]...)
		}
		delete(f.recs, id)
		f.m.Appended(f.now, id, err)
	}
}

func (f *fleet) answered(r Reply) {
	i := slices.IndexFunc(f.clients, func(c *consumerClient) bool { return c.waiting == r.To.(string) })
	if i < 0 {
		return // its client has gone
	}
	c := f.clients[i]
	c.waiting = ""
	if !f.calm && f.rnd.IntN(12) == 0 && !c.classic {
		c.lost = true
		return
	}
	switch a := r.Response.(type) {
	case *kmsg.ConsumerGroupHeartbeatResponse:
		f.heartbeatAnswered(c, a)
	case *kmsg.JoinGroupResponse:
		switch protocol.ErrorCode(a.ErrorCode) {
		case protocol.ErrNone:
			c.joined, c.synced, c.id, c.epoch, c.leader = true, false, a.MemberID, a.Generation, a.Members
		case protocol.ErrMemberIDRequired:
			c.id = a.MemberID
		case protocol.ErrUnknownMemberID, protocol.ErrFencedInstanceID:
			c.id = ""
		}
	case *kmsg.SyncGroupResponse:
		if a.ErrorCode != 0 {
			f.rejoin(c, a.ErrorCode)
			return
		}
		m := kmsg.ConsumerMemberAssignment{}
		if err := m.ReadFrom(a.MemberAssignment); err != nil && len(a.MemberAssignment) > 0 {
			f.t.Fatalf("%s gets an assignment that cannot be read: %v", c.name, err)
		}
		c.synced, c.owned = true, map[partition]bool{}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				c.owned[partition{t.Topic, p}] = true
			}
		}
	case *kmsg.HeartbeatResponse:
		if a.ErrorCode != 0 {
			f.rejoin(c, a.ErrorCode)
		}
	}
}

// rejoin makes a classic client join again.
func (f *fleet) rejoin(c *consumerClient, err int16) {
	id := c.id
	owned := c.owned
	c.reset()
	switch protocol.ErrorCode(err) {
	case protocol.ErrUnknownMemberID, protocol.ErrFencedInstanceID:
		c.id = ""
	case protocol.ErrRebalanceInProgress:
		c.id, c.owned = id, owned // until it rejoins
	default:
		c.id = id
	}
}

func (f *fleet) heartbeatAnswered(c *consumerClient, a *kmsg.ConsumerGroupHeartbeatResponse) {
	switch protocol.ErrorCode(a.ErrorCode) {
	case protocol.ErrNone:
	case protocol.ErrFencedMemberEpoch, protocol.ErrUnknownMemberID, protocol.ErrFencedInstanceID, protocol.ErrGroupIDNotFound, protocol.ErrUnreleasedInstanceID:
		c.reset()
		if protocol.ErrorCode(a.ErrorCode) == protocol.ErrFencedInstanceID {
			c.id = ""
		}
		return
	default:
		c.lost = true
		return
	}
	if a.MemberEpoch < 0 {
		return
	}
	c.joined, c.epoch = true, a.MemberEpoch
	if a.Assignment == nil {
		return
	}
	c.target = map[partition]bool{}
	for _, t := range a.Assignment.Topics {
		for _, p := range t.Partitions {
			c.target[partition{nameOf(t.TopicID), p}] = true
		}
	}
	// What is new it begins to consume at once, what goes it lets go of later.
	for p := range c.target {
		c.owned[p] = true
	}
}

// verify checks the state, and that no two clients that are members consume the same partition.
func (f *fleet) verify() {
	f.t.Helper()
	f.check()
	g := f.m.groups["g"]
	if g == nil || g.consumer != nil && g.consumer.torn {
		return
	}
	holder := map[partition]string{}
	for _, c := range f.clients {
		// A static member may sleep through rebalances of the classic protocol: what it has is of a former generation.
		member := g.classic != nil && g.classic.member(c.id) != nil && g.classic.generation == c.epoch
		if g.consumer != nil {
			x := g.consumer.members[c.id]
			member = x != nil && x.epoch >= 0
		}
		if !member || !c.joined {
			continue
		}
		for p := range c.owned {
			if other := holder[p]; other != "" {
				f.t.Fatalf("%s and %s both consume %s/%d", other, c.name, p.topic, p.n)
			}
			holder[p] = c.name
		}
	}
}

// settled checks that everything is consumed.
func (f *fleet) settled() {
	g := f.m.lookup("g")
	if g == nil {
		f.t.Fatal("there is no group")
	}
	if g.consumer != nil && g.consumer.stateName() != "Stable" || g.classic != nil && g.classic.state != Stable {
		f.m.DescribeConsumerGroup("d", "g")
		for _, r := range f.m.Replies() {
			f.t.Log(show(r.Response))
		}
		f.t.Fatalf("the group has not settled")
	}
	if g.classic != nil {
		return // the leader's assignment does not mind subscriptions
	}
	holder := map[partition]string{}
	for _, c := range f.clients {
		for p := range c.owned {
			holder[p] = c.name
		}
	}
	for _, t := range f.topics.list {
		for p := range t.Partitions {
			if holder[partition{t.Name, p}] == "" {
				f.t.Errorf("nobody consumes %s/%d", t.Name, p)
			}
		}
	}
}

// replays finds the group in its log as it is in memory.
func (f *fleet) replays() {
	live := f.m.lookup("g")
	again := New(f.cfg)
	for _, r := range f.log {
		if err := again.Replay(f.now, r.Key, r.Value); err != nil {
			f.t.Fatal(err)
		}
	}
	again.Loaded(f.now)
	read := again.lookup("g")
	if read == nil || (read.consumer == nil) != (live.consumer == nil) {
		f.t.Fatalf("the log has another group: %+v", read)
	}
	if live.consumer == nil {
		return
	}
	a, b := &live.consumer.ledger, &read.consumer.ledger
	if a.epoch != b.epoch || a.assignmentEpoch != b.assignmentEpoch || a.hash != b.hash || !slices.Equal(slices.Sorted(maps.Keys(a.members)), slices.Sorted(maps.Keys(b.members))) {
		f.t.Fatalf("the log has epoch %d, assignment %d, members %v; memory %d, %d, %v", b.epoch, b.assignmentEpoch, slices.Sorted(maps.Keys(b.members)),
			a.epoch, a.assignmentEpoch, slices.Sorted(maps.Keys(a.members)))
	}
	for id, x := range a.members {
		y := b.members[id]
		if !x.sameAssignment(y) || !reflect.DeepEqual(x.Topics, y.Topics) || x.regex() != y.regex() || !a.targets[id].samePartitions(b.targets[id]) {
			f.t.Errorf("member %s is %+v in memory, %+v in the log", id, x, y)
		}
	}
	for pattern, r := range a.regexes {
		if !reflect.DeepEqual(r, b.regexes[pattern]) {
			f.t.Errorf("%q is %v in memory, %v in the log", pattern, r, b.regexes[pattern])
		}
	}
}

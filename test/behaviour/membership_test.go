package behaviour

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns what the members of a classic group see of each other, above all what happens when one falls silent.

// Error codes, by Kafka's names.
const (
	unknownMemberID     int16 = 25
	rebalanceInProgress int16 = 27
	memberIDRequired    int16 = 79
	fencedInstanceID    int16 = 82
	nonEmptyGroup       int16 = 68
)

// shortestSession is Kafka's default of group.min.session.timeout.ms.
const shortestSession = 6 * time.Second

var groupNames atomic.Int32

// person is a member of a group, with a connection of its own.
type person struct {
	*conn
	group, id  string
	instance   *string
	generation int32
	rebalance  time.Duration
}

func (b *broker) person(t *testing.T, group string) *person {
	return &person{conn: b.dial(t), group: group, rebalance: time.Minute, generation: -1}
}

// group is a new group's name, whose coordinator is there.
func (b *broker) group(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("membership-%d-%d", time.Now().UnixMilli(), groupNames.Add(1))
	for deadline := time.Now().Add(answerWithin); ; {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKeys = []string{name}
		if ask(t, b, find, 4, kmsg.NewPtrFindCoordinatorResponse()).Coordinators[0].ErrorCode == 0 {
			beat := kmsg.NewPtrHeartbeatRequest()
			beat.Group, beat.MemberID = name, "nobody"
			if ask(t, b, beat, 4, kmsg.NewPtrHeartbeatResponse()).ErrorCode == unknownMemberID {
				return name
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("group %s has no coordinator", name)
		}
	}
}

func (p *person) sendJoin() {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID, req.InstanceID, req.ProtocolType = p.group, p.id, p.instance, "test"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(shortestSession.Milliseconds()), int32(p.rebalance.Milliseconds())
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "p", Metadata: []byte("m")}}
	p.send(req, 9)
}

// joined reads the answer to sendJoin.
func (p *person) joined() *kmsg.JoinGroupResponse {
	p.t.Helper()
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.SetVersion(9)
	p.receive(resp)
	if resp.ErrorCode == memberIDRequired {
		p.id = resp.MemberID
	}
	if resp.ErrorCode == 0 {
		p.id, p.generation = resp.MemberID, resp.Generation
	}
	return resp
}

// begin joins with an id asked for first, and leaves the answer to come.
func (p *person) begin() {
	p.t.Helper()
	p.sendJoin()
	wantCode(p.t, "JoinGroup without an id", p.joined().ErrorCode, memberIDRequired)
	p.sendJoin()
}

func (p *person) sync(assign ...*person) *kmsg.SyncGroupResponse {
	p.t.Helper()
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.InstanceID, req.Generation = p.group, p.id, p.instance, p.generation
	kind, name := "test", "p"
	req.ProtocolType, req.Protocol = &kind, &name
	for _, x := range assign {
		req.GroupAssignment = append(req.GroupAssignment, kmsg.SyncGroupRequestGroupAssignment{MemberID: x.id, MemberAssignment: []byte("for " + x.id)})
	}
	p.send(req, 5)
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.SetVersion(5)
	p.receive(resp)
	return resp
}

func (p *person) beat() int16 {
	p.t.Helper()
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID, req.Generation = p.group, p.id, p.instance, p.generation
	p.send(req, 4)
	resp := kmsg.NewPtrHeartbeatResponse()
	resp.SetVersion(4)
	p.receive(resp)
	return resp.ErrorCode
}

func (b *broker) members(t *testing.T, group string) kmsg.DescribeGroupsResponseGroup {
	t.Helper()
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	return ask(t, b, req, 5, kmsg.NewPtrDescribeGroupsResponse()).Groups[0]
}

// until beats p until it is told code, and says how long that took.
func (p *person) until(code int16, within time.Duration) time.Duration {
	p.t.Helper()
	for began := time.Now(); ; {
		got := p.beat()
		if got == code {
			return time.Since(began)
		}
		if time.Since(began) > within {
			p.t.Fatalf("for %s heartbeats are answered %d, Kafka comes to say %d", within, got, code)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// pair is a stable group of two; the first is the leader.
func (b *broker) pair(t *testing.T) (leader, other *person) {
	t.Helper()
	group := b.group(t)
	leader, other = b.person(t, group), b.person(t, group)
	for _, p := range []*person{leader, other} {
		_ = p.SetDeadline(time.Now().Add(4 * answerWithin))
		p.begin()
	}
	first := leader.joined()
	wantCode(t, "JoinGroup of the first", first.ErrorCode, 0)
	wantCode(t, "JoinGroup of the second", other.joined().ErrorCode, 0)
	if first.LeaderID != leader.id {
		leader, other = other, leader
	}
	wantCode(t, "SyncGroup of the leader", leader.sync(leader, other).ErrorCode, 0)
	answer := other.sync()
	if answer.ErrorCode != 0 || string(answer.MemberAssignment) != "for "+other.id {
		t.Fatalf("SyncGroup of the other: %d %q", answer.ErrorCode, answer.MemberAssignment)
	}
	return leader, other
}

func testMembership(t *testing.T, b *broker) {
	for name, test := range map[string]func(*testing.T, *broker){
		"a silent member is out when its session ends":           testSilentMember,
		"a member that never syncs is out":                       testNeverSyncs,
		"an id that nobody uses is forgotten":                    testUnusedID,
		"a member that does not rejoin is out":                   testDoesNotRejoin,
		"a static member that comes back fences its former self": testStaticMember,
		"members leave one by one":                               testLeave,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			test(t, b)
		})
	}
}

func testSilentMember(t *testing.T, b *broker) {
	leader, other := b.pair(t)
	wantCode(t, "Heartbeat", other.beat(), 0)
	silent := time.Now()
	for time.Since(silent) < shortestSession-500*time.Millisecond {
		wantCode(t, "Heartbeat while the other's session lasts", leader.beat(), 0)
		<-time.After(20 * time.Millisecond)
	}
	leader.until(rebalanceInProgress, 3*time.Second)
	if late := time.Since(silent) - shortestSession; !b.kafka && late > 300*time.Millisecond {
		t.Errorf("the session ended %s late", late)
	}
	wantCode(t, "Heartbeat of who is out", other.beat(), unknownMemberID)
	before := leader.generation
	leader.sendJoin()
	if resp := leader.joined(); resp.ErrorCode != 0 || resp.Generation != before+1 || len(resp.Members) != 1 {
		t.Errorf("the one left joins: %d, generation %d after %d, %d members", resp.ErrorCode, resp.Generation, before, len(resp.Members))
	}
}

func testNeverSyncs(t *testing.T, b *broker) {
	group := b.group(t)
	p := b.person(t, group)
	p.rebalance = time.Second
	p.begin()
	wantCode(t, "JoinGroup", p.joined().ErrorCode, 0)
	wantCode(t, "Heartbeat while the assignment is awaited", p.beat(), 0)
	p.until(unknownMemberID, 5*time.Second)
	if g := b.members(t, group); g.State != "Empty" {
		t.Errorf("the group is %s, in Kafka Empty", g.State)
	}
}

func testUnusedID(t *testing.T, b *broker) {
	group := b.group(t)
	p := b.person(t, group)
	p.sendJoin()
	wantCode(t, "JoinGroup without an id", p.joined().ErrorCode, memberIDRequired)
	<-time.After(shortestSession + 500*time.Millisecond)
	p.sendJoin()
	wantCode(t, "JoinGroup with an id from before", p.joined().ErrorCode, unknownMemberID)
}

func testDoesNotRejoin(t *testing.T, b *broker) {
	leader, other := b.pair(t)
	_ = other
	third := b.person(t, leader.group)
	_ = third.SetDeadline(time.Now().Add(4 * answerWithin))
	third.begin()
	leader.until(rebalanceInProgress, 5*time.Second)
	commit := kmsg.NewPtrOffsetCommitRequest()
	commit.Group, commit.MemberID, commit.Generation = leader.group, leader.id, leader.generation
	leader.send(commit, 8)
	done := kmsg.NewPtrOffsetCommitResponse()
	done.SetVersion(8)
	leader.receive(done)
	wantCode(t, "SyncGroup while members gather", leader.sync().ErrorCode, rebalanceInProgress)
	before := leader.generation
	leader.sendJoin()
	// The other beats on without joining: its session lasts, but the group does not wait for it for ever.
	wantCode(t, "Heartbeat of one that does not join", other.beat(), rebalanceInProgress)
	<-time.After(shortestSession + 500*time.Millisecond) // then its session is over too, which ends the wait
	if resp := leader.joined(); resp.ErrorCode != 0 || resp.Generation != before+1 {
		t.Errorf("JoinGroup: %d, generation %d after %d", resp.ErrorCode, resp.Generation, before)
	}
	wantCode(t, "JoinGroup of the third", third.joined().ErrorCode, 0)
	wantCode(t, "Heartbeat of who is out", other.beat(), unknownMemberID)
}

func testStaticMember(t *testing.T, b *broker) {
	group, instance := b.group(t), "i"
	old := b.person(t, group)
	old.instance = &instance
	old.sendJoin()
	wantCode(t, "JoinGroup", old.joined().ErrorCode, 0)
	wantCode(t, "SyncGroup", old.sync(old).ErrorCode, 0)
	back := b.person(t, group)
	back.instance = &instance
	back.sendJoin()
	resp := back.joined()
	if resp.ErrorCode != 0 || resp.Generation != old.generation || back.id == old.id || !resp.SkipAssignment || resp.LeaderID != back.id {
		t.Errorf("JoinGroup of the one that is back: %+v", resp)
	}
	wantCode(t, "Heartbeat of its former self", old.beat(), fencedInstanceID)
	wantCode(t, "SyncGroup of its former self", old.sync().ErrorCode, fencedInstanceID)
	old.sendJoin()
	wantCode(t, "JoinGroup of its former self", old.joined().ErrorCode, fencedInstanceID)
	if answer := back.sync(); answer.ErrorCode != 0 || string(answer.MemberAssignment) != "for "+old.id {
		t.Errorf("SyncGroup of the one that is back: %d %q", answer.ErrorCode, answer.MemberAssignment)
	}
	wantCode(t, "Heartbeat of the one that is back", back.beat(), 0)
}

func testLeave(t *testing.T, b *broker) {
	leader, other := b.pair(t)
	remove := kmsg.NewPtrDeleteGroupsRequest()
	remove.Groups = []string{leader.group}
	wantCode(t, "DeleteGroups with members", ask(t, b, remove, 2, kmsg.NewPtrDeleteGroupsResponse()).Groups[0].ErrorCode, nonEmptyGroup)
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.Members = leader.group, []kmsg.LeaveGroupRequestMember{{MemberID: "nobody"}, {MemberID: other.id}, {MemberID: other.id}}
	resp := ask(t, b, leave, 5, kmsg.NewPtrLeaveGroupResponse())
	wantCode(t, "LeaveGroup", resp.ErrorCode, 0)
	for i, want := range []int16{unknownMemberID, 0, unknownMemberID} {
		if got := resp.Members[i]; got.ErrorCode != want || got.MemberID != leave.Members[i].MemberID {
			t.Errorf("LeaveGroup of member %d: %+v, Kafka says %d", i, got, want)
		}
	}
	wantCode(t, "Heartbeat of who left", other.beat(), unknownMemberID)
	wantCode(t, "Heartbeat of who stays", leader.beat(), rebalanceInProgress)
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: leader.id}}
	wantCode(t, "LeaveGroup of the last", ask(t, b, leave, 5, kmsg.NewPtrLeaveGroupResponse()).Members[0].ErrorCode, 0)
	if g := b.members(t, leader.group); g.State != "Empty" || g.ProtocolType != "test" || len(g.Members) != 0 {
		t.Errorf("the group is %s of %q with %d members", g.State, g.ProtocolType, len(g.Members))
	}
	leader.generation--
	wantCode(t, "Heartbeat of who has left", leader.beat(), unknownMemberID)
	wantCode(t, "DeleteGroups", ask(t, b, remove, 2, kmsg.NewPtrDeleteGroupsResponse()).Groups[0].ErrorCode, 0)
	if g := b.members(t, leader.group); g.State != "Dead" {
		t.Errorf("the group is %s", g.State)
	}
}

package api

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessionClock asks a cache of sessions at moments of the test's choice.
type sessionClock struct {
	t     *testing.T
	cache *FetchSessions
	nowMs int64
}

func newSessionClock(t *testing.T, slots int) *sessionClock {
	id := uint64(0)
	return &sessionClock{t: t, cache: NewFetchSessions(slots, func() uint64 { id++; return id })}
}

// fetch sends a request that names the first partitions of a topic.
func (c *sessionClock) fetch(id, epoch, partitions int32) sessionUse {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 12, id, epoch
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = "t"
	for number := range partitions {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = number
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	use, _ := c.cache.open(req, c.nowMs)
	return use
}

// begin asks for a new session; its id, 0 if there was no room.
func (c *sessionClock) begin(partitions int32) int32 { return c.fetch(0, 0, partitions).id }

// lives says whether an incremental fetch finds its session.
func (c *sessionClock) lives(id, epoch int32) bool { return c.fetch(id, epoch, 0).code == 0 }

func TestASessionThatNobodyUsesGivesItsSlotAwayAfterTwoMinutes(t *testing.T) {
	c := newSessionClock(t, 2)
	first := c.begin(5)
	c.nowMs = 1000
	second := c.begin(5)
	c.nowMs = sessionIdleMs
	if got := c.begin(1); got != 0 {
		t.Fatalf("after two minutes and no more the slot was given away to %d", got)
	}
	c.nowMs++
	third := c.begin(1)
	if third == 0 || c.lives(first, 1) || !c.lives(second, 1) || !c.lives(third, 1) {
		t.Fatalf("session %d should have the place of %d", third, first)
	}
}

func TestASessionInUseGivesItsSlotToALargerOneOnceItIsTwoMinutesOld(t *testing.T) {
	c := newSessionClock(t, 2)
	large, small := c.begin(6), c.begin(3)
	c.nowMs = sessionIdleMs
	if !c.lives(large, 1) || !c.lives(small, 1) || c.begin(7) != 0 {
		t.Fatal("a session that is not older than two minutes lost its slot")
	}
	c.nowMs++
	if c.begin(7) != 0 {
		t.Fatal("a session lost its slot though it was not used since it has been two minutes old")
	}
	if !c.lives(large, 2) || !c.lives(small, 2) {
		t.Fatal("the sessions should live on")
	}
	if c.begin(3) != 0 {
		t.Fatal("a session lost its slot to one that is no larger")
	}
	next := c.begin(4)
	if next == 0 || c.lives(small, 3) || !c.lives(large, 3) {
		t.Fatalf("session %d should have the place of the smaller one", next)
	}
	if c.begin(5) != 0 {
		t.Fatal("the new session lost its slot at once")
	}
	if newest := c.begin(7); newest == 0 || c.lives(large, 4) || !c.lives(next, 1) {
		t.Fatalf("session %d should have the place of the old one", newest)
	}
	if got, want := c.cache.Partitions(), 4+7; got != want || c.cache.Len() != 2 {
		t.Fatalf("%d partitions in %d sessions, expected %d in 2", got, c.cache.Len(), want)
	}
}

func TestASessionThatHasShrunkIsTheFirstToLoseItsSlot(t *testing.T) {
	c := newSessionClock(t, 2)
	a, b := c.begin(6), c.begin(5)
	c.nowMs = sessionIdleMs + 1
	c.lives(a, 1)
	c.lives(b, 1)
	forget := kmsg.NewPtrFetchRequest()
	forget.Version, forget.SessionID, forget.SessionEpoch = 12, a, 2
	forget.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{0, 1, 2, 3}}}
	c.cache.open(forget, c.nowMs)
	if c.begin(3) == 0 || c.lives(a, 3) || !c.lives(b, 2) {
		t.Fatal("the session that has shrunk to two partitions should have gone")
	}
}

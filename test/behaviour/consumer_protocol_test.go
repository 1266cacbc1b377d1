package behaviour

// Groups of the consumer protocol (KIP-848) as a client library sees them.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/test/harness"
)

var quickConsumerGroups = []string{"--group.consumer.heartbeat.interval.ms=200", "--group.consumer.session.timeout.ms=3000", "--group.consumer.assignment.interval.ms=0"}

// groupMember is a consumer whose records come out of seen.
type groupMember struct {
	*kgo.Client
	seen      chan *kgo.Record
	assigned  atomic.Int32 // times that it got partitions
	unplugged atomic.Bool
	mu        sync.Mutex
	conns     []net.Conn
	done      chan struct{}
}

func joinGroup(t *testing.T, b *harness.Broker, group, topic string, opts ...kgo.Opt) *groupMember {
	t.Helper()
	m := &groupMember{seen: make(chan *kgo.Record, 10_000), done: make(chan struct{})}
	opts = append([]kgo.Opt{
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			if len(got) > 0 {
				m.assigned.Add(1)
			}
		}),
		kgo.Dialer(func(ctx context.Context, network, host string) (net.Conn, error) {
			if m.unplugged.Load() {
				return nil, errors.New("unplugged")
			}
			c, err := (&net.Dialer{}).DialContext(ctx, network, host)
			if err == nil {
				m.mu.Lock()
				m.conns = append(m.conns, c)
				m.mu.Unlock()
			}
			return c, err
		}),
	}, opts...)
	m.Client = b.Client(opts...)
	go func() {
		defer close(m.done)
		for {
			f := m.PollFetches(context.Background())
			if f.IsClientClosed() {
				return
			}
			f.EachRecord(func(r *kgo.Record) { m.seen <- r })
			if f.NumRecords() > 0 {
				_ = m.CommitUncommittedOffsets(context.Background()) // tried again with the next records
			}
		}
	}()
	t.Cleanup(func() {
		m.Close()
		<-m.done
	})
	return m
}

// unplug is a member's death: nothing of it reaches the broker any more.
func (m *groupMember) unplug() {
	m.unplugged.Store(true)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.Close()
	}
}

func describeConsumerGroup(t *testing.T, b *harness.Broker, group string) kmsg.ConsumerGroupDescribeResponseGroup {
	t.Helper()
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	resp, err := req.RequestWith(harness.Context(t), b.Client())
	if err != nil {
		t.Fatal(err)
	}
	return resp.Groups[0]
}

// awaitGroup asks until the group is stable with so many members, each of which has partitions.
func awaitGroup(t *testing.T, b *harness.Broker, group string, members int) kmsg.ConsumerGroupDescribeResponseGroup {
	t.Helper()
	end := time.Now().Add(30 * time.Second)
	for {
		g := describeConsumerGroup(t, b, group)
		idle := slices.ContainsFunc(g.Members, func(m kmsg.ConsumerGroupDescribeResponseGroupMember) bool {
			return len(m.Assignment.TopicPartitions) == 0
		})
		if g.State == "Stable" && len(g.Members) == members && !idle {
			return g
		}
		if time.Now().After(end) {
			t.Fatalf("group %s has not become stable with %d members: %+v", group, members, g)
		}
	}
}

func produceToAll(t *testing.T, b *harness.Broker, topic string, partitions int32, round string) map[string]bool {
	t.Helper()
	cl := b.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	want := map[string]bool{}
	for p := range partitions {
		for n := range 5 {
			v := fmt.Sprintf("%s/%d/%d", round, p, n)
			want[v] = true
			if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Topic: topic, Partition: p, Value: []byte(v)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return want
}

// consumed waits until the members have consumed all of want; what a rebalance brings twice does not matter here.
func consumed(t *testing.T, want map[string]bool, members ...*groupMember) {
	t.Helper()
	all := make(chan *kgo.Record)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for _, m := range members {
		go func() {
			for {
				select {
				case r := <-m.seen:
					select {
					case all <- r:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	want = maps.Clone(want)
	for len(want) > 0 {
		select {
		case r := <-all:
			delete(want, string(r.Value))
		case <-ctx.Done():
			t.Fatalf("%d records were not consumed: %v", len(want), slices.Sorted(maps.Keys(want)))
		}
	}
}

func TestAConsumerProtocolGroupGoesOnWhenMembersLeaveAndDieAndAfterABrokersCrash(t *testing.T) {
	b := harness.Start(t, quickConsumerGroups...)
	b.CreateGroupTopic()
	b.CreateTopic("t", 6, nil)
	opt := kgo.ServerSideBalancer()
	one, two, three := joinGroup(t, b, "g", "t", opt), joinGroup(t, b, "g", "t", opt), joinGroup(t, b, "g", "t", opt)
	g := awaitGroup(t, b, "g", 3)
	for _, m := range g.Members {
		if n := len(m.Assignment.TopicPartitions[0].Partitions); n != 2 {
			t.Errorf("member %s has %d of 6 partitions", m.MemberID, n)
		}
	}
	consumed(t, produceToAll(t, b, "t", 6, "three"), one, two, three)

	// The broker dies and comes back: the members go on where they were, at the same epoch, with what they had.
	had := []int32{one.assigned.Load(), two.assigned.Load(), three.assigned.Load()}
	b.Kill()
	b.Restart()
	consumed(t, produceToAll(t, b, "t", 6, "after the crash"), one, two, three)
	if again := awaitGroup(t, b, "g", 3); again.Epoch != g.Epoch {
		t.Errorf("the group was at epoch %d before the crash and is at %d", g.Epoch, again.Epoch)
	}
	for i, m := range []*groupMember{one, two, three} {
		if m.assigned.Load() != had[i] {
			t.Errorf("member %d was assigned partitions anew", i)
		}
	}

	one.Close() // leaves
	awaitGroup(t, b, "g", 2)
	consumed(t, produceToAll(t, b, "t", 6, "two"), two, three)
	two.unplug()
	awaitGroup(t, b, "g", 1)
	consumed(t, produceToAll(t, b, "t", 6, "one"), three)
	b.MustNotHavePanicked()
}

func TestAGroupIsMovedToTheConsumerProtocolAndBackWhileItConsumes(t *testing.T) {
	b := harness.Start(t, quickConsumerGroups...)
	b.CreateGroupTopic()
	b.CreateTopic("t", 4, nil)
	classic := []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(200 * time.Millisecond)}
	old := joinGroup(t, b, "g", "t", classic...)
	consumed(t, produceToAll(t, b, "t", 4, "classic"), old)
	fresh := joinGroup(t, b, "g", "t", kgo.ServerSideBalancer())
	g := awaitGroup(t, b, "g", 2)
	if g.AssignorName != "uniform" {
		t.Errorf("the assignor is %q", g.AssignorName)
	}
	consumed(t, produceToAll(t, b, "t", 4, "both"), old, fresh)
	fresh.Close()
	consumed(t, produceToAll(t, b, "t", 4, "classic again"), old)
	if g := describeConsumerGroup(t, b, "g"); g.ErrorCode == 0 {
		t.Errorf("the group is still one of the consumer protocol: %+v", g)
	}
	b.MustNotHavePanicked()
}

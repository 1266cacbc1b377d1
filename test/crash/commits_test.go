package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

const (
	commitGroups     = 12
	commitPartitions = 3
	commitRounds     = 4
)

// commits is what one group was told of its commits: what it asked for last, and what was acknowledged last, by partition.
type commits struct {
	mu           sync.Mutex
	asked, acked [commitPartitions]int64
}

// run commits rising offsets until ctx ends; one whose answer is lost may or may not have been made durable.
func (c *commits) run(ctx context.Context, t *testing.T, adm *kadm.Client, topic, group string) {
	for n := int64(1); ctx.Err() == nil; n++ {
		p := int32(n % commitPartitions)
		c.mu.Lock()
		c.asked[p] = n
		c.mu.Unlock()
		offsets := kadm.Offsets{}
		offsets.AddOffset(topic, p, n, -1)
		resp, err := adm.CommitOffsets(ctx, group, offsets)
		if err == nil {
			err = resp.Error()
		}
		if err == nil {
			c.mu.Lock()
			c.acked[p] = n
			c.mu.Unlock()
		}
	}
}

// Every acknowledged commit of every group is there after kill -9, and nothing that was never asked for.
func TestEveryAcknowledgedCommitSurvivesKillNine(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	b := harness.Start(t, "--wal-file-size", "4MiB", "--wal-size-limit", "32MiB", "--offsets.topic.num.partitions", "5")
	const topic = "commits"
	b.CreateTopic(topic, commitPartitions, nil)
	b.CreateGroupTopic()
	all := make([]*commits, commitGroups)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range all {
		all[i] = &commits{}
		cl := b.Client(kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
		wg.Go(func() { all[i].run(ctx, t, kadm.NewClient(cl), topic, fmt.Sprint("group-", i)) })
	}
	defer wg.Wait()
	defer cancel()
	acked := func() (n int64) {
		for _, c := range all {
			c.mu.Lock()
			for _, a := range c.acked {
				n += a
			}
			c.mu.Unlock()
		}
		return n
	}
	for round := range commitRounds {
		// The kill comes after so many acknowledgements, in the middle of others.
		for from, want := acked(), int64(100+rng.IntN(2000)); acked() < from+want; {
			time.Sleep(time.Millisecond)
		}
		b.Kill()
		// What was acknowledged by now must be there; what is committed meanwhile only rises.
		var floor [commitGroups][commitPartitions]int64
		for i, c := range all {
			c.mu.Lock()
			floor[i] = c.acked
			c.mu.Unlock()
		}
		b.MustStart()
		adm := kadm.NewClient(b.Client())
		for i, c := range all {
			got, err := adm.FetchOffsets(harness.Context(t), fmt.Sprint("group-", i))
			if err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			asked := c.asked
			c.mu.Unlock()
			for p := range int32(commitPartitions) {
				o, _ := got.Lookup(topic, p)
				if o.At < floor[i][p] || o.At > asked[p] {
					t.Fatalf("round %d, group-%d, partition %d: offset %d is there; %d was acknowledged and %d the last asked for", round, i, p, o.At, floor[i][p], asked[p])
				}
			}
		}
	}
	t.Logf("%d rounds", commitRounds)
	b.MustNotHavePanicked()
}

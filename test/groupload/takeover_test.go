package groupload

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

const (
	victimEnv    = "GROUPLOAD_VICTIM" // ADDR TOPIC GROUP BALANCER SESSION_MS of the process that is to be killed
	takeoverPart = 6                  // partitions
)

// serveVictim consumes as args say until its process is killed.
func serveVictim(args []string) error {
	session, _ := strconv.Atoi(args[4])
	cl, err := consumer(args[0], args[1], args[2], args[3], time.Duration(session)*time.Millisecond)
	if err != nil {
		return err
	}
	for {
		cl.PollFetches(context.Background())
	}
}

// consumer is a member with the heartbeat interval that its client would take for a session of 45 s: a fifteenth.
func consumer(addr, topic, group, balancer string, session time.Duration) (*kgo.Client, error) {
	balance := kgo.CooperativeStickyBalancer()
	if balancer == "range" {
		balance = kgo.RangeBalancer()
	}
	return kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.Balancers(balance),
		kgo.SessionTimeout(session), kgo.HeartbeatInterval(session/15), kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
}

// A member is killed; its partitions are the others' when its session is over and they have heard of it at their next heartbeat.
func TestOthersTakeOverFromAKilledMember(t *testing.T) {
	sessionMs := size(t, "GROUPLOAD_SESSION_MS", 6000)
	session := time.Duration(sessionMs) * time.Millisecond
	b := harness.Start(t)
	for _, balancer := range []string{"cooperative", "range"} {
		t.Run(balancer, func(t *testing.T) {
			topic, group := b.CreateTopic("takeover-"+balancer, takeoverPart, nil), "group-"+balancer
			victim := exec.Command(os.Args[0])
			victim.Env = append(os.Environ(), victimEnv+"="+fmt.Sprintf("%s %s %s %s %d", b.Addr, topic, group, balancer, sessionMs))
			victim.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			dead := make(chan struct{})
			go func() { _ = victim.Wait(); close(dead) }()
			defer func() { _ = victim.Process.Kill(); <-dead }()

			ctx, stop := context.WithTimeout(context.Background(), 4*session+time.Minute)
			defer stop()
			var all sync.WaitGroup
			defer all.Wait()
			defer stop()
			var mu sync.Mutex
			seen := map[int32]time.Time{} // when a survivor last consumed from each partition
			for range 2 {
				cl, err := consumer(b.Addr, topic, group, balancer, session)
				if err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					defer cl.Close()
					for ctx.Err() == nil {
						cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
							mu.Lock()
							seen[r.Partition] = time.Now()
							mu.Unlock()
						})
					}
				})
			}
			producer := b.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic))
			all.Go(func() {
				for tick := time.NewTicker(10 * time.Millisecond); ctx.Err() == nil; <-tick.C {
					for p := range int32(takeoverPart) {
						producer.Produce(ctx, &kgo.Record{Partition: p, Value: []byte("x")}, nil)
					}
				}
			})
			// lively lists the partitions that the survivors have consumed from since a moment.
			lively := func(since time.Time) (list []int32) {
				mu.Lock()
				defer mu.Unlock()
				for p, at := range seen {
					if at.After(since) {
						list = append(list, p)
					}
				}
				slices.Sort(list)
				return list
			}
			// Three members share six partitions: the survivors have four for a while.
			var settled time.Time
			for ; settled.IsZero() || time.Since(settled) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
				if ctx.Err() != nil {
					t.Fatalf("the group did not settle; the survivors consume %v", lively(time.Now().Add(-time.Second)))
				}
				if len(lively(time.Now().Add(-500*time.Millisecond))) != 4 {
					settled = time.Time{}
				} else if settled.IsZero() {
					settled = time.Now()
				}
			}
			kept := lively(time.Now().Add(-500 * time.Millisecond))
			killed := time.Now()
			_ = victim.Process.Kill()
			<-dead
			for len(lively(killed)) < takeoverPart {
				if ctx.Err() != nil {
					t.Fatalf("nobody took over; the survivors consume %v", lively(killed))
				}
				time.Sleep(5 * time.Millisecond)
			}
			took := time.Since(killed)
			fmt.Printf("%s: kept %v, all %d partitions %.2f s after kill -9 of the third member: %.3f of the session time-out of %s\n",
				balancer, kept, takeoverPart, took.Seconds(), took.Seconds()/session.Seconds(), session)
			within(t, "take-over ÷ session time-out", took.Seconds()/session.Seconds(), 1.1)
		})
	}
}

package groupload

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// Members with a connection each, which heartbeat every three seconds, as Kafka's clients do by default.
const (
	membersPerGroup = 3
	heartbeatEvery  = 3 * time.Second
)

func TestGroupsThatOnlyHeartbeatCostLittle(t *testing.T) {
	groups, seconds := size(t, "GROUPLOAD_GROUPS", 10), size(t, "GROUPLOAD_SECONDS", 1)
	b := harness.Start(t)
	topic := b.CreateTopic("heartbeats", 3, nil)
	b.CreateGroupTopic()
	idle := rss(t, b.PID())
	members := make([]*member, groups*membersPerGroup)
	for i := range members {
		var err error
		if members[i], err = dial(b.Addr, fmt.Sprintf("group-%d", i/membersPerGroup), topic); err != nil {
			t.Fatal(err)
		}
		defer members[i].conn.Close()
	}
	began := time.Now()
	if err := joinAll(members, 600); err != nil {
		t.Fatal(err)
	}
	joined := time.Since(began)

	// One goroutine walks the members at an even pace, another for each reads answers.
	var sent, answered, failed atomic.Int64
	for _, m := range members {
		go func() {
			for {
				raw, err := m.read()
				if err != nil {
					return
				}
				// Throttle time, then the error code.
				if len(raw) != 6 || raw[4] != 0 || raw[5] != 0 {
					failed.Add(1)
				}
				answered.Add(1)
			}
		}()
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pace := heartbeatEvery / time.Duration(len(members))
		next := time.Now()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			m := members[i%len(members)]
			if _, err := m.conn.Write(m.heartbeat()); err != nil {
				failed.Add(1)
			}
			sent.Add(1)
			next = next.Add(pace)
			time.Sleep(time.Until(next))
		}
	}()
	settle := min(time.Duration(seconds)*time.Second, 2*heartbeatEvery)
	time.Sleep(settle)
	before, beats, from := cpu(t, b.PID()), answered.Load(), time.Now()
	time.Sleep(time.Duration(seconds) * time.Second)
	share := 100 * (cpu(t, b.PID()) - before).Seconds() / time.Since(from).Seconds()
	memory := rss(t, b.PID())
	rate := float64(answered.Load()-beats) / time.Since(from).Seconds()
	close(stop)
	<-stopped
	for deadline := time.Now().Add(5 * time.Second); answered.Load() < sent.Load() && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	fmt.Printf("%d groups of %d members: joined in %s; %.0f heartbeats/s; broker %.2f %% of a core, %.1f MiB (%.1f before they came)\n",
		groups, membersPerGroup, joined.Round(time.Millisecond), rate, share, memory, idle)
	if failed.Load() > 0 || answered.Load() != sent.Load() {
		t.Errorf("%d heartbeats sent, %d answered, %d with an error", sent.Load(), answered.Load(), failed.Load())
	}
	within(t, "CPU, % of a core", share, 5)
	within(t, "memory, MiB", memory, 100)
	b.MustNotHavePanicked()
}

package groupload

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/troupe-io/troupe/test/harness"
)

// Commits come at a fixed rate whatever the answers do: latency counts from the moment at which each should have been sent.
func TestOffsetCommitsAtAFixedRate(t *testing.T) {
	clients, rate := size(t, "GROUPLOAD_CLIENTS", 10), size(t, "GROUPLOAD_RATE", 500)
	warm, seconds := size(t, "GROUPLOAD_WARM", 0), size(t, "GROUPLOAD_SECONDS", 1)
	b := harness.Start(t)
	topic := b.CreateTopic("commits", 3, nil)
	b.CreateGroupTopic()
	members := make([]*member, clients)
	for i := range members {
		var err error
		if members[i], err = dial(b.Addr, fmt.Sprintf("group-%d", i), topic); err != nil {
			t.Fatal(err)
		}
		defer members[i].conn.Close()
	}
	if err := joinAll(members, clients); err != nil {
		t.Fatal(err)
	}

	// client i sends its commit n at began + (n·clients + i)/rate: the loads of all clients are spread evenly.
	total := rate * (warm + seconds) / clients
	gap := time.Second / time.Duration(rate)
	began := time.Now().Add(100 * time.Millisecond)
	due := func(i, n int) time.Time { return began.Add(gap * time.Duration(n*clients+i)) }
	histograms := make([]*hdrhistogram.Histogram, clients)
	late := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3) // the load's own delay, of the first sender
	var bad atomic.Int64
	var answers, senders sync.WaitGroup
	for i, m := range members {
		h := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
		histograms[i] = h
		answers.Go(func() {
			_ = m.conn.SetReadDeadline(began.Add(time.Duration(warm+seconds)*time.Second + time.Minute))
			for n := range total {
				raw, err := m.read()
				if err != nil {
					bad.Add(int64(total - n))
					return
				}
				at := due(i, n)
				if at.Sub(began) >= time.Duration(warm)*time.Second {
					_ = h.RecordValue(max(1, time.Since(at).Microseconds()))
				}
				// The partition's error is the last field of version 7.
				if code := binary.BigEndian.Uint16(raw[len(raw)-2:]); code != 0 {
					bad.Add(1)
				}
			}
		})
	}
	// Few goroutines send for all, so that the load costs little of the machine that it shares with the broker.
	const perSender = 25
	for from := 0; from < clients; from += perSender {
		list := members[from:min(from+perSender, clients)]
		senders.Go(func() {
			for n := range total {
				for k, m := range list {
					if wait := time.Until(due(from+k, n)); wait > 0 {
						time.Sleep(wait)
					}
					if from == 0 {
						_ = late.RecordValue(max(1, time.Since(due(k, n)).Microseconds()))
					}
					if _, err := m.conn.Write(m.commit(int32(n%3), int64(n))); err != nil {
						return
					}
				}
			}
		})
	}
	time.Sleep(time.Until(began.Add(time.Duration(warm) * time.Second)))
	before := cpu(t, b)
	senders.Wait()
	used := cpu(t, b) - before
	answers.Wait()
	all := hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3)
	for _, h := range histograms {
		all.Merge(h)
	}
	ms := func(q float64) float64 { return float64(all.ValueAtQuantile(q)) / 1000 }
	fmt.Printf("%d commits/s of %d clients: p50 %.2f ms, p95 %.2f, p99 %.2f, p99.9 %.2f, max %.2f (%d commits, sent %.2f late at p99); broker %.1f %% of a core, %.0f MiB\n",
		rate, clients, ms(50), ms(95), ms(99), ms(99.9), float64(all.Max())/1000, all.TotalCount(), float64(late.ValueAtQuantile(99))/1000,
		100*used.Seconds()/float64(seconds), rss(t, b))
	if n := bad.Load(); n > 0 {
		t.Errorf("%d commits failed", n)
	}
	within(t, "p99, ms", ms(99), 10)
	b.MustNotHavePanicked()
}

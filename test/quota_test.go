package test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// TestAProducerIsHeldToItsQuota measures what a producer that wants more gets, and that its quota outlives a kill -9.
func TestAProducerIsHeldToItsQuota(t *testing.T) {
	const limit = 1 << 20
	// Windows of three seconds in all: what a client may take at once after a rest is two seconds' worth, not ten.
	b := harness.Start(t, "--quota.window.num", "3")
	topic := b.CreateTopic("metered", 1, nil)
	b.MustRun("", "quota", "set", "--client-id", "busy", "producer_byte_rate=1048576")
	b.Kill()
	b.Restart()
	if out := b.MustRun("", "quota", "list"); !strings.Contains(out, "producer_byte_rate") || !strings.Contains(out, "1048576") {
		t.Fatalf("after kill -9: %s", out)
	}
	cl := b.Client(kgo.ClientID("busy"), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(100<<10),
		kgo.MaxBufferedRecords(400))
	var bytes atomic.Int64
	ctx := harness.Context(t)
	value := make([]byte, 10<<10)
	stop := make(chan struct{})
	go func() {
		for {
			select {
			case <-stop:
				return
			default:
				cl.Produce(ctx, &kgo.Record{Value: value}, func(r *kgo.Record, err error) {
					if err == nil {
						bytes.Add(int64(len(r.Value)))
					}
				})
			}
		}
	}()
	defer close(stop)
	for bytes.Load() < 3*limit { // the first burst
		time.Sleep(10 * time.Millisecond)
	}
	began, from := time.Now(), bytes.Load()
	for time.Since(began) < 6*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	rate := float64(bytes.Load()-from) / time.Since(began).Seconds() / limit
	t.Logf("%.3f of the quota", rate)
	if rate < 0.85 || rate > 1.15 {
		t.Errorf("%.3f of the quota", rate)
	}
}

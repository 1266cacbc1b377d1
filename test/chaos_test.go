package test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// Each kind of actor fails again and again under load: clients see at most retriable errors, which their library retries,
// and every acknowledged record is there once, in order.
func TestNothingAcknowledgedIsLostWhenActorsPanic(t *testing.T) {
	for _, c := range []struct{ kind, rule string }{
		{"connection", "connection=every:200"}, {"partition", "partition=every:300"}, {"raft", "raft=every:1500"}, {"wal", "wal=every:400"}, {"controller", "controller=3"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			b := harness.New(t, harness.ChaosBinary(t), "--chaos", c.rule)
			b.MustStart()
			const partitions = 4
			topic := b.CreateTopic("chaos", partitions, nil)
			// A raised floor of attempts: a restart may take longer than the default's few retries.
			cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
				kgo.RecordDeliveryTimeout(40*time.Second), kgo.ProducerLinger(0))
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			var mu sync.Mutex
			acked := map[string]int64{}
			for p := range int32(partitions) {
				wg.Go(func() {
					for i := range 400 {
						value := fmt.Sprintf("%d-%06d", p, i)
						r := &kgo.Record{Partition: p, Value: []byte(value)}
						if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
							t.Errorf("%s: %v", value, err)
							return
						}
						mu.Lock()
						acked[value] = r.Offset
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			last := make([]string, partitions)
			for _, r := range b.ReadAll(topic, len(acked)) {
				value := string(r.Value)
				if offset, ok := acked[value]; ok && offset != r.Offset {
					t.Errorf("%s was acknowledged at %d and stands at %d", value, offset, r.Offset)
				}
				if value <= last[r.Partition] {
					t.Errorf("%s comes after %s", value, last[r.Partition])
				}
				last[r.Partition] = value
				delete(acked, value)
			}
			if len(acked) > 0 {
				t.Errorf("%d acknowledged records are missing: %v", len(acked), acked)
			}
			if !b.Alive() {
				t.Fatal("the broker ended")
			}
			if c.kind != "connection" && restarts(t, b, c.kind) == 0 {
				t.Errorf("no %s restarted: the fault was not injected", c.kind)
			}
		})
	}
}

// restarts sums restarts of a kind, as the metrics count them (those of actors that have ended included).
func restarts(t *testing.T, b *harness.Broker, kind string) int {
	t.Helper()
	var list []struct {
		Kind          string
		RestartsTotal int `json:"restarts_total"`
	}
	if err := json.Unmarshal([]byte(b.Get("/v1/actors")), &list); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, a := range list {
		if a.Kind == kind {
			sum += a.RestartsTotal
		}
	}
	return sum
}

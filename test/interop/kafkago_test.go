package interop

import (
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/troupe-io/troupe/test/harness"
)

func TestKafkaGo(t *testing.T) {
	// It has no idempotent producer.
	combine(t, "kafka-go", plainWays, func(t *testing.T, b *harness.Broker, topic, codec string, acks int, _ bool) {
		ctx := harness.Context(t)
		// The default transport is shared and remembers for seconds that a topic is not there.
		transport := &kafka.Transport{}
		defer transport.CloseIdleConnections()
		w := &kafka.Writer{Addr: kafka.TCP(b.Addr), Transport: transport, Topic: topic, RequiredAcks: kafka.RequiredAcks(acks), BatchTimeout: 5 * time.Millisecond,
			Compression: map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[codec]}
		base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		var batch []kafka.Message
		for i := range records {
			batch = append(batch, kafka.Message{Key: []byte(key(i)), Value: []byte(value(i)), Time: base.Add(time.Duration(i) * time.Second)})
		}
		if err := w.WriteMessages(ctx, batch...); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{b.Addr}, Topic: topic, MaxWait: 100 * time.Millisecond})
		defer r.Close()
		read := func(from int) {
			t.Helper()
			for i := from; i < records; i++ {
				m, err := r.ReadMessage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, i, m.Offset, m.Key, m.Value)
			}
		}
		read(0)
		if err := r.SetOffset(123); err != nil {
			t.Fatal(err)
		}
		read(123)
		if err := r.SetOffsetAt(ctx, base.Add(150*time.Second)); err != nil {
			t.Fatal(err)
		}
		read(150)
	})
}

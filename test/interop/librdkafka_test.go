package interop

import (
	"fmt"
	"testing"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/troupe-io/troupe/test/harness"
)

func TestLibrdkafka(t *testing.T) {
	combine(t, "librdkafka", allWays, func(t *testing.T, b *harness.Broker, topic, codec string, acks int, idempotent bool) {
		producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": b.Addr, "compression.codec": codec, "acks": fmt.Sprint(acks),
			"enable.idempotence": idempotent, "linger.ms": 5, "message.timeout.ms": 20000})
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		delivered := make(chan kafka.Event, records)
		for i := range records {
			m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: 0}, Key: []byte(key(i)), Value: []byte(value(i)),
				Timestamp: base.Add(time.Duration(i) * time.Second)}
			if err := producer.Produce(m, delivered); err != nil {
				t.Fatal(err)
			}
		}
		for range records {
			select {
			case e := <-delivered:
				if m, ok := e.(*kafka.Message); !ok || m.TopicPartition.Error != nil {
					t.Fatalf("delivery: %v", e)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("no delivery report")
			}
		}
		consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": b.Addr, "group.id": "unused", "enable.auto.commit": false, "check.crcs": true})
		if err != nil {
			t.Fatal(err)
		}
		defer consumer.Close()
		for _, from := range []kafka.Offset{kafka.OffsetBeginning, 123, kafka.OffsetTail(10)} {
			first := map[kafka.Offset]int{kafka.OffsetBeginning: 0, 123: 123, kafka.OffsetTail(10): records - 10}[from]
			if err := consumer.Assign([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: from}}); err != nil {
				t.Fatal(err)
			}
			for i := first; i < records; i++ {
				m, err := consumer.ReadMessage(20 * time.Second)
				if err != nil {
					t.Fatalf("record %d: %v", i, err)
				}
				expect(t, i, int64(m.TopicPartition.Offset), m.Key, m.Value)
			}
		}
		at, err := consumer.OffsetsForTimes([]kafka.TopicPartition{{Topic: &topic, Partition: 0, Offset: kafka.Offset(base.Add(150 * time.Second).UnixMilli())}}, 10000)
		if err != nil || at[0].Offset != 150 {
			t.Fatalf("the offset of a timestamp: %v (%v), want 150", at, err)
		}
	})
}

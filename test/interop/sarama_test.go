package interop

import (
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/troupe-io/troupe/test/harness"
)

func saramaConfig(codec string, acks int, idempotent bool) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V2_8_0_0
	c.Producer.Return.Successes = true
	c.Producer.Return.Errors = true
	c.Producer.RequiredAcks = sarama.RequiredAcks(acks)
	c.Producer.Compression = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[codec]
	if idempotent {
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
	}
	return c
}

func TestSarama(t *testing.T) {
	combine(t, "sarama", allWays, func(t *testing.T, b *harness.Broker, topic, codec string, acks int, idempotent bool) {
		client, err := sarama.NewClient([]string{b.Addr}, saramaConfig(codec, acks, idempotent))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		producer, err := sarama.NewSyncProducerFromClient(client)
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		var batch []*sarama.ProducerMessage
		for i := range records {
			batch = append(batch, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key(i)), Value: sarama.StringEncoder(value(i)),
				Timestamp: base.Add(time.Duration(i) * time.Second)})
		}
		if err := producer.SendMessages(batch); err != nil {
			t.Fatal(err)
		}
		consumer, err := sarama.NewConsumerFromClient(client)
		if err != nil {
			t.Fatal(err)
		}
		defer consumer.Close()
		at, err := client.GetOffset(topic, 0, base.Add(150*time.Second).UnixMilli())
		if err != nil || acks != 0 && at != 150 {
			t.Fatalf("the offset of a timestamp is %d (%v), want 150", at, err)
		}
		for _, from := range []int64{sarama.OffsetOldest, 123} {
			part, err := consumer.ConsumePartition(topic, 0, from)
			if err != nil {
				t.Fatal(err)
			}
			for i := int(max(from, 0)); i < records; i++ {
				select {
				case m := <-part.Messages():
					expect(t, i, m.Offset, m.Key, m.Value)
				case <-time.After(20 * time.Second):
					t.Fatalf("record %d did not come", i)
				}
			}
			if err := part.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestSaramaAdministersTopics(t *testing.T) {
	b := harness.Start(t)
	admin, err := sarama.NewClusterAdmin([]string{b.Addr}, saramaConfig("none", -1, false))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	retention := "60000"
	if err := admin.CreateTopic("admin", &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1, ConfigEntries: map[string]*string{"retention.ms": &retention}}, false); err != nil {
		t.Fatal(err)
	}
	if err := admin.CreatePartitions("admin", 4, nil, false); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics()
	if err != nil || topics["admin"].NumPartitions != 4 {
		t.Fatalf("%+v %v", topics, err)
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: "admin", ConfigNames: []string{"retention.ms"}})
	if err != nil || len(entries) != 1 || entries[0].Value != "60000" {
		t.Fatalf("%+v %v", entries, err)
	}
	if err := admin.DeleteTopic("admin"); err != nil {
		t.Fatal(err)
	}
}

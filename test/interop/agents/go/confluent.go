package main

import (
	"context"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// confluent is github.com/confluentinc/confluent-kafka-go, librdkafka in Go.
type confluent struct{ addr string }

func (c confluent) create(topic string, partitions int) error {
	admin, err := kafka.NewAdminClient(&kafka.ConfigMap{"bootstrap.servers": c.addr})
	if err != nil {
		return err
	}
	defer admin.Close()
	results, err := admin.CreateTopics(context.Background(), []kafka.TopicSpecification{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}})
	if err == nil && results[0].Error.Code() != kafka.ErrNoError {
		err = results[0].Error
	}
	return err
}

func (c confluent) produce(topic, codec string, records []record, pace time.Duration) error {
	p, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": c.addr, "compression.codec": codec, "enable.idempotence": true})
	if err != nil {
		return err
	}
	defer p.Close()
	delivered, all := make(chan kafka.Event, len(records)), make(chan struct{})
	go func() {
		defer close(all)
		for range records {
			m := (<-delivered).(*kafka.Message)
			if m.TopicPartition.Error != nil {
				unacked(m.Opaque.(int), m.TopicPartition.Error)
				continue
			}
			acked(m.Opaque.(int), m.TopicPartition.Partition, int64(m.TopicPartition.Offset))
		}
	}()
	for _, r := range records {
		m := &kafka.Message{TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny}, Key: []byte(r.key), Value: []byte(r.value), Opaque: r.n}
		if err := p.Produce(m, delivered); err != nil {
			return err
		}
		time.Sleep(pace)
	}
	<-all
	return nil
}

func (c confluent) consume(topic string, count int) error {
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{"bootstrap.servers": c.addr, "group.id": "unused", "enable.auto.commit": false, "check.crcs": true})
	if err != nil {
		return err
	}
	defer consumer.Close()
	metadata, err := consumer.GetMetadata(&topic, false, 10000)
	if err != nil {
		return err
	}
	var all []kafka.TopicPartition
	for _, p := range metadata.Topics[topic].Partitions {
		all = append(all, kafka.TopicPartition{Topic: &topic, Partition: p.ID, Offset: kafka.OffsetBeginning})
	}
	if err := consumer.Assign(all); err != nil {
		return err
	}
	for range count {
		m, err := consumer.ReadMessage(30 * time.Second)
		if err != nil {
			return err
		}
		got(m.TopicPartition.Partition, int64(m.TopicPartition.Offset), m.Key, m.Value)
	}
	return nil
}

func (c confluent) member(ctx context.Context, group, topic, protocol string) error {
	config := kafka.ConfigMap{"bootstrap.servers": c.addr, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": false}
	if protocol == "consumer" {
		config["group.protocol"] = "consumer"
	} else {
		config["session.timeout.ms"], config["heartbeat.interval.ms"] = 6000, 1000
	}
	consumer, err := kafka.NewConsumer(&config)
	if err != nil {
		return err
	}
	if err := consumer.Subscribe(topic, nil); err != nil {
		return err
	}
	for ctx.Err() == nil {
		m, ok := consumer.Poll(100).(*kafka.Message)
		if !ok || m.TopicPartition.Error != nil {
			continue
		}
		got(m.TopicPartition.Partition, int64(m.TopicPartition.Offset), m.Key, m.Value)
		if _, err := consumer.CommitMessage(m); err != nil {
			say("note commit: %s", oneLine(err))
		}
	}
	return consumer.Close()
}

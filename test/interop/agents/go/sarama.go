package main

import (
	"context"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// saramaClient is github.com/IBM/sarama.
type saramaClient struct{ addr string }

func (s saramaClient) config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Metadata.Retry.Max, c.Metadata.Retry.Backoff = 100, 100*time.Millisecond
	return c
}

func (s saramaClient) create(topic string, partitions int) error {
	admin, err := sarama.NewClusterAdmin([]string{s.addr}, s.config())
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1}, false)
}

func (s saramaClient) produce(topic, codec string, records []record, pace time.Duration) error {
	c := s.config()
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Retry.Max, c.Producer.Retry.Backoff = 100, 100*time.Millisecond
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Compression = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}[codec]
	p, err := sarama.NewAsyncProducer([]string{s.addr}, c)
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	all.Add(2)
	go func() {
		defer all.Done()
		for m := range p.Successes() {
			acked(m.Metadata.(int), m.Partition, m.Offset)
		}
	}()
	go func() {
		defer all.Done()
		for e := range p.Errors() {
			unacked(e.Msg.Metadata.(int), e.Err)
		}
	}()
	for _, r := range records {
		p.Input() <- &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(r.key), Value: sarama.StringEncoder(r.value), Metadata: r.n}
		time.Sleep(pace)
	}
	p.AsyncClose()
	all.Wait()
	return nil
}

func (s saramaClient) consume(topic string, count int) error {
	c, err := sarama.NewConsumer([]string{s.addr}, s.config())
	if err != nil {
		return err
	}
	defer c.Close()
	partitions, err := c.Partitions(topic)
	if err != nil {
		return err
	}
	messages := make(chan *sarama.ConsumerMessage)
	for _, p := range partitions {
		part, err := c.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		defer part.AsyncClose()
		go func() {
			for m := range part.Messages() {
				messages <- m
			}
		}()
	}
	for range count {
		m := <-messages
		got(m.Partition, m.Offset, m.Key, m.Value)
	}
	return nil
}

type saramaHandler struct{}

func (saramaHandler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (saramaHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (saramaHandler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			got(m.Partition, m.Offset, m.Key, m.Value)
			session.MarkMessage(m, "")
			// A commit waits behind the long poll on the same connection, so not for each record.
			if len(claim.Messages()) == 0 {
				session.Commit()
			}
		case <-session.Context().Done():
			return nil
		}
	}
}

func (s saramaClient) member(ctx context.Context, group, topic, _ string) error {
	c := s.config()
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Group.Session.Timeout, c.Consumer.Group.Heartbeat.Interval = 6*time.Second, time.Second
	g, err := sarama.NewConsumerGroup([]string{s.addr}, group, c)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := g.Consume(ctx, []string{topic}, saramaHandler{}); err != nil && ctx.Err() == nil {
			say("note consume: %s", oneLine(err))
			time.Sleep(200 * time.Millisecond)
		}
	}
	return g.Close()
}

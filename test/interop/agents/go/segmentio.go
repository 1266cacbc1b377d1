package main

import (
	"context"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
)

// segmentio is github.com/segmentio/kafka-go.
type segmentio struct{ addr string }

func (s segmentio) create(topic string, partitions int) error {
	c, err := kafka.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1})
}

func (s segmentio) produce(topic, codec string, records []record, pace time.Duration) error {
	// The default transport is shared and remembers for seconds that a topic is not there.
	transport := &kafka.Transport{Dial: (&net.Dialer{Timeout: 3 * time.Second}).DialContext}
	defer transport.CloseIdleConnections()
	w := &kafka.Writer{Addr: kafka.TCP(s.addr), Transport: transport, Topic: topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 100, WriteBackoffMin: 100 * time.Millisecond, WriteBackoffMax: 200 * time.Millisecond, Balancer: &kafka.Hash{},
		Compression: map[string]kafka.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd}[codec]}
	defer w.Close()
	// Written in slices, so that a pace is kept and a batch holds several records; the writer tells no offsets.
	size := 20
	if pace == 0 {
		size = len(records)
	}
	for len(records) > 0 {
		part := records[:min(size, len(records))]
		records = records[len(part):]
		messages := make([]kafka.Message, len(part))
		for i, r := range part {
			messages[i] = kafka.Message{Key: []byte(r.key), Value: []byte(r.value)}
		}
		err := w.WriteMessages(context.Background(), messages...)
		each, _ := err.(kafka.WriteErrors)
		for i, r := range part {
			switch {
			case each != nil && each[i] != nil:
				unacked(r.n, each[i])
			case each == nil && err != nil:
				unacked(r.n, err)
			default:
				acked(r.n, -1, -1)
			}
		}
		time.Sleep(pace * time.Duration(len(part)))
	}
	return nil
}

func (s segmentio) consume(topic string, count int) error {
	c, err := kafka.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	partitions, err := c.ReadPartitions(topic)
	if err != nil {
		return err
	}
	type result struct {
		m   kafka.Message
		err error
	}
	results := make(chan result)
	for _, p := range partitions {
		r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{s.addr}, Topic: topic, Partition: p.ID, MaxWait: 100 * time.Millisecond})
		defer r.Close()
		go func() {
			for {
				m, err := r.ReadMessage(context.Background())
				results <- result{m, err}
				if err != nil {
					return
				}
			}
		}()
	}
	for range count {
		r := <-results
		if r.err != nil {
			return r.err
		}
		got(int32(r.m.Partition), r.m.Offset, r.m.Key, r.m.Value)
	}
	return nil
}

func (s segmentio) member(ctx context.Context, group, topic, _ string) error {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{s.addr}, GroupID: group, Topic: topic, MaxWait: 100 * time.Millisecond, StartOffset: kafka.FirstOffset,
		SessionTimeout: 6 * time.Second, HeartbeatInterval: time.Second, RebalanceTimeout: 20 * time.Second, JoinGroupBackoff: 500 * time.Millisecond})
	for ctx.Err() == nil {
		m, err := r.FetchMessage(ctx)
		if err == nil {
			got(int32(m.Partition), m.Offset, m.Key, m.Value)
			err = r.CommitMessages(ctx, m)
		}
		if err != nil && ctx.Err() == nil {
			say("note %s", oneLine(err))
			time.Sleep(200 * time.Millisecond)
		}
	}
	return r.Close()
}

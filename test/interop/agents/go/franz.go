package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is github.com/twmb/franz-go.
type franz struct{ addr string }

func (f franz) create(topic string, partitions int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(context.Background(), int32(partitions), 1, nil, topic)
	return err
}

func (f franz) produce(topic, codec string, records []record, pace time.Duration) error {
	with := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}[codec]
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.addr), kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(with))
	if err != nil {
		return err
	}
	defer cl.Close()
	var all sync.WaitGroup
	for _, r := range records {
		all.Add(1)
		cl.Produce(context.Background(), &kgo.Record{Key: []byte(r.key), Value: []byte(r.value)}, func(made *kgo.Record, err error) {
			defer all.Done()
			if err != nil {
				unacked(r.n, err)
				return
			}
			acked(r.n, made.Partition, made.Offset)
		})
		time.Sleep(pace)
	}
	all.Wait()
	return nil
}

func (f franz) consume(topic string, count int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for count > 0 {
		fetches := cl.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) { got(r.Partition, r.Offset, r.Key, r.Value) })
		count -= fetches.NumRecords()
	}
	return nil
}

func (f franz) member(ctx context.Context, group, topic, protocol string) error {
	opts := []kgo.Opt{kgo.SeedBrokers(f.addr), kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(6 * time.Second), kgo.HeartbeatInterval(time.Second)}
	if protocol == "consumer" {
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer cl.CloseAllowingRebalance()
	for ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got(r.Partition, r.Offset, r.Key, r.Value) })
		// A commit that fails while the broker is away is made good by a later one.
		if err := cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			say("note commit: %s", oneLine(err))
		}
		cl.AllowRebalance()
	}
	return nil
}

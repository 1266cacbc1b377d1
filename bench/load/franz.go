package load

// This file owns the other client: franz-go, as an application would use it. Partitions are chosen here, so that records can be
// numbered before they are sent. Its latencies also count from when a record was due: where the client's own buffer is full,
// the wait is the record's.

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/bench/load/latency"
	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/schedule"
	"github.com/troupe-io/troupe/protocol"
)

// franzBufferedMax is how many records one client holds at most.
const franzBufferedMax = 20_000

type franzProducer struct {
	r       *run
	id      int32
	cl      *kgo.Client
	src     *records.Source
	plan    schedule.Plan
	stripe  *latency.Stripe
	numbers []int64 // the next number of each partition
}

func newFranzProducer(r *run, id, partitions int) (*franzProducer, error) {
	o := r.o
	opts := []kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.ClientID("troupe-bench-franz"), kgo.DefaultProduceTopic(o.Topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(o.Linger), kgo.ProducerBatchMaxBytes(int32(o.BatchBytes)), kgo.MaxBufferedRecords(franzBufferedMax), kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.ProduceRequestTimeout(o.RequestTimeout), kgo.RecordDeliveryTimeout(o.DeliveryTimeout), kgo.ProducerBatchCompression(franzCodec(o.Codec))}
	switch o.Acks {
	case 0:
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	case 1:
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	default:
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	}
	if !o.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(o.Concurrency))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return &franzProducer{r: r, id: int32(id), cl: cl, src: r.pool.Source(id), stripe: r.acks.Stripe(id), numbers: make([]int64, partitions),
		plan: schedule.Plan{PerSecond: o.Rate, Of: int64(o.Connections), Phase: int64(id), Count: o.Count}}, nil
}

func franzCodec(c protocol.Codec) kgo.CompressionCodec {
	switch c {
	case protocol.CodecGzip:
		return kgo.GzipCompression()
	case protocol.CodecSnappy:
		return kgo.SnappyCompression()
	case protocol.CodecLZ4:
		return kgo.Lz4Compression()
	case protocol.CodecZstd:
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func (f *franzProducer) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	return f.cl.Ping(ctx)
}

func (f *franzProducer) begin() { f.plan.Start, f.plan.End = f.r.begin, f.r.end }

func (f *franzProducer) run(ctx context.Context) {
	r, o := f.r, f.r.o
	defer f.cl.Close()
	ring, rung := schedule.Bell()
	alarm := schedule.NewAlarm(ring)
	defer alarm.Close()
	perBatch := max(1, o.BatchBytes/records.RecordSizeMax(o.keySize(), o.Pattern.Size))
	if o.BatchRecords > 0 {
		perBatch = min(perBatch, o.BatchRecords)
	}
	var made int64
	current, inBatch := int(f.id)%len(f.numbers), 0
	for ctx.Err() == nil {
		now := r.now()
		if f.plan.Over(made, now) {
			break
		}
		if f.plan.End > 0 && now > f.plan.End+int64(drainMax) {
			r.unsent.Add(f.plan.Due(now) - made)
			break
		}
		for due := f.plan.Due(now) - made; due > 0 && ctx.Err() == nil; due-- {
			at := r.now()
			if f.plan.Open() {
				at = f.plan.At(made)
			} else if f.plan.End > 0 && at >= f.plan.End {
				break
			}
			made++
			key := f.src.Key()
			if key != nil {
				current = records.Partition(key, len(f.numbers))
			} else if inBatch++; inBatch > perBatch {
				current, inBatch = (current+1)%len(f.numbers), 1
			}
			f.produce(ctx, int32(current), key, at)
		}
		if f.plan.Open() {
			alarm.Set(time.Duration(min(f.plan.At(made), now+housekeeping) - r.now()))
			select {
			case <-rung:
			case <-ctx.Done():
			}
		}
	}
	grace := o.DeliveryTimeout + o.RequestTimeout
	if ctx.Err() != nil {
		grace = interruptGrace
	}
	flushCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	// What is not out by then is counted by its promise, when the client closes.
	_ = f.cl.Flush(flushCtx)
}

func (f *franzProducer) produce(ctx context.Context, partition int32, key []byte, due int64) {
	r := f.r
	number := f.numbers[partition]
	f.numbers[partition]++
	rec := &kgo.Record{Partition: partition}
	if key != nil {
		rec.Key = append([]byte(nil), key...)
	}
	if r.o.Pattern.Stamped {
		rec.Value = records.Stamp{Run: r.id, Producer: f.id, Partition: partition, Number: number, Due: due}.Value(f.src, rec.Key)
	} else {
		rec.Value = f.src.Value()
	}
	f.cl.Produce(context.WithoutCancel(ctx), rec, func(rec *kgo.Record, err error) {
		at := r.now()
		if err != nil {
			if r.verifier != nil {
				r.verifier.Excuse(f.id, partition, number, number)
			}
			if errors.Is(err, kgo.ErrClientClosed) {
				r.unacked.Add(1)
				return
			}
			r.errs.add(kindOf(err), 1)
			r.failed.Add(1)
			return
		}
		if due >= r.from {
			f.stripe.Add(at-due, 1, int64(r.recordBytes))
			r.counted(at)
			r.gaps.ack(int(partition), at)
		}
		if r.o.Acks != 0 {
			r.ackedAt(f.id, partition, number, number, rec.Offset)
		}
	})
}

// franz reads some partitions with a franz-go client.
func (g *reading) franz(ctx context.Context, t *taker, mine []*cursor) {
	r := g.r
	at := map[int32]kgo.Offset{}
	byPartition := map[int32]*cursor{}
	for _, c := range mine {
		if !c.done() {
			at[c.partition] = kgo.NewOffset().At(c.next)
			byPartition[c.partition] = c
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(r.o.Seeds...), kgo.ClientID("troupe-bench-franz"), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.o.Topic: at}),
		kgo.FetchMaxBytes(int32(r.o.FetchBytes)), kgo.FetchMaxPartitionBytes(int32(r.o.FetchBytes)), kgo.FetchMaxWait(r.o.FetchWait), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		r.stop(fmt.Errorf("make a franz-go client: %w", err))
		return
	}
	defer cl.Close()
	for ctx.Err() == nil {
		left := false
		for _, c := range mine {
			left = left || !c.done()
		}
		if !left {
			return
		}
		pollCtx, cancel := context.WithTimeout(ctx, r.o.FetchWait)
		sent := r.now()
		fetches := cl.PollFetches(pollCtx)
		cancel()
		now := r.now()
		fetches.EachError(func(_ string, _ int32, err error) {
			if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
				r.errs.add("fetch: "+kindOf(err), 1)
			}
		})
		some := false
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			c := byPartition[p.Partition]
			if c == nil || len(p.Records) == 0 {
				return
			}
			some = true
			var size int64
			t.begin(c.partition)
			for _, rec := range p.Records {
				t.record(c.partition, rec.Offset, rec.Key, rec.Value)
				size += int64(len(rec.Key) + len(rec.Value))
				c.next = rec.Offset + 1
			}
			t.end(c.partition, now)
			t.count(int64(len(p.Records)), size, now)
		})
		if some && t.trips == nil && now >= r.from {
			t.fetches.Value(now - sent)
		}
	}
}

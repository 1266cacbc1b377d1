package connection_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// completed carries a segment writer's answer, which may come when the fake has stopped, and then just vanishes.
type completed struct{ segment.Completion }

// fakePartition appends at once, without raft, to a real log on a memory disk.
type fakePartition struct {
	d       *door
	replica *partition.Replica
	shared  *segment.Shared
	log     *segment.Log
	waits   []*partition.Wait
	waiting *atomic.Int64
	hold    *atomic.Bool // keep produces instead of appending
	panics  *atomic.Bool
	echo    *atomic.Bool // answer produces without appending
}

func (f *fakePartition) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		f.log = segment.Open(f.shared, "data/"+f.replica.Topic+fmt.Sprint(f.replica.Partition), ctx.Self(),
			segment.Options{SegmentBytes: 1 << 30, SegmentMs: 1 << 40, RetentionBytes: -1, RetentionMs: -1, IndexInterval: 4096}, segment.NewState(0))
		f.replica.PID = ctx.Self()
		f.lead(true)
	case *actor.Stopping:
		f.log.Close(false)
	case *partition.Produce:
		if f.panics.Load() {
			panic("asked to")
		}
		defer m.Frame.Release()
		if f.hold.Load() {
			return
		}
		if f.echo.Load() {
			f.d.broker.System.Send(m.Reply, &partition.Produced{Results: []partition.ProduceResult{{Token: m.Token, Index: m.Index}}})
			return
		}
		base := f.log.EndOffset()
		if !f.log.Append(m.Batch, &m.Header, base, 1, 0) {
			panic("the chunk pool is full")
		}
		end := base + int64(m.Header.LastOffsetDelta) + 1
		f.log.Publish(end, end)
		f.d.broker.System.Send(m.Reply, &partition.Produced{Results: []partition.ProduceResult{{Token: m.Token, Index: m.Index,
			BaseOffset: base, AppendTimeMs: m.AppendTimeMs}}})
		f.wake(end)
	case *partition.Wait:
		f.waits = append(f.waits, m)
		f.wake(f.log.EndOffset())
	case *partition.Cancel:
		for i, w := range f.waits {
			if w.Token == m.Token && w.Reply.Equal(m.Reply) {
				f.waits = append(f.waits[:i], f.waits[i+1:]...)
				break
			}
		}
		f.waiting.Store(int64(len(f.waits)))
	case *partition.DeleteRecords:
		f.log.SetStart(m.Offset)
		f.log.Publish(f.log.EndOffset(), f.log.EndOffset())
		f.d.broker.System.Send(m.Reply, &partition.RecordsDeleted{Token: m.Token, Index: m.Index, LowWatermark: m.Offset})
	case *partition.DescribeProducers:
		f.d.broker.System.Send(m.Reply, &partition.ProducersDescribed{Token: m.Token, Index: m.Index,
			Producers: []partition.ActiveProducer{{ID: 7, Epoch: 1, LastSequence: 3}}})
	case completed:
		f.log.Complete(m.Completion)
	}
}

func (f *fakePartition) wake(end int64) {
	kept := f.waits[:0]
	for _, w := range f.waits {
		if end > w.Offset {
			f.d.broker.System.Send(w.Reply, &partition.Woken{Token: w.Token})
		} else {
			kept = append(kept, w)
		}
	}
	f.waits = kept
	f.waiting.Store(int64(len(kept)))
}

func (f *fakePartition) lead(self bool) {
	l := partition.Leadership{Leader: 1, Epoch: 1, Self: self}
	if !self {
		l.Leader = 2
	}
	f.d.broker.Replicas.Stage(f.replica, f.log.Reader(), l, []partition.EpochStart{{Epoch: 1, Start: 0}},
		&topicconfig.Config{MaxMessageBytes: 1 << 20, SegmentBytes: 1 << 30, TimestampBeforeMs: 1 << 62, TimestampAfterMs: 1 << 62,
			CompressionType: "producer", CleanupDelete: true})
}

// stage puts topics of one partition each behind the door.
func (d *door) stage(names ...string) map[string]*fakePartition {
	d.t.Helper()
	system := d.broker.System
	shared := &segment.Shared{FS: vfs.NewMem(), Pool: segment.NewChunkPool(16 << 20), Files: segment.NewFileCache(16),
		Disk: &diskstate.State{}}
	writer, err := system.SpawnRoot(actorsystem.Spec{Kind: "segment", Name: "w", Lane: actorsystem.Own,
		New: func() actor.Actor { return segment.NewWriterActor(shared) }})
	if err != nil {
		d.t.Fatal(err)
	}
	shared.Writers = []*actor.PID{writer}
	shared.Send = func(to *actor.PID, m any) {
		if c, ok := m.(segment.Completion); ok && !to.Equal(writer) {
			m = completed{c}
		}
		system.Send(to, m)
	}
	d.t.Cleanup(func() { _ = system.StopWait(writer, patience) })
	fakes := map[string]*fakePartition{}
	var topics []*controller.Topic
	for i, name := range names {
		f := &fakePartition{d: d, shared: shared, waiting: &atomic.Int64{}, hold: &atomic.Bool{}, panics: &atomic.Bool{}, echo: &atomic.Bool{},
			replica: &partition.Replica{Topic: name, TopicID: [16]byte{1, byte(i)}}}
		topics = append(topics, &controller.Topic{Name: name, ID: f.replica.TopicID, Partitions: make([]controller.Partition, 1)})
		pid, err := system.SpawnRoot(actorsystem.Spec{Kind: "partition", Name: name, New: func() actor.Actor { return f }})
		if err != nil {
			d.t.Fatal(err)
		}
		fakes[name] = f
		d.t.Cleanup(func() { _ = system.StopWait(pid, patience) })
		d.eventually("the fake leads", func() bool { return d.broker.Replicas.Lookup(f.replica.TopicID, 0) != nil })
	}
	d.broker.Metadata.Stage([]controller.Broker{{ID: 1, Host: "one", Port: 1}, {ID: 2, Host: "two", Port: 2}}, topics...)
	return fakes
}

// batch is a record batch of the given values.
func batch(t testing.TB, values ...string) []byte {
	t.Helper()
	b := protocol.NewBatchBuilder(protocol.CodecNone)
	for _, v := range values {
		b.Append(time.Now().UnixMilli(), nil, []byte(v), nil)
	}
	out, err := b.AppendTo(nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func produceRequest(acks int16, topic string, records []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 5000
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t := kmsg.NewProduceRequestTopic()
	t.Topic = topic
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return req
}

func produced(t testing.TB, r kmsg.Response) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	return r.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

func fetchRequest(offset int64, topics ...string) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = -1, 0, 1, 1<<20, -1
	for i, name := range topics {
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = name, [16]byte{1, byte(i)}
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
	}
	return req
}

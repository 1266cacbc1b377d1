package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns when a partition is read to its end. The end is the offset that was the end at the start, and a record with
// the offset before it may never come: compaction removed it, it belonged to an aborted transaction, or everything up to
// there was deleted meanwhile. The library keeps its position to itself while no record comes, so then the brokers are asked
// what the log holds from the last known position on.
//
// Invariant: a partition counts as read only when every record before its end has been handed over by the library, or an
// answer of the leader shows that there is none.

// lookBytes is the most that one look asks for, bytes. A batch that compaction left empty has 61.
const lookBytes = 16 << 10

// reading is what is still to be read of a topic, by partition.
type reading struct {
	cl    *kgo.Client
	topic string
	level kgo.IsolationLevel
	only  bool // up to the ends only; otherwise nothing is ever done
	open  map[int32]*span
}

// took notes that the library has handed over a record, and says whether it is wanted.
func (r *reading) took(partition int32, offset int64) bool {
	s := r.open[partition]
	if s == nil {
		return false
	}
	wanted := !r.only || offset < s.end
	r.reached(partition, offset+1)
	return wanted
}

// reached moves a partition's position on. What is read is not fetched any more.
func (r *reading) reached(partition int32, position int64) {
	s := r.open[partition]
	s.from = max(s.from, position)
	if r.only && s.from >= s.end {
		delete(r.open, partition)
		r.cl.PauseFetchPartitions(map[string][]int32{r.topic: {partition}})
	}
}

// look asks the leaders what comes next in every open partition and moves the positions over offsets that hold no record. It says
// whether anything moved. A partition whose leader does not answer now stays as it is.
func (r *reading) look(ctx context.Context) (moved bool, err error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(r.topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, r.cl)
	if err != nil || len(resp.Topics) != 1 {
		return false, nil
	}
	found := &resp.Topics[0]
	if err := kerr.ErrorForCode(found.ErrorCode); err != nil {
		if kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return false, nil
		}
		return false, cli.Explain("topic "+r.topic, err, "")
	}
	for i := range found.Partitions {
		p := &found.Partitions[i]
		for s := r.open[p.Partition]; s != nil && r.open[p.Partition] != nil; {
			next, ok := r.next(ctx, found.TopicID, p, s)
			if !ok || next <= s.from {
				break
			}
			moved = true
			r.reached(p.Partition, next)
		}
	}
	return moved, nil
}

// next is the offset up to which a partition holds nothing from s.from on. Each partition has a request of its own: an answer for
// several may leave records out for its size, and must not be taken for an empty log.
func (r *reading) next(ctx context.Context, id [16]byte, p *kmsg.MetadataResponseTopicPartition, s *span) (next int64, ok bool) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes = lookBytes
	if r.level == kgo.ReadCommitted() {
		req.IsolationLevel = 1
	}
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = r.topic, id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.Partition, s.from, lookBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	answer, err := r.cl.Broker(int(p.Leader)).RetriableRequest(ctx, req)
	if err != nil {
		return 0, false
	}
	resp := answer.(*kmsg.FetchResponse)
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, false
	}
	got := &resp.Topics[0].Partitions[0]
	switch {
	case got.ErrorCode == kerr.OffsetOutOfRange.Code && got.LogStartOffset > s.from:
		return got.LogStartOffset, true // deleted meanwhile
	case got.ErrorCode != 0:
		return 0, false
	case len(got.RecordBatches) == 0:
		known := got.HighWatermark
		if r.level == kgo.ReadCommitted() {
			known = got.LastStableOffset
		}
		return s.end, known >= s.end
	}
	records, position := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{KeepControlRecords: true, Offset: s.from, IsolationLevel: r.level,
		Topic: r.topic, Partition: p.Partition}, got, kgo.DefaultDecompressor(), func(kgo.FetchBatchMetrics) {})
	if records.Err != nil {
		return 0, false
	}
	if len(records.Records) > 0 {
		return records.Records[0].Offset, true // the library hands it over
	}
	return position, true
}

// left names the partitions that are not read to their ends, and where they stand.
func (r *reading) left() string {
	text := ""
	for _, p := range keys(r.open) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d at %d of %d", p, r.open[p].from, r.open[p].end)
	}
	return text
}

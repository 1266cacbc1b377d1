package group

import (
	"context"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns lag. Lag in offsets is the log end offset less the committed one, as Kafka's own tools count it. Lag in
// seconds is the age of the next record to be consumed: now less the timestamp of the first record at or after the committed
// offset; 0 when the group has caught up. So it grows while a group stands still, also when nothing new is produced, and it
// tells how old the data is that the group works on. Records are read for it: one small fetch a lagging partition.

// lagOffsets is how many offsets a committed offset is behind; -1 where one of them is not known (-1).
func lagOffsets(committed, end int64) int64 {
	if committed < 0 || end < 0 {
		return -1
	}
	return max(0, end-committed)
}

// lagSeconds is the age of a record in seconds, to the millisecond; a record of the future has no age.
func lagSeconds(next, now time.Time) float64 {
	return math.Round(max(0, now.Sub(next).Seconds())*1000) / 1000
}

const (
	// sampleBytes is what is fetched of a partition to see its next record. A batch that is larger comes whole, alone.
	sampleBytes = 64 << 10
	// sampleAllBytes bounds one answer for all partitions.
	sampleAllBytes = 16 << 20
	// sampleWithin bounds the whole reading; what has no answer by then is shown as not known.
	sampleWithin = 5 * time.Second
)

// nextTimes reads the timestamp of the first record at or after each offset. A partition is missing if it could not be read in
// time, or has only control records there.
func nextTimes(ctx context.Context, c *cli.Client, from map[cli.Partition]int64) map[cli.Partition]time.Time {
	out := map[cli.Partition]time.Time{}
	if len(from) == 0 {
		return out
	}
	ctx, cancel := context.WithTimeout(ctx, min(sampleWithin, c.Timeout))
	defer cancel()
	offsets := map[string]map[int32]kgo.Offset{}
	for p, o := range from {
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.Offset{}
		}
		offsets[p.Topic][p.Partition] = kgo.NewOffset().At(o)
	}
	cl, err := c.Connect(ctx, kgo.ConsumePartitions(offsets), kgo.FetchMaxPartitionBytes(sampleBytes), kgo.FetchMaxBytes(sampleAllBytes),
		kgo.FetchMaxWait(100*time.Millisecond), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return out
	}
	defer cl.Close()
	for len(out) < len(from) {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return out
		}
		seen := map[string][]int32{}
		fetches.EachPartition(func(t kgo.FetchTopicPartition) {
			p := cli.Partition{Topic: t.Topic, Partition: t.Partition}
			if _, ok := out[p]; ok {
				return
			}
			for _, r := range t.Records {
				if r.Offset >= from[p] {
					out[p] = r.Timestamp
					seen[t.Topic] = append(seen[t.Topic], t.Partition)
					return
				}
			}
			if t.Err != nil { // it cannot be read: do not wait for it
				out[p] = time.Time{}
			}
		})
		cl.PauseFetchPartitions(seen)
	}
	for p, t := range out {
		if t.IsZero() || t.UnixMilli() < 0 { // an error, or a record without a time (timestamp -1)
			delete(out, p)
		}
	}
	return out
}

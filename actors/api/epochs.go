package api

// This file owns the question where a leader epoch ended (KIP-101, KIP-279), for Fetch, OffsetForLeaderEpoch and ListOffsets.

import (
	"sort"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/storage/segment"
)

// epochEnd finds the largest epoch in the log that is not larger than epoch, and where it ended: where the next one starts, or the
// log's end. An epoch older than all is said to end where the oldest starts. -1, -1 if epoch is newer than the leader's.
func epochEnd(r *partition.Replica, b segment.Bounds, epoch int32) (found int32, end int64) {
	current := r.Leadership().Epoch
	if epoch == current {
		return epoch, b.HighWatermark
	}
	if epoch > current {
		return -1, -1
	}
	starts := r.Epochs()
	i := sort.Search(len(starts), func(i int) bool { return starts[i].Epoch > epoch })
	switch {
	case i == 0 && len(starts) > 0: // older than all that is left: its end is where the oldest starts
		return epoch, max(b.Start, starts[0].Start)
	case i == 0: // there is none older: the current one begins at the end
		return epoch, b.HighWatermark
	case i == len(starts):
		return starts[i-1].Epoch, b.HighWatermark
	}
	return starts[i-1].Epoch, max(b.Start, starts[i].Start)
}

// epochAt is the leader epoch of the record at offset, of the leader if that is the end of the log; -1 if unknown.
func epochAt(r *partition.Replica, b segment.Bounds, offset int64) int32 {
	if offset >= b.HighWatermark {
		return r.Leadership().Epoch
	}
	starts := r.Epochs()
	i := sort.Search(len(starts), func(i int) bool { return starts[i].Start > offset })
	if i == 0 {
		return noEpoch
	}
	return starts[i-1].Epoch
}

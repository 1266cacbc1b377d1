package cleaner

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// This file owns the choice of the next log, by Apache Kafka's rules: of all logs whose dirty part is more than
// min.cleanable.dirty.ratio of what could be cleaned, or has waited longer than max.compaction.lag.ms, the one with the largest
// share that is dirty.

// candidate is a compacted log as it stands.
type candidate struct {
	key             partition.Key
	replica         *partition.Replica
	config          *topicconfig.Config
	firstDirty, end int64 // the dirty part that can be cleaned is [firstDirty, end)
	cleanBytes      int64
	dirtyBytes      int64
	overdue         bool // by max.compaction.lag.ms
}

func (c *candidate) ratio() float64 {
	if c.dirtyBytes == 0 {
		return 0
	}
	return float64(c.dirtyBytes) / float64(c.cleanBytes+c.dirtyBytes)
}

func (c *candidate) needed() bool {
	return c.dirtyBytes > 0 && (c.overdue || c.ratio() > c.config.MinCleanableRatio)
}

// choose looks at every compacted log, notes how it stands, and picks one; nil if none needs cleaning.
func (c *cleaner) choose() *candidate {
	now := c.now()
	c.forgetGone()
	var all []*candidate
	for key, r := range c.Replicas.All() {
		config := r.Config()
		if !config.CleanupCompact {
			delete(c.logs, key)
			continue
		}
		reader := r.Reader()
		if reader == nil || r.Offline() != "" {
			continue
		}
		all = append(all, &candidate{key: key, replica: r, config: config})
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(a.replica.Topic, b.replica.Topic), cmp.Compare(a.replica.Partition, b.replica.Partition))
	})
	var best *candidate
	var worst float64
	for _, x := range all {
		if err := c.measure(x, now); err != nil {
			if !wentOn(err) && !(errors.Is(err, vfs.ErrNotExist) && c.isGone(x)) {
				if s := c.status(x); s.RetryAt == nil || !now.Before(*s.RetryAt) {
					c.fail(s, err)
				}
			}
			continue
		}
		s := c.status(x)
		worst = max(worst, x.ratio())
		if s.RetryAt != nil && now.Before(*s.RetryAt) || !x.needed() {
			continue
		}
		if best == nil || x.ratio() > best.ratio() {
			best = x
		}
	}
	c.Metrics.looked(len(all), worst, c.failing())
	return best
}

func (c *cleaner) failing() (n int) {
	for _, s := range c.logs {
		if s.Failures > 0 {
			n++
		}
	}
	return n
}

// measure finds out which part of a log is dirty and may be cleaned.
func (c *cleaner) measure(x *candidate, now time.Time) error {
	reader := x.replica.Reader()
	closed, err := reader.Closed()
	if err != nil {
		return err
	}
	bounds := reader.Bounds()
	x.firstDirty = bounds.Start
	if done, known := c.done[x.key]; known && done >= bounds.Start && done <= bounds.HighWatermark {
		x.firstDirty = done
	}
	x.end = x.firstDirty
	oldest := int64(math.MaxInt64) // the latest time of records that may be cleaned
	if x.config.MinCompactionLagMs > 0 {
		oldest = now.UnixMilli() - x.config.MinCompactionLagMs
	}
	for i := range closed {
		s := &closed[i]
		if s.Next <= x.firstDirty {
			x.cleanBytes += s.Bytes
			continue
		}
		if s.LargestTimestamp > oldest || s.Next > bounds.LastStable {
			break
		}
		x.end = s.Next
		x.dirtyBytes += s.Bytes
	}
	if x.dirtyBytes > 0 && x.config.MaxCompactionLagMs < math.MaxInt64 {
		x.overdue, err = overdue(reader, closed, x, now.UnixMilli())
	}
	return err
}

// overdue says whether the oldest dirty segment has waited too long, by the timestamp of its first batch.
func overdue(reader *segment.Reader, closed []segment.ClosedSegment, x *candidate, nowMs int64) (bool, error) {
	for i := range closed {
		s := &closed[i]
		if s.Next <= x.firstDirty || s.Bytes == 0 || s.LargestTimestamp < 0 {
			continue
		}
		if s.Base >= x.end {
			break
		}
		first, err := reader.FirstTimestamp(max(s.Base, reader.Bounds().Start))
		if errors.Is(err, segment.ErrOffsetOutOfRange) {
			return false, nil // cut meanwhile
		}
		if err != nil {
			return false, err
		}
		if first >= 0 {
			return nowMs-first > x.config.MaxCompactionLagMs, nil
		}
	}
	return false, nil
}

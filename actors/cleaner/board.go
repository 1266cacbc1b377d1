package cleaner

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/storage/compact"
)

// Board is what the cleaner shows. It outlives the actor's incarnations. Safe for concurrent use: one immutable Report replaces the
// other.
type Board struct {
	report atomic.Pointer[Report]
	jobs   atomic.Uint64 // numbers of jobs, over all incarnations
}

// Load is the newest report, never nil. The caller must not change it.
func (b *Board) Load() *Report {
	if r := b.report.Load(); r != nil {
		return r
	}
	return &Report{State: "starting", Logs: []LogStatus{}}
}

// Report is the cleaner in summary (GET /v1/cleaner).
type Report struct {
	State   string      `json:"state"` // starting, idle, waiting for the log, or the phase of the current run
	Current *Current    `json:"current,omitempty"`
	Logs    []LogStatus `json:"logs"` // those of compacted topics, by topic and partition
}

// Current is the run under way.
type Current struct {
	key          partition.Key
	Topic        string    `json:"topic"`
	Partition    int32     `json:"partition"`
	Phase        string    `json:"phase"`
	Began        time.Time `json:"began"`
	BytesDone    int64     `json:"bytes_done"` // read
	BytesToRead  int64     `json:"bytes_to_read"`
	BytesWritten int64     `json:"bytes_written"`
	Progress     float64   `json:"progress"` // 0 to 1
	Keys         int64     `json:"keys"`
	MapBytes     int64     `json:"map_bytes"`
}

// LogStatus is one compacted log.
type LogStatus struct {
	key            partition.Key
	Topic          string     `json:"topic"`
	Partition      int32      `json:"partition"`
	CleanedUpTo    int64      `json:"cleaned_up_to"`
	CleanableUpTo  int64      `json:"cleanable_up_to"`
	CleanBytes     int64      `json:"clean_bytes"`
	DirtyBytes     int64      `json:"dirty_bytes"` // of closed segments that may be cleaned
	DirtyRatio     float64    `json:"dirty_ratio"`
	NeededFrom     float64    `json:"min_cleanable_dirty_ratio"`
	Overdue        bool       `json:"overdue"` // by max.compaction.lag.ms
	Runs           int64      `json:"runs"`    // since the broker started
	ReclaimedBytes int64      `json:"reclaimed_bytes"`
	LastRun        *Run       `json:"last_run,omitempty"`
	Failures       int        `json:"failures"` // one after the other
	Failure        string     `json:"failure,omitempty"`
	RetryAt        *time.Time `json:"retry_at,omitempty"`
}

// Run is one finished round.
type Run struct {
	Began          time.Time `json:"began"`
	Seconds        float64   `json:"seconds"`
	BytesBefore    int64     `json:"bytes_before"`
	BytesAfter     int64     `json:"bytes_after"`
	SegmentsBefore int       `json:"segments_before"`
	SegmentsAfter  int       `json:"segments_after"`
	RecordsRead    int64     `json:"records_read"`
	RecordsDropped int64     `json:"records_dropped"`
	Keys           int64     `json:"keys"`
	MapFull        bool      `json:"map_full"` // more rounds follow: the memory for keys was full
}

func newRun(began time.Time, took time.Duration, s *compact.Stats) *Run {
	return &Run{Began: began, Seconds: took.Seconds(), BytesBefore: s.BytesBefore, BytesAfter: s.BytesAfter, SegmentsBefore: s.SegmentsBefore,
		SegmentsAfter: s.SegmentsAfter, RecordsRead: s.RecordsRead, RecordsDropped: s.RecordsDropped, Keys: s.Keys, MapFull: s.MapFull}
}

// status is what is shown of a log, brought up to date with how it stands.
func (c *cleaner) status(x *candidate) *LogStatus {
	s := c.logs[x.key]
	if s == nil {
		s = &LogStatus{key: x.key}
		c.logs[x.key] = s
	}
	s.Topic, s.Partition = x.replica.Topic, x.replica.Partition
	s.CleanedUpTo, s.CleanableUpTo, s.CleanBytes, s.DirtyBytes = x.firstDirty, x.end, x.cleanBytes, x.dirtyBytes
	s.DirtyRatio, s.NeededFrom, s.Overdue = x.ratio(), x.config.MinCleanableRatio, x.overdue
	return s
}

// show puts a new report on the board.
func (c *cleaner) show() {
	former := c.Board.Load()
	r := &Report{State: "idle"}
	if c.at != nil {
		r.State = "waiting for the log"
		r.Current = &Current{key: c.at.key, Topic: c.at.replica.Topic, Partition: c.at.replica.Partition, Phase: r.State, Began: c.now()}
	}
	if c.job != nil {
		s := c.job.Stats()
		r.State = c.job.Phase().String()
		x := r.Current
		x.Phase, x.Began, x.BytesDone, x.BytesToRead, x.BytesWritten, x.Keys, x.MapBytes = r.State, c.began, s.BytesRead, s.BytesToRead, s.BytesWritten, s.Keys, s.MapBytes
		if s.BytesToRead > 0 {
			x.Progress = min(1, float64(s.BytesRead)/float64(s.BytesToRead))
		}
	}
	if c.job != nil && former.Current != nil && former.Current.key == c.at.key {
		r.Logs = former.Logs // nothing of them changes in the middle of a run
	} else {
		r.Logs = make([]LogStatus, 0, len(c.logs))
		for _, s := range c.logs {
			r.Logs = append(r.Logs, *s)
		}
		slices.SortFunc(r.Logs, func(a, b LogStatus) int {
			return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	c.Metrics.progress(r.Current)
	c.Board.report.Store(r)
}

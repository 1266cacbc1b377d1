package inspect

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// cleanerReport is what GET /v1/cleaner answers, and what -o json shows: the names stay.
type cleanerReport struct {
	State   string          `json:"state"`
	Current *cleanerCurrent `json:"current,omitempty"`
	Logs    []cleanerLog    `json:"logs"`
}

type cleanerCurrent struct {
	Topic        string    `json:"topic"`
	Partition    int32     `json:"partition"`
	Phase        string    `json:"phase"`
	Began        time.Time `json:"began"`
	BytesDone    int64     `json:"bytes_done"`
	BytesToRead  int64     `json:"bytes_to_read"`
	BytesWritten int64     `json:"bytes_written"`
	Progress     float64   `json:"progress"`
	Keys         int64     `json:"keys"`
	MapBytes     int64     `json:"map_bytes"`
}

type cleanerLog struct {
	Topic          string      `json:"topic"`
	Partition      int32       `json:"partition"`
	CleanedUpTo    int64       `json:"cleaned_up_to"`
	CleanableUpTo  int64       `json:"cleanable_up_to"`
	CleanBytes     int64       `json:"clean_bytes"`
	DirtyBytes     int64       `json:"dirty_bytes"`
	DirtyRatio     float64     `json:"dirty_ratio"`
	NeededFrom     float64     `json:"min_cleanable_dirty_ratio"`
	Overdue        bool        `json:"overdue"`
	Runs           int64       `json:"runs"`
	ReclaimedBytes int64       `json:"reclaimed_bytes"`
	LastRun        *cleanerRun `json:"last_run,omitempty"`
	Failures       int         `json:"failures"`
	Failure        string      `json:"failure,omitempty"`
	RetryAt        *time.Time  `json:"retry_at,omitempty"`
}

type cleanerRun struct {
	Began          time.Time `json:"began"`
	Seconds        float64   `json:"seconds"`
	BytesBefore    int64     `json:"bytes_before"`
	BytesAfter     int64     `json:"bytes_after"`
	SegmentsBefore int       `json:"segments_before"`
	SegmentsAfter  int       `json:"segments_after"`
	RecordsRead    int64     `json:"records_read"`
	RecordsDropped int64     `json:"records_dropped"`
	Keys           int64     `json:"keys"`
	MapFull        bool      `json:"map_full"`
}

// NewCleaner makes `troupe cleaner`.
func NewCleaner() *cobra.Command {
	var (
		out   cli.Output
		admin cli.AdminAddr
	)
	cmd := &cobra.Command{Use: "cleaner", Short: "Show log compaction on a running broker", Args: cli.Args(cobra.NoArgs),
		Long: `Show what the log cleaner of a running broker is doing, and, for each partition of a compacted topic (cleanup.policy=compact):

  CLEAN-TO            the offset up to which only the last record of each key is left
  CLEAN, DIRTY        bytes below that offset, and bytes above it that may be cleaned (the newest segment never is)
  RATIO, NEEDED       the share that is dirty, and above which share a round begins (min.cleanable.dirty.ratio)
  ROUNDS, RECLAIMED   since the broker started
  LAST-ROUND          when, and what it made of how much
  STATE               ok; overdue (by max.compaction.lag.ms); or why the last round failed, which is tried again`,
		Example: `  troupe cleaner
  troupe cleaner -o json | jq '.logs[] | select(.failures > 0)'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(cmd)
			defer stop()
			r := cleanerReport{Logs: []cleanerLog{}}
			if err := admin.Ask(ctx, "/v1/cleaner", &r); err != nil {
				return cli.Interrupted(ctx, err)
			}
			return out.Write(cmd.OutOrStdout(), r, func(w io.Writer) { writeCleaner(w, &r, time.Now()) })
		}}
	out.Flags(cmd)
	admin.Flags(cmd)
	return cmd
}

func writeCleaner(w io.Writer, r *cleanerReport, now time.Time) {
	fmt.Fprintf(w, "cleaner: %s", r.State)
	if c := r.Current; c != nil {
		fmt.Fprintf(w, ", %s-%d: %.0f %%, %s of %s read, %s written, %s, %s so far", c.Topic, c.Partition, 100*c.Progress,
			size(c.BytesDone), size(c.BytesToRead), size(c.BytesWritten), cli.Plural(c.Keys, "key"), now.Sub(c.Began).Round(time.Second))
	}
	fmt.Fprintln(w)
	if len(r.Logs) == 0 {
		fmt.Fprintln(w, "no topic is compacted (cleanup.policy=compact)")
		return
	}
	shown := slices.DeleteFunc(slices.Clone(r.Logs), func(l cleanerLog) bool {
		return l.CleanBytes == 0 && l.DirtyBytes == 0 && l.Runs == 0 && l.Failures == 0
	})
	if n := len(r.Logs) - len(shown); n > 0 {
		fmt.Fprintf(w, "%s with nothing to compact yet (-o json lists all)\n", cli.Plural(n, "log"))
	}
	if len(shown) == 0 {
		return
	}
	cli.Table(w, "TOPIC PARTITION CLEAN-TO CLEAN DIRTY RATIO NEEDED ROUNDS RECLAIMED LAST-ROUND STATE", func(row func(...any)) {
		for i := range shown {
			l := &shown[i]
			last, state := "-", "ok"
			if x := l.LastRun; x != nil {
				took := time.Duration(x.Seconds * float64(time.Second))
				last = fmt.Sprintf("%s ago: %s to %s in %s", now.Sub(x.Began).Round(time.Second), size(x.BytesBefore), size(x.BytesAfter), max(took.Round(time.Millisecond), time.Millisecond))
			}
			if l.Overdue {
				state = "overdue"
			}
			if l.Failures > 0 {
				state = "failed: " + firstLine(l.Failure)
			}
			row(l.Topic, l.Partition, l.CleanedUpTo, size(l.CleanBytes), size(l.DirtyBytes), cli.Number(fmt.Sprintf("%.2f", l.DirtyRatio)),
				cli.Number(fmt.Sprintf("%.2f", l.NeededFrom)), l.Runs, size(l.ReclaimedBytes), last, state)
		}
	})
}

// size writes bytes for people.
func size(n int64) cli.Number { return cli.Number(progress.Bytes(float64(n))) }

package inspect

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// cleanerReport is what GET /v1/cleaner answers; the fields are documented in docs/operations.md.
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
		Long: `Show what the log cleaner of a running broker is doing, and each log whose topic is compacted (cleanup.policy=compact):
up to which offset it is clean, how much of what could be cleaned is new (DIRTY; a round begins above NEEDED), and what the
last round made of it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(cmd)
			defer stop()
			var r cleanerReport
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
		fmt.Fprintf(w, ", %s-%d: %.0f %%, %s of %s read, %s written, %d keys, %s so far", c.Topic, c.Partition, 100*c.Progress,
			formatSize(c.BytesDone), formatSize(c.BytesToRead), formatSize(c.BytesWritten), c.Keys, now.Sub(c.Began).Round(time.Second))
	}
	fmt.Fprintln(w)
	if len(r.Logs) == 0 {
		return
	}
	cli.Table(w, "TOPIC PARTITION CLEAN-TO CLEAN DIRTY DIRTY-RATIO NEEDED RUNS RECLAIMED LAST-RUN TOOK BEFORE AFTER STATE", func(row func(...any)) {
		for i := range r.Logs {
			l := &r.Logs[i]
			last, took, before, after, state := "-", "-", "-", "-", "ok"
			if x := l.LastRun; x != nil {
				last = now.Sub(x.Began).Round(time.Second).String() + " ago"
				took = time.Duration(x.Seconds * float64(time.Second)).Round(time.Millisecond).String()
				before, after = formatSize(x.BytesBefore), formatSize(x.BytesAfter)
			}
			if l.Overdue {
				state = "overdue"
			}
			if l.Failures > 0 {
				state = "failed: " + firstLine(l.Failure)
			}
			row(l.Topic, l.Partition, l.CleanedUpTo, formatSize(l.CleanBytes), formatSize(l.DirtyBytes), fmt.Sprintf("%.2f", l.DirtyRatio),
				fmt.Sprintf("%.2f", l.NeededFrom), l.Runs, formatSize(l.ReclaimedBytes), last, took, before, after, state)
		}
	})
}

// formatSize writes bytes for people: 1.5MiB.
func formatSize(n int64) string {
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v, unit = v/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%dB", n)
	}
	return fmt.Sprintf("%.1f%s", v, [...]string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

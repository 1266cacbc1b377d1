package group

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// description is everything about one group.
type description struct {
	state
	Offsets       []progressOf `json:"offsets"`
	LagTotal      int64        `json:"lag_total"`
	LagSecondsMax float64      `json:"lag_seconds_max"`
	LagComplete   bool         `json:"lag_complete"` // false: some partition's lag is not known
}

func newDescribe() *cobra.Command {
	var (
		c       cli.Client
		out     cli.Output
		lagTime bool
	)
	cmd := &cobra.Command{Use: "describe NAME…", Short: "Show members, assignments, committed offsets and lag", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: `Show who is in a group, which partitions each member has, and for each partition the committed offset, the end of the log and the lag.

LAG counts offsets: the log end offset less the committed one. LAG-TIME is the age of the next record that the group will consume,
0s when it has caught up; to know it, that one record of each lagging partition is read (--lag-time=false does without).
A partition that is assigned but has no committed offset yet shows "-". The totals are the sum of LAG and the longest LAG-TIME.`,
		Example: `  troupe group describe payments
  troupe group describe payments -o json | jq '.[0].lag_total'`,
		ValidArgsFunction: c.GroupNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			conn, ctx, done, err := connect(cmd, &c, names...)
			if err != nil {
				return err
			}
			defer done()
			kinds, err := kindsOf(ctx, conn)
			if err != nil {
				return err
			}
			line := progress.Start(cmd.ErrOrStderr(), progress.Waiting("asking for "+cli.Plural(len(names), "group")))
			defer line.Stop()
			results := cli.Results[description]{List: []description{}}
			for _, name := range names {
				d, err := describeWhole(ctx, &c, conn, name, kinds[name], lagTime)
				if err != nil {
					results.Fail(err)
					continue
				}
				results.Add(*d, nil)
			}
			line.Stop()
			err = out.Write(cmd.OutOrStdout(), results.List, func(w io.Writer) {
				for i := range results.List {
					if i > 0 {
						fmt.Fprintln(w)
					}
					results.List[i].write(w)
				}
			})
			if err != nil {
				return err
			}
			return results.Failed(cmd.ErrOrStderr())
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().BoolVar(&lagTime, "lag-time", true, "read the next record of each lagging partition to tell its age")
	return cmd
}

// kindsOf tells the type of every group.
func kindsOf(ctx context.Context, conn *cli.Conn) (map[string]string, error) {
	all, err := list(ctx, conn, nil, nil)
	if err != nil {
		return nil, err
	}
	kinds := make(map[string]string, len(all))
	for _, g := range all {
		kinds[g.Group] = g.Type
	}
	return kinds, nil
}

func describeWhole(ctx context.Context, c *cli.Client, conn *cli.Conn, name, kind string, lagTime bool) (*description, error) {
	s, err := describe(ctx, conn, name, kind)
	if err != nil {
		return nil, cli.Explain("group "+name, err, "")
	}
	offsets, err := committed(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	owners := s.owners()
	for p := range owners {
		if _, ok := offsets[p]; !ok {
			offsets[p] = position{Partition: p, Committed: -1, LeaderEpoch: -1}
		}
	}
	positions := slices.Collect(maps.Values(offsets))
	sortPositions(positions)
	bounds(ctx, conn, positions)
	next := map[cli.Partition]time.Time{}
	if lagTime {
		from := map[cli.Partition]int64{}
		for _, p := range positions {
			if p.Start >= 0 && lagOffsets(p.Committed, p.End) > 0 {
				from[p.Partition] = max(p.Committed, p.Start) // what was deleted cannot be consumed
			}
		}
		next = nextTimes(ctx, c, from)
	}
	d := &description{state: *s, Offsets: measure(positions, owners, next, time.Now())}
	d.LagTotal, d.LagSecondsMax, d.LagComplete = totals(d.Offsets)
	return d, nil
}

func (d *description) write(w io.Writer) {
	fmt.Fprintf(w, "group %s: %s, %s", cli.Printable(d.Group), d.Type, d.State)
	if d.Assignor != "" {
		fmt.Fprintf(w, ", assignor %s", cli.Printable(d.Assignor))
	}
	if d.Epoch != nil {
		fmt.Fprintf(w, ", epoch %d", *d.Epoch)
	}
	fmt.Fprintf(w, ", coordinator %d, %s, %s", d.Coordinator, cli.Plural(len(d.Members), "member"), cli.Plural(len(d.Offsets), "partition"))
	if len(d.Offsets) > 0 {
		atLeast := ""
		if !d.LagComplete {
			atLeast = "at least "
		}
		fmt.Fprintf(w, ", lag %s%d (%s)", atLeast, d.LagTotal, duration(d.LagSecondsMax))
	}
	fmt.Fprintln(w)
	if len(d.Members) > 0 {
		fmt.Fprintln(w)
		d.writeMembers(w)
	}
	if len(d.Offsets) == 0 {
		return
	}
	fmt.Fprintln(w)
	cli.Table(w, "TOPIC PARTITION COMMITTED END LAG LAG-TIME CLIENT HOST", func(row func(...any)) {
		for _, p := range d.Offsets {
			client, host := or(p.ClientID, "-"), or(p.Host, "-")
			if p.Error != "" {
				client, host = p.Error, ""
			}
			row(p.Topic, p.Partition, number(p.Committed), number(p.End), number(p.Lag), cli.Number(seconds(p.LagSeconds)), client, host)
		}
	})
}

func (d *description) writeMembers(w io.Writer) {
	moving := slices.ContainsFunc(d.Members, func(m member) bool { return len(m.Target) > 0 })
	header := "CLIENT HOST INSTANCE MEMBER PARTITIONS"
	if moving {
		header += " TARGET"
	}
	cli.Table(w, header, func(row func(...any)) {
		for _, m := range d.Members {
			cells := []any{m.ClientID, m.Host, or(m.InstanceID, "-"), m.MemberID, written(m.Assigned)}
			if moving {
				cells = append(cells, written(m.Target))
			}
			row(cells...)
		}
	})
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// number writes what may not be known.
func number(n *int64) cli.Number {
	if n == nil {
		return "-"
	}
	return cli.Number(strconv.FormatInt(*n, 10))
}

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	return duration(*s)
}

// duration writes seconds with as much precision as a person can use: 0s, 12ms, 3.2s, 4m12s, 3h5m, 2d7h.
func duration(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d == 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// deleted is what delete prints for each group.
type deleted struct {
	Group string `json:"group"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

func newDelete() *cobra.Command {
	var (
		c         cli.Client
		out       cli.Output
		ifPresent bool
	)
	cmd := &cobra.Command{Use: "delete NAME…", Short: "Delete groups and their committed offsets", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long:              "Delete groups and their committed offsets. A group with members is refused: stop them first.",
		Example:           "  troupe group delete payments payments-old",
		ValidArgsFunction: c.GroupNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			conn, ctx, done, err := connect(cmd, &c, names...)
			if err != nil {
				return err
			}
			defer done()
			line := progress.Start(cmd.ErrOrStderr(), progress.Waiting("deleting "+cli.Plural(len(names), "group")))
			defer line.Stop()
			answers, err := conn.DeleteGroups(ctx, names...)
			line.Stop()
			if err != nil && len(answers) == 0 {
				return cli.Explain("delete groups", err, "")
			}
			var results cli.Results[deleted]
			for _, a := range answers.Sorted() {
				if ifPresent && errors.Is(a.Err, kerr.GroupIDNotFound) {
					a.Err = nil
				}
				err := cli.Explain("delete group "+a.Group, a.Err, a.ErrMessage)
				results.Add(deleted{a.Group, err == nil, cli.Explained(err)}, err)
			}
			if err != nil {
				results.Fail(cli.Explain("delete groups", err, ""))
			}
			err = out.Write(cmd.OutOrStdout(), results.List, func(w io.Writer) {
				for _, d := range results.List {
					if d.OK {
						fmt.Fprintln(w, "deleted group "+cli.Printable(d.Group))
					}
				}
			})
			if err != nil {
				return err
			}
			return results.Failed(cmd.ErrOrStderr())
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().BoolVar(&ifPresent, "if-exists", false, "a group that does not exist is no error")
	return cmd
}

func newDeleteOffsets() *cobra.Command {
	var (
		c       cli.Client
		out     cli.Output
		scope   scope
		execute bool
	)
	cmd := &cobra.Command{Use: "delete-offsets GROUP", Short: "Forget committed offsets of a group (shows what it would do; --execute does it)", Args: cli.Args(cobra.ExactArgs(1)),
		Long: `Forget what a group has committed in some partitions: it will begin there as auto.offset.reset says. Without --execute nothing is
changed. A topic that an active member is subscribed to is refused.`,
		Example:           "  troupe group delete-offsets payments --topic orders-old --execute",
		ValidArgsFunction: c.GroupNames(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			name := a[0]
			if !scope.given() {
				return cli.Usagef("give --topic TOPIC[:PARTITIONS] or --all-topics")
			}
			if err := scope.parse(); err != nil {
				return err
			}
			conn, ctx, done, err := connect(cmd, &c, name)
			if err != nil {
				return err
			}
			defer done()
			have, err := committed(ctx, conn, name)
			if err != nil {
				return err
			}
			var positions []position
			for p, at := range have {
				if scope.covers(p) {
					positions = append(positions, at)
				}
			}
			if len(positions) == 0 {
				return fmt.Errorf("group %s has no committed offsets there; see `troupe group describe %s`", name, name)
			}
			sortPositions(positions)
			moves := make([]move, len(positions))
			for i, p := range positions {
				moves[i] = move{Topic: p.Topic, Partition: p.Partition.Partition, Old: &positions[i].Committed}
			}
			if execute {
				apply(conn, cmd, moves, "delete", func(ctx context.Context, chunk []*move) error {
					return forget(ctx, conn, name, chunk)
				})
			}
			return show(cmd, &out, reset{name, execute, moves})
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	scope.flags(cmd, &c)
	cmd.Flags().BoolVar(&execute, "execute", false, "do it, instead of only showing it")
	return cmd
}

func forget(ctx context.Context, conn *cli.Conn, name string, moves []*move) error {
	set := kadm.TopicsSet{}
	for _, m := range moves {
		set.Add(m.Topic, m.Partition)
	}
	answers, err := conn.DeleteOffsets(ctx, name, set)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if err := answers[m.Topic][m.Partition]; err != nil {
			m.Error = cli.Explain("delete", err, "").Error()
		}
	}
	return nil
}

func newExportOffsets() *cobra.Command {
	var (
		c      cli.Client
		scope  scope
		format string
	)
	cmd := &cobra.Command{Use: "export-offsets GROUP…", Short: "Write committed offsets as CSV or JSON, for reset-offsets --from-file", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: `Write the committed offsets of groups to standard output, as a copy that "troupe group reset-offsets --from-file" and Kafka's
kafka-consumer-groups read. CSV has a line TOPIC,PARTITION,OFFSET a partition, with GROUP in front when several groups are named.`,
		Example: `  troupe group export-offsets payments > payments.csv
  troupe group export-offsets payments -o json --topic orders`,
		ValidArgsFunction: c.GroupNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := scope.parse(); err != nil {
				return err
			}
			conn, ctx, done, err := connect(cmd, &c, names...)
			if err != nil {
				return err
			}
			defer done()
			saved := []savedOffset{}
			for _, name := range names {
				have, err := committed(ctx, conn, name)
				if err != nil {
					return err
				}
				if len(have) == 0 {
					return fmt.Errorf("group %s has no committed offsets; see `troupe group list`", name)
				}
				var positions []position
				for p, at := range have {
					if !scope.given() || scope.covers(p) {
						positions = append(positions, at)
					}
				}
				sortPositions(positions)
				for _, p := range positions {
					saved = append(saved, savedOffset{name, p.Topic, p.Partition.Partition, p.Committed, p.Metadata})
				}
			}
			if format == "json" {
				return cli.WriteJSON(cmd.OutOrStdout(), saved)
			}
			return writeCSV(cmd.OutOrStdout(), saved, len(slices.Compact(slices.Sorted(slices.Values(names)))) > 1)
		}}
	c.Flags(cmd)
	scope.flags(cmd, &c)
	cli.ChoiceVar(cmd, &format, "output", "o", "csv", []string{"csv", "json"}, "how to write: csv or json")
	return cmd
}

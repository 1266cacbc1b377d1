package topic

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func newDelete() *cobra.Command {
	var c change
	cmd := &cobra.Command{Use: "delete NAME…", Short: "Delete topics and all their records", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long:              `Delete topics and all their records, at once and for good: nothing asks back. Offsets that groups have committed in them go too.`,
		Example:           "  troupe topic delete orders orders-old",
		ValidArgsFunction: c.TopicNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			err := c.inChunks(cmd, "delete", names, func(ctx context.Context, adm *kadm.Client, names []string) error {
				deleted, err := adm.DeleteTopics(ctx, names...)
				for _, name := range names {
					if t, ok := deleted[name]; ok {
						c.tally("delete topic", result{Topic: name}, t.Err, t.ErrMessage)
					}
				}
				return err
			})
			return c.finish(cmd, err, func(r result) string { return "deleted topic " + r.Topic })
		}}
	c.flags(cmd)
	return cmd
}

func newAlter() *cobra.Command {
	var (
		c          change
		set, unset []string
	)
	cmd := &cobra.Command{Use: "alter NAME…", Short: "Change the configuration of topics",
		Long: `Change the configuration of one or several topics at once. For one topic, "troupe config set topic" also shows old and new
values, and checks without changing anything (--dry-run).`,
		Args:              cli.Args(cobra.MinimumNArgs(1)),
		Example:           "  troupe topic alter orders orders-eu --set retention.ms=3600000 --unset segment.bytes",
		ValidArgsFunction: c.TopicNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			var changes []kadm.AlterConfig
			for _, kv := range set {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return cli.Usagef("set: %q is not allowed; allowed: KEY=VALUE", kv)
				}
				changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
			}
			for _, k := range unset {
				changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
			}
			if len(changes) == 0 {
				return cli.Usagef("nothing to change; give --set KEY=VALUE or --unset KEY")
			}
			err := c.inChunks(cmd, "alter", names, func(ctx context.Context, adm *kadm.Client, names []string) error {
				altered, err := adm.AlterTopicConfigs(ctx, changes, names...)
				for _, t := range altered {
					c.tally("alter topic", result{Topic: t.Name}, t.Err, t.ErrMessage)
				}
				return err
			})
			return c.finish(cmd, err, func(r result) string { return "altered topic " + r.Topic })
		}}
	c.flags(cmd)
	cmd.Flags().StringArrayVarP(&set, "set", "s", nil, "KEY=VALUE to set (repeatable)")
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "KEY to put back to its default (repeatable)")
	cmd.Flags().StringArrayVarP(&set, "config", "c", nil, "the same as --set")
	cli.Complete(cmd, "set", cli.TopicConfigs)
	cli.Complete(cmd, "config", cli.TopicConfigs)
	cli.Complete(cmd, "unset", func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return cli.TopicConfigKeys(nil, prefix), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func newAddPartitions() *cobra.Command {
	var (
		c          change
		add, total int
	)
	cmd := &cobra.Command{Use: "add-partitions NAME…", Short: "Give topics more partitions", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: `Give topics more partitions. Records stay where they are, but the partition that a key belongs to changes: consumers that rely on
the order of records of one key see it broken once.`,
		Example:           "  troupe topic add-partitions orders --total 12\n  troupe topic add-partitions orders --add 2",
		ValidArgsFunction: c.TopicNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			if (add > 0) == (total > 0) || add < 0 || total < 0 {
				return cli.Usagef("give either --add N or --total N, with N from 1")
			}
			err := c.inChunks(cmd, "add partitions", names, func(ctx context.Context, adm *kadm.Client, names []string) error {
				change, n := adm.UpdatePartitions, total
				if add > 0 {
					change, n = adm.CreatePartitions, add
				}
				changed, err := change(ctx, n, names...)
				for _, t := range changed.Sorted() {
					c.tally("add partitions to topic", result{Topic: t.Topic}, t.Err, t.ErrMessage)
				}
				return err
			})
			return c.finish(cmd, err, func(r result) string { return "added partitions to topic " + r.Topic })
		}}
	c.flags(cmd)
	cmd.Flags().IntVar(&add, "add", 0, "how many to add")
	cmd.Flags().IntVar(&total, "total", 0, "how many there shall be in all")
	return cmd
}

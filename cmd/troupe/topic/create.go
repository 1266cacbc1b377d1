package topic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func newCreate() *cobra.Command {
	var (
		c           change
		partitions  int32
		replication int16
		configs     []string
		ifMissing   bool
		dryRun      bool
	)
	cmd := &cobra.Command{Use: "create NAME…", Short: "Create topics", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: `Create topics, each with this many partitions, copies and configurations; what is not given is the broker's default. --dry-run
lets the broker check everything and creates nothing. "troupe config get topic NAME --all" lists the configurations that a topic can have.`,
		Example: `  troupe topic create orders --partitions 6 --config retention.ms=86400000
  troupe topic create a b c --if-not-exists
  troupe topic create orders --partitions 6 --dry-run`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, names []string) error {
			values := map[string]*string{}
			for _, kv := range configs {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return cli.Usagef("config: %q is not allowed; allowed: KEY=VALUE", kv)
				}
				values[k] = &v
			}
			if partitions == 0 || partitions < -1 {
				return cli.Usagef("partitions: %d is not allowed; allowed: 1 or more, or -1 for the broker's default", partitions)
			}
			if replication == 0 || replication < -1 {
				return cli.Usagef("replication-factor: %d is not allowed; allowed: 1 or more, or -1 for the broker's default", replication)
			}
			err := c.inChunks(cmd, "create", names, func(ctx context.Context, adm *kadm.Client, names []string) error {
				create := adm.CreateTopics
				if dryRun {
					create = adm.ValidateCreateTopics
				}
				created, err := create(ctx, partitions, replication, values, names...)
				if err != nil {
					return err
				}
				for _, name := range names {
					t := created[name]
					r := result{Topic: name, ID: topicID(t.ID), Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}
					if t.ID == (kadm.TopicID{}) {
						r.ID = ""
					}
					if ifMissing && errors.Is(t.Err, kerr.TopicAlreadyExists) {
						t.Err, r.Partitions, r.ReplicationFactor = nil, 0, 0
					}
					c.tally("create topic", r, t.Err, t.ErrMessage)
				}
				return nil
			})
			return c.finish(cmd, err, func(r result) string {
				switch {
				case r.Partitions <= 0:
					return "topic " + r.Topic + " is there"
				case dryRun:
					return fmt.Sprintf("would create topic %s with %s", r.Topic, cli.Plural(r.Partitions, "partition"))
				}
				return fmt.Sprintf("created topic %s with %s", r.Topic, cli.Plural(r.Partitions, "partition"))
			})
		}}
	c.flags(cmd)
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "number of partitions; -1 is the broker's default")
	cmd.Flags().Int16VarP(&replication, "replication-factor", "r", -1, "copies of each partition; -1 is the broker's default")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "topic configuration KEY=VALUE (repeatable)")
	cmd.Flags().BoolVar(&ifMissing, "if-not-exists", false, "a topic that exists already is no error")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "let the broker check it, and create nothing")
	cli.Complete(cmd, "config", cli.TopicConfigs)
	return cmd
}

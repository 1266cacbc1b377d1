package topic

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func newList() *cobra.Command {
	var (
		c        cli.Client
		out      cli.Output
		internal bool
	)
	cmd := &cobra.Command{Use: "list", Short: "List topics", Args: cli.Args(cobra.NoArgs),
		Example:           "  troupe topic list\n  troupe topic list --internal -o json",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			adm, ctx, done, err := c.Admin(cmd)
			if err != nil {
				return err
			}
			defer done()
			list := adm.ListTopics
			if internal {
				list = adm.ListTopicsWithInternal
			}
			topics, err := list(ctx)
			if err != nil {
				return cli.Explain("list topics", err, "")
			}
			type row struct {
				Topic             string `json:"topic"`
				ID                string `json:"id"`
				Partitions        int    `json:"partitions"`
				ReplicationFactor int    `json:"replication_factor"`
				Internal          bool   `json:"internal"`
			}
			rows := make([]row, 0, len(topics))
			for _, t := range topics.Sorted() {
				rows = append(rows, row{t.Topic, topicID(t.ID), len(t.Partitions), t.Partitions.NumReplicas(), t.IsInternal})
			}
			return out.Write(cmd.OutOrStdout(), rows, func(w io.Writer) {
				if len(rows) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no topics yet; `troupe topic create NAME` makes one")
					return
				}
				cli.Table(w, "TOPIC PARTITIONS REPLICAS", func(line func(...any)) {
					for _, r := range rows {
						line(r.Topic, r.Partitions, r.ReplicationFactor)
					}
				})
			})
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().BoolVar(&internal, "internal", false, "show internal topics too")
	return cmd
}

package topic

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

type partitionView struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leader_epoch"`
	Replicas    []int32 `json:"replicas"`
	ISR         []int32 `json:"isr"`
	StartOffset int64   `json:"start_offset"` // -1: unknown
	EndOffset   int64   `json:"end_offset"`
	Error       string  `json:"error,omitempty"`
}

type configView struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`

	source kmsg.ConfigSource
}

type topicView struct {
	Topic      string          `json:"topic"`
	ID         string          `json:"id"`
	Internal   bool            `json:"internal"`
	Partitions []partitionView `json:"partitions"`
	Configs    []configView    `json:"configs"`
}

func newDescribe() *cobra.Command {
	var (
		c   cli.Client
		out cli.Output
		all bool
	)
	cmd := &cobra.Command{Use: "describe NAME…", Short: "Show partitions, offsets and configuration of topics", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: `Show topics: the configurations that were set on them, and for each partition

  LEADER, EPOCH    the broker that serves it, and how often that has been decided
  REPLICAS, ISR    the brokers that have a copy, and those of them that have all of it
  START, END       the offset of the oldest record kept, and the one that the next record gets`,
		Example:           "  troupe topic describe orders\n  troupe topic describe orders --all -o json",
		ValidArgsFunction: c.TopicNames(0),
		RunE: func(cmd *cobra.Command, names []string) error {
			conn, ctx, done, err := c.Admin(cmd)
			if err != nil {
				return err
			}
			defer done()
			topics, err := conn.ListTopicsWithInternal(ctx, names...)
			if err != nil {
				return cli.Explain("describe topics", err, "")
			}
			var results cli.Results[struct{}]
			var partitions []cli.Partition
			for _, name := range unique(names) {
				t, ok := topics[name]
				if !ok || t.Err != nil {
					err := t.Err
					if err == nil {
						err = kerr.UnknownTopicOrPartition
					}
					results.Fail(cli.Explain("topic "+name, err, ""))
					delete(topics, name)
					continue
				}
				for p := range t.Partitions {
					partitions = append(partitions, cli.Partition{Topic: name, Partition: p})
				}
			}
			// Offsets of a partition without a leader are missing; what is known is shown all the same.
			starts := cli.ListOffsets(ctx, conn.Kafka, partitions, cli.Earliest, false)
			ends := cli.ListOffsets(ctx, conn.Kafka, partitions, cli.Latest, false)
			var configs kadm.ResourceConfigs
			if len(topics) > 0 {
				if configs, err = conn.DescribeTopicConfigs(ctx, topics.Names()...); err != nil {
					return cli.Explain("describe the configuration", err, "")
				}
			}
			views := []topicView{}
			for _, t := range topics.Sorted() {
				v := topicView{Topic: t.Topic, ID: topicID(t.ID), Internal: t.IsInternal, Partitions: []partitionView{}, Configs: []configView{}}
				for _, p := range t.Partitions.Sorted() {
					pv := partitionView{Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR,
						StartOffset: -1, EndOffset: -1}
					if p.Err != nil {
						pv.Error = p.Err.Error()
					}
					at := cli.Partition{Topic: t.Topic, Partition: p.Partition}
					if o := starts[at]; o.Err == nil {
						pv.StartOffset = o.Offset
					}
					if o := ends[at]; o.Err == nil {
						pv.EndOffset = o.Offset
					}
					v.Partitions = append(v.Partitions, pv)
				}
				if rc, err := configs.On(t.Topic, nil); err == nil && rc.Err == nil {
					for _, kv := range rc.Configs {
						if all || kv.Source == kmsg.ConfigSourceDynamicTopicConfig || out.JSON() {
							v.Configs = append(v.Configs, configView{kv.Key, kv.MaybeValue(), kv.Source.String(), kv.Source})
						}
					}
				}
				views = append(views, v)
			}
			err = out.Write(cmd.OutOrStdout(), views, func(w io.Writer) {
				for i, v := range views {
					if i > 0 {
						fmt.Fprintln(w)
					}
					describe(w, v)
				}
			})
			if err != nil {
				return err
			}
			return results.Failed(cmd.ErrOrStderr())
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show configurations that stand at their default too")
	return cmd
}

func describe(w io.Writer, v topicView) {
	var records int64
	for _, p := range v.Partitions {
		if p.StartOffset >= 0 && p.EndOffset >= 0 {
			records += p.EndOffset - p.StartOffset
		}
	}
	fmt.Fprintf(w, "topic %s, id %s, %s, %s\n", v.Topic, v.ID, cli.Plural(len(v.Partitions), "partition"), cli.Plural(records, "offset"))
	for _, c := range v.Configs {
		fmt.Fprintf(w, "  %s=%s (%s)\n", c.Key, c.Value, cli.ConfigSource(c.source))
	}
	cli.Table(w, "PARTITION LEADER EPOCH REPLICAS ISR START END", func(row func(...any)) {
		for _, p := range v.Partitions {
			leader := fmt.Sprint(p.Leader)
			if p.Leader < 0 {
				leader = "none"
			}
			row(p.Partition, cli.Number(leader), p.LeaderEpoch, joinInts(p.Replicas), joinInts(p.ISR), cli.Number(offset(p.StartOffset)), cli.Number(offset(p.EndOffset)))
		}
	})
}

func offset(o int64) string {
	if o < 0 {
		return "?"
	}
	return fmt.Sprint(o)
}

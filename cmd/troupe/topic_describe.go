package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
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
}

type topicView struct {
	Topic      string          `json:"topic"`
	ID         string          `json:"id"`
	Internal   bool            `json:"internal"`
	Partitions []partitionView `json:"partitions"`
	Configs    []configView    `json:"configs"`
}

func newTopicDescribe() *cobra.Command {
	var (
		c   client
		out output
		all bool
	)
	cmd := &cobra.Command{Use: "describe NAME…", Short: "Show partitions, offsets and configuration of topics", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			adm, ctx, done, err := c.admin(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			topics, err := adm.ListTopics(ctx, names...)
			if err != nil {
				return explain("describe topics", err, "")
			}
			for _, name := range names {
				if !topics.Has(name) {
					err := topics[name].Err
					if err == nil {
						err = kerr.UnknownTopicOrPartition
					}
					return explain("topic "+name, err, "")
				}
			}
			// Offsets of a partition without a leader are missing; what is known is shown all the same.
			starts, _ := adm.ListStartOffsets(ctx, names...)
			ends, _ := adm.ListEndOffsets(ctx, names...)
			configs, err := adm.DescribeTopicConfigs(ctx, names...)
			if err != nil {
				return explain("describe the configuration", err, "")
			}
			views := []topicView{}
			for _, t := range topics.Sorted() {
				v := topicView{Topic: t.Topic, ID: t.ID.String(), Internal: t.IsInternal, Partitions: []partitionView{}, Configs: []configView{}}
				for _, p := range t.Partitions.Sorted() {
					pv := partitionView{Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR,
						StartOffset: -1, EndOffset: -1}
					if p.Err != nil {
						pv.Error = p.Err.Error()
					}
					if o, ok := starts.Lookup(t.Topic, p.Partition); ok && o.Err == nil {
						pv.StartOffset = o.Offset
					}
					if o, ok := ends.Lookup(t.Topic, p.Partition); ok && o.Err == nil {
						pv.EndOffset = o.Offset
					}
					v.Partitions = append(v.Partitions, pv)
				}
				if rc, err := configs.On(t.Topic, nil); err == nil {
					for _, kv := range rc.Configs {
						if all || kv.Source == kmsg.ConfigSourceDynamicTopicConfig || out.json() {
							v.Configs = append(v.Configs, configView{kv.Key, kv.MaybeValue(), kv.Source.String()})
						}
					}
				}
				views = append(views, v)
			}
			return out.write(cmd.OutOrStdout(), views, func(w io.Writer) {
				for i, v := range views {
					if i > 0 {
						fmt.Fprintln(w)
					}
					describe(w, v)
				}
			})
		}}
	c.flags(cmd)
	out.flags(cmd)
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
	fmt.Fprintf(w, "topic %s, id %s, %s, %s\n", v.Topic, v.ID, plural(len(v.Partitions), "partition"), plural(records, "offset"))
	for _, c := range v.Configs {
		fmt.Fprintf(w, "  %s=%s (%s)\n", c.Key, c.Value, c.Source)
	}
	table(w, "PARTITION LEADER EPOCH REPLICAS ISR START END", func(row func(...any)) {
		for _, p := range v.Partitions {
			leader := fmt.Sprint(p.Leader)
			if p.Leader < 0 {
				leader = "none"
			}
			row(p.Partition, leader, p.LeaderEpoch, joinInts(p.Replicas), joinInts(p.ISR), offset(p.StartOffset), offset(p.EndOffset))
		}
	})
}

func offset(o int64) string {
	if o < 0 {
		return "?"
	}
	return fmt.Sprint(o)
}

package main

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// topicResult is what create, delete, alter and add-partitions print for each topic.
type topicResult struct {
	Topic             string `json:"topic"`
	OK                bool   `json:"ok"`
	Error             string `json:"error,omitempty"`
	ID                string `json:"id,omitempty"`
	Partitions        int32  `json:"partitions,omitempty"`
	ReplicationFactor int16  `json:"replication_factor,omitempty"`
}

func newTopic() *cobra.Command {
	return group("topic", "Create, look at, change and delete topics", newTopicCreate(), newTopicList(), newTopicDescribe(),
		newTopicAlter(), newTopicAddPartitions(), newTopicDelete())
}

// report prints one line (or object) a topic; an error is told on standard error.
func report(cmd *cobra.Command, out *output, results []topicResult, done func(topicResult) string, errs []error) error {
	err := out.write(cmd.OutOrStdout(), results, func(w io.Writer) {
		for _, r := range results {
			if r.OK {
				fmt.Fprintln(w, done(r))
			}
		}
	})
	if err != nil {
		return err
	}
	for _, e := range errs {
		fmt.Fprintf(cmd.ErrOrStderr(), "troupe: %v\n", e)
	}
	if len(errs) > 0 {
		return errReported
	}
	return nil
}

// tally adds the outcome of one topic.
func tally(results *[]topicResult, errs *[]error, what string, r topicResult, err error, message string) {
	if e := explain(what+" "+r.Topic, err, message); e != nil {
		r.Error = e.Error()
		*errs = append(*errs, e)
	} else {
		r.OK = true
	}
	*results = append(*results, r)
}

func newTopicCreate() *cobra.Command {
	var (
		c           client
		out         output
		partitions  int32
		replication int16
		configs     []string
		ifMissing   bool
	)
	cmd := &cobra.Command{Use: "create NAME…", Short: "Create topics", Args: args(cobra.MinimumNArgs(1)),
		Example: "  troupe topic create orders --partitions 6 --config retention.ms=86400000",
		RunE: func(cmd *cobra.Command, names []string) error {
			values := map[string]*string{}
			for _, kv := range configs {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("config: %q is not allowed; allowed: KEY=VALUE", kv)
				}
				values[k] = &v
			}
			if partitions == 0 || partitions < -1 {
				return usagef("partitions: %d is not allowed; allowed: 1 or more, or -1 for the broker's default", partitions)
			}
			adm, ctx, done, err := c.admin(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			created, err := adm.CreateTopics(ctx, partitions, replication, values, names...)
			if err != nil {
				return explain("create topics", err, "")
			}
			var results []topicResult
			var errs []error
			for _, t := range created.Sorted() {
				r := topicResult{Topic: t.Topic, ID: t.ID.String(), Partitions: t.NumPartitions, ReplicationFactor: t.ReplicationFactor}
				if ifMissing && errors.Is(t.Err, kerr.TopicAlreadyExists) {
					t.Err = nil
				}
				tally(&results, &errs, "create topic", r, t.Err, t.ErrMessage)
			}
			return report(cmd, &out, results, func(r topicResult) string {
				if r.Partitions <= 0 {
					return "topic " + r.Topic + " is there"
				}
				return fmt.Sprintf("created topic %s with %s", r.Topic, plural(int(r.Partitions), "partition"))
			}, errs)
		}}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "number of partitions; -1 is the broker's default")
	cmd.Flags().Int16VarP(&replication, "replication-factor", "r", -1, "copies of each partition; -1 is the broker's default")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "topic configuration KEY=VALUE (repeatable)")
	cmd.Flags().BoolVar(&ifMissing, "if-not-exists", false, "a topic that exists already is no error")
	return cmd
}

func newTopicDelete() *cobra.Command {
	var (
		c   client
		out output
	)
	cmd := &cobra.Command{Use: "delete NAME…", Short: "Delete topics and all their records", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			adm, ctx, done, err := c.admin(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			deleted, err := adm.DeleteTopics(ctx, names...)
			if err != nil {
				return explain("delete topics", err, "")
			}
			var results []topicResult
			var errs []error
			for _, t := range deleted.Sorted() {
				tally(&results, &errs, "delete topic", topicResult{Topic: t.Topic}, t.Err, t.ErrMessage)
			}
			return report(cmd, &out, results, func(r topicResult) string { return "deleted topic " + r.Topic }, errs)
		}}
	c.flags(cmd)
	out.flags(cmd)
	return cmd
}

func newTopicAlter() *cobra.Command {
	var (
		c          client
		out        output
		set, unset []string
	)
	cmd := &cobra.Command{Use: "alter NAME…", Short: "Change the configuration of topics", Args: args(cobra.MinimumNArgs(1)),
		Example: "  troupe topic alter orders --set retention.ms=3600000 --unset segment.bytes",
		RunE: func(cmd *cobra.Command, names []string) error {
			var changes []kadm.AlterConfig
			for _, kv := range set {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return usagef("set: %q is not allowed; allowed: KEY=VALUE", kv)
				}
				changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
			}
			for _, k := range unset {
				changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
			}
			if len(changes) == 0 {
				return usagef("nothing to change; give --set KEY=VALUE or --unset KEY")
			}
			adm, ctx, done, err := c.admin(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			altered, err := adm.AlterTopicConfigs(ctx, changes, names...)
			if err != nil {
				return explain("alter topics", err, "")
			}
			var results []topicResult
			var errs []error
			for _, t := range altered {
				tally(&results, &errs, "alter topic", topicResult{Topic: t.Name}, t.Err, t.ErrMessage)
			}
			return report(cmd, &out, results, func(r topicResult) string { return "altered topic " + r.Topic }, errs)
		}}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().StringArrayVarP(&set, "set", "s", nil, "KEY=VALUE to set (repeatable)")
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "KEY to put back to its default (repeatable)")
	cmd.Flags().StringArrayVarP(&set, "config", "c", nil, "the same as --set")
	return cmd
}

func newTopicAddPartitions() *cobra.Command {
	var (
		c          client
		out        output
		add, total int
	)
	cmd := &cobra.Command{Use: "add-partitions NAME…", Short: "Give topics more partitions", Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			if (add > 0) == (total > 0) {
				return usagef("give either --add N or --total N, with N from 1")
			}
			adm, ctx, done, err := c.admin(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			change, n := adm.UpdatePartitions, total
			if add > 0 {
				change, n = adm.CreatePartitions, add
			}
			changed, err := change(ctx, n, names...)
			if err != nil {
				return explain("add partitions", err, "")
			}
			var results []topicResult
			var errs []error
			for _, t := range changed.Sorted() {
				tally(&results, &errs, "add partitions to topic", topicResult{Topic: t.Topic}, t.Err, t.ErrMessage)
			}
			return report(cmd, &out, results, func(r topicResult) string { return "added partitions to topic " + r.Topic }, errs)
		}}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().IntVar(&add, "add", 0, "how many to add")
	cmd.Flags().IntVar(&total, "total", 0, "how many there shall be in all")
	return cmd
}

func newTopicList() *cobra.Command {
	var (
		c        client
		out      output
		internal bool
	)
	cmd := &cobra.Command{Use: "list", Short: "List topics", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			adm, ctx, done, err := c.admin(cmd.Context())
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
				return explain("list topics", err, "")
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
				rows = append(rows, row{t.Topic, t.ID.String(), len(t.Partitions), t.Partitions.NumReplicas(), t.IsInternal})
			}
			return out.write(cmd.OutOrStdout(), rows, func(w io.Writer) {
				if len(rows) == 0 {
					fmt.Fprintln(w, "no topics yet; `troupe topic create NAME` makes one")
					return
				}
				table(w, "TOPIC PARTITIONS REPLICAS", func(line func(...any)) {
					for _, r := range rows {
						line(r.Topic, r.Partitions, r.ReplicationFactor)
					}
				})
			})
		}}
	c.flags(cmd)
	out.flags(cmd)
	cmd.Flags().BoolVar(&internal, "internal", false, "show internal topics too")
	return cmd
}

func joinInts(ints []int32) string {
	s := make([]string, len(ints))
	sorted := append([]int32(nil), ints...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	for i, n := range sorted {
		s[i] = strconv.Itoa(int(n))
	}
	return strings.Join(s, ",")
}

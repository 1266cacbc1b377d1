package configs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func newGet() *cobra.Command {
	var (
		c   cli.Client
		out cli.Output
		all bool
	)
	cmd := &cobra.Command{Use: "get topic|broker|group NAME [KEY…]", Short: "Show configurations, and where each value comes from", Args: cli.Args(cobra.MinimumNArgs(2)),
		Long: `Show the configurations of a topic, a broker or a group that differ from the default; with --all, or for the keys named, all.

A broker's NAME is its id; "all" is what was set for every broker. SOURCE says where a value comes from: default; static, the broker's own
settings (flag, environment, file); dynamic, set while it ran, on the topic, the broker, all brokers or the group.`,
		Example: `  troupe config get topic orders
  troupe config get topic orders retention.ms cleanup.policy -o json
  troupe config get broker 1 --all`,
		ValidArgsFunction: names(&c, func(cmd *cobra.Command, r resource, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			return keysOf(cmd, &c, r, given, prefix, false, func(*entry) bool { return true }), cobra.ShellCompDirectiveNoFileComp
		}),
		RunE: func(cmd *cobra.Command, a []string) error {
			r, err := parseResource(a[0], a[1])
			if err != nil {
				return err
			}
			conn, ctx, done, err := c.Admin(cmd)
			if err != nil {
				return err
			}
			defer done()
			entries, err := describe(ctx, conn.Kafka, r)
			if err != nil {
				return err
			}
			shown, err := choose(entries, a[2:], all, r)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), shown, func(w io.Writer) {
				if len(shown) == 0 {
					fmt.Fprintf(cmd.ErrOrStderr(), "nothing of %s differs from the default; --all shows everything\n", r)
					return
				}
				cli.Table(w, "KEY VALUE SOURCE DEFAULT", func(row func(...any)) {
					for _, e := range shown {
						row(e.Key, value(e.Value, e.Sensitive), cli.ConfigSource(e.source), value(e.Default, e.Sensitive))
					}
				})
			})
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show configurations that stand at their default too")
	return cmd
}

// choose keeps the keys that were named, or all, or what is not at its default.
func choose(entries []entry, keys []string, all bool, r resource) ([]entry, error) {
	for _, k := range keys {
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.Key == k }) {
			return nil, fmt.Errorf("%s has no configuration %q; `troupe config get %s --all` lists those it has", r, k, r)
		}
	}
	out := []entry{}
	for _, e := range entries {
		if len(keys) > 0 && slices.Contains(keys, e.Key) || len(keys) == 0 && (all || e.source != kmsg.ConfigSourceDefaultConfig) {
			out = append(out, e)
		}
	}
	return out, nil
}

// value writes what may be secret, not known, or empty.
func value(v *string, sensitive bool) string {
	switch {
	case v == nil && sensitive:
		return "(secret)"
	case v == nil:
		return "-"
	case *v == "":
		return `""`
	}
	return *v
}

// keysOf asks the broker for keys, for completion: those that the resource has, or (settable) that could be set on it.
func keysOf(cmd *cobra.Command, c *cli.Client, r resource, given []string, prefix string, settable bool, which func(*entry) bool) []string {
	var out []string
	c.Ask(cmd, func(ctx context.Context, adm *kadm.Client, cl *kgo.Client) []string {
		if settable && r.kind == kmsg.ConfigResourceTypeBroker && r.name == "" { // what all have shows only what is set; one broker shows what there is
			brokers, err := adm.ListBrokers(ctx)
			if err != nil || len(brokers) == 0 {
				return nil
			}
			r.name = fmt.Sprint(brokers.NodeIDs()[0])
		}
		entries, err := describe(ctx, cl, r)
		if err != nil {
			return nil
		}
		for _, e := range entries {
			taken := slices.ContainsFunc(given, func(g string) bool { k, _, _ := strings.Cut(g, "="); return k == e.Key })
			if strings.HasPrefix(e.Key, prefix) && !taken && which(&e) {
				out = append(out, e.Key+"\t"+e.Doc)
			}
		}
		return nil
	})
	return out
}

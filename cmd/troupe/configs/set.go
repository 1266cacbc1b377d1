package configs

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// change is one configuration before and after. New is null for what is unset; After is what holds then.
type change struct {
	Key   string  `json:"key"`
	Old   *string `json:"old"`
	New   *string `json:"new"`
	After *string `json:"after"`
}

// altered is what set and unset print.
type altered struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Executed bool     `json:"executed"`
	Changes  []change `json:"changes"`
}

func newSet() *cobra.Command {
	e := &editor{}
	cmd := &cobra.Command{Use: "set topic|broker|group NAME KEY=VALUE…", Short: "Set configurations", Args: cli.Args(cobra.MinimumNArgs(3)),
		Long: `Set configurations of a topic, a broker or a group; others stay as they are. All of them are set, or, if one is refused, none.
A broker's NAME is its id, or "all" for every broker.`,
		Example: `  troupe config set topic orders retention.ms=86400000 max.message.bytes=2097164
  troupe config set topic orders cleanup.policy=compact --dry-run
  troupe config set broker all log.retention.ms=3600000`,
		ValidArgsFunction: names(&e.Client, func(cmd *cobra.Command, r resource, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if r.kind == kmsg.ConfigResourceTypeTopic {
				return cli.TopicConfigs(cmd, given, prefix)
			}
			out := keysOf(cmd, &e.Client, r, given, prefix, true, func(e *entry) bool { return !e.ReadOnly })
			for i, k := range out {
				name, doc, _ := strings.Cut(k, "\t")
				out[i] = name + "=\t" + doc
			}
			return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}),
		RunE: func(cmd *cobra.Command, a []string) error {
			var changes []change
			seen := map[string]bool{}
			for _, kv := range a[2:] {
				k, v, ok := strings.Cut(kv, "=")
				if !ok || k == "" {
					return cli.Usagef("%q is not allowed; allowed: KEY=VALUE", kv)
				}
				if seen[k] {
					return cli.Usagef("%q is given twice", k)
				}
				seen[k] = true
				changes = append(changes, change{Key: k, New: &v})
			}
			return e.run(cmd, a, changes)
		}}
	e.flags(cmd)
	return cmd
}

func newUnset() *cobra.Command {
	e := &editor{}
	cmd := &cobra.Command{Use: "unset topic|broker|group NAME KEY…", Short: "Put configurations back to what holds without them", Args: cli.Args(cobra.MinimumNArgs(3)),
		Long:    `Take away what was set on a topic, a broker or a group: the default holds again, or what is set for the broker or for all brokers.`,
		Example: "  troupe config unset topic orders retention.ms",
		ValidArgsFunction: names(&e.Client, func(cmd *cobra.Command, r resource, given []string, prefix string) ([]string, cobra.ShellCompDirective) {
			return keysOf(cmd, &e.Client, r, given, prefix, false, func(e *entry) bool { return e.own(r) }), cobra.ShellCompDirectiveNoFileComp
		}),
		RunE: func(cmd *cobra.Command, a []string) error {
			var changes []change
			seen := map[string]bool{}
			for _, k := range a[2:] {
				if name, _, ok := strings.Cut(k, "="); ok {
					return cli.Usagef("%q is not allowed; unset takes only the key: %s", k, name)
				}
				if !seen[k] {
					changes = append(changes, change{Key: k})
				}
				seen[k] = true
			}
			return e.run(cmd, a, changes)
		}}
	e.flags(cmd)
	return cmd
}

// editor is set and unset.
type editor struct {
	cli.Client
	out    cli.Output
	dryRun bool
}

func (e *editor) flags(cmd *cobra.Command) {
	e.Client.Flags(cmd)
	e.out.Flags(cmd)
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "let the broker check it, and change nothing")
}

func (e *editor) run(cmd *cobra.Command, a []string, changes []change) error {
	r, err := parseResource(a[0], a[1])
	if err != nil {
		return err
	}
	conn, ctx, done, err := e.Admin(cmd)
	if err != nil {
		return err
	}
	defer done()
	before, err := describe(ctx, conn.Kafka, r)
	if err != nil {
		return err
	}
	if err := alter(ctx, conn.Kafka, r, changes, e.dryRun); err != nil {
		return err
	}
	known := map[string]entry{}
	for _, b := range before {
		known[b.Key] = b
	}
	after := map[string]entry{}
	if !e.dryRun {
		entries, err := describe(ctx, conn.Kafka, r)
		if err != nil {
			return fmt.Errorf("it is changed, but what holds now is not known: %w", err)
		}
		for _, a := range entries {
			after[a.Key] = a
		}
	}
	for i := range changes {
		c := &changes[i]
		c.Old = known[c.Key].Value
		if c.After = c.New; c.New == nil {
			c.After = known[c.Key].beneath
			if a, ok := after[c.Key]; ok {
				c.After = a.Value
			}
		}
	}
	return e.out.Write(cmd.OutOrStdout(), altered{a[0], a[1], !e.dryRun, changes}, func(w io.Writer) {
		cli.Table(w, "KEY OLD NEW", func(row func(...any)) {
			for _, c := range changes {
				row(c.Key, value(c.Old, known[c.Key].Sensitive), value(c.After, known[c.Key].Sensitive))
			}
		})
		if e.dryRun {
			fmt.Fprintln(cmd.ErrOrStderr(), "the broker accepts it; nothing has been changed")
		}
	})
}

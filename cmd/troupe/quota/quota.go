// Package quota is `troupe quota`: what clients may take of the brokers in a second.
package quota

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// New makes the command.
func New() *cobra.Command {
	return cli.Group("quota", "Look at and change what clients may take in a second", newList(), newSet(), newUnset())
}

// keys are the quotas that Kafka has, and what they bound.
var keys = []string{"producer_byte_rate\tbytes of produce requests a second", "consumer_byte_rate\tbytes of fetch answers a second",
	"request_percentage\ttime that requests take, per cent of a core", "controller_mutation_rate\tpartitions created or deleted a second",
	"connection_creation_rate\tconnections accepted from an ip a second"}

// completeKeys completes keys; each ends in suffix.
func completeKeys(suffix string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var out []string
		for _, k := range keys {
			name, doc, _ := strings.Cut(k, "\t")
			out = append(out, name+suffix+"\t"+doc)
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if suffix != "" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return out, directive
	}
}

// part is one part of an entity; a null name is the default.
type part struct {
	Type string  `json:"type"`
	Name *string `json:"name"`
}

// entity is whom a quota is for.
type entity []part

func (e entity) String() string {
	var words []string
	for _, p := range e {
		if p.Name == nil {
			words = append(words, "default "+p.Type)
		} else {
			words = append(words, p.Type+" "+strconv.Quote(*p.Name))
		}
	}
	return strings.Join(words, ", ")
}

// whom are the flags that name an entity.
type whom struct {
	names    [3]string
	defaults [3]bool
}

var types = [3]string{"user", "client-id", "ip"}

func (w *whom) flags(cmd *cobra.Command, purpose string) {
	for i, t := range types {
		cmd.Flags().StringVar(&w.names[i], t, "", purpose+" this "+t)
		cmd.Flags().BoolVar(&w.defaults[i], "default-"+t, false, purpose+" every "+t+" without a quota of its own")
		for _, name := range []string{t, "default-" + t} {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
		}
	}
}

// entity is what the flags say; nil if they say nothing.
func (w *whom) entity(cmd *cobra.Command) (e entity, err error) {
	for i, t := range types {
		given := cmd.Flags().Changed(t)
		switch {
		case given && w.defaults[i]:
			return nil, cli.Usagef("--%s and --default-%s cannot stand together", t, t)
		case given && w.names[i] == "":
			return nil, cli.Usagef("--%s needs a name; --default-%s is for all that have no quota of their own", t, t)
		case given:
			e = append(e, part{t, &w.names[i]})
		case w.defaults[i]:
			e = append(e, part{t, nil})
		}
	}
	return e, nil
}

// entry is one quota, as list prints it.
type entry struct {
	Entity entity  `json:"entity"`
	Key    string  `json:"key"`
	Value  float64 `json:"value"`
}

func newList() *cobra.Command {
	var (
		c   cli.Client
		out cli.Output
		w   whom
	)
	cmd := &cobra.Command{Use: "list", Short: "List quotas", Args: cli.Args(cobra.NoArgs),
		Long:              "List the quotas that are set; with --user and its like, only those of entities with these parts.",
		Example:           "  troupe quota list\n  troupe quota list --client-id reports -o json",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := w.entity(cmd)
			if err != nil {
				return err
			}
			conn, ctx, done, err := c.Admin(cmd)
			if err != nil {
				return err
			}
			defer done()
			list, err := describe(ctx, conn, e)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), list, func(w io.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no quotas are set")
					return
				}
				cli.Table(w, "ENTITY QUOTA VALUE", func(row func(...any)) {
					for _, q := range list {
						row(q.Entity, q.Key, number(q.Value))
					}
				})
			})
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	w.flags(cmd, "only those of")
	return cmd
}

func describe(ctx context.Context, conn *cli.Conn, e entity) ([]entry, error) {
	req := kmsg.NewPtrDescribeClientQuotasRequest()
	for _, p := range e {
		m := kmsg.DescribeClientQuotasRequestComponent{EntityType: p.Type, Match: p.Name}
		if p.Name == nil {
			m.MatchType = 1
		}
		req.Components = append(req.Components, m)
	}
	const what = "list quotas"
	resp, err := req.RequestWith(ctx, conn.Kafka)
	if err != nil {
		return nil, cli.Explain(what, err, "")
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, cli.Explain(what, err, cli.Nullable(resp.ErrorMessage))
	}
	list := []entry{}
	for _, answer := range resp.Entries {
		var of entity
		for _, p := range answer.Entity {
			of = append(of, part{p.Type, p.Name})
		}
		slices.SortFunc(of, func(a, b part) int { return slices.Index(types[:], a.Type) - slices.Index(types[:], b.Type) })
		for _, v := range answer.Values {
			list = append(list, entry{of, v.Key, v.Value})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.Entity.String()+a.Key, b.Entity.String()+b.Key) })
	return list, nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

const entities = `
Name a user, a client-id, both, or an ip. Of all quotas that fit a client, the most specific holds alone: user and client-id, user and default client-id,
user, default user and client-id, both defaults, default user, client-id, default client-id. Without authentication every client is the user ANONYMOUS.`

func newSet() *cobra.Command {
	e := &editor{}
	cmd := &cobra.Command{Use: "set KEY=VALUE…", Short: "Set quotas", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long: "Set quotas of one entity; its others stay as they are. All of them are set, or, if one is refused, none." + entities,
		Example: `  troupe quota set --client-id reports consumer_byte_rate=1048576
  troupe quota set --default-client-id producer_byte_rate=10485760 consumer_byte_rate=20971520
  troupe quota set --default-ip connection_creation_rate=20`,
		ValidArgsFunction: completeKeys("="),
		RunE: func(cmd *cobra.Command, a []string) error {
			var ops []kmsg.AlterClientQuotasRequestEntryOp
			for _, kv := range a {
				k, text, ok := strings.Cut(kv, "=")
				v, err := strconv.ParseFloat(text, 64)
				if !ok || k == "" || err != nil {
					return cli.Usagef("%q is not allowed; allowed: KEY=NUMBER", kv)
				}
				ops = append(ops, kmsg.AlterClientQuotasRequestEntryOp{Key: k, Value: v})
			}
			return e.run(cmd, ops)
		}}
	e.flags(cmd)
	return cmd
}

func newUnset() *cobra.Command {
	e := &editor{}
	cmd := &cobra.Command{Use: "unset KEY…", Short: "Remove quotas", Args: cli.Args(cobra.MinimumNArgs(1)),
		Long:              "Remove quotas of one entity: a less specific one holds again, or none." + entities,
		Example:           "  troupe quota unset --client-id reports consumer_byte_rate",
		ValidArgsFunction: completeKeys(""),
		RunE: func(cmd *cobra.Command, a []string) error {
			var ops []kmsg.AlterClientQuotasRequestEntryOp
			for _, k := range a {
				if strings.Contains(k, "=") {
					return cli.Usagef("%q is not allowed; unset takes only the key", k)
				}
				ops = append(ops, kmsg.AlterClientQuotasRequestEntryOp{Key: k, Remove: true})
			}
			return e.run(cmd, ops)
		}}
	e.flags(cmd)
	return cmd
}

// editor is set and unset.
type editor struct {
	cli.Client
	whom   whom
	dryRun bool
}

func (e *editor) flags(cmd *cobra.Command) {
	e.Client.Flags(cmd)
	e.whom.flags(cmd, "for")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "let the broker check it, and change nothing")
}

func (e *editor) run(cmd *cobra.Command, ops []kmsg.AlterClientQuotasRequestEntryOp) error {
	of, err := e.whom.entity(cmd)
	if err != nil {
		return err
	}
	if len(of) == 0 {
		return cli.Usagef("for whom? Give --user, --client-id, both, or --ip, or --default-user and its like")
	}
	conn, ctx, done, err := e.Admin(cmd)
	if err != nil {
		return err
	}
	defer done()
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.ValidateOnly = e.dryRun
	asked := kmsg.AlterClientQuotasRequestEntry{Ops: ops}
	for _, p := range of {
		asked.Entity = append(asked.Entity, kmsg.AlterClientQuotasRequestEntryEntity{Type: p.Type, Name: p.Name})
	}
	req.Entries = append(req.Entries, asked)
	what := "change quotas of " + of.String()
	resp, err := req.RequestWith(ctx, conn.Kafka)
	if err != nil {
		return cli.Explain(what, err, "")
	}
	var errs []error
	for _, answer := range resp.Entries {
		errs = append(errs, cli.Explain(what, kerr.ErrorForCode(answer.ErrorCode), cli.Nullable(answer.ErrorMessage)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if e.dryRun {
		fmt.Fprintln(cmd.ErrOrStderr(), "the broker accepts it; nothing has been changed")
		return nil
	}
	for _, op := range ops {
		if op.Remove {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s removed\n", of, op.Key)
		} else {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s=%s\n", of, op.Key, number(op.Value))
		}
	}
	return nil
}

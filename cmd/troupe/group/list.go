package group

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// The words that the filters take, as brokers write them. Brokers compare without regard to case.
var (
	states = []string{"Empty", "Stable", "PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Dead"}
	types  = []string{typeClassic, typeConsumer, "share", "streams"}
)

func newList() *cobra.Command {
	var (
		c                             cli.Client
		out                           cli.Output
		wantStates, wantTypes, wantPs []string
	)
	cmd := &cobra.Command{Use: "list", Short: "List groups", Args: cli.Args(cobra.NoArgs),
		Long: `List the groups of all brokers, or those in some states, of some types, of some protocols.

A type is the group's protocol with the broker: classic, or consumer (KIP-848). PROTOCOL is what its members use it for: "consumer" for
consumers, "connect" for Kafka Connect, "-" for a group that only has offsets.`,
		Example: `  troupe group list
  troupe group list --state Empty,Dead --type classic
  troupe group list --protocol connect -o json`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if wantStates, err = words("state", wantStates, states); err != nil {
				return err
			}
			if wantTypes, err = words("type", wantTypes, types); err != nil {
				return err
			}
			conn, ctx, done, err := c.Admin(cmd)
			if err != nil {
				return err
			}
			defer done()
			groups, err := list(ctx, conn, wantStates, wantTypes)
			if err != nil {
				return err
			}
			rows := filter(groups, wantStates, wantTypes, wantPs)
			return out.Write(cmd.OutOrStdout(), rows, func(w io.Writer) {
				if len(rows) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "no such groups; a group is there once a consumer joins it or offsets are committed for it")
					return
				}
				cli.Table(w, "GROUP TYPE STATE PROTOCOL COORDINATOR", func(row func(...any)) {
					for _, g := range rows {
						row(g.Group, g.Type, g.State, or(g.ProtocolType, "-"), g.Coordinator)
					}
				})
			})
		}}
	c.Flags(cmd)
	out.Flags(cmd)
	cmd.Flags().StringSliceVar(&wantStates, "state", nil, "only groups in these states: "+strings.Join(states, ", "))
	cmd.Flags().StringSliceVar(&wantTypes, "type", nil, "only groups of these types: "+strings.Join(types, ", "))
	cmd.Flags().StringSliceVar(&wantPs, "protocol", nil, "only groups of these protocols, such as consumer or connect")
	cli.Complete(cmd, "state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp))
	cli.Complete(cmd, "type", cobra.FixedCompletions(types, cobra.ShellCompDirectiveNoFileComp))
	cli.Complete(cmd, "protocol", cobra.FixedCompletions([]string{"consumer", "connect"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// words finds the spelling of each word that was given in any case.
func words(flag string, given, allowed []string) ([]string, error) {
	out := make([]string, len(given))
	for i, g := range given {
		at := slices.IndexFunc(allowed, func(a string) bool { return strings.EqualFold(a, g) })
		if at < 0 {
			return nil, cli.Usagef("%s: %q is not allowed; allowed: %s", flag, g, strings.Join(allowed, ", "))
		}
		out[i] = allowed[at]
	}
	return out, nil
}

// filter keeps what was asked for, in order; older brokers do not filter by themselves.
func filter(groups []listed, states, types, protocols []string) []listed {
	pass := func(value string, wanted []string) bool { return len(wanted) == 0 || slices.Contains(wanted, value) }
	out := []listed{}
	for _, g := range groups {
		if pass(g.State, states) && pass(g.Type, types) && pass(g.ProtocolType, protocols) {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b listed) int { return cmp.Compare(a.Group, b.Group) })
	return out
}

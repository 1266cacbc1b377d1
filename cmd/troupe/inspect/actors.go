// Package inspect looks inside a Troupe broker: at its actors while it runs, and at its write-ahead log.
package inspect

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// NewActors makes `troupe actors`.
func NewActors() *cobra.Command {
	var (
		out   cli.Output
		admin cli.AdminAddr
		kind  string
		all   bool
	)
	cmd := &cobra.Command{Use: "actors", Short: "Show the supervision tree of a running broker", Args: cli.Args(cobra.NoArgs),
		Long: `Show every actor of a running broker under its supervisor:

  STATE                   running; or why it is not
  WAITING, OLDEST         messages in its mailbox, and the age of the oldest: both stay near 0 in a broker that keeps up
  HANDLED                 messages since it started
  RESTARTS, LAST-PANIC    how often its supervisor has restarted it, and the first line of what made it fail

More than a few idle siblings of one kind are shown as one line; --all shows each.`,
		Example: `  troupe actors
  troupe actors --kind partition
  troupe actors -o json | jq '.[] | select(.restarts_total > 0)'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := cli.Interruptible(cmd)
			defer stop()
			infos := []actorsystem.Info{}
			if err := admin.Ask(ctx, "/v1/actors", &infos); err != nil {
				return cli.Interrupted(ctx, err)
			}
			if kind != "" {
				kept := []actorsystem.Info{}
				for _, i := range infos {
					if i.Kind == kind {
						kept = append(kept, i)
					}
				}
				infos = kept
			}
			return out.Write(cmd.OutOrStdout(), infos, func(w io.Writer) { writeTree(w, infos, all || kind != "") })
		}}
	out.Flags(cmd)
	admin.Flags(cmd)
	cmd.Flags().StringVar(&kind, "kind", "", "only actors of this kind, such as partition or connection")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show every actor, also many idle ones of a kind")
	return cmd
}

// foldAbove is how many unremarkable siblings of a kind are shown one by one.
const foldAbove = 8

// node is an actor, or several folded into one line.
type node struct {
	actorsystem.Info
	folded   int
	children []*node
}

func writeTree(w io.Writer, infos []actorsystem.Info, all bool) {
	cli.Table(w, "ACTOR STATE WAITING OLDEST HANDLED RESTARTS LAST-PANIC", func(row func(...any)) {
		var walk func(nodes []*node, indent string)
		walk = func(nodes []*node, indent string) {
			for i, n := range nodes {
				branch, below := "├─ ", "│  "
				if i == len(nodes)-1 {
					branch, below = "└─ ", "   "
				}
				if indent == "" && n.Parent == "" {
					branch, below = "", " "
				}
				name := n.Kind + "/" + n.Name
				if n.folded > 0 {
					name = fmt.Sprintf("%s × %d", n.Kind, n.folded)
				}
				row(indent+branch+name, n.State, n.MailboxDepth, fmt.Sprintf("%dms", n.MailboxOldestMs), n.HandledTotal, n.RestartsTotal, firstLine(n.LastPanic))
				walk(n.children, indent+below)
			}
		}
		walk(buildTree(infos, all), "")
	})
}

// buildTree hangs every actor under its parent. An actor whose parent is not listed is shown as a root.
func buildTree(infos []actorsystem.Info, all bool) []*node {
	nodes := make(map[string]*node, len(infos))
	order := make([]*node, 0, len(infos))
	for _, i := range infos {
		n := &node{Info: i}
		nodes[i.Kind+"/"+i.Name] = n
		order = append(order, n)
	}
	var roots []*node
	for _, n := range order {
		if p := nodes[n.Parent]; p != nil && p != n {
			p.children = append(p.children, n)
		} else {
			n.Parent = ""
			roots = append(roots, n)
		}
	}
	if !all {
		for _, n := range order {
			n.children = fold(n.children)
		}
		roots = fold(roots)
	}
	return roots
}

// fold merges siblings of one kind that have no children and nothing to tell, where there are many.
func fold(nodes []*node) []*node {
	plain := func(n *node) bool {
		return len(n.children) == 0 && n.State == actorsystem.Running && n.RestartsTotal == 0 && n.LastPanic == ""
	}
	count := map[string]int{}
	for _, n := range nodes {
		if plain(n) {
			count[n.Kind]++
		}
	}
	merged := map[string]*node{}
	out := nodes[:0:0]
	for _, n := range nodes {
		if !plain(n) || count[n.Kind] <= foldAbove {
			out = append(out, n)
			continue
		}
		m := merged[n.Kind]
		if m == nil {
			m = &node{Info: actorsystem.Info{Kind: n.Kind, Parent: n.Parent, State: n.State}}
			merged[n.Kind] = m
			out = append(out, m)
		}
		m.folded++
		m.MailboxDepth += n.MailboxDepth
		m.MailboxOldestMs = max(m.MailboxOldestMs, n.MailboxOldestMs)
		m.HandledTotal += n.HandledTotal
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Kind < out[j].Kind })
	return out
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > 80 {
		s = string(r[:79]) + "…"
	}
	return s
}

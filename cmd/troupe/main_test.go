package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestTheCommandLinePageIsCurrent holds docs/cli.md to what the commands say of themselves.
func TestTheCommandLinePageIsCurrent(t *testing.T) {
	for _, name := range []string{"TROUPE_BOOTSTRAP", "TROUPE_ADMIN_ADDR"} {
		t.Setenv(name, "")
	}
	root := newRoot()
	if chaosBuild(root) {
		t.Skip("the chaos build has flags that are not documented for users")
	}
	path := filepath.Join("..", "..", "docs", "cli.md")
	want := page(root)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/cli.md is not what the commands say (%v); `go test ./cmd/troupe -update` writes it", err)
	}
}

func TestEveryCommandHelpsItsReader(t *testing.T) {
	walk(newRoot(), func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s says nothing of itself", c.CommandPath())
		}
		if c.HasSubCommands() || !c.HasParent() {
			return
		}
		if strings.Contains(c.Use, " ") && c.Example == "" && c.Name() != "help" {
			t.Errorf("%s takes arguments and has no example", c.CommandPath())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing of itself", c.CommandPath(), f.Name)
			}
		})
	})
}

func chaosBuild(root *cobra.Command) bool {
	serve, _, err := root.Find([]string{"serve"})
	return err == nil && serve.Flags().Lookup("chaos") != nil
}

func walk(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		walk(sub, f)
	}
}

// page writes the manual: what is common to all commands, then each with its help.
func page(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString(`# The command line

Made from the commands themselves (` + "`go test ./cmd/troupe -update`" + `); ` + "`troupe COMMAND --help`" + ` says the same.

**Addresses.** Commands that speak Kafka take ` + "`--bootstrap HOST:PORT,…`" + ` or ` + "`TROUPE_BOOTSTRAP`" + `, and work with any Kafka-compatible
broker. Those that look inside take ` + "`--admin-addr HOST:PORT`" + ` or ` + "`TROUPE_ADMIN_ADDR`" + `.

**Output.** Tables are for people and may change; ` + "`-o json`" + ` is for programs, and its field names stay. Results go to standard output, everything
else (errors, hints, progress) to standard error. What lasts over a second shows one live line, only if standard error is a
terminal and the output is not JSON.

**Exit codes.** 0 done; 1 failed (with several things named: at least one failed, the others are done); 2 the command line is wrong; 130
interrupted before it was done. The first Ctrl-C lets a command finish what it has begun, the second ends it at once.

**Times** are dates (` + "`2026-01-02T15:04:05Z`" + `, ` + "`2026-01-02`" + `; without a zone in the local one), spans before now (` + "`15m`, `2h`, `3d`" + `), or milliseconds since
1970 (` + "`@1700000000000`" + `).

`)
	var sections strings.Builder
	walk(root, func(c *cobra.Command) {
		if !c.Runnable() || c.HasSubCommands() || c.Name() == "help" || !c.IsAvailableCommand() {
			return
		}
		b.WriteString("- [" + c.CommandPath() + "](#" + strings.ReplaceAll(c.CommandPath(), " ", "-") + "): " + c.Short + "\n")
		sections.WriteString("\n## " + c.CommandPath() + "\n\n")
		long := c.Long
		if long == "" {
			long = c.Short + "."
		}
		sections.WriteString("```\n" + strings.TrimSpace(long) + "\n\n" + c.UseLine() + "\n")
		if c.Example != "" {
			sections.WriteString("\nExamples:\n" + c.Example + "\n")
		}
		if c.Flags().Lookup("data-dir") != nil && c.Flags().Lookup("node-id") != nil {
			sections.WriteString("\nFlags: one for each setting; `troupe config print` lists them, docs/operations.md tells of the most important.\n")
		} else if flags := strings.TrimRight(c.LocalFlags().FlagUsages(), "\n"); flags != "" {
			sections.WriteString("\nFlags:\n" + flags + "\n")
		}
		sections.WriteString("```\n")
	})
	return b.String() + sections.String()
}

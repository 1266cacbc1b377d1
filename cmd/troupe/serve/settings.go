// Package serve is `troupe serve`, the broker's process, and `troupe config print`, the settings it would run with.
package serve

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/config"
)

// settingFlag is the flag of one setting. It keeps text: config.Load checks values, whatever their source.
type settingFlag struct {
	d    *config.Setting
	text string
}

func (f *settingFlag) String() string     { return f.text }
func (f *settingFlag) Set(s string) error { f.text = s; return nil }
func (f *settingFlag) Type() string {
	return map[config.Kind]string{config.String: "text", config.Int: "N", config.Bytes: "SIZE", config.Duration: "DURATION",
		config.Bool: "BOOL", config.Enum: "WORD", config.Addr: "HOST:PORT", config.Ratio: "RATIO"}[f.d.Kind]
}

// settingFlags gives c a flag for every setting, and --config.
func settingFlags(c *cobra.Command) {
	for _, d := range config.Table() {
		f := c.Flags().VarPF(&settingFlag{d, d.Default}, d.Key, "", d.Doc)
		if d.Kind == config.Bool {
			f.NoOptDefVal = "true"
		}
		if d.Key != "data-dir" {
			words := d.Choices
			if d.Kind == config.Bool {
				words = []string{"true", "false"}
			}
			cli.Complete(c, d.Key, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	cli.Complete(c, "data-dir", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	c.Flags().String("config", "", "YAML file with settings, one `KEY: VALUE` a line (environment: TROUPE_CONFIG)")
	cli.Complete(c, "config", cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt))
	c.Flags().SortFlags = false
}

func loadSettings(c *cobra.Command) (*config.Settings, []string, error) {
	src := config.Sources{Flags: map[string]string{}, Environ: os.Environ(), File: os.Getenv("TROUPE_CONFIG")}
	c.Flags().Visit(func(f *pflag.Flag) {
		if _, ok := f.Value.(*settingFlag); ok {
			src.Flags[f.Name] = f.Value.String()
		}
	})
	if c.Flags().Changed("config") {
		src.File, _ = c.Flags().GetString("config")
	}
	s, warnings, err := config.Load(src)
	if err != nil {
		return nil, warnings, cli.UsageError{Err: err}
	}
	return s, warnings, nil
}

// NewPrint makes `config print`.
func NewPrint() *cobra.Command {
	var out cli.Output
	print := &cobra.Command{Use: "print", Short: "Show every setting of the broker, its value and where it came from", Args: cli.Args(cobra.NoArgs),
		Long: `Show every setting of the broker, its value and where it came from.

It takes the flags that "serve" takes and reads the same environment and file, so it tells what "serve" would do.
Precedence: flag, then environment (TROUPE_…), then the file (--config), then the default.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, warnings, err := loadSettings(cmd)
			for _, w := range warnings {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", w)
			}
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), s.Values(), func(w io.Writer) {
				cli.Table(w, "KEY VALUE FROM", func(row func(...any)) {
					for _, v := range s.Values() {
						from := string(v.Origin)
						if v.Where != "" {
							from += " " + v.Where
						}
						row(v.Key, shown(v.Value), from)
					}
				})
			})
		}}
	settingFlags(print)
	out.Flags(print)
	return print
}

func shown(v string) string {
	if v == "" {
		return `""`
	}
	return v
}

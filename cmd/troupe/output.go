package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// output is how a command shows its result: a table for people, JSON for programs.
type output struct{ format string }

func (o *output) flags(c *cobra.Command) {
	o.format = "table"
	c.Flags().VarP(&choice{&o.format, []string{"table", "json"}}, "output", "o", "how to show the result: table or json")
}

func (o *output) json() bool { return o.format == "json" }

func (o *output) write(w io.Writer, v any, people func(io.Writer)) error {
	if !o.json() {
		people(w)
		return nil
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// choice is a flag that takes one of a few words.
type choice struct {
	to      *string
	allowed []string
}

func (c *choice) String() string {
	if c.to == nil {
		return ""
	}
	return *c.to
}

func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

func (c *choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			*c.to = s
			return nil
		}
	}
	return fmt.Errorf("%q is not allowed; allowed: %s", s, strings.Join(c.allowed, ", "))
}

// table writes rows under a header, in aligned columns.
func table(w io.Writer, header string, rows func(row func(cells ...any))) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ReplaceAll(header, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	_ = tw.Flush()
}

// plural writes "1 record", "2 records".
func plural[N int | int64](n N, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

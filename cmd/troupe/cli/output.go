package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Output is how a command shows its result: a table for people, JSON for programs.
type Output struct {
	Format string
}

// Flags adds --output to cmd.
func (o *Output) Flags(cmd *cobra.Command) {
	ChoiceVar(cmd, &o.Format, "output", "o", "table", []string{"table", "json"}, "a table for people, or json for programs")
}

// JSON says whether a program reads the result.
func (o *Output) JSON() bool { return o.Format == "json" }

// Write shows v as JSON, or lets people write it.
func (o *Output) Write(w io.Writer, v any, people func(io.Writer)) error {
	if !o.JSON() {
		people(w)
		return nil
	}
	return WriteJSON(w, v)
}

// WriteJSON writes v indented, and characters such as < as they are.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ChoiceVar adds a flag that takes one of a few words, which shells complete.
func ChoiceVar(cmd *cobra.Command, to *string, name, short, value string, allowed []string, usage string) {
	*to = value
	cmd.Flags().VarP(&choice{to, allowed}, name, short, usage)
	Complete(cmd, name, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

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
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("%q is not allowed; allowed: %s", s, strings.Join(c.allowed, ", "))
	}
	*c.to = s
	return nil
}

// Plural writes "1 record", "2 records".
func Plural[N int | int32 | int64](n N, noun string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Command troupe is the broker (`troupe serve`) and the tools around it.
//
// What others rely on and must not change: `serve` with its flags, `topic create`, --bootstrap, --admin-addr, and the
// fields of `actors -o json`. Exit codes: 0 done, 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errReported):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "troupe: %v\n", err)
		return 2
	default:
		fmt.Fprintf(os.Stderr, "troupe: %v\n", err)
		return 1
	}
}

// errReported is a failure whose lines have been printed.
var errReported = errors.New("failed")

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "troupe",
		Short: "A Kafka-compatible message broker built of actors",
		Long: `Troupe is a Kafka-compatible message broker in one binary.

  troupe serve                                  start a broker on 127.0.0.1:9092
  troupe topic create greetings --partitions 3
  echo hello | troupe produce greetings
  troupe consume greetings --follow
  troupe actors                                 what the broker is made of`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w\nTry `%s --help`.", err, cmd.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newServe(), newTopic(), newProduce(), newConsume(), newActors(), newBench(), newConfig(), newWAL(), newVersion())
	return root
}

// args wraps a cobra check of positional arguments, so that its error tells how the command is used.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return usagef("%w\nUsage: %s", err, cmd.UseLine())
		}
		return nil
	}
}

// group is a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(cmd *cobra.Command, a []string) error {
		if len(a) > 0 {
			return usagef("unknown command %q for %q; see `%s --help`", a[0], cmd.CommandPath(), cmd.CommandPath())
		}
		return cmd.Help()
	}}
	c.AddCommand(subs...)
	return c
}

// interruptible ends the context at the first SIGINT or SIGTERM, for client commands.
func interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}

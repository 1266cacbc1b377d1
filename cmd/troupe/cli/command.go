// Package cli holds what every command of the binary shares: how its line is checked, how it reaches a broker, how it
// prints, how it fails, and what a shell can complete.
//
// Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted before it was done.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// ErrReported is a failure whose lines have been printed.
var ErrReported = errors.New("failed")

// ErrInterrupted is a command that a signal ended before it was done.
var ErrInterrupted = errors.New("interrupted")

// UsageError is a command line that cannot be understood.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ExitCode is what the process ends with.
func ExitCode(err error) int {
	var usage UsageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	case errors.Is(err, ErrInterrupted):
		return 128 + int(syscall.SIGINT)
	}
	return 1
}

// Args wraps a cobra check of positional arguments, so that its error tells how the command is used.
func Args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, a []string) error {
		if err := check(cmd, a); err != nil {
			return Usagef("%w\nUsage: %s\nTry `%s --help`.", err, cmd.UseLine(), cmd.CommandPath())
		}
		return nil
	}
}

// Group is a command that only holds others.
func Group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short,
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 {
				return UnknownCommand(cmd, a[0])
			}
			return cmd.Help()
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.AddCommand(subs...)
	return c
}

// UnknownCommand says that cmd has no such command, and which one may have been meant.
func UnknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	meant := ""
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		meant = fmt.Sprintf("; did you mean %q?", near[0])
	}
	return Usagef("unknown command %q for %q%s\nTry `%s --help`.", name, cmd.CommandPath(), meant, cmd.CommandPath())
}

// Interruptible ends the context at the first SIGINT or SIGTERM; the second one ends the process at once.
func Interruptible(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// EnvOr is an environment variable, or otherwise where that is empty.
func EnvOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

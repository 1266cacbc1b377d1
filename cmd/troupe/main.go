// Command troupe is the broker (`troupe serve`) and the tools around it. Each family of commands has a folder of its own; cli/
// holds what they share.
//
// What others rely on and must not change: `serve` with its flags, `topic create`, --bootstrap, --admin-addr, and the
// fields of `actors -o json`. Exit codes stand in cli/.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/cmd/troupe/benchmark"
	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/completion"
	"github.com/troupe-io/troupe/cmd/troupe/configs"
	"github.com/troupe-io/troupe/cmd/troupe/group"
	"github.com/troupe-io/troupe/cmd/troupe/inspect"
	"github.com/troupe-io/troupe/cmd/troupe/quota"
	"github.com/troupe-io/troupe/cmd/troupe/record"
	"github.com/troupe-io/troupe/cmd/troupe/serve"
	"github.com/troupe-io/troupe/cmd/troupe/topic"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	cli.Version = buildVersion()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(context.Background())
	if err != nil && !errors.Is(err, cli.ErrReported) {
		fmt.Fprintf(os.Stderr, "troupe: %v\n", err)
	}
	return cli.ExitCode(err)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "troupe",
		Short: "A Kafka-compatible message broker built of actors",
		Long: `Troupe is a Kafka-compatible message broker in one binary.

  troupe serve                                  start a broker on 127.0.0.1:9092
  troupe topic create greetings --partitions 3
  echo hello | troupe produce greetings
  troupe consume greetings --follow
  troupe group describe readers                 who consumes, and how far behind
  troupe actors                                 what the broker is made of`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, a []string) error {
			if len(a) > 0 {
				return cli.UnknownCommand(cmd, a[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return cli.Usagef("%w\nTry `%s --help`.", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: "broker", Title: "The broker:"},
		&cobra.Group{ID: "client", Title: "As a client of any Kafka-compatible broker:"},
		&cobra.Group{ID: "inside", Title: "Look inside a Troupe broker:"})
	add := func(id string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = id
			root.AddCommand(c)
		}
	}
	add("broker", serve.New())
	add("client", topic.New(), record.NewProduce(), record.NewConsume(), group.New(), benchmark.New(), configs.New(serve.NewPrint()), quota.New())
	add("inside", inspect.NewActors(), inspect.NewCleaner(), inspect.NewWAL())
	root.AddCommand(completion.New(), newVersion())
	cli.CompleteRest(root, "file", "from-file", "json", "csv")
	return root
}

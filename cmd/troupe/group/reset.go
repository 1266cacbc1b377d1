package group

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// reset is what reset-offsets and delete-offsets print.
type reset struct {
	Group      string `json:"group"`
	Executed   bool   `json:"executed"`
	Partitions []move `json:"partitions"`
}

type resetter struct {
	cli.Client
	out       cli.Output
	scope     scope
	to        string
	shift     int64
	toCurrent bool
	file      string
	execute   bool
}

func newResetOffsets() *cobra.Command {
	r := &resetter{}
	cmd := &cobra.Command{Use: "reset-offsets GROUP", Short: "Set a group's committed offsets (shows what it would do; --execute does it)", Args: cli.Args(cobra.ExactArgs(1)),
		Long: `Set the committed offsets of a group: it will go on consuming from there. Without --execute nothing is changed: the table shows for
each partition the old and the new offset.

Where to, exactly one of:
  --to earliest | latest        the start or the end of the log
  --to 42                       this offset
  --to 2026-01-02T15:04:05Z, --to 2026-01-02, --to 2h, --to @1700000000000
                                the first record of this time or later: a date, a span before now, milliseconds
  --shift-by N                  N offsets after (or, negative, before) the committed one
  --to-current                  the committed one again, moved into the log where it lies outside; the end where there is none
  --from-file FILE              what "troupe group export-offsets" or kafka-consumer-groups has written (CSV or JSON); - is standard input

An offset before the start or after the end of the log becomes the start or the end. A group with active members is refused: they would
overwrite the offsets, so stop them first. A group that does not exist yet is made.`,
		Example: `  troupe group reset-offsets payments --topic orders --to earliest
  troupe group reset-offsets payments --topic orders:0,3-5 --shift-by -100 --execute
  troupe group reset-offsets payments --all-topics --to 2h --execute`,
		ValidArgsFunction: r.GroupNames(1),
		RunE:              func(cmd *cobra.Command, a []string) error { return r.run(cmd, a[0]) }}
	r.Client.Flags(cmd)
	r.out.Flags(cmd)
	r.scope.flags(cmd, &r.Client)
	f := cmd.Flags()
	f.StringVar(&r.to, "to", "", "earliest, latest, current, an offset, a date or a span before now")
	f.Int64Var(&r.shift, "shift-by", 0, "this many offsets on from the committed one, or back if negative")
	f.BoolVar(&r.toCurrent, "to-current", false, "the committed offset again, moved into the log")
	f.StringVar(&r.file, "from-file", "", "offsets from this CSV or JSON file; - is standard input")
	f.BoolVar(&r.execute, "execute", false, "do it, instead of only showing it")
	cli.Complete(cmd, "to", cobra.FixedCompletions([]string{"earliest", "latest", "current"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// target finds the one target that was given.
func (r *resetter) target(cmd *cobra.Command, name string) (target, error) {
	given := 0
	for _, flag := range []string{"to", "shift-by", "to-current", "from-file"} {
		if cmd.Flags().Changed(flag) {
			given++
		}
	}
	switch {
	case given != 1:
		return target{}, cli.Usagef("give exactly one of --to, --shift-by, --to-current and --from-file\nTry `%s --help`.", cmd.CommandPath())
	case !r.scope.given() && r.file == "":
		return target{}, cli.Usagef("give --topic TOPIC[:PARTITIONS] or --all-topics")
	case r.toCurrent:
		return target{kind: toCurrent}, nil
	case cmd.Flags().Changed("shift-by"):
		return target{kind: toShift, number: r.shift}, nil
	case r.file != "":
		in := io.NopCloser(cmd.InOrStdin())
		if r.file != "-" {
			var err error
			if in, err = os.Open(r.file); err != nil {
				return target{}, cli.Usagef("from-file: %w", err)
			}
			defer in.Close()
		}
		offsets, err := readOffsets(in, name)
		if err != nil {
			return target{}, cli.Usagef("from-file: %s cannot be used: %w", r.file, err)
		}
		return target{kind: toFile, file: offsets}, nil
	}
	return parseTarget(r.to, time.Now())
}

func (r *resetter) run(cmd *cobra.Command, name string) error {
	if err := r.scope.parse(); err != nil {
		return err
	}
	t, err := r.target(cmd, name)
	if err != nil {
		return err
	}
	conn, ctx, done, err := connect(cmd, &r.Client, name)
	if err != nil {
		return err
	}
	defer done()
	moves, err := r.plan(ctx, conn, name, t)
	if err != nil {
		return err
	}
	if len(moves) == 0 {
		return fmt.Errorf("group %s has no committed offsets there; --topic TOPIC sets offsets of any topic", name)
	}
	if r.execute {
		apply(conn, cmd, moves, "reset", func(ctx context.Context, chunk []*move) error {
			return commit(ctx, conn, name, chunk)
		})
	}
	return show(cmd, &r.out, reset{name, r.execute, moves})
}

// plan checks that nobody consumes, and decides for each partition.
func (r *resetter) plan(ctx context.Context, conn *cli.Conn, name string, t target) ([]move, error) {
	if err := idle(ctx, conn, name); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, err
	}
	have, err := committed(ctx, conn, name)
	if err != nil {
		return nil, err
	}
	var positions []position
	if t.kind == toFile {
		for p := range t.file {
			if !r.scope.given() || r.scope.covers(p) {
				positions = append(positions, at(have, p))
			}
		}
		sortPositions(positions)
	} else if positions, err = r.scope.resolve(ctx, conn, have); err != nil {
		return nil, err
	}
	bounds(ctx, conn, positions)
	var times map[cli.Partition]cli.Listed
	if t.kind == toTime {
		partitions := make([]cli.Partition, len(positions))
		for i, p := range positions {
			partitions[i] = p.Partition
		}
		times = cli.ListOffsets(ctx, conn.Kafka, partitions, t.number, false)
	}
	moves := make([]move, len(positions))
	for i, p := range positions {
		atTime := times[p.Partition]
		if atTime.Err != nil {
			p.Err = atTime.Err
		}
		moves[i] = planMove(t, p, atTime.Offset)
	}
	return moves, nil
}

// idle makes sure that a group has no active members.
func idle(ctx context.Context, conn *cli.Conn, name string) error {
	kinds, err := kindsOf(ctx, conn)
	if err != nil {
		return err
	}
	s, err := describe(ctx, conn, name, kinds[name])
	if err != nil {
		return cli.Explain("group "+name, err, "")
	}
	if !s.active() {
		return nil
	}
	clients := map[string]bool{}
	for _, m := range s.Members {
		clients[fmt.Sprintf("%s at %s", cli.Printable(m.ClientID), cli.Printable(m.Host))] = true
	}
	names := slices.Sorted(maps.Keys(clients))
	const shownMax = 3
	if len(names) > shownMax {
		names = append(names[:shownMax], "…")
	}
	return fmt.Errorf("group %s is active (%s, %s: %v): its members would overwrite the offsets. Stop them and try again when `troupe group describe %s` shows Empty",
		name, s.State, cli.Plural(len(s.Members), "member"), names, name)
}

// partitionsAtOnce is how many partitions one request changes: progress shows between requests.
const partitionsAtOnce = 1000

// apply changes the partitions that have no error yet, some at a time; a failure is noted with each partition of its request.
func apply(conn *cli.Conn, cmd *cobra.Command, moves []move, what string, change func(context.Context, []*move) error) {
	var todo []*move
	for i := range moves {
		if moves[i].Error == "" {
			todo = append(todo, &moves[i])
		}
	}
	var finished atomic.Int64
	line := progress.Start(cmd.ErrOrStderr(), func(time.Duration) string {
		return fmt.Sprintf("%s: %d of %s", what, finished.Load(), cli.Plural(len(todo), "partition"))
	})
	defer line.Stop()
	for chunk := range slices.Chunk(todo, partitionsAtOnce) {
		ctx, cancel := conn.Request()
		err := change(ctx, chunk)
		cancel()
		for _, m := range chunk {
			if err != nil && m.Error == "" {
				m.Error = cli.Explain(what, err, "").Error()
			}
		}
		finished.Add(int64(len(chunk)))
	}
}

// commit commits new offsets as an administrator does: without a member or a generation.
func commit(ctx context.Context, conn *cli.Conn, name string, moves []*move) error {
	offsets := kadm.Offsets{}
	for _, m := range moves {
		offsets.AddOffset(m.Topic, m.Partition, *m.New, -1)
	}
	responses, err := conn.CommitOffsets(ctx, name, offsets)
	if err != nil {
		return err
	}
	for _, m := range moves {
		r, ok := responses.Lookup(m.Topic, m.Partition)
		switch {
		case !ok:
			m.Error = "the broker gave no answer for it"
		case r.Err != nil:
			m.Error = cli.Explain("commit", r.Err, "").Error()
		}
	}
	return nil
}

// show prints what was or would be done. Partitions that failed are told on standard error too, and make the command fail.
func show(cmd *cobra.Command, out *cli.Output, r reset) error {
	err := out.Write(cmd.OutOrStdout(), r, func(w io.Writer) {
		cli.Table(w, "TOPIC PARTITION OLD NEW DELTA NOTE", func(row func(...any)) {
			for _, m := range r.Partitions {
				delta := cli.Number("-")
				if m.Delta != nil {
					delta = cli.Number(fmt.Sprintf("%+d", *m.Delta))
				}
				row(m.Topic, m.Partition, number(m.Old), number(m.New), delta, or(m.Error, m.Note))
			}
		})
	})
	if err != nil {
		return err
	}
	failed := 0
	for _, m := range r.Partitions {
		if m.Error != "" {
			if failed++; failed <= 3 {
				fmt.Fprintf(cmd.ErrOrStderr(), "troupe: %s-%d: %s\n", m.Topic, m.Partition, m.Error)
			}
		}
	}
	if failed > 3 {
		fmt.Fprintf(cmd.ErrOrStderr(), "troupe: and %s more\n", cli.Plural(failed-3, "partition"))
	}
	if !r.Executed {
		fmt.Fprintln(cmd.ErrOrStderr(), "nothing has been changed; --execute does it")
	}
	if failed > 0 {
		return cli.ErrReported
	}
	return nil
}

// Package record is `troupe produce` and `troupe consume`: records in and out of topics, as lines.
package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

const noFiles = cobra.ShellCompDirectiveNoFileComp

type consumer struct {
	cli.Client
	out        cli.Output
	from       string
	partitions []int32
	count      int64
	follow     bool
	format     string
	committed  bool
	printed    atomic.Int64
}

// NewConsume makes `troupe consume`.
func NewConsume() *cobra.Command {
	c := &consumer{}
	cmd := &cobra.Command{Use: "consume TOPIC", Short: "Print records of a topic", Args: cli.Args(cobra.ExactArgs(1)),
		Long: `Print the records of a topic up to its end, or, with --follow, until interrupted.

--from says where to begin, in every partition:
  beginning, end      the oldest record kept; after the newest (follows)
  42                  this offset
  -10                 the last ten offsets
  @1700000000000      the first record of this time (milliseconds since 1970) or later
  2026-01-02T15:04:05Z, 2026-01-02, 15m, 3d    the same as a date, or as a span before now

--format says how to print:
  value, key-value (tab between), json, or a layout such as '%t[%p]@%o %k=%v %h{%k:%v }\n'
  with %t topic, %p partition, %o offset, %k key, %v value, %h headers, %d timestamp; \n and \t are escapes.

-o json is --format json. Without --follow, an interrupt before the end exits 130.`,
		Example: `  troupe consume greetings --from -10 --follow --format json
  troupe consume greetings --from 2h --format '%d %k %v\n'
  troupe consume greetings -p 0,3 -n 5`,
		ValidArgsFunction: c.TopicNames(1),
		RunE:              func(cmd *cobra.Command, a []string) error { return c.run(cmd, a[0]) }}
	c.Client.Flags(cmd)
	c.out.Flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.from, "from", "beginning", "where to begin: beginning, end, an offset, -N, a timestamp")
	f.Int32SliceVarP(&c.partitions, "partitions", "p", nil, "only these partitions")
	f.Int64VarP(&c.count, "count", "n", 0, "stop after this many records; 0 is no limit")
	f.BoolVarP(&c.follow, "follow", "f", false, "wait for new records instead of stopping at the end")
	f.StringVar(&c.format, "format", "value", "value, key-value, json or a layout with % signs")
	cli.Complete(cmd, "from", cobra.FixedCompletions([]string{"beginning", "end"}, noFiles))
	cli.Complete(cmd, "format", cobra.FixedCompletions([]string{"value", "key-value", "json"}, noFiles))
	f.BoolVar(&c.committed, "read-committed", false, "leave out records of open and aborted transactions")
	return cmd
}

// start is a parsed --from.
type start struct {
	at     string // "beginning", "end", "offset", "last", "time"
	number int64  // offset, count, or milliseconds since 1970
}

func parseStart(text string, now time.Time) (start, error) {
	switch strings.ToLower(text) {
	case "beginning", "start", "earliest", "oldest":
		return start{"beginning", 0}, nil
	case "end", "latest", "newest":
		return start{"end", 0}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return start{"last", -n}, nil
		}
		return start{"offset", n}, nil
	}
	if ms, ok := cli.ParseTime(text, now); ok {
		return start{"time", ms}, nil
	}
	return start{}, cli.Usagef("from: %q is not allowed; allowed: beginning, end, an offset, -N for the last N, %s", text, cli.TimeForms)
}

// span is what is read of one partition: from is the next offset that may come, end the one behind the last.
type span struct{ from, end int64 }

// quiet is how long no record comes before the brokers are asked what the log still holds.
const quiet = 200 * time.Millisecond

func (c *consumer) run(cmd *cobra.Command, topic string) error {
	if c.out.JSON() {
		c.format = "json"
	}
	from, err := parseStart(c.from, time.Now())
	if err != nil {
		return err
	}
	write, err := recordWriter(c.format)
	if err != nil {
		return err
	}
	c.follow = c.follow || from.at == "end"
	ctx, stop := cli.Interruptible(cmd)
	defer stop()
	isolation := kgo.ReadUncommitted()
	if c.committed {
		isolation = kgo.ReadCommitted()
	}
	opts := []kgo.Opt{kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.KeepRetryableFetchErrors()}
	if !c.follow {
		opts = append(opts, kgo.FetchMaxWait(quiet)) // a look queues behind a fetch that waits
	}
	cl, err := c.Connect(ctx, opts...)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	defer cl.Close()
	spans, err := c.spans(ctx, cl, topic, from)
	if err != nil {
		return cli.Interrupted(ctx, err)
	}
	w := bufio.NewWriter(cmd.OutOrStdout())
	defer w.Flush()
	line := c.live(cmd, spans)
	defer line.Stop()
	return c.read(ctx, &reading{cl: cl, topic: topic, level: isolation, only: !c.follow, open: spans}, w, write)
}

// spans finds where to begin and where the end is now, for each partition asked for.
func (c *consumer) spans(ctx context.Context, cl *kgo.Client, topic string, from start) (map[int32]*span, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	topics, err := kadm.NewClient(cl).ListTopicsWithInternal(ctx, topic)
	if err != nil {
		return nil, cli.Explain("look up topic "+topic, err, "")
	}
	detail, ok := topics[topic]
	if err := detail.Err; !ok || err != nil {
		if err == nil {
			err = kerr.UnknownTopicOrPartition
		}
		return nil, cli.Explain("topic "+topic, err, "")
	}
	wanted := c.partitions
	if len(wanted) == 0 {
		wanted = detail.Partitions.Numbers()
	}
	all := make([]cli.Partition, len(wanted))
	for i, p := range wanted {
		if _, ok := detail.Partitions[p]; !ok {
			return nil, cli.Usagef("partitions: %d is not allowed; topic %s has partitions 0 to %d", p, topic, len(detail.Partitions)-1)
		}
		all[i] = cli.Partition{Topic: topic, Partition: p}
	}
	starts := cli.ListOffsets(ctx, cl, all, cli.Earliest, false)
	ends := cli.ListOffsets(ctx, cl, all, cli.Latest, c.committed)
	var times map[cli.Partition]cli.Listed
	if from.at == "time" {
		times = cli.ListOffsets(ctx, cl, all, from.number, false)
	}
	spans := map[int32]*span{}
	for _, p := range wanted {
		at := cli.Partition{Topic: topic, Partition: p}
		first, end := starts[at], ends[at]
		if err := errors.Join(first.Err, end.Err); err != nil {
			return nil, cli.Explain(fmt.Sprintf("list offsets of %s-%d", topic, p), err, "")
		}
		s := &span{first.Offset, end.Offset}
		switch from.at {
		case "end":
			s.from = end.Offset
		case "offset":
			s.from = from.number
			if s.from < first.Offset || s.from > end.Offset {
				return nil, fmt.Errorf("offset %d is not in %s-%d, which holds %d to %d (exclusive)", s.from, topic, p, first.Offset, end.Offset)
			}
		case "last":
			s.from = max(first.Offset, end.Offset-from.number)
		case "time":
			o := times[at]
			if o.Err != nil {
				return nil, cli.Explain(fmt.Sprintf("list offsets of %s-%d", topic, p), o.Err, "")
			}
			if s.from = o.Offset; s.from < 0 { // nothing that new yet
				s.from = end.Offset
			}
		}
		spans[p] = s
	}
	return spans, nil
}

// live shows how far the reading is, unless the records themselves show it on the same terminal.
func (c *consumer) live(cmd *cobra.Command, spans map[int32]*span) *progress.Line {
	if c.out.JSON() || progress.Terminal(cmd.OutOrStdout()) {
		return nil
	}
	var total int64
	for _, s := range spans {
		total += max(0, s.end-s.from)
	}
	if c.count > 0 {
		total = min(total, c.count)
	}
	return progress.Start(cmd.ErrOrStderr(), func(elapsed time.Duration) string {
		n := c.printed.Load()
		text := fmt.Sprintf("%s records, %s/s", progress.Count(n), progress.Count(int64(progress.Rate(n, elapsed))))
		if !c.follow && total > 0 {
			text += fmt.Sprintf(", %d %%", min(100, n*100/total))
		}
		return text
	})
}

// read prints records from each span's start; without follow up to its end.
func (c *consumer) read(ctx context.Context, r *reading, w *bufio.Writer, write func([]byte, *kgo.Record) []byte) error {
	offsets := map[int32]kgo.Offset{}
	for p, s := range r.open {
		if r.only && s.from >= s.end {
			delete(r.open, p)
			continue
		}
		offsets[p] = kgo.NewOffset().At(s.from)
	}
	if len(r.open) == 0 {
		return nil
	}
	r.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: offsets})
	var buf []byte
	for last := time.Now(); len(r.open) > 0; {
		fetches := poll(ctx, r)
		if ctx.Err() != nil {
			if c.follow {
				return nil // the ordinary end
			}
			_ = w.Flush()
			return cli.ErrInterrupted
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) && !kerr.IsRetriable(e.Err) {
				return cli.Explain(fmt.Sprintf("fetch %s-%d", e.Topic, e.Partition), e.Err, "")
			}
		}
		moved := false
		for it := fetches.RecordIter(); !it.Done(); {
			record := it.Next()
			moved = true
			if !r.took(record.Partition, record.Offset) || record.Attrs.IsControl() {
				continue
			}
			buf = write(buf[:0], record)
			if _, err := w.Write(buf); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			if c.printed.Add(1) == c.count {
				return nil
			}
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if moved || c.follow {
			last = time.Now()
			continue
		}
		lookCtx, cancel := context.WithTimeout(ctx, c.Timeout)
		moved, err := r.look(lookCtx)
		cancel()
		switch {
		case err != nil:
			return cli.Interrupted(ctx, err)
		case moved:
			last = time.Now()
		case time.Since(last) >= c.Timeout && ctx.Err() == nil:
			return fmt.Errorf("no records of %s came for %s although the end is not reached (partitions %s); is the broker still running?", r.topic, c.Timeout, r.left())
		}
	}
	return nil
}

// poll takes what the library has. Where the end is to be found, it comes back after a moment without records.
func poll(ctx context.Context, r *reading) kgo.Fetches {
	if r.only {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, quiet)
		defer cancel()
	}
	return r.cl.PollFetches(ctx)
}

func keys(m map[int32]*span) []int32 { return slices.Sorted(maps.Keys(m)) }

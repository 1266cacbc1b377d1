package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type consumer struct {
	client
	out        output
	from       string
	partitions []int32
	count      int64
	follow     bool
	format     string
	committed  bool
}

func newConsume() *cobra.Command {
	c := &consumer{}
	cmd := &cobra.Command{Use: "consume TOPIC", Short: "Print records of a topic", Args: args(cobra.ExactArgs(1)),
		Long: `Print the records of a topic up to its end, or, with --follow, until interrupted.

--from says where to begin, in every partition:
  beginning, end      the oldest record kept; after the newest (follows)
  42                  this offset
  -10                 the last ten offsets
  @1700000000000      the first record of this time (milliseconds since 1970) or later
  2026-01-02T15:04:05Z, -15m    the same as a date, or as a time span before now

--format says how to print:
  value, key-value (tab between), json, or a layout such as '%t[%p]@%o %k=%v %h{%k:%v }\n'
  with %t topic, %p partition, %o offset, %k key, %v value, %h headers, %d timestamp; \n and \t are escapes.`,
		Example: "  troupe consume greetings --from -10 --follow --format json",
		RunE:    func(cmd *cobra.Command, a []string) error { return c.run(cmd, a[0]) }}
	c.client.flags(cmd)
	c.out.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.from, "from", "beginning", "where to begin: beginning, end, an offset, -N, a timestamp")
	f.Int32SliceVarP(&c.partitions, "partitions", "p", nil, "only these partitions")
	f.Int64VarP(&c.count, "count", "n", 0, "stop after this many records; 0 is no limit")
	f.BoolVarP(&c.follow, "follow", "f", false, "wait for new records instead of stopping at the end")
	f.StringVar(&c.format, "format", "value", "value, key-value, json or a layout with % signs")
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
	if ms, ok := strings.CutPrefix(text, "@"); ok {
		if n, err := strconv.ParseInt(ms, 10, 64); err == nil && n >= 0 {
			return start{"time", n}, nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d < 0 {
		return start{"time", now.Add(d).UnixMilli()}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return start{"time", t.UnixMilli()}, nil
		}
	}
	return start{}, usagef("from: %q is not allowed; allowed: beginning, end, an offset, -N, @MILLISECONDS, a date such as 2026-01-02T15:04:05Z, a span such as -15m", text)
}

// span is what is read of one partition.
type span struct{ from, end int64 }

func (c *consumer) run(cmd *cobra.Command, topic string) error {
	if c.out.json() {
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
	ctx, stop := interruptible(cmd)
	defer stop()
	isolation := kgo.ReadUncommitted()
	if c.committed {
		isolation = kgo.ReadCommitted()
	}
	cl, err := c.connect(ctx, kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.KeepRetryableFetchErrors())
	if err != nil {
		return err
	}
	defer cl.Close()
	spans, err := c.spans(ctx, kadm.NewClient(cl), topic, from)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(cmd.OutOrStdout())
	defer w.Flush()
	return c.read(ctx, cl, topic, spans, w, write)
}

// spans finds where to begin and where the end is now, for each partition asked for.
func (c *consumer) spans(ctx context.Context, adm *kadm.Client, topic string, from start) (map[int32]span, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	topics, err := adm.ListTopics(ctx, topic)
	if err != nil {
		return nil, explain("look up topic "+topic, err, "")
	}
	if !topics.Has(topic) {
		err := topics[topic].Err
		if err == nil {
			err = kerr.UnknownTopicOrPartition
		}
		return nil, explain("topic "+topic, err, "")
	}
	detail := topics[topic]
	wanted := c.partitions
	if len(wanted) == 0 {
		wanted = detail.Partitions.Numbers()
	}
	for _, p := range wanted {
		if _, ok := detail.Partitions[p]; !ok {
			return nil, usagef("partitions: %d is not allowed; topic %s has partitions 0 to %d", p, topic, len(detail.Partitions)-1)
		}
	}
	starts, err := adm.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, explain("list offsets of "+topic, err, "")
	}
	list := adm.ListEndOffsets
	if c.committed {
		list = adm.ListCommittedOffsets
	}
	ends, err := list(ctx, topic)
	if err != nil {
		return nil, explain("list offsets of "+topic, err, "")
	}
	var times kadm.ListedOffsets
	if from.at == "time" {
		if times, err = adm.ListOffsetsAfterMilli(ctx, from.number, topic); err != nil {
			return nil, explain("list offsets of "+topic, err, "")
		}
	}
	spans := map[int32]span{}
	for _, p := range wanted {
		first, _ := starts.Lookup(topic, p)
		end, _ := ends.Lookup(topic, p)
		if err := errors.Join(first.Err, end.Err); err != nil {
			return nil, explain(fmt.Sprintf("list offsets of %s-%d", topic, p), err, "")
		}
		s := span{first.Offset, end.Offset}
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
			o, _ := times.Lookup(topic, p)
			if o.Err != nil {
				return nil, explain(fmt.Sprintf("list offsets of %s-%d", topic, p), o.Err, "")
			}
			s.from = o.Offset
		}
		spans[p] = s
	}
	return spans, nil
}

// read prints records from each span's start; without follow up to its end.
func (c *consumer) read(ctx context.Context, cl *kgo.Client, topic string, spans map[int32]span, w *bufio.Writer, write func([]byte, *kgo.Record) []byte) error {
	open := map[int32]int64{} // partition → end
	offsets := map[int32]kgo.Offset{}
	for p, s := range spans {
		if c.follow || s.from < s.end {
			open[p] = s.end
			offsets[p] = kgo.NewOffset().At(s.from)
		}
	}
	if len(open) == 0 {
		return nil
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
	var printed int64
	var buf []byte
	for {
		pollCtx, cancel := ctx, context.CancelFunc(func() {})
		if !c.follow {
			pollCtx, cancel = context.WithTimeout(ctx, c.timeout)
		}
		fetches := cl.PollFetches(pollCtx)
		timedOut := pollCtx.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return nil // interrupted
		}
		if timedOut {
			return fmt.Errorf("no records of %s came for %s although the end is not reached (partitions %s); is the broker still running?", topic, c.timeout, keys(open))
		}
		for _, e := range fetches.Errors() {
			if !kerr.IsRetriable(e.Err) {
				return explain(fmt.Sprintf("fetch %s-%d", e.Topic, e.Partition), e.Err, "")
			}
		}
		for it := fetches.RecordIter(); !it.Done(); {
			r := it.Next()
			end, isOpen := open[r.Partition]
			if !isOpen || !c.follow && r.Offset >= end {
				delete(open, r.Partition)
				continue
			}
			if !r.Attrs.IsControl() {
				buf = write(buf[:0], r)
				if _, err := w.Write(buf); err != nil {
					return fmt.Errorf("write: %w", err)
				}
				if printed++; printed == c.count {
					return nil
				}
			}
			if !c.follow && r.Offset+1 >= end {
				delete(open, r.Partition)
			}
		}
		if err := w.Flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if len(open) == 0 {
			return nil
		}
	}
}

func keys(m map[int32]int64) string {
	out := make([]int32, 0, len(m))
	for p := range m {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return joinInts(out)
}

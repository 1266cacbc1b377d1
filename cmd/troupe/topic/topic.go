// Package topic is `troupe topic`: topics made, looked at, changed and deleted.
package topic

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// New makes `troupe topic`.
func New() *cobra.Command {
	return cli.Group("topic", "Create, look at, change and delete topics", newCreate(), newList(), newDescribe(),
		newAlter(), newAddPartitions(), newDelete())
}

// result is what create, delete, alter and add-partitions print for each topic.
type result struct {
	Topic             string `json:"topic"`
	OK                bool   `json:"ok"`
	Error             string `json:"error,omitempty"`
	ID                string `json:"id,omitempty"`
	Partitions        int32  `json:"partitions,omitempty"`
	ReplicationFactor int16  `json:"replication_factor,omitempty"`
}

// change is a command that does one thing to each of several topics.
type change struct {
	cli.Client
	out cli.Output
	cli.Results[result]
}

func (c *change) flags(cmd *cobra.Command) {
	c.Client.Flags(cmd)
	c.out.Flags(cmd)
}

// tally adds the outcome of one topic.
func (c *change) tally(what string, r result, err error, message string) {
	err = cli.Explain(what+" "+r.Topic, err, message)
	r.OK, r.Error = err == nil, cli.Explained(err)
	c.Add(r, err)
}

// report prints one line (or object) a topic; an error is told on standard error.
func (c *change) report(cmd *cobra.Command, done func(result) string) error {
	err := c.out.Write(cmd.OutOrStdout(), c.List, func(w io.Writer) {
		for _, r := range c.List {
			if r.OK {
				fmt.Fprintln(w, done(r))
			}
		}
	})
	if err != nil {
		return err
	}
	return c.Failed(cmd.ErrOrStderr())
}

// requestTopics is how many topics one request names: enough to be quick, few enough that progress shows and no request
// outlives --timeout.
const requestTopics = 100

// inChunks asks for a hundred topics at a time and shows how far it is. Each request has --timeout to itself. The error is that
// of a request as a whole; what was done before it stands.
func (c *change) inChunks(cmd *cobra.Command, what string, names []string, ask func(context.Context, *kadm.Client, []string) error) error {
	conn, _, done, err := c.Admin(cmd)
	if err != nil {
		return err
	}
	defer done()
	names = unique(names)
	finished := make(chan int, len(names)/requestTopics+1)
	count := 0
	line := progress.Start(cmd.ErrOrStderr(), func(elapsed time.Duration) string {
		for len(finished) > 0 {
			count += <-finished
		}
		if len(names) == 1 {
			return progress.Waiting(what + " " + names[0])(elapsed)
		}
		return progress.Waiting(fmt.Sprintf("%s: %d of %s", what, count, cli.Plural(len(names), "topic")))(elapsed)
	})
	defer line.Stop()
	for chunk := range slices.Chunk(names, requestTopics) {
		ctx, cancel := conn.Request()
		err := ask(ctx, conn.Client, chunk)
		cancel()
		if err != nil {
			return cli.Explain(what, err, "")
		}
		finished <- len(chunk)
	}
	return nil
}

// finish reports what was done, and after that what ended it early.
func (c *change) finish(cmd *cobra.Command, early error, done func(result) string) error {
	if early != nil && len(c.List) == 0 {
		return early
	}
	if err := c.report(cmd, done); early == nil {
		return err
	}
	return early
}

func unique(names []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// topicID writes a topic's id as Kafka's own tools do.
func topicID(id kadm.TopicID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func joinInts(ints []int32) string {
	s := make([]string, len(ints))
	for i, n := range slices.Sorted(slices.Values(ints)) {
		s[i] = strconv.Itoa(int(n))
	}
	return strings.Join(s, ",")
}

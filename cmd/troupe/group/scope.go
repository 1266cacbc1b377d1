package group

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns which partitions a change of offsets is about: --topic T, --topic T:0,3-5, --all-topics.

// rangeMax bounds a range of partitions on the command line.
const rangeMax = 1_000_000

type scope struct {
	all    bool
	specs  []string
	topics map[string][]int32 // nil: all partitions of the topic
}

func (s *scope) flags(cmd *cobra.Command, c *cli.Client) {
	cmd.Flags().StringArrayVarP(&s.specs, "topic", "t", nil, "TOPIC or TOPIC:PARTITIONS, such as orders:0,3-5 (repeatable)")
	cmd.Flags().BoolVar(&s.all, "all-topics", false, "every partition that the group has a committed offset in")
	cli.Complete(cmd, "topic", c.TopicNames(0))
}

// given says whether the command line names partitions.
func (s *scope) given() bool { return s.all || len(s.specs) > 0 }

func (s *scope) parse() error {
	if s.all && len(s.specs) > 0 {
		return cli.Usagef("give either --topic or --all-topics, not both")
	}
	s.topics = map[string][]int32{}
	for _, spec := range s.specs {
		topic, list, some := strings.Cut(spec, ":")
		partitions, ok := parseRanges(list)
		if topic == "" || some && !ok {
			return cli.Usagef("topic: %q is not allowed; allowed: TOPIC or TOPIC:PARTITIONS, such as orders:0,3-5", spec)
		}
		if had, ok := s.topics[topic]; !some || ok && had == nil {
			s.topics[topic] = nil
		} else {
			s.topics[topic] = append(had, partitions...)
		}
	}
	return nil
}

// parseRanges reads 0,3-5.
func parseRanges(text string) ([]int32, bool) {
	var out []int32
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.ParseUint(from, 10, 31)
		b, errB := strconv.ParseUint(to, 10, 31)
		if errA != nil || errB != nil || b < a || b-a >= rangeMax {
			return nil, false
		}
		for p := a; p <= b; p++ {
			out = append(out, int32(p))
		}
	}
	return out, true
}

// covers says whether a partition is meant.
func (s *scope) covers(p cli.Partition) bool {
	list, ok := s.topics[p.Topic]
	return s.all || ok && (list == nil || slices.Contains(list, p.Partition))
}

// resolve lists the partitions that are meant, in order, each with what the group has committed. A topic or a partition that does
// not exist is an error.
func (s *scope) resolve(ctx context.Context, conn *cli.Conn, have map[cli.Partition]position) ([]position, error) {
	wanted := map[cli.Partition]position{}
	if s.all {
		maps.Copy(wanted, have)
	} else if len(s.topics) > 0 {
		topics, err := conn.ListTopicsWithInternal(ctx, slices.Sorted(maps.Keys(s.topics))...)
		if err != nil {
			return nil, cli.Explain("look up topics", err, "")
		}
		for topic, list := range s.topics {
			detail, ok := topics[topic]
			if err := detail.Err; !ok || err != nil {
				if err == nil {
					err = kerr.UnknownTopicOrPartition
				}
				return nil, cli.Explain("topic "+topic, err, "")
			}
			if list == nil {
				list = detail.Partitions.Numbers()
			}
			for _, n := range list {
				if _, ok := detail.Partitions[n]; !ok {
					return nil, cli.Usagef("topic: %s has no partition %d; it has 0 to %d", topic, n, len(detail.Partitions)-1)
				}
				p := cli.Partition{Topic: topic, Partition: n}
				wanted[p] = at(have, p)
			}
		}
	}
	out := slices.Collect(maps.Values(wanted))
	sortPositions(out)
	return out, nil
}

// at is what a group has committed in a partition, or a position without an offset.
func at(have map[cli.Partition]position, p cli.Partition) position {
	if known, ok := have[p]; ok {
		return known
	}
	return position{Partition: p, Committed: -1, LeaderEpoch: -1, Start: -1, End: -1}
}

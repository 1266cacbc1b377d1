package group

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// position is where a group stands in one partition. -1 is an offset that is not known, or not there.
type position struct {
	cli.Partition
	Committed   int64
	LeaderEpoch int32
	Metadata    string
	Start, End  int64
	Err         error // why start or end are not known
}

// committed asks for every offset that a group has committed.
func committed(ctx context.Context, conn *cli.Conn, name string) (map[cli.Partition]position, error) {
	responses, err := conn.FetchOffsets(ctx, name)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, cli.Explain("fetch the offsets of group "+name, err, "")
	}
	out := map[cli.Partition]position{}
	var failed error
	responses.Each(func(r kadm.OffsetResponse) {
		if r.Err != nil {
			failed = cli.Explain("fetch the offsets of group "+name, r.Err, "")
		}
		if r.At < 0 {
			return
		}
		p := cli.Partition{Topic: r.Topic, Partition: r.Partition}
		out[p] = position{Partition: p, Committed: r.At, LeaderEpoch: r.LeaderEpoch, Metadata: r.Metadata, Start: -1, End: -1}
	})
	return out, failed
}

// bounds fills in the start and the end of every partition.
func bounds(ctx context.Context, conn *cli.Conn, positions []position) {
	partitions := make([]cli.Partition, len(positions))
	for i, p := range positions {
		partitions[i] = p.Partition
	}
	starts := cli.ListOffsets(ctx, conn.Kafka, partitions, cli.Earliest, false)
	ends := cli.ListOffsets(ctx, conn.Kafka, partitions, cli.Latest, false)
	for i := range positions {
		p := &positions[i]
		start, end := starts[p.Partition], ends[p.Partition]
		p.Start, p.End = start.Offset, end.Offset
		if start.Err != nil {
			p.Start, p.Err = -1, start.Err
		}
		if end.Err != nil {
			p.End, p.Err = -1, end.Err
		}
	}
}

func sortPositions(list []position) {
	slices.SortFunc(list, func(a, b position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition.Partition, b.Partition.Partition))
	})
}

// progressOf is a group's position in one partition with its lag, as it is shown. null is what is not known.
type progressOf struct {
	Topic       string   `json:"topic"`
	Partition   int32    `json:"partition"`
	Committed   *int64   `json:"committed_offset"`
	LeaderEpoch *int32   `json:"committed_leader_epoch"`
	Metadata    string   `json:"committed_metadata"`
	Start       *int64   `json:"log_start_offset"`
	End         *int64   `json:"log_end_offset"`
	Lag         *int64   `json:"lag"`
	LagSeconds  *float64 `json:"lag_seconds"`
	MemberID    string   `json:"member_id"`
	ClientID    string   `json:"client_id"`
	Host        string   `json:"host"`
	Error       string   `json:"error,omitempty"`
}

// measure joins positions with who owns them and how old the next record is.
func measure(positions []position, owners map[cli.Partition]*member, next map[cli.Partition]time.Time, now time.Time) []progressOf {
	known := func(n int64) *int64 {
		if n < 0 {
			return nil
		}
		return &n
	}
	out := make([]progressOf, 0, len(positions))
	for _, p := range positions {
		lag := lagOffsets(p.Committed, p.End)
		v := progressOf{Topic: p.Topic, Partition: p.Partition.Partition, Committed: known(p.Committed), Metadata: p.Metadata,
			Start: known(p.Start), End: known(p.End), Lag: known(lag)}
		if p.LeaderEpoch >= 0 && p.Committed >= 0 {
			v.LeaderEpoch = &p.LeaderEpoch
		}
		if p.Err != nil {
			v.Error = p.Err.Error()
		}
		if at, ok := next[p.Partition]; ok {
			seconds := lagSeconds(at, now)
			v.LagSeconds = &seconds
		} else if lag == 0 {
			v.LagSeconds = new(float64)
		}
		if m := owners[p.Partition]; m != nil {
			v.MemberID, v.ClientID, v.Host = m.MemberID, m.ClientID, m.Host
		}
		out = append(out, v)
	}
	return out
}

// totals sums lag over partitions; the lag in seconds is that of the partition that is most behind. A total over what is not
// known counts what is; complete says whether that is all.
func totals(list []progressOf) (lag int64, seconds float64, complete bool) {
	complete = true
	for _, p := range list {
		if p.Lag == nil {
			complete = false
			continue
		}
		lag += *p.Lag
		if p.LagSeconds != nil {
			seconds = max(seconds, *p.LagSeconds)
		}
	}
	return lag, seconds, complete
}

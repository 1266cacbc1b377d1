package group

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// coordinatorPause is the time between two questions to a coordinator that is not ready.
const coordinatorPause = 50 * time.Millisecond

// connect is Admin for commands about these groups: it waits, within --timeout, until their coordinators answer. They do not at first on
// a cluster that has had no groups, where the first question makes the groups' topic, and while a coordinator reads its log.
func connect(cmd *cobra.Command, c *cli.Client, names ...string) (conn *cli.Conn, ctx context.Context, done func(), err error) {
	conn, ctx, done, err = c.Admin(cmd)
	if err != nil {
		return nil, nil, nil, err
	}
	pause := time.NewTimer(0)
	defer pause.Stop()
	for waits := true; waits; {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return conn, ctx, done, nil // the command itself will say what was missing
		}
		described, err := conn.DescribeGroups(ctx, names...)
		waits = unready(err)
		for _, g := range described {
			waits = waits || unready(g.Err)
		}
		pause.Reset(coordinatorPause)
	}
	return conn, ctx, done, nil
}

// unready says whether the coordinator will answer in a moment.
func unready(err error) bool {
	return errors.Is(err, kerr.CoordinatorNotAvailable) || errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator)
}

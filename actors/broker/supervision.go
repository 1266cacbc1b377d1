package broker

import (
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
)

// restartLimit failures within restartWindow, and a part is given up: the broker then ends, saying why.
const (
	restartLimit  = 10
	restartWindow = 10 * time.Second
)

// replicationStrategy restarts a failed part of the replication subtree alone, save the WAL writer: what raft actors and
// partitions hold refers to its files, so its failure restarts all of them from disk, as at start.
type replicationStrategy struct{ one, all actor.SupervisorStrategy }

func newReplicationStrategy() actor.SupervisorStrategy {
	return replicationStrategy{actorsystem.Restart(restartLimit, restartWindow), actorsystem.RestartAll(restartLimit, restartWindow)}
}

func (s replicationStrategy) HandleFailure(system *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	strategy := s.one
	if strings.HasSuffix(child.Id, "/"+walKind+"/"+walName) {
		strategy = s.all
	}
	strategy.HandleFailure(system, supervisor, child, rs, reason, message)
}

const (
	walKind = "wal"
	walName = "wal"
)

package broker

import (
	"fmt"
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

// strategy restarts a failed part alone, save the WAL writer: what raft actors and partitions hold refers to its files, so its
// failure restarts all of them from disk, as at start. It keeps the last failure, to say why a part was given up. Only the
// supervising actor uses it.
type strategy struct {
	one, all actor.SupervisorStrategy
	who      string
	why      any
}

func newStrategy() *strategy {
	return &strategy{one: actorsystem.Restart(restartLimit, restartWindow), all: actorsystem.RestartAll(restartLimit, restartWindow)}
}

func (s *strategy) HandleFailure(system *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID, rs *actor.RestartStatistics, reason, message any) {
	s.who, s.why = partName(child), reason
	if strings.HasSuffix(child.Id, "/"+walKind+"/"+walName) {
		s.all.HandleFailure(system, supervisor, child, rs, reason, message)
	} else {
		s.one.HandleFailure(system, supervisor, child, rs, reason, message)
	}
}

// gaveUp is why a child is gone although nobody asked it to stop. With the WAL writer all its siblings are stopped, so the one that
// ended need not be the one that failed.
func (s *strategy) gaveUp(child *actor.PID) error {
	if s.who == "" {
		return fmt.Errorf("%s has stopped", partName(child))
	}
	return fmt.Errorf("%s failed more than %d times within %s, last with: %v (the log has each failure with its stack)",
		s.who, restartLimit, restartWindow, s.why)
}

// partName is an actor's kind and name.
func partName(pid *actor.PID) string {
	parts := strings.Split(pid.Id, "/")
	return strings.Join(parts[max(0, len(parts)-2):], "/")
}

const (
	walKind = "wal"
	walName = "wal"
)

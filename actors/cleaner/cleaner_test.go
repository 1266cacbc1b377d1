package cleaner

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actors/topicconfig"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

type noClock struct{}

func (noClock) Now() time.Time                                    { return time.Unix(1000, 0) }
func (noClock) AfterFunc(time.Duration, func()) actorsystem.Timer { return noTimer{} }

type noTimer struct{}

func (noTimer) Stop() bool { return false }

func TestALogThatGoesAwayWhileItIsCleanedIsNoFailure(t *testing.T) {
	stopped := actorsystem.StoppedError{Kind: "partition", Name: "t-0"}
	missing := fmt.Errorf("create data/t-0/x.log.cleaned: %w", vfs.ErrNotExist)
	for _, c := range []struct {
		err          error
		here, failed bool
	}{
		{fmt.Errorf("swap: %w", segment.ErrSuperseded), true, false},
		{stopped, true, false},
		{fmt.Errorf("write to data/t-0: %w", stopped), false, false},
		{missing, false, false},
		{missing, true, true}, // an open log whose files are missing is damaged
		{errors.New("input/output error"), false, true},
	} {
		var said bytes.Buffer
		system := actorsystem.New(actorsystem.Config{Clock: noClock{}})
		directory := &partition.Directory{}
		replica := &partition.Replica{Topic: "t", TopicID: [16]byte{1}}
		key := partition.Key{TopicID: [16]byte{1}}
		if c.here {
			shared := &segment.Shared{FS: vfs.NewMem(), Pool: segment.NewChunkPool(1 << 20), Files: segment.NewFileCache(8), Writers: []*actor.PID{{Id: "writer"}},
				Send: func(*actor.PID, any) {}, Disk: &diskstate.State{}, Clock: noClock{}}
			log := segment.Open(shared, "data/t-0", &actor.PID{Id: "t-0"}, segment.Options{SegmentBytes: 1000}, segment.NewState(0))
			directory.Stage(replica, log.Reader(), partition.Leadership{}, nil, &topicconfig.Config{})
		}
		x := &cleaner{Config: Config{System: system, Replicas: directory, Board: &Board{}, Metrics: NewMetrics(nil), Log: zerolog.New(&said).Level(zerolog.WarnLevel),
			Settings: func() *brokerconfig.Config { return &brokerconfig.Config{CleanerBackoffMs: 1000} }}, self: &actor.PID{Id: "cleaner"}, logs: map[partition.Key]*LogStatus{}, done: checkpoints{}}
		x.at = &candidate{key: key, replica: replica, config: &topicconfig.Config{}}
		x.giveUp(c.err)
		system.Shutdown()
		failures := 0
		for _, s := range x.logs {
			failures += s.Failures
		}
		if (failures > 0) != c.failed || strings.Contains(said.String(), "could not be compacted") != c.failed {
			t.Errorf("%v, log here %v: %d failures, it says %q", c.err, c.here, failures, said.String())
		}
		if x.at != nil {
			t.Errorf("%v: the job is still there", c.err)
		}
	}
}

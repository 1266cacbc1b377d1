package broker

// This file owns the brokers of this package's tests: whole ones, in this process, with a disk and faults of the test's own.

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

var (
	seedFlag = flag.Uint64("seed", 0, "seed of the random tests; 0: one from the clock")
	long     = flag.Duration("crash.long", 0, "how long each random test of crashes and faults goes on; 0: a few rounds")
)

// rounds calls do with a fresh source of randomness, n times or for as long as -crash.long says. It prints the seeds.
func rounds(t *testing.T, n int, do func(t *testing.T, rng *rand.Rand)) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	end := time.Now().Add(*long)
	for i := 0; i < n || *long > 0 && time.Now().Before(end); i++ {
		ok := t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Logf("-seed %d", seed)
			do(t, rand.New(rand.NewPCG(seed, 1)))
		})
		if !ok {
			return
		}
		seed++
	}
}

// logBook is a broker's log, kept for the test.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// lines are those with all of the parts.
func (l *logBook) lines(parts ...string) (out []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
line:
	for _, s := range strings.Split(l.b.String(), "\n") {
		for _, p := range parts {
			if !strings.Contains(s, p) {
				continue line
			}
		}
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// stage is one broker and what stands around it.
type stage struct {
	*Broker
	log *logBook
}

func testConfig(log *logBook) Config {
	cfg := Config{NodeID: 1, DataDir: "data", KafkaAddr: "127.0.0.1:0", MemoryLimit: 256 << 20,
		WALFileSize: 1 << 20, WALSizeLimit: 8 << 20, TailCacheBytes: 8 << 20, OpenSegmentFiles: 100,
		NumPartitions: 1, ReplicationFactor: 1,
		MaxConnections: 1000, MaxConnectionsPerIP: 1000, InFlightPerConnection: 8 << 20, InFlightTotal: 64 << 20,
		RequestMaxBytes: 8 << 20, FetchMaxBytes: 8 << 20, FetchSessionsMax: 100,
		RetentionCheckInterval: time.Hour, ProducerIDExpiry: time.Hour,
		Static:     deleteAfter(50),
		Registerer: prometheus.NewRegistry(), Log: zerolog.New(log).Level(zerolog.InfoLevel), Version: "test"}
	return cfg
}

// deleteAfter sets log.segment.delete.delay.ms.
func deleteAfter(ms int) []api.StaticConfig {
	return []api.StaticConfig{{Name: "log.segment.delete.delay.ms", Value: fmt.Sprint(ms)}}
}

// raise starts a broker on files and waits until it is ready. It ends with the test.
func raise(t testing.TB, files vfs.FS, change ...func(*Config)) *stage {
	t.Helper()
	log := &logBook{}
	cfg := testConfig(log)
	for _, c := range change {
		c(&cfg)
	}
	b, err := start(context.Background(), cfg, world{files: files})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{b, log}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the broker's log:\n%s", strings.Join(log.lines(), "\n"))
		}
	})
	select {
	case <-b.Ready():
	case <-b.Done():
		t.Fatalf("the broker ended: %v\n%s", b.Err(), strings.Join(log.lines(), "\n"))
	case <-time.After(30 * time.Second):
		t.Fatalf("not ready after 30 s: %+v\n%s", b.System().Actors(), strings.Join(log.lines(), "\n"))
	}
	return s
}

// kill ends the broker without waiting for anybody.
func (s *stage) kill() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_ = s.Shutdown(ctx)
}

// restarts counts the restarts of a kind.
func (s *stage) restarts(kind string) uint64 { return s.System().RestartsByKind()[kind] }

func faultOf(f actorsystem.FaultInjector) func(*Config) { return func(c *Config) { c.Fault = f } }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

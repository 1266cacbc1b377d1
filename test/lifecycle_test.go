package test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// stopWithin bounds a drain: the default of shutdown-timeout and a margin.
const stopWithin = 25 * time.Second

func TestOneReadyLineTellsAddressDataDirectoryClusterAndVersion(t *testing.T) {
	b := harness.Start(t)
	// The line is written when the broker is ready; /readyz may be a moment earlier.
	deadline := time.Now().Add(5 * time.Second)
	for !strings.HasSuffix(b.Stdout(), "\n") && time.Now().Before(deadline) {
		b.Get("/healthz")
	}
	out := b.Stdout()
	if strings.Count(out, "\n") != 1 {
		t.Fatalf("standard output is not one line: %q", out)
	}
	version := strings.Fields(b.MustRun("", "version"))[1]
	for _, want := range []string{b.Addr, b.AdminAddr, b.Dir, version, "cluster "} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in %q", want, out)
		}
	}
	cluster := regexp.MustCompile(`cluster (\S+),`).FindStringSubmatch(out)
	if cluster == nil {
		t.Fatalf("no cluster id in %q", out)
	}
	b.Restart()
	meta, err := kadm.NewClient(b.Client()).BrokerMetadata(harness.Context(t))
	if err != nil || meta.Cluster != cluster[1] {
		t.Fatalf("the cluster id was %s, is %s after a restart (%v)", cluster[1], meta.Cluster, err)
	}
}

func TestASecondBrokerOnTheDataDirectoryIsRefused(t *testing.T) {
	b := harness.Start(t)
	r := harness.Run(t, "", nil, "serve", "--data-dir", b.Dir, "--kafka-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0")
	if r.Code == 0 || !strings.Contains(r.Stderr, b.Dir) {
		t.Fatalf("exit %d: %s", r.Code, r.Stderr)
	}
	if r.Stdout != "" {
		t.Errorf("it said %q", r.Stdout)
	}
	b.MustRun("", "topic", "create", "still-serves")
}

func TestATakenPortIsToldAndEndsTheStart(t *testing.T) {
	b := harness.Start(t)
	r := harness.Run(t, "", nil, "serve", "--data-dir", t.TempDir(), "--kafka-addr", b.Addr, "--admin-addr", "127.0.0.1:0")
	if r.Code == 0 || !strings.Contains(r.Stderr, b.Addr) {
		t.Fatalf("exit %d: %s", r.Code, r.Stderr)
	}
}

func TestWhatWasAcknowledgedIsThereAfterKillNine(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("kept", 1, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic))
	var sent []*kgo.Record
	for round := range 3 {
		batch := lines(1000, fmt.Sprint("r", round))
		if err := cl.ProduceSync(harness.Context(t), batch...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, batch...)
		b.Restart()
		same(t, b.ReadAll(topic, len(sent)), sent)
	}
}

func TestSIGTERMDrainsAndExitsZero(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("drained", 4, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.RecordDeliveryTimeout(30*time.Second))
	ctx, cancel := context.WithCancel(context.Background())
	var acked atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			cl.Produce(ctx, &kgo.Record{Value: []byte(fmt.Sprint(i))}, func(_ *kgo.Record, err error) {
				if err == nil {
					acked.Add(1)
				}
			})
		}
	}()
	for acked.Load() < 5000 {
		if ctx.Err() != nil || !b.Alive() {
			t.Fatal("the load does not run")
		}
		b.Get("/healthz")
	}
	b.Signal(syscall.SIGTERM)
	code := b.Wait(stopWithin)
	cancel()
	<-done
	cl.Close()
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	b.MustStart()
	b.ReadAll(topic, int(acked.Load()))
}

func TestAnIdleBrokerStopsAtOnce(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		b := harness.Start(t)
		idle, err := net.Dial("tcp", b.Addr) // an idle client must not hold it up
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
		began := time.Now()
		b.Signal(sig)
		if code := b.Wait(stopWithin); code != 0 || time.Since(began) > 5*time.Second {
			t.Errorf("%v: exit %d after %s", sig, code, time.Since(began))
		}
	}
}

func TestTheWildcardIsNeverAdvertised(t *testing.T) {
	b := harness.New(t, harness.Binary(t))
	_, port, _ := net.SplitHostPort(b.Addr)
	b = harness.New(t, harness.Binary(t), "--kafka-addr", "0.0.0.0:"+port)
	r := harness.Run(t, "", nil, "serve", "--data-dir", t.TempDir(), "--kafka-addr", "0.0.0.0:"+port, "--admin-addr", "off", "--advertised-addr", "0.0.0.0:9092")
	if r.Code == 0 || !strings.Contains(r.Stderr, "advertised-addr") {
		t.Errorf("advertised-addr 0.0.0.0: exit %d, %s", r.Code, r.Stderr)
	}
	b = harness.New(t, harness.Binary(t), "--kafka-addr", "0.0.0.0:"+port, "--advertised-addr", "localhost:"+port)
	b.Addr = "127.0.0.1:" + port
	b.MustStart()
	meta, err := kadm.NewClient(b.Client()).BrokerMetadata(harness.Context(t))
	if err != nil || len(meta.Brokers) != 1 || meta.Brokers[0].Host != "localhost" {
		t.Fatalf("%+v %v", meta.Brokers, err)
	}
}

func TestTheAdminAddressShowsHealthMetricsActorsAndSettings(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("seen", 2, nil)
	if err := b.Client(kgo.DefaultProduceTopic(topic)).ProduceSync(harness.Context(t), lines(10, "m")...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	b.Get("/healthz")
	metrics := b.Get("/metrics")
	for _, want := range []string{"troupe_build_info", `troupe_actors{kind="wal"`, "troupe_actor_mailbox_depth", "troupe_actor_restarts_total", "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if violated := regexp.MustCompile(`troupe_actor_restarts_total\{[^}]*\} [1-9]`).FindString(metrics); violated != "" {
		t.Errorf("an actor restarted: %s", violated)
	}
	var settings []struct{ Key, Value, Origin string }
	if err := json.Unmarshal([]byte(b.Get("/v1/config")), &settings); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range settings {
		found = found || s.Key == "data-dir" && s.Value == b.Dir && s.Origin == "flag"
	}
	if !found {
		t.Errorf("/v1/config does not tell where data-dir came from: %+v", settings)
	}
	if !json.Valid([]byte(b.Get("/v1/status"))) {
		t.Error("/v1/status is not JSON")
	}
}

func TestAThousandPartitionsAreOrdinary(t *testing.T) {
	b := harness.Start(t)
	cl := b.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("big"))
	began := time.Now()
	b.CreateTopic("big", 1000, nil)
	created := time.Since(began)
	records := make([]*kgo.Record, 1000)
	for i := range records {
		records[i] = &kgo.Record{Partition: int32(i), Value: []byte(fmt.Sprint(i))}
	}
	if err := cl.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("1,000 partitions created in %s, %d open files", created, len(files))
	if created > 10*time.Second || len(files) >= 500 {
		t.Errorf("created in %s with %d open files; want at most 10 s and fewer than 500", created, len(files))
	}
	b.Restart()
	t.Logf("ready again in %s", b.ReadyIn)
	seen := map[int32]bool{}
	for _, r := range b.ReadAll("big", 1000) {
		if string(r.Value) != fmt.Sprint(r.Partition) || r.Offset != 0 || seen[r.Partition] {
			t.Fatalf("partition %d offset %d holds %q", r.Partition, r.Offset, r.Value)
		}
		seen[r.Partition] = true
	}
}

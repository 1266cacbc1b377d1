package broker

// This file owns the tests of settings that change while the broker runs: who reads them takes the new value, and a restart keeps it.

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/storage/vfs"
)

// setBroker sets a dynamic value of broker 1, or of all brokers ("").
func setBroker(t testing.TB, c *wireClient, broker, name, value string) {
	t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Version = 1
	req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeBroker, ResourceName: broker,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}}}
	if err := kerr.ErrorForCode(mustAsk[*kmsg.IncrementalAlterConfigsResponse](t, c, req).Resources[0].ErrorCode); err != nil {
		t.Fatalf("set %s=%s of broker %q: %v", name, value, broker, err)
	}
}

// served says whether a new connection is.
func served(t testing.TB, addr string) bool {
	c, err := dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	_, err = c.ask(kmsg.NewPtrApiVersionsRequest())
	return err == nil
}

func TestSettingsThatChangeHoldAtOnceAndOverACrash(t *testing.T) {
	disk := vfs.NewMem()
	s := raise(t, disk)
	createTopic(t, s.KafkaAddr(), "follows", 1, nil)
	createTopic(t, s.KafkaAddr(), "own", 1, map[string]string{"retention.bytes": "5"})
	retention := func() [2]int64 {
		var of [2]int64
		for _, r := range s.parts.directory.All() {
			of[map[string]int{"follows": 0, "own": 1}[r.Topic]] = r.Config().RetentionBytes
		}
		return of
	}
	c := mustDial(t, s.KafkaAddr())
	setBroker(t, c, "", "log.retention.bytes", "777")
	if got := retention(); got != [2]int64{777, 5} {
		t.Errorf("retention.bytes of the topic that follows and of the one with its own: %v", got)
	}
	setBroker(t, c, "1", "log.retention.bytes", "888")
	setBroker(t, c, "", brokerconfig.ProducerIDExpiry, "1234")
	setBroker(t, c, "1", brokerconfig.AssignmentInterval, "700")
	setBroker(t, c, "", brokerconfig.MaxConnections, "500")
	if !served(t, s.KafkaAddr()) {
		t.Error("500 connections are allowed, and the second is refused")
	}
	setBroker(t, c, "1", brokerconfig.MaxConnections, "1")
	if served(t, s.KafkaAddr()) {
		t.Error("one connection is allowed, and a second is served")
	}
	want := brokerconfig.Config{MaxConnections: 1, MaxConnectionsPerIP: 1000, ProducerIDExpiryMs: 1234, AssignmentIntervalMs: 700}
	check := func() {
		t.Helper()
		if got := *s.parts.settings(); got != want {
			t.Errorf("in force: %+v, want %+v", got, want)
		}
		if got := retention(); got != [2]int64{888, 5} {
			t.Errorf("retention.bytes of the topic that follows and of the one with its own: %v", got)
		}
		if got := s.parts.groupRules().ConsumerOf("g", s.parts.groupRules().Consumer).AssignmentIntervalMs; got != 700 {
			t.Errorf("groups have %d ms between assignments", got)
		}
		if got := s.parts.producerExpiry(); got != 1234*time.Millisecond {
			t.Errorf("producer ids expire after %s", got)
		}
	}
	check()
	disk = disk.CrashClone(rand.New(rand.NewPCG(1, 1)))
	s.kill()
	s = raise(t, disk)
	check()
	c = mustDial(t, s.KafkaAddr())
	if _, err := c.ask(kmsg.NewPtrApiVersionsRequest()); err != nil {
		t.Fatal(err)
	}
	if served(t, s.KafkaAddr()) {
		t.Error("a second connection is served after the restart")
	}
	setBroker(t, c, "1", brokerconfig.MaxConnections, "3")
	if !served(t, s.KafkaAddr()) {
		t.Error("a second connection is refused although three are allowed")
	}
}

func TestACleanerThatRestsHearsOfAShorterRest(t *testing.T) {
	s := raise(t, vfs.NewMem(), restless, func(cfg *Config) { cfg.CleanerBackoff = time.Hour })
	createTopic(t, s.KafkaAddr(), "t", 1, compacted)
	w := newWriter(t, s.KafkaAddr(), "t", 0, 6000)
	w.keys = 40
	load(t, []*writer{w}, s.KafkaAddr, func(*writer) int32 { return 5 }, func(w *writer) bool { return w.acked >= 120 })
	if n := runsOf(s); n != 0 {
		t.Fatalf("%d rounds within an hour's rest", n)
	}
	c := mustDial(t, s.KafkaAddr())
	setBroker(t, c, "1", brokerconfig.CleanerBackoff, "1")
	end := time.Now().Add(20 * time.Second)
	load(t, []*writer{w}, s.KafkaAddr, func(*writer) int32 { return 5 }, func(*writer) bool { return runsOf(s) > 0 || time.Now().After(end) })
	if runsOf(s) == 0 {
		t.Fatal("the cleaner still rests")
	}
}

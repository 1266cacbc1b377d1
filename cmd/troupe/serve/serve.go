package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/broker"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/admin"
	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
	"github.com/troupe-io/troupe/config"
)

// This file owns the life of the broker's process: settings → admin address → broker → one ready line → a signal or the
// broker's own end → drain → exit code. The first SIGTERM or SIGINT drains, the second ends the process at once.

// gcPercent trades memory for CPU: the live heap of a broker is small and its garbage is many short-lived messages. The
// memory limit makes the collector work harder long before the limit is met. GOGC overrides it.
const gcPercent = 100

// New makes the command.
func New() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Run a broker", Args: cli.Args(cobra.NoArgs),
		Long: `Run a broker until SIGTERM or SIGINT, which lets it answer what is in flight and exit 0; a second signal ends it at once.

When a client can produce, one line on standard output says so. Every setting can also stand in the environment
(TROUPE_DATA_DIR for --data-dir) or in a YAML file (--config); "troupe config print" tells what is in force.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd) }}
	settingFlags(c)
	chaosFlags(c)
	return c
}

func serve(cmd *cobra.Command) error {
	settings, warnings, err := loadSettings(cmd)
	if err != nil {
		return err
	}
	log := newLogger(settings)
	for _, w := range warnings {
		log.Warn().Msg(w)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(settings.MemoryLimit)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	signal.Ignore(syscall.SIGPIPE) // a broker outlives whoever read its log
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	src := &source{settings: settings}
	registry := admin.NewRegistry(cli.Version)
	registry.MustRegister(admin.NewActorMetrics(src))
	cfg, err := brokerConfig(settings, log, registry)
	if err != nil {
		return err
	}
	if cfg.Fault, err = chaosFault(cmd, log); err != nil {
		return err
	}
	adminAddr := "off"
	if settings.AdminAddr != "off" {
		server, err := admin.Listen(settings.AdminAddr, admin.Handler(src, registry))
		if err != nil {
			return err
		}
		defer server.Close()
		adminAddr = server.Addr()
	}

	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	b, err := broker.Start(ctx, cfg)
	if err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	src.broker.Store(b)
	ready := b.Ready()
	for {
		select {
		case <-ready:
			ready = nil
			sayReady(cmd, settings, b, adminAddr)
		case <-b.Done():
			return ended(b, settings)
		case sig := <-signals:
			go func() {
				<-signals
				fmt.Fprintln(os.Stderr, "troupe: second signal: ended at once, without draining")
				os.Exit(1)
			}()
			log.Info().Stringer("signal", sig).Dur("at_most", settings.ShutdownTimeout).Msg("stopping")
			return stop(ctx, b, src, settings.ShutdownTimeout, log)
		}
	}
}

// ended tells why a broker stopped without being asked.
func ended(b *broker.Broker, settings *config.Settings) error {
	err := b.Err()
	if err == nil {
		err = errors.New("it gave no reason")
	}
	// Give its actors a moment to let go of files; nothing more is acknowledged either way.
	ctx, cancel := context.WithTimeout(context.Background(), min(settings.ShutdownTimeout, 5*time.Second))
	defer cancel()
	_ = b.Shutdown(ctx)
	return fmt.Errorf("the broker ended by itself: %w; what was acknowledged is on disk in %s", err, settings.DataDir)
}

func stop(ctx context.Context, b *broker.Broker, src *source, limit time.Duration, log zerolog.Logger) error {
	src.stopping.Store(true)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- b.Shutdown(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-time.After(limit + time.Second):
		err = context.DeadlineExceeded
	}
	if err != nil {
		return fmt.Errorf("stop within shutdown-timeout (%s): %w; what was acknowledged is on disk", limit, err)
	}
	log.Info().Dur("took", time.Since(began)).Msg("stopped")
	return nil
}

// sayReady prints the one line that says a client can produce.
func sayReady(cmd *cobra.Command, s *config.Settings, b *broker.Broker, adminAddr string) {
	dir, err := filepath.Abs(s.DataDir)
	if err != nil {
		dir = s.DataDir
	}
	if s.LogFormat == "json" {
		_ = json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]any{"message": "ready", "kafka_addr": b.KafkaAddr(), "admin_addr": adminAddr,
			"data_dir": dir, "cluster_id": b.ClusterID(), "node_id": s.NodeID, "version": cli.Version})
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "troupe %s ready: Kafka on %s, admin on %s, data in %s, cluster %s, node %d\n",
		cli.Version, b.KafkaAddr(), adminAddr, dir, b.ClusterID(), s.NodeID)
}

func newLogger(s *config.Settings) zerolog.Logger {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	level, _ := zerolog.ParseLevel(s.LogLevel) // the table allows only known ones
	console := s.LogFormat == "console"
	terminal := progress.Terminal(os.Stderr)
	console = console || terminal && s.LogFormat == "auto"
	if console {
		w := zerolog.ConsoleWriter{Out: os.Stderr, TimeFormat: "15:04:05.000", NoColor: !terminal || os.Getenv("NO_COLOR") != ""}
		return zerolog.New(w).Level(level).With().Timestamp().Logger()
	}
	return zerolog.New(os.Stderr).Level(level).With().Timestamp().Int32("node", s.NodeID).Logger()
}

func brokerConfig(s *config.Settings, log zerolog.Logger, reg prometheus.Registerer) (broker.Config, error) {
	advertised, err := s.Advertised(config.Machine{Addrs: net.InterfaceAddrs, Hostname: os.Hostname, Lookup: net.LookupHost})
	if err != nil {
		return broker.Config{}, cli.UsageError{Err: err}
	}
	ms := func(n int64) time.Duration {
		return time.Duration(min(max(n, 0), 1<<53/int64(time.Millisecond))) * time.Millisecond
	}
	return broker.Config{
		NodeID: s.NodeID, DataDir: s.DataDir, KafkaAddr: s.KafkaAddr, AdvertisedAddr: advertised, Rack: s.Rack, MemoryLimit: s.MemoryLimit,
		WALFileSize: s.WALFileSize, WALSizeLimit: s.WALSizeLimit, TailCacheBytes: s.TailCache, OpenSegmentFiles: int(s.OpenSegmentFiles),
		AutoCreateTopics: s.AutoCreateTopics, NumPartitions: s.NumPartitions, ReplicationFactor: int16(s.ReplicationFactor),
		MaxConnections: int(s.MaxConnections), MaxConnectionsPerIP: int(s.MaxConnectionsPerIP), ConnectionsMaxIdle: ms(s.ConnectionsMaxIdleMs),
		InFlightPerConnection: s.InFlightPerConn, InFlightTotal: s.InFlightTotal,
		RequestMaxBytes: int32(s.RequestMaxBytes), FetchMaxBytes: int32(s.FetchMaxBytes), FetchSessionsMax: int(s.FetchSessions),
		RetentionCheckInterval: ms(s.RetentionCheckMs),
		GroupTopicPartitions:   s.GroupTopicPartitions, Groups: groupRules(s), GroupConfigs: groupConfigs(s),
		CleanerBackoff: ms(s.CleanerBackoffMs), CleanerMapBytes: s.CleanerMapBytes, CleanerIOBytesPerSecond: s.CleanerIOBytes,
		ProducerIDExpiry: ms(s.ProducerIDExpiryMs),
		Static:           staticConfigs(s), Log: log, Registerer: reg, Version: cli.Version,
	}, nil
}

// staticConfigs are the settings that Kafka knows too, for DescribeConfigs of the broker.
func staticConfigs(s *config.Settings) []api.StaticConfig {
	out := []api.StaticConfig{
		{Name: "node.id", Value: fmt.Sprint(s.NodeID), Type: kmsg.ConfigTypeInt, Doc: config.Lookup("node-id").Doc},
		{Name: "broker.id", Value: fmt.Sprint(s.NodeID), Type: kmsg.ConfigTypeInt, Doc: config.Lookup("node-id").Doc},
		{Name: "log.dirs", Value: s.DataDir, Type: kmsg.ConfigTypeList, Doc: config.Lookup("data-dir").Doc},
		{Name: "listeners", Value: "PLAINTEXT://" + s.KafkaAddr, Type: kmsg.ConfigTypeString, Doc: config.Lookup("kafka-addr").Doc},
	}
	for _, v := range s.Values() {
		d := config.Lookup(v.Key)
		if !d.IsKafka() {
			continue
		}
		kind := kmsg.ConfigTypeString
		switch d.Kind {
		case config.Bool:
			kind = kmsg.ConfigTypeBoolean
		case config.Ratio:
			kind = kmsg.ConfigTypeDouble
		case config.Int, config.Bytes:
			kind = kmsg.ConfigTypeLong
			if d.Max <= 1<<31-1 {
				kind = kmsg.ConfigTypeInt
			}
		}
		c := api.StaticConfig{Name: v.Key, Value: v.Value, Default: v.Origin == config.FromDefault, Standard: d.Plain(v.Default), Type: kind, Doc: d.Doc}
		out = append(out, c)
	}
	return out
}

// source shows the broker to the admin address, also while there is none yet.
type source struct {
	settings *config.Settings
	broker   atomic.Pointer[broker.Broker]
	stopping atomic.Bool
}

func (s *source) Healthy() error {
	if b := s.broker.Load(); b != nil {
		return b.Err()
	}
	return nil
}

func (s *source) Ready() error {
	b := s.broker.Load()
	switch {
	case b == nil:
		return admin.ErrStarting
	case s.stopping.Load():
		return errors.New("stopping")
	}
	return b.ReadyErr()
}

func (s *source) Actors() []actorsystem.Info {
	if b := s.broker.Load(); b != nil {
		return b.System().Actors()
	}
	return nil
}

func (s *source) RestartsByKind() map[string]uint64 {
	if b := s.broker.Load(); b != nil {
		return b.System().RestartsByKind()
	}
	return nil
}

func (s *source) Status() any {
	if b := s.broker.Load(); b != nil {
		return b.Status()
	}
	return map[string]string{"state": "starting"}
}

func (s *source) Cleaner() any {
	if b := s.broker.Load(); b != nil {
		return b.Cleaner()
	}
	return map[string]string{"state": "starting"}
}

func (s *source) Settings() []config.Value { return s.settings.Values() }

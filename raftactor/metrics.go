package raftactor

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the raft actor does.
type Metrics struct {
	appliedConf, appliedNormal prometheus.Counter
	proposals, dropped         prometheus.Counter
	leaderChanges              prometheus.Counter
	walAppends                 prometheus.Counter
	snapshotsRefused           prometheus.Counter
	groups, viewBytes          prometheus.Gauge
}

// NewMetrics registers the raft actor's metrics with reg; nil registers nowhere.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	applied := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_raft_applied_entries_total",
		Help: "Committed raft entries applied, by kind: conf (configuration changes) or normal."}, []string{"kind"})
	m := &Metrics{
		appliedConf:      applied.WithLabelValues("conf"),
		appliedNormal:    applied.WithLabelValues("normal"),
		proposals:        counter("troupe_raft_proposals_total", "Proposals appended to a raft log by its leader here."),
		dropped:          counter("troupe_raft_proposals_dropped_total", "Proposals returned to their proposer without being committed."),
		leaderChanges:    counter("troupe_raft_leader_changes_total", "Changes of leader seen by groups of this broker."),
		walAppends:       counter("troupe_raft_wal_appends_total", "Appends sent to the write-ahead log, each for all groups of a drain."),
		snapshotsRefused: counter("troupe_raft_snapshots_refused_total", "Snapshots offered by a leader that this broker did not take."),
		groups:           gauge("troupe_raft_groups", "Raft groups open on this broker."),
		viewBytes:        gauge("troupe_raft_log_view_bytes", "Payload bytes of durable entries kept in memory by the log views."),
	}
	if reg != nil {
		reg.MustRegister(applied, m.proposals, m.dropped, m.leaderChanges, m.walAppends, m.snapshotsRefused, m.groups, m.viewBytes)
	}
	return m
}

package wal

import "github.com/prometheus/client_golang/prometheus"

// Metrics are the write-ahead log's counters.
type Metrics struct {
	Syncs         prometheus.Counter
	SyncSeconds   prometheus.Histogram
	GroupAppends  prometheus.Histogram // appends a write carried
	GroupBytes    prometheus.Histogram // bytes a write carried, padding included
	WrittenBytes  prometheus.Counter
	LiveFiles     prometheus.Gauge
	LiveBytes     prometheus.Gauge // of files that recovery would read
	RecycledTotal prometheus.Counter
	MovedRecords  prometheus.Counter
	PressureTotal prometheus.Counter
	BlockedTotal  prometheus.Counter // times appends had to wait for a file
	NoSpaceTotal  prometheus.Counter // times a file could not be prepared
}

// NewMetrics makes the metrics and registers them; r may be nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_wal_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_wal_" + name, Help: help})
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_wal_" + name, Help: help, Buckets: buckets})
	}
	m := &Metrics{
		Syncs:         counter("syncs_total", "Durable writes of the write-ahead log."),
		SyncSeconds:   histogram("sync_seconds", "Time of one durable write.", prometheus.ExponentialBuckets(25e-6, 2, 16)),
		GroupAppends:  histogram("group_commit_appends", "Appends that one durable write carried.", prometheus.ExponentialBuckets(1, 2, 12)),
		GroupBytes:    histogram("group_commit_bytes", "Bytes that one durable write carried.", prometheus.ExponentialBuckets(blockSize, 2, 13)),
		WrittenBytes:  counter("written_bytes_total", "Bytes written, padding included."),
		LiveFiles:     gauge("live_files", "Files in use, spares not counted."),
		LiveBytes:     gauge("live_bytes", "Size of the files in use, spares not counted."),
		RecycledTotal: counter("recycled_files_total", "Files that were recycled or deleted because nothing needs them."),
		MovedRecords:  counter("moved_records_total", "Records of slow groups copied forward."),
		PressureTotal: counter("pressure_total", "Requests to checkpoint sent to the owners of groups."),
		BlockedTotal:  counter("blocked_total", "Times appends had to wait for a file."),
		NoSpaceTotal:  counter("no_space_total", "Times a file could not be prepared."),
	}
	if r != nil {
		r.MustRegister(m.Syncs, m.SyncSeconds, m.GroupAppends, m.GroupBytes, m.WrittenBytes, m.LiveFiles, m.LiveBytes,
			m.RecycledTotal, m.MovedRecords, m.PressureTotal, m.BlockedTotal, m.NoSpaceTotal)
	}
	return m
}

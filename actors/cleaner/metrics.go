package cleaner

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/troupe-io/troupe/storage/compact"
)

// Metrics counts what the cleaner does.
type Metrics struct {
	runs, failures                             prometheus.Counter
	bytesRead, bytesWritten, bytesReclaimed    prometheus.Counter
	recordsRead, recordsDropped                prometheus.Counter
	seconds                                    prometheus.Histogram
	logs, failing, dirtiest, running, fraction prometheus.Gauge
}

// NewMetrics registers the metrics; a nil reg keeps them to itself.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	register := func(c prometheus.Collector) {
		if reg != nil {
			reg.MustRegister(c)
		}
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_cleaner_" + name, Help: help})
		register(c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_cleaner_" + name, Help: help})
		register(g)
		return g
	}
	m := &Metrics{
		runs:           counter("runs_total", "Rounds of log compaction that were finished."),
		failures:       counter("failures_total", "Rounds of log compaction that failed."),
		bytesRead:      counter("read_bytes_total", "Bytes that compaction read from segments."),
		bytesWritten:   counter("written_bytes_total", "Bytes that compaction wrote to segments."),
		bytesReclaimed: counter("reclaimed_bytes_total", "Bytes by which finished rounds made logs smaller."),
		recordsRead:    counter("read_records_total", "Records that finished rounds went through."),
		recordsDropped: counter("dropped_records_total", "Records that finished rounds removed."),
		logs:           gauge("logs", "Logs on this broker whose topics are compacted."),
		failing:        gauge("failing_logs", "Compacted logs whose last round failed."),
		dirtiest:       gauge("max_dirty_ratio", "Largest share of a compacted log that is new since its last round."),
		running:        gauge("running", "1 while a log is being compacted."),
		fraction:       gauge("progress_ratio", "How far the round under way is, 0 to 1."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_cleaner_run_seconds", Help: "How long finished rounds took.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 10)}),
	}
	register(m.seconds)
	return m
}

// count brings the counters up to date with the job.
func (c *cleaner) count() {
	s := c.job.Stats()
	c.Metrics.bytesRead.Add(float64(s.BytesRead - c.counted.BytesRead))
	c.Metrics.bytesWritten.Add(float64(s.BytesWritten - c.counted.BytesWritten))
	c.counted = s
}

func (m *Metrics) finished(took time.Duration, s *compact.Stats) {
	m.runs.Inc()
	m.seconds.Observe(took.Seconds())
	m.bytesReclaimed.Add(float64(max(0, s.BytesBefore-s.BytesAfter)))
	m.recordsRead.Add(float64(s.RecordsRead))
	m.recordsDropped.Add(float64(s.RecordsDropped))
}

func (m *Metrics) failed() { m.failures.Inc() }

func (m *Metrics) looked(logs int, dirtiest float64, failing int) {
	m.logs.Set(float64(logs))
	m.dirtiest.Set(dirtiest)
	m.failing.Set(float64(failing))
}

func (m *Metrics) progress(at *Current) {
	if at == nil {
		m.running.Set(0)
		m.fraction.Set(0)
		return
	}
	m.running.Set(1)
	m.fraction.Set(at.Progress)
}

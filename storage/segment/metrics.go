package segment

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the logs of a broker do. Made by NewMetrics; a nil *Metrics counts nothing.
type Metrics struct {
	bytesWritten, writes, syncs    prometheus.Counter
	syncSeconds                    prometheus.Histogram
	chunkWaits                     prometheus.Counter
	readsMemory, readsFile         prometheus.Counter
	bytesMemory, bytesFile         prometheus.Counter
	indexRebuilds, segmentsDeleted prometheus.Counter
	rolls                          prometheus.Counter
}

// NewMetrics registers the metrics of this package, those of pool and files included.
func NewMetrics(r prometheus.Registerer, pool *ChunkPool, files *FileCache) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_segment_" + name, Help: help})
		r.MustRegister(c)
		return c
	}
	bySource := func(name, help string) (memory, file prometheus.Counter) {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_segment_" + name, Help: help}, []string{"source"})
		r.MustRegister(v)
		return v.WithLabelValues("memory"), v.WithLabelValues("file")
	}
	m := &Metrics{
		bytesWritten:    counter("written_bytes_total", "Bytes written to .log files, rewritten and padding blocks included."),
		writes:          counter("writes_total", "Writes to .log files."),
		syncs:           counter("syncs_total", "fdatasync calls on segment files."),
		chunkWaits:      counter("chunk_waits_total", "Appends refused because the chunk pool or a log's unwritten limit was exhausted."),
		indexRebuilds:   counter("index_rebuilds_total", "Segments whose indexes were missing or wrong and were rebuilt."),
		segmentsDeleted: counter("deleted_total", "Segments deleted by retention or DeleteRecords."),
		rolls:           counter("rolls_total", "Segments closed because of size, age or a full index."),
		syncSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "troupe_segment_sync_seconds",
			Help: "Latency of syncing one log's files.", Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16)}),
	}
	r.MustRegister(m.syncSeconds)
	m.readsMemory, m.readsFile = bySource("reads_total", "Reads, by where most of their bytes came from.")
	m.bytesMemory, m.bytesFile = bySource("read_bytes_total", "Bytes handed to readers, by source.")
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_segment_tail_cache_bytes",
		Help: "Memory held by the tail caches of all logs."}, func() float64 { return float64(pool.UsedBytes()) }))
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "troupe_segment_open_files",
		Help: "Open segment files."}, func() float64 { return float64(files.Open()) }))
	return m
}

func (m *Metrics) refused() {
	if m != nil {
		m.chunkWaits.Inc()
	}
}

func (m *Metrics) wrote(n int) {
	if m != nil {
		m.writes.Inc()
		m.bytesWritten.Add(float64(n))
	}
}

func (m *Metrics) synced(calls int, seconds float64) {
	if m != nil {
		m.syncs.Add(float64(calls))
		m.syncSeconds.Observe(seconds)
	}
}

func (m *Metrics) rebuilt() {
	if m != nil {
		m.indexRebuilds.Inc()
	}
}

func (m *Metrics) deleted(n int) {
	if m != nil {
		m.segmentsDeleted.Add(float64(n))
	}
}

func (m *Metrics) rolled() {
	if m != nil {
		m.rolls.Inc()
	}
}

func (m *Metrics) read(memory, file int64) {
	if m == nil {
		return
	}
	if memory >= file {
		m.readsMemory.Inc()
	} else {
		m.readsFile.Inc()
	}
	if memory > 0 {
		m.bytesMemory.Add(float64(memory))
	}
	if file > 0 {
		m.bytesFile.Add(float64(file))
	}
}

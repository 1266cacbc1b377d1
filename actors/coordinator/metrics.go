package coordinator

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what all coordinators of a broker do.
type Metrics struct {
	Requests   prometheus.Counter
	Records    prometheus.Counter // appended
	Batches    prometheus.Counter // appended
	Refused    prometheus.Counter // batches that the partition refused
	Loads      prometheus.Counter
	Skipped    prometheus.Counter // records that could not be read while loading
	Overloaded prometheus.Counter // requests refused for want of memory
	Active     prometheus.Gauge   // coordinators that serve
}

// NewMetrics registers the metrics; a nil reg keeps them to itself.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_coordinator_" + name, Help: help})
		if reg != nil {
			reg.MustRegister(c)
		}
		return c
	}
	m := &Metrics{
		Requests:   counter("requests_total", "Requests to group coordinators."),
		Records:    counter("records_total", "Records that group coordinators appended."),
		Batches:    counter("batches_total", "Record batches that group coordinators appended."),
		Refused:    counter("refused_batches_total", "Record batches of group coordinators that their partition refused."),
		Loads:      counter("loads_total", "Times that a group coordinator began to read its partition."),
		Skipped:    counter("skipped_records_total", "Records that a group coordinator could not read while loading."),
		Overloaded: counter("overloaded_total", "New members and groups that were told to try again, for want of memory."),
		Active:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_coordinator_active", Help: "Group coordinators that serve."}),
	}
	if reg != nil {
		reg.MustRegister(m.Active)
	}
	return m
}

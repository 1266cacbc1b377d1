package quota

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts throttles by quota.
type Metrics struct {
	count, seconds [Kinds]prometheus.Counter
}

// NewMetrics registers the counters; r may be nil.
func NewMetrics(r prometheus.Registerer) *Metrics {
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_quota_throttles_total",
		Help: "Requests (or connections) that went over a quota, by quota."}, []string{"quota"})
	seconds := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_quota_throttle_seconds_total",
		Help: "Time for which clients were told to wait because of a quota, by quota."}, []string{"quota"})
	m := &Metrics{}
	for k := range Kinds {
		m.count[k], m.seconds[k] = count.WithLabelValues(k.Key()), seconds.WithLabelValues(k.Key())
	}
	if r != nil {
		r.MustRegister(count, seconds)
	}
	return m
}

func (m *Metrics) throttled(k Kind, ms int32) {
	m.count[k].Inc()
	m.seconds[k].Add(float64(ms) / 1000)
}

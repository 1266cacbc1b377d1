package connection

// This file owns what is counted at the front door. Label children are resolved once, at start.

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
)

// closeReason is why a connection ended.
type closeReason int

const (
	closedByClient closeReason = iota
	closedDrained
	closedIdle
	closedSlowReader
	closedSlowFrame
	closedBadFrame
	closedBadRequest
	closedUnserved
	closedByHandler
	closedIOError
	closedPanic
	closedTooMany
	closedThrottled
	closeReasons
)

var closeReasonNames = [closeReasons]string{"client", "drained", "idle", "slow_reader", "slow_frame", "bad_frame", "bad_request",
	"unserved_version", "handler", "io_error", "panic", "max_connections", "connection_quota"}

// Metrics counts for all listeners of a broker.
type Metrics struct {
	accepted prometheus.Counter
	refused  prometheus.Counter
	open     prometheus.Gauge
	silent   prometheus.Gauge
	muted    prometheus.Gauge
	closed   [closeReasons]prometheus.Counter
	bytesIn  prometheus.Counter
	bytesOut prometheus.Counter
	inFlight prometheus.Gauge
	calls    map[int16]prometheus.Observer
}

// NewMetrics registers the counters of the front door.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		accepted: prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_connection_accepted_total", Help: "Connections accepted."}),
		refused:  prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_connection_accept_failures_total", Help: "Attempts to accept a connection that the system refused: mostly for want of file descriptors."}),
		open:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_connection_open", Help: "Connections open now."}),
		silent:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_connection_silent", Help: "Open connections whose clients say nothing at the moment: they have no goroutine."}),
		muted:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_connection_muted", Help: "Connections with a request that is not read yet because the client went over a quota."}),
		bytesIn:  prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_connection_received_bytes_total", Help: "Bytes of requests read."}),
		bytesOut: prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_connection_sent_bytes_total", Help: "Bytes of answers written."}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_connection_in_flight_bytes", Help: "Bytes of requests that are not yet answered."}),
		calls:    map[int16]prometheus.Observer{},
	}
	closed := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_connection_closed_total", Help: "Connections closed, by reason."}, []string{"reason"})
	calls := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "troupe_connection_request_seconds", Help: "From the last byte of a request read to its answer handed to the socket, by API.",
		Buckets: prometheus.ExponentialBuckets(0.00025, 4, 9),
	}, []string{"api"})
	for i, name := range closeReasonNames {
		m.closed[i] = closed.WithLabelValues(name)
	}
	for _, route := range api.Routes() {
		m.calls[route.Key] = calls.WithLabelValues(kmsg.NameForKey(route.Key))
	}
	if r != nil {
		r.MustRegister(m.accepted, m.refused, m.open, m.silent, m.muted, m.bytesIn, m.bytesOut, m.inFlight, closed, calls)
	}
	return m
}

func (m *Metrics) answered(key int16, took time.Duration) {
	if o := m.calls[key]; o != nil {
		o.Observe(took.Seconds())
	}
}

package admin

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry makes the registry that a broker's rooms register with, holding the Go runtime's and the process's metrics.
func NewRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_build_info", Help: "Always 1; the labels tell the build.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	info.Set(1)
	r.MustRegister(info)
	return r
}

// actorMetrics counts actors when it is asked, so that handling a message costs nothing.
type actorMetrics struct {
	src                                          Source
	count, depth, depthMax, oldestMax, restarted *prometheus.Desc
}

// NewActorMetrics collects what Source tells of actors, by kind.
func NewActorMetrics(src Source) prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("troupe_actor_"+name, help, []string{"kind"}, nil)
	}
	return &actorMetrics{src: src,
		count:     prometheus.NewDesc("troupe_actors", "Live actors, by kind and state.", []string{"kind", "state"}, nil),
		depth:     desc("mailbox_depth", "Messages waiting in all mailboxes of a kind."),
		depthMax:  desc("mailbox_depth_max", "Messages waiting in the fullest mailbox of a kind."),
		oldestMax: desc("mailbox_oldest_seconds", "Age of the oldest message waiting in any mailbox of a kind."),
		restarted: desc("restarts_total", "Restarts of actors by their supervisors since start, by kind."),
	}
}

func (m *actorMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.count, m.depth, m.depthMax, m.oldestMax, m.restarted} {
		ch <- d
	}
}

func (m *actorMetrics) Collect(ch chan<- prometheus.Metric) {
	type kindState struct{ kind, state string }
	type sums struct{ depth, depthMax, oldestMs float64 }
	counts, kinds := map[kindState]float64{}, map[string]*sums{}
	for _, a := range m.src.Actors() {
		counts[kindState{a.Kind, string(a.State)}]++
		s := kinds[a.Kind]
		if s == nil {
			s = &sums{}
			kinds[a.Kind] = s
		}
		s.depth += float64(a.MailboxDepth)
		s.depthMax = max(s.depthMax, float64(a.MailboxDepth))
		s.oldestMs = max(s.oldestMs, float64(a.MailboxOldestMs))
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for k, n := range counts {
		gauge(m.count, n, k.kind, k.state)
	}
	restarts := m.src.RestartsByKind()
	for kind, s := range kinds {
		gauge(m.depth, s.depth, kind)
		gauge(m.depthMax, s.depthMax, kind)
		gauge(m.oldestMax, s.oldestMs/1000, kind)
		if _, ok := restarts[kind]; !ok {
			ch <- prometheus.MustNewConstMetric(m.restarted, prometheus.CounterValue, 0, kind)
		}
	}
	for kind, n := range restarts {
		ch <- prometheus.MustNewConstMetric(m.restarted, prometheus.CounterValue, float64(n), kind)
	}
}

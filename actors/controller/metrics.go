package controller

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts what the controller does.
type Metrics struct {
	commands        [kindAlterQuotas + 1]prometheus.Counter
	topics          prometheus.Gauge
	partitions      prometheus.Gauge
	appliedIndex    prometheus.Gauge
	checkpoints     prometheus.Counter
	checkpointBytes prometheus.Gauge
}

var kindNames = [...]string{kindCreateCluster: "create_cluster", kindRegisterBroker: "register_broker", kindCreateTopics: "create_topics",
	kindDeleteTopics: "delete_topics", kindCreatePartitions: "create_partitions", kindAlterConfigs: "alter_configs",
	kindAllocateProducerIDs: "allocate_producer_ids", kindAlterQuotas: "alter_quotas"}

// NewMetrics registers the controller's metrics with reg, which may be nil.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		topics:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_controller_topics", Help: "Topics in the cluster."}),
		partitions:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_controller_partitions", Help: "Partitions in the cluster."}),
		appliedIndex: prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_controller_image_index", Help: "Applied index of the published metadata image."}),
		checkpoints:  prometheus.NewCounter(prometheus.CounterOpts{Name: "troupe_controller_checkpoints_total", Help: "Checkpoints of the metadata."}),
		checkpointBytes: prometheus.NewGauge(prometheus.GaugeOpts{Name: "troupe_controller_checkpoint_bytes",
			Help: "Size of the newest metadata checkpoint."}),
	}
	commands := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "troupe_controller_commands_total",
		Help: "Metadata commands applied, by kind."}, []string{"kind"})
	for kind, name := range kindNames {
		if name != "" {
			m.commands[kind] = commands.WithLabelValues(name)
		}
	}
	if reg != nil {
		reg.MustRegister(m.topics, m.partitions, m.appliedIndex, m.checkpoints, m.checkpointBytes, commands)
	}
	return m
}

func (m *Metrics) applied(kind byte) { m.commands[kind].Inc() }

func (m *Metrics) published(i *Image, partitions int) {
	m.topics.Set(float64(i.TopicCount()))
	m.partitions.Set(float64(partitions))
	m.appliedIndex.Set(float64(i.Index))
}

func (m *Metrics) checkpointed(bytes int) {
	m.checkpoints.Inc()
	m.checkpointBytes.Set(float64(bytes))
}

package broker

import (
	"sort"

	"github.com/prometheus/client_golang/prometheus"
)

// Status is a broker in summary (GET /v1/status).
type Status struct {
	NodeID     int32             `json:"node_id"`
	ClusterID  string            `json:"cluster_id"`
	Version    string            `json:"version"`
	Ready      bool              `json:"ready"`
	Why        string            `json:"why,omitempty"` // not ready
	DiskFull   bool              `json:"disk_full"`
	Partitions []PartitionStatus `json:"partitions"`
}

// PartitionStatus is one partition replica.
type PartitionStatus struct {
	Topic         string `json:"topic"`
	Partition     int32  `json:"partition"`
	Group         uint64 `json:"raft_group"`
	Leader        int32  `json:"leader"`
	Epoch         int32  `json:"leader_epoch"`
	StartOffset   int64  `json:"log_start_offset"`
	HighWatermark int64  `json:"high_watermark"`
	Bytes         int64  `json:"bytes"`
	Offline       string `json:"offline,omitempty"`
}

// Status is a summary for people and programs (GET /v1/status); it marshals to JSON.
func (b *Broker) Status() any {
	s := Status{NodeID: b.cfg.NodeID, ClusterID: b.ClusterID(), Version: b.cfg.Version, DiskFull: b.parts.disk.Full(), Partitions: []PartitionStatus{}}
	if err := b.ReadyErr(); err != nil {
		s.Why = err.Error()
	} else {
		s.Ready = true
	}
	for _, r := range b.parts.directory.All() {
		l := r.Leadership()
		p := PartitionStatus{Topic: r.Topic, Partition: r.Partition, Group: uint64(r.Group), Leader: l.Leader, Epoch: l.Epoch, Offline: r.Offline()}
		if reader := r.Reader(); reader != nil {
			bounds := reader.Bounds()
			p.StartOffset, p.HighWatermark, p.Bytes = bounds.Start, bounds.HighWatermark, reader.SizeBytes()
		}
		s.Partitions = append(s.Partitions, p)
	}
	sort.Slice(s.Partitions, func(i, j int) bool {
		a, b := &s.Partitions[i], &s.Partitions[j]
		return a.Topic < b.Topic || a.Topic == b.Topic && a.Partition < b.Partition
	})
	return s
}

// Cleaner is what log compaction does (GET /v1/cleaner); it marshals to JSON.
func (b *Broker) Cleaner() any { return b.parts.cleaner.Load() }

// registerMemory shows what the bounded caches hold that no room shows itself.
func registerMemory(reg prometheus.Registerer, p *parts) {
	if reg == nil {
		return
	}
	gauge := func(name, help string, value func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("troupe_frames_in_use_bytes", "Request buffers that something still needs.", func() float64 { return float64(p.frames.InUse()) })
	gauge("troupe_frames_kept_bytes", "Free request buffers kept for reuse.", func() float64 { return float64(p.frames.Kept()) })
	gauge("troupe_disk_full", "1 while produce is refused because the disk is full.", func() float64 {
		if p.disk.Full() {
			return 1
		}
		return 0
	})
	gauge("troupe_partitions", "Partition replicas on this broker.", func() float64 { return float64(len(p.directory.All())) })
}

package controller

import "math"

// This file owns the fields of each command, written and read side by side.

var commandReaders = map[byte]func(*reader) command{
	kindCreateCluster:       readCreateCluster,
	kindRegisterBroker:      func(r *reader) command { return &registerBroker{broker: r.broker()} },
	kindCreateTopics:        readCreateTopics,
	kindDeleteTopics:        readDeleteTopics,
	kindCreatePartitions:    readCreatePartitions,
	kindAlterConfigs:        readAlterConfigs,
	kindAllocateProducerIDs: func(r *reader) command { return &allocateProducerIDs{broker: r.int32(), count: r.int32()} },
	kindAlterQuotas:         readAlterQuotas,
}

func (c *createCluster) write(w *writer) {
	w.string(c.id)
	w.values(c.defaults)
}

func readCreateCluster(r *reader) command {
	return &createCluster{id: r.string(), defaults: r.values()}
}

func (c *registerBroker) write(w *writer) { w.broker(c.broker) }

func (c *createTopics) write(w *writer) {
	w.uint(uint64(len(c.topics)))
	for i := range c.topics {
		t := &c.topics[i]
		w.string(t.Name)
		w.id(t.ID)
		w.bool(t.Internal)
		w.int(int64(t.Partitions))
		w.int(int64(t.ReplicationFactor))
		w.uint(uint64(len(t.Assignments)))
		for _, a := range t.Assignments {
			w.int(int64(a.Partition))
			w.ints(a.Replicas)
		}
		w.uint(uint64(len(t.Configs)))
		for _, s := range t.Configs {
			w.string(s.Name)
			w.string(s.Value)
		}
	}
}

func readCreateTopics(r *reader) command {
	c := &createTopics{topics: make([]NewTopic, r.count(22))}
	for i := range c.topics {
		t := &c.topics[i]
		t.Name, t.ID, t.Internal = r.string(), r.id(), r.bool()
		t.Partitions = r.int32()
		t.ReplicationFactor = int16(r.int(math.MinInt16, math.MaxInt16))
		if n := r.count(2); n > 0 {
			t.Assignments = make([]Assignment, n)
			for j := range t.Assignments {
				t.Assignments[j] = Assignment{Partition: r.int32(), Replicas: r.ints()}
			}
		}
		if n := r.count(2); n > 0 {
			t.Configs = make([]Setting, n)
			for j := range t.Configs {
				t.Configs[j] = Setting{Name: r.string(), Value: r.string()}
			}
		}
	}
	return c
}

func (c *deleteTopics) write(w *writer) {
	w.uint(uint64(len(c.ids)))
	for _, id := range c.ids {
		w.id(id)
	}
}

func readDeleteTopics(r *reader) command {
	c := &deleteTopics{ids: make([]TopicID, r.count(16))}
	for i := range c.ids {
		c.ids[i] = r.id()
	}
	return c
}

func (c *createPartitions) write(w *writer) {
	w.uint(uint64(len(c.topics)))
	for i := range c.topics {
		t := &c.topics[i]
		w.string(t.Name)
		w.int(int64(t.Count))
		w.bool(t.Assigned)
		w.uint(uint64(len(t.Assignments)))
		for _, replicas := range t.Assignments {
			w.ints(replicas)
		}
	}
}

func readCreatePartitions(r *reader) command {
	c := &createPartitions{topics: make([]MorePartitions, r.count(4))}
	for i := range c.topics {
		t := &c.topics[i]
		t.Name, t.Count, t.Assigned = r.string(), r.int32(), r.bool()
		if n := r.count(1); n > 0 {
			t.Assignments = make([][]int32, n)
			for j := range t.Assignments {
				t.Assignments[j] = r.ints()
			}
		}
	}
	return c
}

func (c *alterConfigs) write(w *writer) {
	w.uint(uint64(len(c.resources)))
	for i := range c.resources {
		t := &c.resources[i]
		w.byte(t.Kind)
		w.string(t.Name)
		w.bool(t.Replace)
		w.uint(uint64(len(t.Ops)))
		for _, op := range t.Ops {
			w.string(op.Name)
			w.byte(op.Op)
			w.string(op.Value)
		}
	}
}

func readAlterConfigs(r *reader) command {
	c := &alterConfigs{resources: make([]ResourceChange, r.count(4))}
	for i := range c.resources {
		t := &c.resources[i]
		t.Kind, t.Name, t.Replace = r.byte(), r.string(), r.bool()
		if n := r.count(3); n > 0 {
			t.Ops = make([]ConfigOp, n)
			for j := range t.Ops {
				t.Ops[j] = ConfigOp{Name: r.string(), Op: r.byte(), Value: r.string()}
			}
		}
	}
	return c
}

func (c *allocateProducerIDs) write(w *writer) {
	w.int(int64(c.broker))
	w.int(int64(c.count))
}

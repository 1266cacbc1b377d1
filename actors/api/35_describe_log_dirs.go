package api

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
)

// DescribeLogDirs, v1-v5.
//
//	v2     flexible
//	v3     top-level error code
//	v4     sizes of the volume, which the connection's writer asks the file system for
//	v5     cordoned directories
//
// A broker has one log directory. A null list of topics asks for all.
func init() { register(35, 1, 5, describeLogDirs) }

func describeLogDirs(c *Call) {
	req := c.Request.(*kmsg.DescribeLogDirsRequest)
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = c.Broker.LogDir
	if c.Broker.Disk.Failed() != nil {
		dir.ErrorCode = kerr.KafkaStorageError.Code
	} else {
		dir.Topics = logTopics(c.Broker, req.Topics)
	}
	if c.Version < 4 || c.Broker.LogSpace == nil {
		resp.Dirs = append(resp.Dirs, dir)
		c.Reply(resp)
		return
	}
	c.Blocking(func() {
		if total, free, err := c.Broker.LogSpace(); err != nil {
			c.Broker.Log.Warn().Err(err).Msg("cannot ask for the space of the data directory's volume")
		} else {
			dir.TotalBytes, dir.UsableBytes = total, free
		}
		resp.Dirs = append(resp.Dirs, dir)
		c.Reply(resp)
	})
}

// logTopics lists the local replicas that are asked for, in order of topic and partition.
func logTopics(b *Broker, asked []kmsg.DescribeLogDirsRequestTopic) []kmsg.DescribeLogDirsResponseDirTopic {
	var list []*partition.Replica
	if asked == nil {
		list = make([]*partition.Replica, 0, len(b.Replicas.All()))
		for _, r := range b.Replicas.All() {
			list = append(list, r)
		}
	} else {
		image := b.Metadata.Load()
		seen := map[*partition.Replica]bool{}
		for _, t := range asked {
			topic := image.Topic(t.Topic)
			if topic == nil {
				continue
			}
			for _, n := range t.Partitions {
				if r := b.Replicas.Lookup(topic.ID, n); r != nil && !seen[r] {
					seen[r] = true
					list = append(list, r)
				}
			}
		}
	}
	slices.SortFunc(list, func(a, b *partition.Replica) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	var topics []kmsg.DescribeLogDirsResponseDirTopic
	for _, r := range list {
		if len(topics) == 0 || topics[len(topics)-1].Topic != r.Topic {
			rt := kmsg.NewDescribeLogDirsResponseDirTopic()
			rt.Topic = r.Topic
			topics = append(topics, rt)
		}
		rp := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		rp.Partition = r.Partition
		if reader := r.Reader(); reader != nil {
			rp.Size = reader.SizeBytes()
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, rp)
	}
	return topics
}

package broker

import (
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/storage/vfs"
)

// The answer to CreateTopics comes when the partitions lead: who asks next, on whatever connection, hears of a leader. Many are
// created side by side, so that images overtake partitions.
func TestATopicLeadsWhenItsCreationIsAnswered(t *testing.T) {
	b := raise(t, vfs.NewMem())
	const clients, topics = 6, 25
	var all sync.WaitGroup
	for i := range clients {
		creator, other := mustDial(t, b.KafkaAddr()), mustDial(t, b.KafkaAddr())
		all.Add(1)
		go func() {
			defer all.Done()
			for n := range topics {
				name := fmt.Sprintf("topic-%d-%d", i, n)
				create := kmsg.NewPtrCreateTopicsRequest()
				create.Version, create.TimeoutMillis = 7, 20_000
				topic := kmsg.NewCreateTopicsRequestTopic()
				topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(1+n%4), 1
				create.Topics = append(create.Topics, topic)
				created, err := creator.ask(create)
				if err != nil || created.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode != 0 {
					t.Errorf("create %s: %+v, %v", name, created, err)
					return
				}
				look := kmsg.NewPtrMetadataRequest()
				look.Version = 12
				look.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
				seen, err := other.ask(look)
				if err != nil {
					t.Error(err)
					return
				}
				found := seen.(*kmsg.MetadataResponse).Topics[0]
				for _, p := range found.Partitions {
					if p.ErrorCode != 0 || p.Leader != 1 {
						t.Errorf("%s-%d: leader %d, error %d", name, p.Partition, p.Leader, p.ErrorCode)
					}
				}
				if found.ErrorCode != 0 || len(found.Partitions) != 1+n%4 {
					t.Errorf("%s: error %d, %d partitions", name, found.ErrorCode, len(found.Partitions))
				}
			}
		}()
	}
	all.Wait()
}

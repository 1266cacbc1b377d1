package api

// ElectLeaders (key 43), versions 0 to 2: v1 the kind of election (KIP-460) and an error for the whole request, v2 flexible.
//
// A partition's raft group elects its leader by itself, as soon as a majority of its replicas is there: an election is either not needed
// or cannot be forced. Asked for all partitions, those where none is needed are left out, but not their topics.

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

func init() { register(43, 0, 2, electLeaders) }

// The kinds of election.
const (
	electPreferred = 0
	electUnclean   = 1
)

func electLeaders(c *Call) {
	req := c.Request.(*kmsg.ElectLeadersRequest)
	resp := kmsg.NewPtrElectLeadersResponse()
	kind := req.ElectionType
	if c.Version == 0 {
		kind = electPreferred
	}
	answer := func(name string, partitions []int32, all bool) {
		rt := kmsg.NewElectLeadersResponseTopic()
		rt.Topic = name
		for _, number := range partitions {
			rp := kmsg.NewElectLeadersResponseTopicPartition()
			rp.Partition = number
			var message string
			if rp.ErrorCode, message = c.Broker.elect(kind, name, number); all && rp.ErrorCode == kerr.ElectionNotNeeded.Code {
				continue
			}
			rp.ErrorMessage = &message
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if kind != electPreferred && kind != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
	}
	if req.Topics == nil && resp.ErrorCode == 0 {
		c.Broker.Metadata.Load().Topics(func(t *controller.Topic) {
			numbers := make([]int32, len(t.Partitions))
			for i := range numbers {
				numbers[i] = int32(i)
			}
			answer(t.Name, numbers, true)
		})
	}
	for i := range req.Topics {
		answer(req.Topics[i].Topic, req.Topics[i].Partitions, false)
	}
	c.Reply(resp)
}

// elect says why one partition has no election.
func (b *Broker) elect(kind int8, name string, number int32) (code int16, message string) {
	if kind != electPreferred && kind != electUnclean {
		return kerr.InvalidRequest.Code, fmt.Sprintf("there is no kind of election %d: 0 is preferred, 1 is unclean", kind)
	}
	image := b.Metadata.Load()
	topic := image.Topic(name)
	if topic == nil {
		return kerr.UnknownTopicOrPartition.Code, fmt.Sprintf("there is no topic %q", name)
	}
	if number < 0 || int(number) >= len(topic.Partitions) {
		return kerr.UnknownTopicOrPartition.Code, fmt.Sprintf("topic %q has %d partitions, there is no number %d", name, len(topic.Partitions), number)
	}
	at := b.placeOf(image, topic, number)
	switch {
	case at.leader >= 0 && (kind == electUnclean || at.leader == at.replicas[0]):
		return kerr.ElectionNotNeeded.Code, fmt.Sprintf("broker %d leads already", at.leader)
	case kind == electUnclean:
		return kerr.EligibleLeadersNotAvailable.Code, "a majority of the replicas is not there; no other may lead, since acknowledged records would be lost"
	}
	return kerr.PreferredLeaderNotAvailable.Code, fmt.Sprintf("broker %d does not lead; its replica is behind or not there", at.replicas[0])
}

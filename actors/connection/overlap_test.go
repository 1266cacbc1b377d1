package connection_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/connection"
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
)

func commitRequest(topic string, partitions ...int32) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = "g", -1
	t := kmsg.OffsetCommitRequestTopic{Topic: topic}
	for _, p := range partitions {
		t.Partitions = append(t.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: p, Offset: 1})
	}
	req.Topics = append(req.Topics, t)
	return req
}

func TestCommitsReachTheirCoordinatorTogetherAndAFetchAfterThemWaits(t *testing.T) {
	groups := &coordinator.Directory{}
	d := openDoor(t, connection.Limits{}, 1<<20, func(b *api.Broker) { b.Groups = groups })
	d.stage(coordinator.Topic, "topic")
	asked := make(chan *coordinator.Request, 10)
	pid, err := d.broker.System.SpawnRoot(actorsystem.Spec{Kind: "coordinator", Name: "0", New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if r, ok := ctx.Message().(*coordinator.Request); ok {
				asked <- r
			}
		})
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.broker.System.StopWait(pid, patience) })
	groups.Set(0, pid)

	c := d.dial()
	const n = 5
	var all []byte
	for i := range int32(n) {
		all = append(all, frameOf(commitRequest("topic", 0), 7, i)...)
	}
	fetch := kmsg.NewPtrOffsetFetchRequest()
	fetch.Group = "g"
	c.write(append(all, frameOf(fetch, 7, n)...))
	var commits []*coordinator.Request
	for range n {
		r := <-asked
		if _, ok := r.Body.(*kmsg.OffsetCommitRequest); !ok {
			t.Fatalf("a %T overtook the commits", r.Body)
		}
		commits = append(commits, r)
	}
	slices.Reverse(commits)
	for i, r := range commits {
		r.Answer(group.CommitResponse(r.Body.(*kmsg.OffsetCommitRequest), protocol.ErrorCode(n-1-i)))
		select {
		case early := <-asked:
			if i < n-1 {
				t.Fatalf("a %T was asked for while commits before it waited", early.Body)
			}
			asked <- early
		default:
		}
	}
	(<-asked).Answer(&kmsg.OffsetFetchResponseGroup{Group: "g"})
	for i := range int32(n) {
		resp := c.receive(commitRequest("topic"), 7, i).(*kmsg.OffsetCommitResponse)
		if got := resp.Topics[0].Partitions[0].ErrorCode; got != int16(i) {
			t.Fatal(fmt.Sprintf("commit %d has the answer %d of another", i, got))
		}
	}
	c.receive(fetch, 7, n)
}

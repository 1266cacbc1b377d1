package behaviour

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// committedOffset is a group's committed offset of partition 0 of a topic, -1 without one.
func (b *broker) committedOffset(t *testing.T, group, topic string) int64 {
	t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	rg := kmsg.NewOffsetFetchRequestGroup()
	rt := kmsg.NewOffsetFetchRequestGroupTopic()
	rt.Topic, rt.Partitions = topic, []int32{0}
	rg.Group, rg.Topics = group, append(rg.Topics, rt)
	req.Groups = append(req.Groups, rg)
	g := ask(t, b, req, 8, kmsg.NewPtrOffsetFetchResponse()).Groups[0]
	wantCode(t, "OffsetFetch", g.ErrorCode, 0)
	return g.Topics[0].Partitions[0].Offset
}

func testGroups(t *testing.T, b *broker) {
	t.Run("the offsets of a deleted topic end with it", func(t *testing.T) {
		topic, id := b.topic(t)
		group := "group-" + topic
		commit := kmsg.NewPtrOffsetCommitRequest()
		ct := kmsg.NewOffsetCommitRequestTopic()
		cp := kmsg.NewOffsetCommitRequestTopicPartition()
		cp.Offset, ct.Topic = 7, topic
		ct.Partitions = append(ct.Partitions, cp)
		commit.Group, commit.Generation, commit.Topics = group, -1, append(commit.Topics, ct)
		for deadline := time.Now().Add(answerWithin); ; {
			code := ask(t, b, commit, 8, kmsg.NewPtrOffsetCommitResponse()).Topics[0].Partitions[0].ErrorCode
			if code == 0 {
				break
			}
			// The first group of a broker waits for its coordinator.
			if retriable := kerr.IsRetriable(kerr.ErrorForCode(code)); !retriable || time.Now().After(deadline) {
				t.Fatalf("OffsetCommit: %v", kerr.ErrorForCode(code))
			}
			find := kmsg.NewPtrFindCoordinatorRequest()
			find.CoordinatorKeys = []string{group}
			ask(t, b, find, 4, kmsg.NewPtrFindCoordinatorResponse())
		}
		if got := b.committedOffset(t, group, topic); got != 7 {
			t.Fatalf("the committed offset is %d, want 7", got)
		}
		remove := kmsg.NewPtrDeleteTopicsRequest()
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.TopicID = id
		remove.Topics = append(remove.Topics, rt)
		wantCode(t, "DeleteTopics", ask(t, b, remove, 6, kmsg.NewPtrDeleteTopicsResponse()).Topics[0].ErrorCode, 0)
		// The coordinator hears of it a moment after the answer.
		for deadline := time.Now().Add(answerWithin); b.committedOffset(t, group, topic) != -1; {
			if time.Now().After(deadline) {
				t.Fatal("the group still has its offset of the deleted topic")
			}
		}
	})
}

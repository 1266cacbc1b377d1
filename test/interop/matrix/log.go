package matrix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/test/harness"
)

// codecs by the number that a batch's attributes hold for them.
var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// storedCodecs are the codecs in the attributes of the batches that a topic's partitions store, read by a raw Fetch.
func storedCodecs(t testing.TB, b *harness.Broker, topic string, partitions int) (map[string]int, error) {
	t.Helper()
	ctx, cl, found := harness.Context(t), b.Client(), map[string]int{}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx, topic)
	if err != nil {
		return nil, err
	}
	for p := range int32(partitions) {
		ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
		if err != nil {
			return nil, err
		}
		end, _ := ends.Lookup(topic, p)
		for at := int64(0); at < end.Offset; {
			req := kmsg.NewPtrFetchRequest()
			req.MaxBytes, req.MaxWaitMillis = 1<<20, 100
			ft := kmsg.NewFetchRequestTopic()
			ft.Topic, ft.TopicID = topic, topics[topic].ID
			fp := kmsg.NewFetchRequestTopicPartition()
			fp.Partition, fp.FetchOffset, fp.PartitionMaxBytes, fp.CurrentLeaderEpoch = p, at, 1<<20, -1
			ft.Partitions = append(ft.Partitions, fp)
			req.Topics = append(req.Topics, ft)
			shards := cl.RequestSharded(ctx, req)
			if len(shards) != 1 || shards[0].Err != nil {
				return nil, fmt.Errorf("raw Fetch of %s-%d: %v", topic, p, shards)
			}
			resp := shards[0].Resp.(*kmsg.FetchResponse)
			if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
				return nil, fmt.Errorf("raw Fetch of %s-%d at %d: nothing answered", topic, p, at)
			}
			part := resp.Topics[0].Partitions[0]
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				return nil, err
			}
			before := at
			for raw := part.RecordBatches; len(raw) >= 61; {
				size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
				if size > len(raw) {
					break
				}
				found[codecs[binary.BigEndian.Uint16(raw[21:])&7]]++
				at = int64(binary.BigEndian.Uint64(raw)) + int64(binary.BigEndian.Uint32(raw[23:])) + 1
				raw = raw[size:]
			}
			if at == before {
				return nil, fmt.Errorf("raw Fetch of %s-%d at %d: no whole batch before the end %d", topic, p, at, end.Offset)
			}
		}
	}
	return found, nil
}

// stored is one record of the log.
type stored map[int32]map[int64]int // partition → offset → number

// readLog reads a topic to its end with a client that the matrix trusts.
func readLog(t testing.TB, b *harness.Broker, topic string) (stored, error) {
	t.Helper()
	total, err := end(t, b, topic)
	if err != nil {
		return nil, err
	}
	all := stored{}
	for _, r := range b.ReadAll(topic, int(sum(total))) {
		n, err := number(string(r.Key), string(r.Value))
		if err != nil {
			return nil, fmt.Errorf("%s-%d at %d: %w", topic, r.Partition, r.Offset, err)
		}
		if all[r.Partition] == nil {
			all[r.Partition] = map[int64]int{}
		}
		all[r.Partition][r.Offset] = n
	}
	return all, nil
}

// holds checks that the log has every acknowledged record, at its place where the client told it.
func (s stored) holds(acks []ack) error {
	there := map[int]bool{}
	for _, part := range s {
		for _, n := range part {
			there[n] = true
		}
	}
	for _, a := range acks {
		if !there[a.n] {
			return fmt.Errorf("record %d was acknowledged (partition %d, offset %d) and is lost", a.n, a.partition, a.offset)
		}
		if a.partition < 0 {
			continue
		}
		if n, ok := s[a.partition][a.offset]; !ok || n != a.n {
			return fmt.Errorf("record %d was acknowledged at partition %d, offset %d, where record %d is (found: %v)", a.n, a.partition, a.offset, n, ok)
		}
	}
	return nil
}

// end is the end offset of each partition.
func end(t testing.TB, b *harness.Broker, topic string) (map[int32]int64, error) {
	cl := b.Client()
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(harness.Context(t), topic)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for p, o := range ends[topic] {
		if o.Err != nil {
			return nil, o.Err
		}
		offsets[p] = o.Offset
	}
	return offsets, nil
}

// committed is the committed offset of each partition that has one.
func committed(t testing.TB, b *harness.Broker, group, topic string) (map[int32]int64, error) {
	cl := b.Client()
	defer cl.Close()
	got, err := kadm.NewClient(cl).FetchOffsets(harness.Context(t), group)
	if err != nil {
		return nil, err
	}
	offsets := map[int32]int64{}
	for p, o := range got[topic] {
		if o.Err != nil {
			return nil, o.Err
		}
		offsets[p] = o.At
	}
	return offsets, nil
}

// covered waits until a group is stable with this many members, who share the partitions with no overlap and no gap.
func covered(t testing.TB, b *harness.Broker, group, topic, protocol string, members, partitions int, within time.Duration) error {
	t.Helper()
	cl := b.Client()
	defer cl.Close()
	var last string
	for deadline := time.Now().Add(within); time.Now().Before(deadline); pause() {
		owners, state, err := assignments(t, cl, group, topic, protocol)
		if err != nil {
			last = err.Error()
			continue
		}
		var total, idle int
		all := map[int32]bool{}
		for _, owned := range owners {
			if len(owned) == 0 {
				idle++
			}
			for _, p := range owned {
				all[p] = true
				total++
			}
		}
		last = fmt.Sprintf("state %s, assignments %v", state, owners)
		if state == "Stable" && len(owners) == members && len(all) == partitions && total == partitions && idle == 0 {
			return nil
		}
	}
	return fmt.Errorf("after %s the group's %d members do not share its %d partitions: %s", within, members, partitions, last)
}

func assignments(t testing.TB, cl *kgo.Client, group, topic, protocol string) (map[string][]int32, string, error) {
	ctx, owners := harness.Context(t), map[string][]int32{}
	if protocol == "consumer" {
		req := kmsg.NewPtrConsumerGroupDescribeRequest()
		req.Groups = []string{group}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			return nil, "", err
		}
		if len(resp.Groups) != 1 || resp.Groups[0].ErrorCode != 0 {
			return nil, "", fmt.Errorf("ConsumerGroupDescribe: %+v", resp.Groups)
		}
		for _, m := range resp.Groups[0].Members {
			owners[m.MemberID] = nil
			for _, tp := range m.Assignment.TopicPartitions {
				owners[m.MemberID] = append(owners[m.MemberID], tp.Partitions...)
			}
		}
		return owners, resp.Groups[0].State, nil
	}
	described, err := kadm.NewClient(cl).DescribeGroups(ctx, group)
	if err != nil {
		return nil, "", err
	}
	g := described[group]
	if g.Err != nil {
		return nil, "", g.Err
	}
	for _, m := range g.Members {
		owners[m.MemberID] = nil
		assigned, ok := m.Assigned.AsConsumer()
		if !ok {
			continue
		}
		for _, tp := range assigned.Topics {
			if tp.Topic == topic {
				owners[m.MemberID] = append(owners[m.MemberID], tp.Partitions...)
			}
		}
	}
	return owners, g.State, nil
}

// pause is the time between two looks at something that only polling can tell.
func pause() { time.Sleep(50 * time.Millisecond) }

func sum(offsets map[int32]int64) (total int64) {
	for _, o := range offsets {
		total += o
	}
	return total
}

var errUnwanted = errors.New("not what was asked")

// wantCodec checks that all stored batches have one codec.
func wantCodec(found map[string]int, codec string) error {
	if len(found) != 1 || found[codec] == 0 {
		var have []string
		for c, n := range found {
			have = append(have, fmt.Sprintf("%d with %s", n, c))
		}
		return fmt.Errorf("the stored batches are %s, want all with %s: %w", strings.Join(have, ", "), codec, errUnwanted)
	}
	return nil
}

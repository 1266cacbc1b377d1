package protocol

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFetchPlanIsByteForByteWhatKmsgWrites(t *testing.T) {
	rnd := testRand(t)
	var plan FetchPlan
	for version := int16(0); version <= kmsg.NewPtrFetchResponse().MaxVersion(); version++ {
		for range 200 {
			resp := kmsg.NewPtrFetchResponse()
			fill(rnd, reflect.ValueOf(resp).Elem())
			resp.Version = version
			if rnd.IntN(2) == 0 {
				resp.Brokers = nil
			}
			var sizes []int64
			var records [][]byte
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					p := &resp.Topics[i].Partitions[j]
					switch rnd.IntN(3) {
					case 0: // as a fresh answer has it
						def := kmsg.NewFetchResponseTopicPartition()
						p.DivergingEpoch, p.CurrentLeader, p.SnapshotID = def.DivergingEpoch, def.CurrentLeader, def.SnapshotID
						p.AbortedTransactions = nil
						p.RecordBatches = bytes.Repeat([]byte{7}, rnd.IntN(500))
					case 1:
						p.RecordBatches = nil
					}
					size := int64(len(p.RecordBatches))
					if p.RecordBatches == nil {
						size = -1
					}
					sizes, records = append(sizes, size), append(records, p.RecordBatches)
				}
			}
			if err := plan.Encode(99, resp, sizes); err != nil {
				t.Fatal(err)
			}
			var got []byte
			last := 0
			for i, cut := range plan.Cuts {
				got = append(append(got, plan.Head[last:cut]...), records[i]...)
				last = cut
			}
			got = append(got, plan.Head[last:]...)
			want, err := AppendResponse(nil, 99, resp)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) || plan.Size != int64(len(want)) {
				t.Fatalf("v%d, size %d\n got %x\nwant %x", version, plan.Size, got, want)
			}
		}
	}
}

func TestFetchPlanRefusesFramesBeyond2GiB(t *testing.T) {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version = 12
	topic := kmsg.NewFetchResponseTopic()
	topic.Partitions = append(topic.Partitions, kmsg.NewFetchResponseTopicPartition(), kmsg.NewFetchResponseTopicPartition())
	resp.Topics = append(resp.Topics, topic)
	var plan FetchPlan
	for _, sizes := range [][]int64{{1 << 30, 1 << 30}, {1 << 31, 0}, {1}, {1, 2, 3}} {
		if plan.Encode(1, resp, sizes) == nil {
			t.Errorf("%v: no error", sizes)
		}
	}
}

package api

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFindCoordinatorInEveryVersion(t *testing.T) {
	eachVersion(t, 10, func(t *testing.T, b *Broker, version int16) {
		find := func(kind int8) (code int16, node int32, host string, port int32) {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = kind, "g", []string{"g", "h"}
			resp := ask[*kmsg.FindCoordinatorResponse](t, b, req, version)
			if version < 4 {
				return resp.ErrorCode, resp.NodeID, resp.Host, resp.Port
			}
			if len(resp.Coordinators) != 2 || resp.Coordinators[1].Key != "h" {
				t.Fatalf("%+v", resp)
			}
			c := resp.Coordinators[0]
			return c.ErrorCode, c.NodeID, c.Host, c.Port
		}
		// The first question makes the groups' topic; until it has leaders the answer is to come again.
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
			if code, _, _, _ := find(0); code != kerr.CoordinatorNotAvailable.Code {
				break
			}
		}
		if code, node, host, port := find(0); code != 0 || node != 1 || host != "broker.example" || port != 9092 {
			t.Errorf("group: %d %d %s %d", code, node, host, port)
		}
		if version == 0 {
			return
		}
		if code, node, _, _ := find(1); code != kerr.CoordinatorNotAvailable.Code || node != -1 {
			t.Errorf("transaction: %d %d", code, node)
		}
		if code, _, _, _ := find(2); code != kerr.InvalidRequest.Code {
			t.Errorf("share group: %d", code)
		}
	})
}

func TestInitProducerIDInEveryVersion(t *testing.T) {
	eachVersion(t, 22, func(t *testing.T, b *Broker, version int16) {
		start := func(change func(*kmsg.InitProducerIDRequest)) *kmsg.InitProducerIDResponse {
			req := kmsg.NewPtrInitProducerIDRequest()
			req.ProducerID, req.ProducerEpoch = -1, -1
			if change != nil {
				change(req)
			}
			return ask[*kmsg.InitProducerIDResponse](t, b, req, version)
		}
		first, second := start(nil), start(nil)
		if first.ErrorCode != 0 || first.ProducerEpoch != 0 || second.ProducerID != first.ProducerID+1 {
			t.Fatalf("%+v %+v", first, second)
		}
		if r := start(func(req *kmsg.InitProducerIDRequest) { req.TransactionalID = ptr("t") }); r.ErrorCode != kerr.CoordinatorNotAvailable.Code || r.ProducerID != -1 {
			t.Errorf("transactional: %+v", r)
		}
		if r := start(func(req *kmsg.InitProducerIDRequest) { req.TransactionalID = ptr("") }); r.ErrorCode != kerr.InvalidRequest.Code {
			t.Errorf("empty transactional id: %+v", r)
		}
		if version >= 3 {
			if r := start(func(req *kmsg.InitProducerIDRequest) { req.ProducerID = 5 }); r.ErrorCode != kerr.InvalidRequest.Code {
				t.Errorf("id without epoch: %+v", r)
			}
			if r := start(func(req *kmsg.InitProducerIDRequest) { req.ProducerID, req.ProducerEpoch = 0, 3 }); r.ErrorCode != 0 || r.ProducerID != 2 || r.ProducerEpoch != 0 {
				t.Errorf("id and epoch: %+v", r)
			}
		}
	})
}

func TestDescribeClusterInEveryVersion(t *testing.T) {
	eachVersion(t, 60, func(t *testing.T, b *Broker, version int16) {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeClusterAuthorizedOperations = true
		resp := ask[*kmsg.DescribeClusterResponse](t, b, req, version)
		if resp.ErrorCode != 0 || resp.ClusterID != b.Metadata.Load().ClusterID || resp.ControllerID != 1 || len(resp.Brokers) != 1 || resp.ClusterAuthorizedOperations != 8096 {
			t.Fatalf("%+v", resp)
		}
		if version >= 1 {
			for kind, code := range map[int8]int16{2: kerr.MismatchedEndpointType.Code, 3: kerr.UnsupportedEndpointType.Code} {
				req.EndpointType = kind
				if resp := ask[*kmsg.DescribeClusterResponse](t, b, req, version); resp.ErrorCode != code {
					t.Errorf("endpoint type %d: %+v", kind, resp)
				}
			}
		}
	})
}

func TestDescribeLogDirsInEveryVersion(t *testing.T) {
	eachVersion(t, 35, func(t *testing.T, b *Broker, version int16) {
		makeTopic(t, b, "a", 2)
		makeTopic(t, b, "b", 1)
		req := kmsg.NewPtrDescribeLogDirsRequest()
		resp := ask[*kmsg.DescribeLogDirsResponse](t, b, req, version)
		if len(resp.Dirs) != 1 || resp.Dirs[0].Dir != "/data" || len(resp.Dirs[0].Topics) != 2 || len(resp.Dirs[0].Topics[0].Partitions) != 2 {
			t.Fatalf("%+v", resp.Dirs)
		}
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 1, 9}}, {Topic: "none", Partitions: []int32{0}}}
		resp = ask[*kmsg.DescribeLogDirsResponse](t, b, req, version)
		if topics := resp.Dirs[0].Topics; len(topics) != 1 || len(topics[0].Partitions) != 1 || topics[0].Partitions[0].Partition != 1 {
			t.Fatalf("%+v", topics)
		}
		b.Disk.Fail(errors.New("the disk is gone"))
		if resp = ask[*kmsg.DescribeLogDirsResponse](t, b, req, version); resp.Dirs[0].ErrorCode != kerr.KafkaStorageError.Code {
			t.Fatalf("%+v", resp.Dirs)
		}
	})
}

package protocol

// This file owns encoding Fetch responses v4 to v18 around record bytes that stay where they are (memory or file), so
// that a connection can write or sendfile them between the pieces made here. Invariant: the pieces with the records in between are
// byte for byte what kmsg would have made.
//
// Versions: v5 log start offset, v7 sessions (KIP-227), v11 preferred replica (KIP-392), v12 flexible and diverging epoch
// (KIP-595), v13 topic ids (KIP-516), v16 node endpoints (KIP-951).

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// FetchPlan is an encoded Fetch response frame without its records: Head[:Cuts[0]], then the records of the first partition,
// Head[Cuts[0]:Cuts[1]], then those of the second, …, and after the last partition's the rest of Head.
type FetchPlan struct {
	Head []byte
	Cuts []int // one for each partition, in the order of the response
	Size int64 // of the whole frame with its 4 bytes of length and all records
}

// Encode plans the frame of the answer resp (resp.Version set; RecordBatches are not looked at) to the request with the
// given correlation id. sizes holds for each partition, over all topics in order, the bytes of records that will be
// written at its cut; -1 is a null field. Head and Cuts are reused. A frame of 2 GiB or more is an error.
func (p *FetchPlan) Encode(correlationID int32, resp *kmsg.FetchResponse, sizes []int64) error {
	version := resp.Version
	flexible := version >= 12
	p.Cuts = p.Cuts[:0]
	dst := append(p.Head[:0], 0, 0, 0, 0)
	dst = AppendResponseHeader(dst, resp.Key(), version, correlationID)
	if version >= 1 {
		dst = appendInt32(dst, resp.ThrottleMillis)
	}
	if version >= 7 {
		dst = appendInt16(dst, resp.ErrorCode)
		dst = appendInt32(dst, resp.SessionID)
	}
	dst = appendCount(dst, flexible, len(resp.Topics))
	var records int64
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if version >= 13 {
			dst = append(dst, t.TopicID[:]...)
		} else {
			dst = appendString(dst, flexible, t.Topic)
		}
		dst = appendCount(dst, flexible, len(t.Partitions))
		for j := range t.Partitions {
			if len(p.Cuts) >= len(sizes) {
				return fmt.Errorf("fetch response: %d record sizes are too few", len(sizes))
			}
			size := sizes[len(p.Cuts)]
			if size > 1<<31-1 {
				return fmt.Errorf("fetch response: %d bytes of records for one partition, a field holds 2 GiB", size)
			}
			dst = appendFetchPartition(dst, &t.Partitions[j], version)
			switch {
			case flexible:
				dst = appendUvarint(dst, int(max(size, -1)+1))
			default:
				dst = appendInt32(dst, int32(max(size, -1)))
			}
			p.Cuts = append(p.Cuts, len(dst))
			records += max(size, 0)
			if flexible {
				dst = appendFetchTags(dst, &t.Partitions[j])
			}
		}
		if flexible {
			dst = append(dst, 0)
		}
	}
	if len(p.Cuts) != len(sizes) {
		return fmt.Errorf("fetch response: %d record sizes for %d partitions", len(sizes), len(p.Cuts))
	}
	if flexible {
		nodes := make([]NodeEndpoint, 0, len(resp.Brokers))
		for i := range resp.Brokers {
			b := &resp.Brokers[i]
			nodes = append(nodes, NodeEndpoint{b.NodeID, b.Host, b.Port, b.Rack})
		}
		dst = appendNodeEndpoints(dst, nodes)
	}
	p.Head, p.Size = dst, int64(len(dst))+records
	if p.Size-4 > 1<<31-1 {
		return fmt.Errorf("fetch response: frame of %d bytes, at most 2 GiB can be sent", p.Size)
	}
	binary.BigEndian.PutUint32(dst, uint32(p.Size-4))
	return nil
}

// appendFetchPartition appends what comes before the length of the records.
func appendFetchPartition(dst []byte, p *kmsg.FetchResponseTopicPartition, version int16) []byte {
	flexible := version >= 12
	dst = appendInt32(dst, p.Partition)
	dst = appendInt16(dst, p.ErrorCode)
	dst = appendInt64(dst, p.HighWatermark)
	if version >= 4 {
		dst = appendInt64(dst, p.LastStableOffset)
	}
	if version >= 5 {
		dst = appendInt64(dst, p.LogStartOffset)
	}
	if version >= 4 {
		if p.AbortedTransactions == nil {
			dst = appendCount(dst, flexible, -1)
		} else {
			dst = appendCount(dst, flexible, len(p.AbortedTransactions))
		}
		for i := range p.AbortedTransactions {
			dst = appendInt64(dst, p.AbortedTransactions[i].ProducerID)
			dst = appendInt64(dst, p.AbortedTransactions[i].FirstOffset)
			if flexible {
				dst = append(dst, 0)
			}
		}
	}
	if version >= 11 {
		dst = appendInt32(dst, p.PreferredReadReplica)
	}
	return dst
}

// appendFetchTags appends a partition's tagged fields: diverging epoch, current leader, snapshot id, each only if set.
func appendFetchTags(dst []byte, p *kmsg.FetchResponseTopicPartition) []byte {
	diverging := p.DivergingEpoch.Epoch != -1 || p.DivergingEpoch.EndOffset != -1
	leader := p.CurrentLeader.LeaderID != -1 || p.CurrentLeader.LeaderEpoch != -1
	snapshot := p.SnapshotID.EndOffset != -1 || p.SnapshotID.Epoch != -1
	at := len(dst)
	dst = append(dst, 0)
	if diverging {
		dst[at]++
		dst = append(dst, 0, 13)
		dst = appendInt32(dst, p.DivergingEpoch.Epoch)
		dst = appendInt64(dst, p.DivergingEpoch.EndOffset)
		dst = append(dst, 0)
	}
	if leader {
		dst[at]++
		dst = appendLeaderHint(dst, 1, p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch)
	}
	if snapshot {
		dst[at]++
		dst = append(dst, 2, 13)
		dst = appendInt64(dst, p.SnapshotID.EndOffset)
		dst = appendInt32(dst, p.SnapshotID.Epoch)
		dst = append(dst, 0)
	}
	return dst
}

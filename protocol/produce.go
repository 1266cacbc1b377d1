package protocol

// This file owns decoding Produce requests v0 to v13 without copying records: the one request on the hot path that kmsg
// does not read. Invariants: Records is Frame.Bytes[Start:Start+len(Records)] with Start >= 1; the memory that decoding
// takes is bounded by the request's own size and by ProducePartitionsMax.
//
// Versions: v1 throttle time, v2 message format v1, v3 transactional id and message format v2, v7 zstd, v9 flexible,
// v10 leader hints in the answer (KIP-951), v11 and v12 transactions v2 (KIP-890), v13 topic ids (KIP-516).

import (
	"errors"
	"fmt"
)

const (
	// ProduceVersionMax is the newest version that is decoded.
	ProduceVersionMax = 13
	// ProducePartitionsMax bounds the partitions in one request.
	ProducePartitionsMax = 1 << 17

	produceKey           = 0
	produceFlexibleSince = 9
	produceTopicIDsSince = 13
)

// ProduceRequest is a decoded Produce request. Decode reuses its memory, so one can serve a connection for ever, one for
// each request in flight. It keeps what the answer needs (versions, names, ids), so that stands when the frame is gone.
type ProduceRequest struct {
	Version int16
	// TransactionalID is nil if the request has none. It is a copy, good until the next Decode.
	TransactionalID []byte
	Acks            int16
	TimeoutMs       int32
	Topics          []ProduceTopic
	Partitions      []ProducePartition // of all topics, in order

	names []byte // the copies that Name and TransactionalID alias
}

// ProduceTopic is one topic of a request.
type ProduceTopic struct {
	Name        []byte   // up to v12; a copy, good until the next Decode
	ID          [16]byte // from v13 on
	First, Last int      // its partitions are Partitions[First:Last]
}

// ProducePartition is the record set of one partition.
type ProducePartition struct {
	Topic     int32 // index into Topics
	Partition int32
	Start     int    // where Records starts in the frame
	Records   []byte // aliases the frame; nil if null
}

var errProduceTruncated = errors.New("a field does not fit the request")

// Decode reads the request body that starts at frame[at]. Bytes after it are ignored, as are unknown tagged fields. No two of Topics are
// the same afterwards and none is empty, and no two Partitions: of several record sets for one partition the last counts, as in Kafka.
func (p *ProduceRequest) Decode(frame []byte, at int, version int16) error {
	flexible, ids := version >= produceFlexibleSince, version >= produceTopicIDsSince
	p.Version, p.TransactionalID = version, nil
	p.Topics, p.Partitions, p.names = p.Topics[:0], p.Partitions[:0], p.names[:0]
	if version < 0 || version > ProduceVersionMax {
		return fmt.Errorf("produce request: version %d, 0 to %d are known", version, ProduceVersionMax)
	}
	r := reader{b: frame, at: at}
	if version >= 3 {
		p.TransactionalID = p.keep(r.bytes(flexible, 2))
	}
	p.Acks, p.TimeoutMs = r.int16(), r.int32()
	topicBytes, partitionBytes := 6, 8
	if flexible {
		topicBytes, partitionBytes = 3, 6
	}
	for topics := r.count(flexible, topicBytes); topics > 0 && !r.bad; topics-- {
		t := ProduceTopic{First: len(p.Partitions)}
		if ids {
			copy(t.ID[:], r.span(len(t.ID)))
		} else {
			name := r.bytes(flexible, 2)
			r.bad = r.bad || name == nil
			t.Name = p.keep(name)
		}
		n := r.count(flexible, partitionBytes)
		if n > ProducePartitionsMax-len(p.Partitions) || len(p.Topics) >= ProducePartitionsMax {
			return fmt.Errorf("produce request v%d: more than %d partitions", version, ProducePartitionsMax)
		}
		for ; n > 0 && !r.bad; n-- {
			part := ProducePartition{Topic: int32(len(p.Topics)), Partition: r.int32()}
			part.Records = r.bytes(flexible, 4)
			part.Start = r.at - len(part.Records)
			if flexible {
				r.skipTags()
			}
			p.Partitions = append(p.Partitions, part)
		}
		if flexible {
			r.skipTags()
		}
		t.Last = len(p.Partitions)
		p.Topics = append(p.Topics, t)
	}
	if flexible {
		r.skipTags()
	}
	if r.bad {
		return fmt.Errorf("produce request v%d at byte %d of %d: %w", version, r.at, len(frame), errProduceTruncated)
	}
	if p.repeats() {
		p.merge()
	}
	return nil
}

// keep copies s into the request's own memory; nil stays nil.
func (p *ProduceRequest) keep(s []byte) []byte {
	if len(s) == 0 {
		if s == nil {
			return nil
		}
		return []byte{}
	}
	at := len(p.names)
	p.names = append(p.names, s...) // when it grows, what was kept before stays in the old array
	return p.names[at:len(p.names):len(p.names)]
}

// Forget drops the references into the frame, so that a request waiting for its answer does not pin it.
func (p *ProduceRequest) Forget() {
	for i := range p.Partitions {
		p.Partitions[i].Records = nil
	}
}

// ProduceAnswer is the result for one partition of a request.
type ProduceAnswer struct {
	Code           ErrorCode
	Message        string        // "" is null; shown from v8 on
	Records        []RecordError // shown from v8 on
	BaseOffset     int64         // -1 on error
	AppendTimeMs   int64         // -1 with CreateTime
	LogStartOffset int64
	// Leader is the partition's leader as far as known, for NOT_LEADER_OR_FOLLOWER and the like (KIP-951, v10 on).
	Leader *LeaderHint
}

// LeaderHint names a partition's leader.
type LeaderHint struct{ NodeID, Epoch int32 }

// NodeEndpoint is how to reach a broker that a LeaderHint names (KIP-951).
type NodeEndpoint struct {
	NodeID int32
	Host   string
	Port   int32
	Rack   *string
}

// AppendResponse appends the body of the answer: answers[i] is for p.Partitions[i].
func (p *ProduceRequest) AppendResponse(dst []byte, answers []ProduceAnswer, throttleMs int32, nodes []NodeEndpoint) []byte {
	flexible := p.Version >= produceFlexibleSince
	dst = appendCount(dst, flexible, len(p.Topics))
	for i := range p.Topics {
		t := &p.Topics[i]
		if p.Version >= produceTopicIDsSince {
			dst = append(dst, t.ID[:]...)
		} else {
			dst = appendString(dst, flexible, t.Name)
		}
		dst = appendCount(dst, flexible, t.Last-t.First)
		for j := t.First; j < t.Last; j++ {
			dst = appendInt32(dst, p.Partitions[j].Partition)
			dst = answers[j].append(dst, p.Version)
		}
		if flexible {
			dst = append(dst, 0)
		}
	}
	if p.Version >= 1 {
		dst = appendInt32(dst, throttleMs)
	}
	if flexible {
		if p.Version < 10 {
			nodes = nil
		}
		dst = appendNodeEndpoints(dst, nodes)
	}
	return dst
}

func (a *ProduceAnswer) append(dst []byte, version int16) []byte {
	flexible := version >= produceFlexibleSince
	dst = appendInt16(dst, int16(a.Code))
	dst = appendInt64(dst, a.BaseOffset)
	if version >= 2 {
		dst = appendInt64(dst, a.AppendTimeMs)
	}
	if version >= 5 {
		dst = appendInt64(dst, a.LogStartOffset)
	}
	if version >= 8 {
		dst = appendCount(dst, flexible, len(a.Records))
		for i := range a.Records {
			dst = appendInt32(dst, a.Records[i].Index)
			dst = appendString(dst, flexible, a.Records[i].Message)
			if flexible {
				dst = append(dst, 0)
			}
		}
		if a.Message == "" {
			dst = appendNullString(dst, flexible)
		} else {
			dst = appendString(dst, flexible, a.Message)
		}
	}
	if flexible {
		if version < 10 || a.Leader == nil {
			return append(dst, 0)
		}
		dst = append(dst, 1) // one tagged field
		dst = appendLeaderHint(dst, 0, a.Leader.NodeID, a.Leader.Epoch)
	}
	return dst
}

// appendLeaderHint appends a tagged field of two int32 and no tagged fields of its own.
func appendLeaderHint(dst []byte, tag byte, id, epoch int32) []byte {
	dst = append(dst, tag, 9)
	dst = appendInt32(dst, id)
	dst = appendInt32(dst, epoch)
	return append(dst, 0)
}

// appendNodeEndpoints appends a tagged field section that holds the endpoints in tag 0, if there are any.
func appendNodeEndpoints(dst []byte, nodes []NodeEndpoint) []byte {
	if len(nodes) == 0 {
		return append(dst, 0)
	}
	field := appendCount(nil, true, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		field = appendInt32(field, n.NodeID)
		field = appendString(field, true, n.Host)
		field = appendInt32(field, n.Port)
		field = appendOptionalString(field, true, n.Rack)
		field = append(field, 0)
	}
	dst = append(dst, 1, 0) // one tagged field, tag 0
	dst = appendUvarint(dst, len(field))
	return append(dst, field...)
}

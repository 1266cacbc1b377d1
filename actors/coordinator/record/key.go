package record

// This file owns the keys. Invariant: ParseKey(AppendKey(k)) == k for every key of a known type.

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Type is what a record is about: the first two bytes of its key.
type Type int16

// The record types of group coordination (Kafka's group-coordinator message schemas).
const (
	OffsetCommitV0           Type = 0 // an offset as very old brokers wrote it; same fields as OffsetCommit
	OffsetCommit             Type = 1
	GroupMetadata            Type = 2 // a classic group
	ConsumerGroupMetadata    Type = 3 // KIP-848: the group's epoch
	PartitionMetadata        Type = 4 // KIP-848: topics as the group saw them; replaced by a hash in Type 3 (KIP-1101)
	MemberMetadata           Type = 5 // KIP-848: a member's subscription
	TargetAssignmentMetadata Type = 6 // KIP-848: the target assignment's epoch
	TargetAssignmentMember   Type = 7 // KIP-848: what a member is to own
	CurrentMemberAssignment  Type = 8 // KIP-848: what a member owns
	RegularExpression        Type = 16
)

// Key is a record's key. Which fields are used depends on Type; the others are zero.
type Key struct {
	Type      Type
	Group     string
	Topic     string // OffsetCommit
	Partition int32  // OffsetCommit
	Member    string // MemberMetadata, TargetAssignmentMember, CurrentMemberAssignment
	Regex     string // RegularExpression
}

// ErrUnknownType says that a record is of a type that this broker does not know (share and streams groups, newer brokers).
// A reader skips it.
var ErrUnknownType = errors.New("unknown record type")

// AppendKey appends k as it stands in a record.
func AppendKey(dst []byte, k *Key) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(k.Type))
	dst = appendString(dst, k.Group)
	switch k.Type {
	case OffsetCommitV0, OffsetCommit:
		dst = appendString(dst, k.Topic)
		dst = binary.BigEndian.AppendUint32(dst, uint32(k.Partition))
	case MemberMetadata, TargetAssignmentMember, CurrentMemberAssignment:
		dst = appendString(dst, k.Member)
	case RegularExpression:
		dst = appendString(dst, k.Regex)
	}
	return dst
}

// ParseKey decodes a record's key; the strings are copies. It fails with ErrUnknownType for a type that is not in the list.
func ParseKey(b []byte) (Key, error) {
	r := reader{src: b}
	k := Key{Type: Type(r.int16())}
	switch k.Type {
	case OffsetCommitV0, OffsetCommit:
		k.Group, k.Topic, k.Partition = r.string(), r.string(), r.int32()
	case GroupMetadata, ConsumerGroupMetadata, PartitionMetadata, TargetAssignmentMetadata:
		k.Group = r.string()
	case MemberMetadata, TargetAssignmentMember, CurrentMemberAssignment:
		k.Group, k.Member = r.string(), r.string()
	case RegularExpression:
		k.Group, k.Regex = r.string(), r.string()
	default:
		return Key{}, fmt.Errorf("record key of type %d: %w", k.Type, ErrUnknownType)
	}
	if r.bad {
		return Key{}, fmt.Errorf("record key of type %d: %d bytes are not a whole key", k.Type, len(b))
	}
	return k, nil
}

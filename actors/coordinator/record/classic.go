package record

// This file owns the values of committed offsets and classic groups. Their types and encoders are kmsg's; the decoders are
// our own because kmsg's loop over tagged fields as often as a hostile count says.

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The versions that are written: those that Kafka 4.3 writes.
const (
	offsetCommitValueVersion        = 4
	offsetCommitValueVersionExpires = 1 // the only one with an expiry time of its own (OffsetCommit v2-v4)
	groupMetadataValueVersion       = 3 // the newest that is not flexible: an older Kafka can read it
)

// Offset is the value of an OffsetCommit record.
type Offset struct {
	Offset          int64
	LeaderEpoch     int32 // -1: not told
	Metadata        string
	CommitTimestamp int64 // ms
	ExpireTimestamp int64 // ms; -1: offsets.retention.minutes decides (KIP-211)
	TopicID         [16]byte
}

// AppendOffset appends o as a record's value.
func AppendOffset(dst []byte, o *Offset) []byte {
	v := kmsg.OffsetCommitValue{
		Version: offsetCommitValueVersion, Offset: o.Offset, LeaderEpoch: o.LeaderEpoch, Metadata: o.Metadata,
		CommitTimestamp: o.CommitTimestamp, ExpireTimestamp: o.ExpireTimestamp, TopicID: o.TopicID,
	}
	if o.ExpireTimestamp != -1 {
		v.Version = offsetCommitValueVersionExpires
	}
	return v.AppendTo(dst)
}

// ParseOffset decodes the value of an OffsetCommit record, versions 0 to 4.
func ParseOffset(b []byte) (Offset, error) {
	r := reader{src: b}
	o := Offset{LeaderEpoch: -1, ExpireTimestamp: -1}
	version := r.int16()
	if err := checkVersion("offset commit", version, 4, b); err != nil {
		return Offset{}, err
	}
	o.Offset = r.int64()
	if version >= 3 {
		o.LeaderEpoch = r.int32()
	}
	if version >= 4 {
		o.Metadata = r.compactString()
	} else {
		o.Metadata = r.string()
	}
	o.CommitTimestamp = r.int64()
	if version == 1 {
		o.ExpireTimestamp = r.int64()
	}
	if version >= 4 {
		r.tags(func(tag uint32, field *reader) {
			if tag == 0 {
				o.TopicID = field.uuid()
			}
		})
	}
	return o, r.complete("offset commit", b)
}

// AppendGroup appends g as a record's value; its Version is set.
func AppendGroup(dst []byte, g *kmsg.GroupMetadataValue) []byte {
	g.Version = groupMetadataValueVersion
	return g.AppendTo(dst)
}

// ParseGroup decodes the value of a GroupMetadata record, versions 0 to 4.
func ParseGroup(b []byte) (kmsg.GroupMetadataValue, error) {
	r := reader{src: b}
	g := kmsg.NewGroupMetadataValue()
	g.Version = r.int16()
	if err := checkVersion("group metadata", g.Version, 4, b); err != nil {
		return g, err
	}
	flexible := g.Version >= 4
	str, optional, bytes := r.string, r.nullableString, r.bytes
	if flexible {
		str, optional, bytes = r.compactString, r.compactNullableString, r.compactBytes
	}
	g.ProtocolType, g.Generation = str(), r.int32()
	g.Protocol, g.Leader = optional(), optional()
	if g.Version >= 2 {
		g.CurrentStateTimestamp = r.int64()
	}
	const memberMin = 9 // the least bytes a member takes in any version
	n := 0
	if flexible {
		n = r.compactArrayLen(memberMin)
	} else {
		n = r.arrayLen(memberMin)
	}
	for range n {
		m := kmsg.NewGroupMetadataValueMember()
		m.MemberID = str()
		if g.Version >= 3 {
			m.InstanceID = optional()
		}
		m.ClientID, m.ClientHost = str(), str()
		if g.Version >= 1 {
			m.RebalanceTimeoutMillis = r.int32()
		}
		m.SessionTimeoutMillis = r.int32()
		m.Subscription, m.Assignment = bytes(), bytes()
		if flexible {
			r.tags(nil)
		}
		if r.bad {
			break
		}
		g.Members = append(g.Members, m)
	}
	if flexible {
		r.tags(nil)
	}
	return g, r.complete("group metadata", b)
}

func checkVersion(what string, version, newest int16, b []byte) error {
	if len(b) < 2 {
		return fmt.Errorf("%s value: %d bytes have no version", what, len(b))
	}
	if version < 0 || version > newest {
		return fmt.Errorf("%s value of version %d: versions 0 to %d can be read", what, version, newest)
	}
	return nil
}

func (r *reader) complete(what string, b []byte) error {
	if r.bad {
		return fmt.Errorf("%s value: %d bytes are not a whole value", what, len(b))
	}
	return nil
}

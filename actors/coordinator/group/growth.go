package group

// This file owns which requests make the coordinator hold more than it does: those that a broker without memory to spare turns away.
// What groups and members there are can always go on, commit and leave.

import "github.com/twmb/franz-go/pkg/kmsg"

// modestBytes is what a member may bring at any time, bytes of protocols' metadata.
const modestBytes = 64 << 10

// Grows says whether a request of Handle brings a new member or group, or far more of a member than is usual.
func (m *Machine) Grows(request any) bool {
	switch r := request.(type) {
	case *kmsg.JoinGroupRequest:
		if r.MemberID == unknownMember {
			return true
		}
		n := 0
		for i := range r.Protocols {
			n += len(r.Protocols[i].Name) + len(r.Protocols[i].Metadata)
		}
		return n > modestBytes
	case *kmsg.ConsumerGroupHeartbeatRequest:
		return r.MemberEpoch == 0
	case *kmsg.OffsetCommitRequest:
		return m.lookup(r.Group) == nil
	}
	return false
}

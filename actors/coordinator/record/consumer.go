package record

// This file owns the values of KIP-848 consumer groups; all are flexible, of version 0.

// GroupEpoch is the value of a ConsumerGroupMetadata record.
type GroupEpoch struct {
	Epoch        int32
	MetadataHash int64 // of the subscribed topics (KIP-1101); 0: not known
}

// TopicMetadata is one topic of the older PartitionMetadata record.
type TopicMetadata struct {
	ID         [16]byte
	Name       string
	Partitions int32
}

// Member is the value of a MemberMetadata record.
type Member struct {
	InstanceID         *string
	RackID             *string
	ClientID           string
	ClientHost         string
	Topics             []string
	Regex              *string
	RebalanceTimeoutMs int32
	ServerAssignor     *string
	Classic            *ClassicMember // set while the member speaks the classic protocol
}

// ClassicMember is what a member of the classic protocol brought with its JoinGroup.
type ClassicMember struct {
	SessionTimeoutMs int32
	Protocols        []ClassicProtocol
}

// ClassicProtocol is one protocol that a classic member supports.
type ClassicProtocol struct {
	Name     string
	Metadata []byte
}

// AssignmentEpoch is the value of a TargetAssignmentMetadata record.
type AssignmentEpoch struct {
	Epoch     int32
	Timestamp int64 // ms, when the assignment was computed (KIP-1263); 0: not known
}

// TopicPartitions is some partitions of a topic.
type TopicPartitions struct {
	TopicID    [16]byte
	Partitions []int32
	// Epochs are the member epochs at which each partition was assigned, of the same length as Partitions, or nil. Only in
	// CurrentAssignment.
	Epochs []int32
}

// CurrentAssignment is the value of a CurrentMemberAssignment record.
type CurrentAssignment struct {
	MemberEpoch, PreviousMemberEpoch int32
	State                            int8
	Assigned, PendingRevocation      []TopicPartitions
}

// ResolvedRegex is the value of a RegularExpression record.
type ResolvedRegex struct {
	Topics    []string
	Version   int64 // of the metadata it was resolved with
	Timestamp int64 // ms
}

var noTags = []byte{0}

// AppendGroupEpoch appends v as a record's value.
func AppendGroupEpoch(dst []byte, v *GroupEpoch) []byte {
	dst = appendInt32(append(dst, 0, 0), v.Epoch)
	if v.MetadataHash == 0 {
		return append(dst, noTags...)
	}
	return appendTag(append(dst, 1), 0, appendInt64(nil, v.MetadataHash))
}

// ParseGroupEpoch decodes the value of a ConsumerGroupMetadata record.
func ParseGroupEpoch(b []byte) (v GroupEpoch, err error) {
	r := reader{src: b}
	if err := checkVersion("consumer group", r.int16(), 0, b); err != nil {
		return v, err
	}
	v.Epoch = r.int32()
	r.tags(func(tag uint32, field *reader) {
		if tag == 0 {
			v.MetadataHash = field.int64()
		}
	})
	return v, r.complete("consumer group", b)
}

// AppendTopicMetadata appends topics as the value of a PartitionMetadata record.
func AppendTopicMetadata(dst []byte, topics []TopicMetadata) []byte {
	dst = appendCompactArrayLen(append(dst, 0, 0), len(topics))
	for i := range topics {
		t := &topics[i]
		dst = append(dst, t.ID[:]...)
		dst = appendCompactString(dst, t.Name)
		dst = appendInt32(dst, t.Partitions)
		dst = append(appendCompactArrayLen(dst, 0), noTags...)
	}
	return append(dst, noTags...)
}

// ParseTopicMetadata decodes the value of a PartitionMetadata record; racks, which Kafka no longer uses, are dropped.
func ParseTopicMetadata(b []byte) (topics []TopicMetadata, err error) {
	r := reader{src: b}
	if err := checkVersion("partition metadata", r.int16(), 0, b); err != nil {
		return nil, err
	}
	for range r.compactArrayLen(23) {
		t := TopicMetadata{ID: r.uuid(), Name: r.compactString(), Partitions: r.int32()}
		for range r.compactArrayLen(6) {
			r.int32()
			for range r.compactArrayLen(1) {
				r.compactString()
			}
			r.tags(nil)
		}
		r.tags(nil)
		if r.bad {
			break
		}
		topics = append(topics, t)
	}
	r.tags(nil)
	return topics, r.complete("partition metadata", b)
}

// AppendMember appends v as a record's value.
func AppendMember(dst []byte, v *Member) []byte {
	dst = appendCompactNullableString(append(dst, 0, 0), v.InstanceID)
	dst = appendCompactNullableString(dst, v.RackID)
	dst = appendCompactString(dst, v.ClientID)
	dst = appendCompactString(dst, v.ClientHost)
	dst = appendStrings(dst, v.Topics)
	dst = appendCompactNullableString(dst, v.Regex)
	dst = appendInt32(dst, v.RebalanceTimeoutMs)
	dst = appendCompactNullableString(dst, v.ServerAssignor)
	if v.Classic == nil {
		return append(dst, noTags...)
	}
	c := []byte{1} // a nullable structure: 1 says that it is there
	c = appendInt32(c, v.Classic.SessionTimeoutMs)
	c = appendCompactArrayLen(c, len(v.Classic.Protocols))
	for i := range v.Classic.Protocols {
		c = appendCompactString(c, v.Classic.Protocols[i].Name)
		c = appendCompactBytes(c, v.Classic.Protocols[i].Metadata)
		c = append(c, noTags...)
	}
	return appendTag(append(dst, 1), 0, append(c, noTags...))
}

// ParseMember decodes the value of a MemberMetadata record.
func ParseMember(b []byte) (v Member, err error) {
	r := reader{src: b}
	if err := checkVersion("member metadata", r.int16(), 0, b); err != nil {
		return v, err
	}
	v.InstanceID, v.RackID = r.compactNullableString(), r.compactNullableString()
	v.ClientID, v.ClientHost = r.compactString(), r.compactString()
	v.Topics, v.Regex = r.strings(), r.compactNullableString()
	v.RebalanceTimeoutMs, v.ServerAssignor = r.int32(), r.compactNullableString()
	r.tags(func(tag uint32, f *reader) {
		if tag != 0 || f.int8() < 0 {
			return
		}
		v.Classic = &ClassicMember{SessionTimeoutMs: f.int32()}
		for range f.compactArrayLen(3) {
			p := ClassicProtocol{Name: f.compactString(), Metadata: f.compactBytes()}
			f.tags(nil)
			if f.bad {
				break
			}
			v.Classic.Protocols = append(v.Classic.Protocols, p)
		}
		f.tags(nil)
	})
	return v, r.complete("member metadata", b)
}

// AppendAssignmentEpoch appends v as a record's value.
func AppendAssignmentEpoch(dst []byte, v *AssignmentEpoch) []byte {
	dst = appendInt32(append(dst, 0, 0), v.Epoch)
	if v.Timestamp == 0 {
		return append(dst, noTags...)
	}
	return appendTag(append(dst, 1), 0, appendInt64(nil, v.Timestamp))
}

// ParseAssignmentEpoch decodes the value of a TargetAssignmentMetadata record.
func ParseAssignmentEpoch(b []byte) (v AssignmentEpoch, err error) {
	r := reader{src: b}
	if err := checkVersion("target assignment", r.int16(), 0, b); err != nil {
		return v, err
	}
	v.Epoch = r.int32()
	r.tags(func(tag uint32, field *reader) {
		if tag == 0 {
			v.Timestamp = field.int64()
		}
	})
	return v, r.complete("target assignment", b)
}

// AppendTarget appends a member's target as the value of a TargetAssignmentMember record.
func AppendTarget(dst []byte, v []TopicPartitions) []byte {
	return append(appendPartitions(append(dst, 0, 0), v, false), noTags...)
}

// ParseTarget decodes the value of a TargetAssignmentMember record.
func ParseTarget(b []byte) ([]TopicPartitions, error) {
	r := reader{src: b}
	if err := checkVersion("target assignment of a member", r.int16(), 0, b); err != nil {
		return nil, err
	}
	v := r.partitions()
	r.tags(nil)
	return v, r.complete("target assignment of a member", b)
}

// AppendCurrent appends v as a record's value.
func AppendCurrent(dst []byte, v *CurrentAssignment) []byte {
	dst = appendInt32(append(dst, 0, 0), v.MemberEpoch)
	dst = appendInt32(dst, v.PreviousMemberEpoch)
	dst = append(dst, byte(v.State))
	dst = appendPartitions(dst, v.Assigned, true)
	dst = appendPartitions(dst, v.PendingRevocation, true)
	return append(dst, noTags...)
}

// ParseCurrent decodes the value of a CurrentMemberAssignment record.
func ParseCurrent(b []byte) (v CurrentAssignment, err error) {
	r := reader{src: b}
	if err := checkVersion("current assignment", r.int16(), 0, b); err != nil {
		return v, err
	}
	v.MemberEpoch, v.PreviousMemberEpoch, v.State = r.int32(), r.int32(), r.int8()
	v.Assigned, v.PendingRevocation = r.partitions(), r.partitions()
	r.tags(nil)
	return v, r.complete("current assignment", b)
}

// AppendRegex appends v as a record's value.
func AppendRegex(dst []byte, v *ResolvedRegex) []byte {
	dst = appendStrings(append(dst, 0, 0), v.Topics)
	dst = appendInt64(appendInt64(dst, v.Version), v.Timestamp)
	return append(dst, noTags...)
}

// ParseRegex decodes the value of a RegularExpression record.
func ParseRegex(b []byte) (v ResolvedRegex, err error) {
	r := reader{src: b}
	if err := checkVersion("regular expression", r.int16(), 0, b); err != nil {
		return v, err
	}
	v.Topics, v.Version, v.Timestamp = r.strings(), r.int64(), r.int64()
	r.tags(nil)
	return v, r.complete("regular expression", b)
}

func appendStrings(dst []byte, list []string) []byte {
	dst = appendCompactArrayLen(dst, len(list))
	for _, s := range list {
		dst = appendCompactString(dst, s)
	}
	return dst
}

func (r *reader) strings() []string {
	var list []string
	for range r.compactArrayLen(1) {
		s := r.compactString()
		if r.bad {
			break
		}
		list = append(list, s)
	}
	return list
}

func appendPartitions(dst []byte, list []TopicPartitions, epochs bool) []byte {
	dst = appendCompactArrayLen(dst, len(list))
	for i := range list {
		t := &list[i]
		dst = appendInt32s(append(dst, t.TopicID[:]...), t.Partitions)
		if !epochs || t.Epochs == nil {
			dst = append(dst, noTags...)
			continue
		}
		dst = appendTag(append(dst, 1), 0, appendInt32s(nil, t.Epochs))
	}
	return dst
}

func appendInt32s(dst []byte, list []int32) []byte {
	dst = appendCompactArrayLen(dst, len(list))
	for _, p := range list {
		dst = appendInt32(dst, p)
	}
	return dst
}

func (r *reader) partitions() []TopicPartitions {
	var list []TopicPartitions
	for range r.compactArrayLen(18) {
		t := TopicPartitions{TopicID: r.uuid(), Partitions: r.int32s()}
		r.tags(func(tag uint32, field *reader) {
			if tag != 0 {
				return
			}
			t.Epochs = field.int32s()
			field.bad = field.bad || len(t.Epochs) != len(t.Partitions)
		})
		if r.bad {
			break
		}
		list = append(list, t)
	}
	return list
}

func (r *reader) int32s() []int32 {
	n := r.compactArrayLen(4)
	if n == 0 {
		return nil
	}
	list := make([]int32, n)
	for i := range list {
		list[i] = r.int32()
	}
	return list
}

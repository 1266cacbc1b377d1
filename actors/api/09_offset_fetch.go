package api

// OffsetFetch (key 9), versions 1-10.
//
//	v2     null topics: all of the group's; an error of the whole group
//	v5     leader epoch
//	v6     flexible
//	v7     require stable (KIP-447)
//	v8     several groups
//	v9     members of KIP-848 groups
//	v10    topic ids instead of names (KIP-848)

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

func init() { register(9, 1, 10, offsetFetch) }

const (
	fetchGroupErrorVersion = 2
	fetchGroupsVersion     = 8
	fetchTopicIDVersion    = 10
)

func offsetFetch(c *Call) {
	req := c.Request.(*kmsg.OffsetFetchRequest)
	groups := req.Groups
	if c.Version < fetchGroupsVersion {
		g := kmsg.NewOffsetFetchRequestGroup()
		g.Group = req.Group
		if req.Topics != nil || c.Version < fetchGroupErrorVersion {
			g.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		}
		for i := range req.Topics {
			g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: req.Topics[i].Topic, Partitions: req.Topics[i].Partitions})
		}
		groups = []kmsg.OffsetFetchRequestGroup{g}
	}
	resp := kmsg.NewPtrOffsetFetchResponse()
	resp.Groups = make([]kmsg.OffsetFetchResponseGroup, len(groups))
	all := newGather(len(groups), func() {
		if c.Version < fetchGroupsVersion {
			singleGroup(c.Version, resp, &groups[0])
		}
		c.Reply(resp)
	})
	for i := range groups {
		c.fetchGroup(&groups[i], req.RequireStable, func(r *kmsg.OffsetFetchResponseGroup) {
			resp.Groups[i] = *r
			all.part()
		})
	}
	all.part()
}

// fetchGroup asks for one group, with names in the place of ids.
func (c *Call) fetchGroup(g *kmsg.OffsetFetchRequestGroup, stable bool, answer func(*kmsg.OffsetFetchResponseGroup)) {
	image := c.Broker.Metadata.Load()
	f := group.Fetch{Group: g.Group, MemberID: g.MemberID, MemberEpoch: g.MemberEpoch, Stable: stable}
	if g.Topics != nil {
		f.Topics = make([]kmsg.OffsetFetchRequestGroupTopic, 0, len(g.Topics))
	}
	for i := range g.Topics {
		t := g.Topics[i]
		if c.Version < fetchTopicIDVersion {
			if topic := image.Topic(t.Topic); topic != nil {
				t.TopicID = topic.ID
			}
		} else if topic := image.TopicByID(t.TopicID); topic == nil {
			continue
		} else {
			t.Topic = topic.Name
		}
		f.Topics = append(f.Topics, t)
	}
	c.coordinate(g.Group, f, func(a any) {
		r := a.(*kmsg.OffsetFetchResponseGroup)
		if c.Version >= fetchTopicIDVersion && r.ErrorCode == 0 {
			r.Topics = withIDs(image, g, r.Topics)
		}
		answer(r)
	})
}

// withIDs puts the answers into the order of the request, with an error for ids that nobody knows; without a list in the request
// topics that there are no more are left out.
func withIDs(image *controller.Image, g *kmsg.OffsetFetchRequestGroup, known []kmsg.OffsetFetchResponseGroupTopic) []kmsg.OffsetFetchResponseGroupTopic {
	var list []kmsg.OffsetFetchResponseGroupTopic
	if g.Topics == nil {
		for _, t := range known {
			if topic := image.Topic(t.Topic); topic != nil {
				t.TopicID = topic.ID
				list = append(list, t)
			}
		}
		return list
	}
	for i := range g.Topics {
		if image.TopicByID(g.Topics[i].TopicID) != nil {
			list, known = append(list, known[0]), known[1:]
			continue
		}
		list = append(list, unfetched(&g.Topics[i], protocol.ErrUnknownTopicID))
	}
	return list
}

func unfetched(t *kmsg.OffsetFetchRequestGroupTopic, err protocol.ErrorCode) kmsg.OffsetFetchResponseGroupTopic {
	r := kmsg.OffsetFetchResponseGroupTopic{Topic: t.Topic, TopicID: t.TopicID}
	metadata := ""
	for _, p := range t.Partitions {
		r.Partitions = append(r.Partitions, kmsg.OffsetFetchResponseGroupTopicPartition{
			Partition: p, Offset: -1, LeaderEpoch: -1, Metadata: &metadata, ErrorCode: int16(err)})
	}
	return r
}

// singleGroup turns the one group's answer into that of a version that knows one.
func singleGroup(version int16, resp *kmsg.OffsetFetchResponse, asked *kmsg.OffsetFetchRequestGroup) {
	g := resp.Groups[0]
	resp.Groups = nil
	if g.ErrorCode != 0 {
		if version >= fetchGroupErrorVersion {
			resp.ErrorCode = g.ErrorCode
		} else {
			for i := range asked.Topics {
				g.Topics = append(g.Topics, unfetched(&asked.Topics[i], protocol.ErrorCode(g.ErrorCode)))
			}
		}
	}
	for _, t := range g.Topics {
		rt := kmsg.OffsetFetchResponseTopic{Topic: t.Topic}
		for _, p := range t.Partitions {
			rt.Partitions = append(rt.Partitions, kmsg.OffsetFetchResponseTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Metadata: p.Metadata, ErrorCode: p.ErrorCode})
		}
		resp.Topics = append(resp.Topics, rt)
	}
}

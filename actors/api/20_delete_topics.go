package api

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
)

// DeleteTopics, v1-v6.
//
//	v4     flexible
//	v5     error message; what goes over the client's quota is refused (KIP-599)
//	v6     by name or by id
//
// A topic that is named twice, by whatever, is not deleted.
func init() { register(20, 1, 6, deleteTopics) }

func deleteTopics(c *Call) {
	req := c.Request.(*kmsg.DeleteTopicsRequest)
	d := deletion{image: c.Broker.Metadata.Load(), names: map[string]int{}, ids: map[controller.TopicID]int{}, chosen: map[controller.TopicID]int{}}
	asked := req.Topics
	if c.Version < 6 {
		asked = make([]kmsg.DeleteTopicsRequestTopic, len(req.TopicNames))
		for i := range asked {
			asked[i].Topic = &req.TopicNames[i]
		}
	}
	d.choose(asked)
	msg := &controller.DeleteTopics{}
	quota := c.mutations(5)
	for _, t := range d.list {
		switch n := d.chosen[t.id]; {
		case n == 1:
			if r := quota.mayChange(len(d.image.TopicByID(t.id).Partitions)); r != nil {
				d.chosen[t.id] = 0
				d.refuse(&t.name, t.id, r.code, r.message)
				continue
			}
			msg.IDs = append(msg.IDs, t.id)
		case n > 1:
			d.chosen[t.id] = 0 // one answer for both
			d.refuse(&t.name, t.id, kerr.InvalidRequest.Code, "the request names the topic both by name and by id")
		}
	}
	msg.TimeoutMs = req.TimeoutMillis
	msg.Done = func(a controller.Answer) {
		resp := kmsg.NewPtrDeleteTopicsResponse()
		resp.Topics = d.refused
		n := 0
		for _, t := range d.list {
			if d.chosen[t.id] != 1 {
				continue
			}
			rt := kmsg.NewDeleteTopicsResponseTopic()
			rt.Topic, rt.TopicID = &t.name, t.id
			code, message := a.Code, a.Message
			if code == 0 {
				code, message = a.Results[n].Code, a.Results[n].Message
			}
			n++
			if code == kerr.UnknownTopicID.Code && t.byName {
				code = kerr.UnknownTopicOrPartition.Code
			}
			if rt.ErrorCode = code; code != 0 {
				rt.ErrorMessage = &message
			}
			resp.Topics = append(resp.Topics, rt)
		}
		c.Reply(resp)
	}
	c.command(msg, len(msg.IDs), msg.Done)
}

// deletion sorts a request's topics into those to delete and those that are refused at once.
type deletion struct {
	image   *controller.Image
	names   map[string]int // how often each was named
	ids     map[controller.TopicID]int
	list    []doomed
	chosen  map[controller.TopicID]int
	refused []kmsg.DeleteTopicsResponseTopic
}

type doomed struct {
	name   string
	id     controller.TopicID
	byName bool
}

func (d *deletion) refuse(name *string, id controller.TopicID, code int16, message string) {
	rt := kmsg.NewDeleteTopicsResponseTopic()
	rt.Topic, rt.TopicID, rt.ErrorCode, rt.ErrorMessage = name, id, code, &message
	d.refused = append(d.refused, rt)
}

func (d *deletion) choose(asked []kmsg.DeleteTopicsRequestTopic) {
	for _, t := range asked {
		switch {
		case t.Topic != nil:
			d.names[*t.Topic]++
		default:
			d.ids[t.TopicID]++
		}
	}
	none := controller.TopicID{}
	for _, t := range asked {
		switch {
		case t.Topic != nil && t.TopicID != none:
			d.refuse(t.Topic, t.TopicID, kerr.InvalidRequest.Code, "give the topic's name or its id, not both")
		case t.Topic == nil && t.TopicID == none:
			d.refuse(nil, none, kerr.InvalidRequest.Code, "neither a name nor an id was given")
		case t.Topic != nil:
			d.byName(*t.Topic)
		default:
			d.byID(t.TopicID)
		}
	}
}

func (d *deletion) byName(name string) {
	n := d.names[name]
	d.names[name] = 0
	switch topic := d.image.Topic(name); {
	case n == 0: // a double that was answered
	case n > 1:
		d.refuse(&name, controller.TopicID{}, kerr.InvalidRequest.Code, "the request names the topic twice")
	case topic == nil:
		d.refuse(&name, controller.TopicID{}, kerr.UnknownTopicOrPartition.Code, "there is no such topic")
	default:
		d.chosen[topic.ID]++
		d.list = append(d.list, doomed{topic.Name, topic.ID, true})
	}
}

func (d *deletion) byID(id controller.TopicID) {
	n := d.ids[id]
	d.ids[id] = 0
	switch topic := d.image.TopicByID(id); {
	case n == 0:
	case n > 1:
		d.refuse(nil, id, kerr.InvalidRequest.Code, "the request gives the topic's id twice")
	case topic == nil:
		d.refuse(nil, id, kerr.UnknownTopicID.Code, "there is no topic with this id")
	default:
		d.chosen[id]++
		d.list = append(d.list, doomed{topic.Name, id, false})
	}
}

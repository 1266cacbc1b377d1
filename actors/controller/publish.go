package controller

import (
	"math"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
)

// This file owns publication: images for readers, changes for subscribers.

// subscriber is one listener.
type subscriber struct {
	pid     *actor.PID
	applied uint64 // index of the image it said it applied
	full    bool   // the next message tells everything
}

// events are what happened since the last publication. Topics are named by id and looked up in the image that is
// published, so a topic that came and went in between is in none of the lists.
type events struct {
	created      []idRange
	deleted      []*Topic
	reconfigured []TopicID
	all          bool // every topic was reconfigured
}

func (e *events) add(out *outcome) {
	e.created = append(e.created, out.created...)
	e.deleted = append(e.deleted, out.deleted...)
	e.reconfigured = append(e.reconfigured, out.reconfigured...)
	e.all = e.all || out.allReconfigured
}

// publish makes the state the newest image and tells the subscribers.
func (c *controller) publish() {
	last := c.cfg.Holder.Load()
	image := c.state.image(c.applied, int32(c.leader), last)
	if c.leader == 0 {
		image.Controller = -1
	}
	c.cfg.Holder.publish(image)
	c.cfg.Metrics.published(image, c.state.partitions)
	change := c.events.since(last, image)
	c.events = events{}
	for _, s := range c.desk.subscribers {
		if s.full {
			s.full = false
			c.cfg.System.Send(s.pid, ImageChanged{Image: image, Full: true})
		} else {
			c.cfg.System.Send(s.pid, change)
		}
	}
}

// since turns the events between two images into a message.
func (e *events) since(last, image *Image) ImageChanged {
	change := ImageChanged{Image: image}
	for _, r := range e.created {
		if t := image.TopicByID(r.topic); t != nil {
			change.Created = append(change.Created, PartitionRange{Topic: t, First: r.first, End: r.end})
		}
	}
	for _, t := range e.deleted {
		if t := last.TopicByID(t.ID); t != nil {
			change.Deleted = append(change.Deleted, t)
		}
	}
	if e.all {
		change.Reconfigured = image.TopicList()
		return change
	}
	for _, id := range e.reconfigured {
		if t := image.TopicByID(id); t != nil {
			change.Reconfigured = append(change.Reconfigured, t)
		}
	}
	return change
}

// subscribe adds a listener; it hears of the present image at once if there is one.
func (c *controller) subscribe(pid *actor.PID) {
	s := &subscriber{pid: pid, full: true}
	c.desk.remove(pid)
	c.desk.subscribers = append(c.desk.subscribers, s)
	if c.current {
		s.full = false
		c.cfg.System.Send(pid, ImageChanged{Image: c.cfg.Holder.Load(), Full: true})
	}
}

// appliedByAll is the index that every subscriber has applied; without subscribers nobody is waited for.
func (c *controller) appliedByAll() uint64 {
	lowest := uint64(math.MaxUint64)
	for _, s := range c.desk.subscribers {
		lowest = min(lowest, s.applied)
	}
	return lowest
}

func (d *desk) remove(pid *actor.PID) {
	d.subscribers = slices.DeleteFunc(d.subscribers, func(s *subscriber) bool { return s.pid.Equal(pid) })
}

func (c *controller) imageApplied(m ImageApplied) {
	for _, s := range c.desk.subscribers {
		if s.pid.Equal(m.Subscriber) {
			s.applied = max(s.applied, m.Index)
		}
	}
	c.release()
}

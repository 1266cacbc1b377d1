package broker

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/actorsystem"
)

// root is the broker's root actor: the replication subtree below it, then the listener in front of it.
//
// It is ready, and clients are let in, when this broker is in the metadata image and every partition of that image serves. A child that its
// supervisor has given up ends the broker: a part that cannot be kept running is for the operator to see.
type root struct {
	*parts
	broker      *Broker
	replication *actor.PID
	listener    *actor.PID
	groups      *actor.PID // the supervisor of the coordinators
	controller  *actor.PID
	settled     bool // the metadata is current and every partition serves
	children    *strategy
	ending      bool // asked to stop: its children end because of that
}

// replicationUp tells the root who takes the controller's messages, who supervises the group coordinators, and an orderly stop whom to
// stop in turn.
type replicationUp struct {
	controller, groups, partitions *actor.PID
	segmentWriters                 []*actor.PID
}

func (r *root) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		self, children := ctx.Self(), newStrategy()
		pid, err := r.system.Spawn(ctx, actorsystem.Spec{Kind: "replication", Name: "1", Children: children,
			New: func() actor.Actor { return &replication{parts: r.parts, root: self, children: children} }})
		if err != nil {
			r.broker.fail(err)
			return
		}
		r.replication = pid
		ctx.Watch(pid)
	case replicationUp:
		r.groups, r.controller = m.groups, m.controller
		r.system.Send(r.groups, coordinator.Settled{})
		r.broker.replication.Store(&m)
		r.serve(ctx)
	case partition.Settled:
		if r.groups != nil {
			r.system.Send(r.groups, coordinator.Settled{})
		}
		image := r.metadata.Load()
		r.settled = r.settled || image != nil && image.ClusterID != ""
		r.serve(ctx)
	case gaveUp:
		r.broker.fail(m.err)
	case *actor.Terminated:
		if !r.ending {
			r.broker.fail(r.children.gaveUp(m.Who))
		}
	case *actor.Stopping:
		r.ending = true
	}
}

// serve lets clients in, once: those that connected before wait in the socket's backlog. Before the metadata is current a broker would
// tell them that topics do not exist, which some of them believe.
func (r *root) serve(ctx actor.Context) {
	if r.listener != nil || r.controller == nil || !r.settled {
		return // the subtree restarted, where addresses stay the same; or it is not there yet
	}
	pid, err := r.system.Spawn(ctx, r.listenerSpec(r.controller))
	if err != nil {
		r.broker.fail(err)
		return
	}
	r.listener = pid
	ctx.Watch(pid)
	r.broker.readyOnce.Do(func() { close(r.broker.ready) })
}

// gaveUp tells the root that a part of the replication subtree is beyond restarting.
type gaveUp struct{ err error }

package api

// This file owns the way of a request from its connection to the coordinator of its group, and the gathering of several answers
// into one.

import (
	"strings"
	"sync/atomic"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/coordinator"
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/protocol"
)

// groupOperations: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS (KIP-430, see placement.go).
const groupOperations = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11

// coordinate has the coordinator of groupID serve body (see group.Machine.Handle); answer gets exactly one answer, on some
// goroutine that it must not block.
func (c *Call) coordinate(groupID string, body any, answer func(response any)) {
	topic := c.Broker.Metadata.Load().Topic(coordinator.Topic)
	if topic == nil || c.Broker.Groups == nil {
		answer(group.ErrorResponse(body, protocol.ErrNotCoordinator))
		return
	}
	p := coordinator.PartitionFor(groupID, int32(len(topic.Partitions)))
	pid := c.Broker.Groups.Lookup(p)
	if pid == nil {
		err := protocol.ErrNotCoordinator
		if c.Broker.Replicas.Lookup(topic.ID, p) != nil {
			err = protocol.ErrCoordinatorNotAvailable // it is being started, or was given up
		}
		answer(group.ErrorResponse(body, err))
		return
	}
	c.Broker.System.Send(pid, &coordinator.Request{
		Client: group.Client{ID: c.ClientID, Host: "/" + hostOf(c.ClientAddr)}, Body: body, Answer: answer,
	})
}

// hostOf is an address without its port, and an IPv6 address without its brackets.
func hostOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i >= 0 {
		addr = addr[:i]
	}
	return strings.Trim(addr, "[]")
}

// createGroupTopic asks for the topic that holds the groups; nobody waits for it.
func (b *Broker) createGroupTopic() {
	b.System.Send(b.Controller, &controller.CreateTopics{Ask: controller.Ask{TimeoutMs: autoCreateTimeoutMs, Done: b.groupTopicCreated}, Topics: []controller.NewTopic{{
		Name: coordinator.Topic, Internal: true, Partitions: b.Settings.GroupTopicPartitions,
		ReplicationFactor: b.Settings.GroupTopicReplicationFactor,
		// Compacted only, so that nothing of it goes by age or size: an offset is as old as its last commit.
		Configs: []controller.Setting{{Name: "cleanup.policy", Value: "compact"}, {Name: "compression.type", Value: "producer"}, {Name: "segment.bytes", Value: "104857600"}},
	}}})
}

const inconsistentGroupProtocol = int16(protocol.ErrInconsistentGroupProtocol)

// groupTopicCreated logs why the topic could not be made; that somebody else made it is no failure.
func (b *Broker) groupTopicCreated(a controller.Answer) {
	code, message := a.Code, a.Message
	if code == 0 && len(a.Results) > 0 {
		code, message = a.Results[0].Code, a.Results[0].Message
	}
	if err := protocol.ErrorCode(code); err != protocol.ErrNone && err != protocol.ErrTopicAlreadyExists {
		b.Log.Error().Str("error", err.String()).Str("reason", message).Msg("the topic of the consumer groups cannot be created")
	}
}

// gather runs done when n parts have been answered, on the goroutine of the last.
type gather struct {
	left atomic.Int32
	done func()
}

func newGather(n int, done func()) *gather {
	g := &gather{done: done}
	g.left.Store(int32(n) + 1)
	return g
}

// part counts one answer; whoever made the gather counts one too when all parts have been asked for.
func (g *gather) part() {
	if g.left.Add(-1) == 0 {
		g.done()
	}
}

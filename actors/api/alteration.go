package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/brokerconfig"
	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/topicconfig"
)

// This file owns what AlterConfigs and IncrementalAlterConfigs share: the checks of a request as a whole, and of which
// resources and names can be altered here. Values are checked by the controller when the change is applied.

// alteration is one resource of a request.
type alteration struct {
	kind   kmsg.ConfigResourceType
	name   string
	change controller.ResourceChange
	nulls  []string // names that lack a value
	// filled by alter:
	refused *refusal
	at      int // index in the controller's request
}

// newAlteration is an alteration of a resource without any change yet; replace drops the values that are not set.
func newAlteration(kind kmsg.ConfigResourceType, name string, replace bool) alteration {
	return alteration{kind: kind, name: name, change: controller.ResourceChange{Kind: byte(kind), Name: name, Replace: replace}}
}

// add adds the change of one value.
func (a *alteration) add(name string, op byte, value *string) {
	change := controller.ConfigOp{Name: name, Op: op}
	if value != nil {
		change.Value = *value
	} else if op != controller.OpDelete {
		a.nulls = append(a.nulls, name)
	}
	a.change.Ops = append(a.change.Ops, change)
}

// alter checks all, has the controller carry out what may be, and calls answer with every alteration's refusal set (nil:
// done), once.
func (c *Call) alter(list []alteration, validateOnly bool, answer func([]alteration)) {
	type resource struct {
		kind kmsg.ConfigResourceType
		name string
	}
	count := make(map[resource]int, len(list))
	for i := range list {
		count[resource{list[i].kind, list[i].name}]++
	}
	msg := &controller.AlterConfigs{ValidateOnly: validateOnly}
	for i := range list {
		a := &list[i]
		if count[resource{a.kind, a.name}] > 1 {
			a.refused = refuseWith(kerr.InvalidRequest, "the request names the resource twice")
		} else {
			a.refused = c.Broker.alterable(a)
		}
		if a.refused == nil {
			a.at = len(msg.Resources)
			msg.Resources = append(msg.Resources, a.change)
		}
	}
	msg.Done = func(ans controller.Answer) {
		for i := range list {
			a := &list[i]
			if a.refused == nil {
				a.refused = refusedBy(ans, a.at)
			}
		}
		answer(list)
	}
	c.command(msg, len(msg.Resources), msg.Done)
}

// minISR must be the same for every broker that may lead a partition (KIP-966), so Kafka takes no value for one broker alone.
const minISR = "min.insync.replicas"

// alterable says why a resource cannot be altered, or nil.
func (b *Broker) alterable(a *alteration) *refusal {
	seen := make(map[string]bool, len(a.change.Ops))
	for _, op := range a.change.Ops {
		if seen[op.Name] {
			return refuseWith(kerr.InvalidRequest, "the request names %s twice", op.Name)
		}
		seen[op.Name] = true
	}
	if len(a.nulls) > 0 {
		return refuseWith(kerr.InvalidRequest, "a value is missing for %s", strings.Join(a.nulls, ", "))
	}
	for _, op := range a.change.Ops {
		if op.Op > controller.OpSubtract {
			return refuseWith(kerr.UnknownServerError, "operation %d on %s is none of SET, DELETE, APPEND and SUBTRACT", int8(op.Op), op.Name)
		}
		if a.kind != kmsg.ConfigResourceTypeBroker && op.Op == controller.OpAppend && op.Value == "" {
			return refuseWith(kerr.InvalidConfig, "nothing to append to %s", op.Name)
		}
	}
	switch a.kind {
	case kmsg.ConfigResourceTypeTopic:
		if a.name == "" {
			return refuseWith(kerr.InvalidRequest, "the resource needs a topic's name")
		}
		return nil
	case kmsg.ConfigResourceTypeBroker:
		if a.name != "" {
			if refused := b.isSelf(a.name); refused != nil {
				return refused
			}
		}
		return b.brokerAlterable(a)
	case kmsg.ConfigResourceTypeBrokerLogger:
		return refuseWith(kerr.InvalidRequest, "loggers cannot be altered one by one; set the broker's log level in its configuration")
	case kmsg.ConfigResourceTypeGroupConfig:
		if a.name == "" {
			return refuseWith(kerr.InvalidRequest, "the resource needs a group's id")
		}
		// What the group will have, by this broker's limits. The controller does it again when the change's turn comes.
		values := map[string]string{}
		if !a.change.Replace {
			maps.Copy(values, b.Metadata.Load().GroupConfigs[a.name])
		}
		for _, op := range a.change.Ops {
			switch op.Op {
			case controller.OpSet:
				values[op.Name] = op.Value
			case controller.OpDelete:
				delete(values, op.Name)
			}
		}
		if err := b.Settings.GroupConfigs.Check(values); err != nil {
			return refuseWith(kerr.InvalidConfig, "%v", err)
		}
		return nil
	case kmsg.ConfigResourceTypeClientMetrics:
		return refuseWith(kerr.InvalidRequest, "Troupe takes no subscriptions to clients' metrics")
	}
	return refuseWith(kerr.InvalidRequest, "a resource of type %d has no configuration", int8(a.kind))
}

// brokerAlterable is alterable for the values of a broker, or of all of them.
func (b *Broker) brokerAlterable(a *alteration) *refusal {
	const oneForAll = "%s is one value for all brokers, which can be set but not removed: set it on the brokers' default or on a topic"
	isMinISR := func(op controller.ConfigOp) bool { return op.Name == minISR }
	if _, set := b.Metadata.Load().Layers.Cluster[minISR]; set && a.change.Replace && a.name == "" && !slices.ContainsFunc(a.change.Ops, isMinISR) {
		return refuseWith(kerr.InvalidConfig, oneForAll, minISR)
	}
	for _, op := range a.change.Ops {
		list := op.Op == controller.OpAppend || op.Op == controller.OpSubtract
		if k := topicconfig.LookupBroker(op.Name); list && (k == nil || !k.List()) && !brokerconfig.List(op.Name) {
			return refuseWith(kerr.InvalidConfig, "%s is not a list, so nothing can be appended to it or subtracted from it", op.Name)
		}
		if op.Op == controller.OpAppend && op.Value == "" {
			return refuseWith(kerr.InvalidRequest, "nothing to append to %s", op.Name)
		}
		if op.Op == controller.OpDelete {
			if isMinISR(op) {
				return refuseWith(kerr.InvalidConfig, oneForAll, minISR)
			}
			continue // what is not set can be deleted, whatever it is
		}
		err := brokerconfig.Settable(op.Name)
		if err == nil && b.isStatic(op.Name) {
			err = fmt.Errorf("%s is read when the broker starts; set it in the broker's own configuration", op.Name)
		}
		if err == nil && op.Op == controller.OpSet {
			err = brokerconfig.Check(op.Name, op.Value)
		}
		if err == nil && b.Settings.CheckBroker != nil {
			err = b.Settings.CheckBroker(op.Name, op.Value)
		}
		if err != nil {
			return refuseWith(kerr.InvalidRequest, "%v", err)
		}
		if isMinISR(op) && a.name != "" {
			return refuseWith(kerr.InvalidConfig, oneForAll, minISR)
		}
	}
	return nil
}

// isStatic says whether a broker configuration is one of this broker's that cannot change.
func (b *Broker) isStatic(name string) bool {
	return topicconfig.LookupBroker(name) == nil && brokerconfig.Lookup(name) == nil &&
		slices.ContainsFunc(b.Settings.Static, func(s StaticConfig) bool { return s.Name == name })
}

// result is a refusal as an answer shows it.
func (r *refusal) result() (code int16, message *string) {
	if r == nil {
		return 0, nil
	}
	return r.code, &r.message
}

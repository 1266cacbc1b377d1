package api

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/controller"
	"github.com/troupe-io/troupe/actors/quota"
)

// AlterClientQuotas, v0-v1 (v1 is flexible; KIP-546): sets and removes quotas, each entity's all or none. As on Kafka, there is one answer
// for each entity: one that the request names twice is refused, but what it was named with first is done; of a type that stands twice
// within an entity the last name counts.
func init() { register(49, 0, 1, alterClientQuotas) }

// quotaAnswer is the answer for one entity.
type quotaAnswer struct {
	parts   []kmsg.AlterClientQuotasResponseEntryEntity
	changes []int // in the controller's request
	refused *refusal
}

func alterClientQuotas(c *Call) {
	req := c.Request.(*kmsg.AlterClientQuotasRequest)
	msg := &controller.AlterQuotas{ValidateOnly: req.ValidateOnly}
	var answers []*quotaAnswer
	byName := map[string]*quotaAnswer{}
	for i := range req.Entries {
		asked := &req.Entries[i]
		a, unknown := newQuotaAnswer(asked.Entity)
		if known := byName[a.key()]; known != nil {
			a = known
		} else {
			byName[a.key()] = a
			answers = append(answers, a)
		}
		if unknown != "" {
			a.refused = refuseWith(kerr.InvalidRequest, "there is no type of entity %q; there are user, client-id and ip", unknown)
			continue
		}
		change := controller.QuotaChange{}
		for _, p := range a.parts {
			n := quota.Named(p.Name)
			n.Text = strings.Clone(n.Text)
			*change.Entity.Part(p.Type) = n
		}
		for _, op := range asked.Ops {
			change.Ops = append(change.Ops, controller.QuotaOp{Key: strings.Clone(op.Key), Value: op.Value, Remove: op.Remove})
		}
		a.changes = append(a.changes, len(msg.Changes))
		msg.Changes = append(msg.Changes, change)
	}
	msg.Done = func(ans controller.Answer) {
		resp := kmsg.NewPtrAlterClientQuotasResponse()
		for _, a := range answers {
			entry := kmsg.NewAlterClientQuotasResponseEntry()
			entry.Entity = a.parts
			for _, n := range a.changes {
				if r := refusedBy(ans, n); r != nil {
					a.refused = r
				}
			}
			entry.ErrorCode, entry.ErrorMessage = a.refused.result()
			resp.Entries = append(resp.Entries, entry)
		}
		c.Reply(resp)
	}
	c.command(msg, len(msg.Changes), msg.Done)
}

// newQuotaAnswer takes an entity's parts, in order of their types; unknown is a type that does not exist.
func newQuotaAnswer(asked []kmsg.AlterClientQuotasRequestEntryEntity) (a *quotaAnswer, unknown string) {
	a = &quotaAnswer{}
	bad := false
	for _, p := range asked {
		part := kmsg.AlterClientQuotasResponseEntryEntity{Type: p.Type, Name: p.Name}
		at, found := slices.BinarySearchFunc(a.parts, p.Type, func(p kmsg.AlterClientQuotasResponseEntryEntity, kind string) int {
			return strings.Compare(p.Type, kind)
		})
		if found {
			a.parts[at] = part
		} else {
			a.parts = slices.Insert(a.parts, at, part)
		}
		if (&quota.Entity{}).Part(p.Type) == nil && !bad {
			bad, unknown = true, p.Type
		}
	}
	if bad && unknown == "" {
		unknown = "(empty)"
	}
	return a, unknown
}

// key is the same for the same entity.
func (a *quotaAnswer) key() string {
	var b strings.Builder
	for _, p := range a.parts {
		b.WriteString(p.Type)
		b.WriteByte(0)
		if p.Name != nil {
			b.WriteByte(1)
			b.WriteString(*p.Name)
		}
		b.WriteByte(0)
	}
	return b.String()
}

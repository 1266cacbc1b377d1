package controller

// This file owns the clients' quotas in the metadata: their command, how it is applied, and their form in snapshots. Who is bound by which
// quota is quota.Rules' affair.

import (
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/troupe-io/troupe/actors/quota"
)

// AlterQuotas changes clients' quotas, entity by entity: all of an entity's operations or none. Its results are in the order of Changes.
type AlterQuotas struct {
	Ask
	Changes      []QuotaChange
	ValidateOnly bool
}

// QuotaChange is what is to become of one entity's quotas; those that Ops do not name stay as they are.
type QuotaChange struct {
	Entity quota.Entity
	Ops    []QuotaOp
}

// QuotaOp sets or removes one quota.
type QuotaOp struct {
	Key    string // by Kafka's name; need not be known to be removed
	Value  float64
	Remove bool
}

// alterQuotas is AlterQuotas in the log.
type alterQuotas struct{ changes []QuotaChange }

func (*alterQuotas) kind() byte { return kindAlterQuotas }

func (s *state) alterQuotas(c *alterQuotas, out *outcome) {
	next := s.quotas.Map()
	changed := false
	seen := make(map[quota.Entity]bool, len(c.changes))
	for i := range c.changes {
		change := &c.changes[i]
		var r Result
		if seen[change.Entity] {
			r = refused(kerr.InvalidRequest, "the request names %s twice; only the first counts", change.Entity)
		} else {
			r = change.over(next, &changed)
		}
		seen[change.Entity] = true
		out.results = append(out.results, r)
	}
	if changed {
		s.quotas, out.changed = quota.NewRules(next), true
	}
}

// over lays the change over all quotas.
func (c *QuotaChange) over(all map[quota.Entity]quota.Values, changed *bool) Result {
	named := make(map[string]bool, len(c.Ops))
	for _, op := range c.Ops {
		if named[op.Key] {
			return refused(kerr.InvalidRequest, "%s of %s stands twice in the request", op.Key, c.Entity)
		}
		named[op.Key] = true
	}
	if err := c.Entity.Check(); err != nil {
		return refused(kerr.InvalidRequest, "%v", err)
	}
	before, there := all[c.Entity]
	values := before
	for _, op := range c.Ops {
		if op.Remove {
			if k, known := quota.KindOf(op.Key); known {
				values[k] = 0
			}
			continue
		}
		k, err := c.Entity.CheckValue(op.Key, op.Value)
		if err != nil {
			return refused(kerr.InvalidRequest, "%v", err)
		}
		values[k] = op.Value
	}
	switch {
	case values == before:
	case values == quota.Values{}:
		delete(all, c.Entity)
		*changed = true
	case !there && len(all) >= quota.EntitiesMax:
		return refused(kerr.InvalidRequest, "quotas are set for %d users, client-ids and ips already; no more are kept", quota.EntitiesMax)
	default:
		all[c.Entity] = values
		*changed = true
	}
	return Result{}
}

func (c *alterQuotas) write(w *writer) {
	w.uint(uint64(len(c.changes)))
	for i := range c.changes {
		t := &c.changes[i]
		w.entity(t.Entity)
		w.uint(uint64(len(t.Ops)))
		for _, op := range t.Ops {
			w.string(op.Key)
			w.bool(op.Remove)
			w.uint(math.Float64bits(op.Value))
		}
	}
}

func readAlterQuotas(r *reader) command {
	c := &alterQuotas{changes: make([]QuotaChange, r.count(4))}
	for i := range c.changes {
		t := &c.changes[i]
		t.Entity = r.entity()
		if n := r.count(3); n > 0 {
			t.Ops = make([]QuotaOp, n)
			for j := range t.Ops {
				t.Ops[j] = QuotaOp{Key: r.string(), Remove: r.bool(), Value: math.Float64frombits(r.uint())}
			}
		}
	}
	return c
}

// The forms of a part of an entity.
const (
	partAbsent byte = iota
	partDefault
	partNamed
)

func (w *writer) entity(e quota.Entity) {
	for _, n := range [...]quota.Name{e.User, e.ClientID, e.IP} {
		switch {
		case !n.Given:
			w.byte(partAbsent)
		case n.Default:
			w.byte(partDefault)
		default:
			w.byte(partNamed)
			w.string(n.Text)
		}
	}
}

func (r *reader) entity() (e quota.Entity) {
	for _, n := range [...]*quota.Name{&e.User, &e.ClientID, &e.IP} {
		switch form := r.byte(); form {
		case partAbsent:
		case partDefault:
			*n = quota.Named(nil)
		case partNamed:
			text := r.string()
			*n = quota.Named(&text)
		default:
			r.fail(fmt.Errorf("a part of a quota's entity has the form %d", form))
		}
	}
	return e
}

// quotas writes all quotas, entity by entity in order, each with its values by rising kind.
func (w *writer) quotas(rules *quota.Rules) {
	w.uint(uint64(rules.Len()))
	for _, e := range rules.Entities() {
		w.entity(e)
		values := rules.Values(e)
		n := uint64(0)
		for _, v := range values {
			if v != 0 {
				n++
			}
		}
		w.uint(n)
		for k, v := range values {
			if v != 0 {
				w.byte(byte(k))
				w.uint(math.Float64bits(v))
			}
		}
	}
}

func (r *reader) quotas() *quota.Rules {
	n := r.count(6)
	all := make(map[quota.Entity]quota.Values, n)
	for range n {
		e := r.entity()
		var values quota.Values
		for range r.count(2) {
			k, v := r.byte(), math.Float64frombits(r.uint())
			if r.err == nil && (k >= byte(quota.Kinds) || !(v > 0)) {
				r.fail(fmt.Errorf("%s has the quota %d of kind %d", e, math.Float64bits(v), k))
			}
			if r.err != nil {
				return nil
			}
			values[k] = v
		}
		if values == (quota.Values{}) {
			r.fail(fmt.Errorf("%s has no quotas", e))
			return nil
		}
		all[e] = values
	}
	return quota.NewRules(all)
}

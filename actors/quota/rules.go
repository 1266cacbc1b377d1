package quota

// This file owns which quota holds for a client. Invariant: Rules are never changed once made.

import (
	"maps"
	"net/netip"
	"slices"
)

// Rules are all quotas that are set. nil: none.
type Rules struct {
	entities map[Entity]Values
	tables   [Kinds]table
}

// table holds one kind's quotas in the form in which they are looked up.
type table struct {
	levels uint16 // bit i: some entity of level i has a quota
	limits map[place]float64
}

// place is an entity of one level; what the level has not is empty.
type place struct {
	level        level
	user, client string // client is the address at levels of addresses
}

// level is a form of entity. Their order is the order of precedence.
type level uint8

const (
	userClient level = iota
	userAnyClient
	user
	anyUserClient
	anyUserAnyClient
	anyUser
	client
	anyClient
	address
	anyAddress
)

// NewRules makes Rules of entities, which must have been checked; the map is theirs from now on. nil if there are none.
func NewRules(entities map[Entity]Values) *Rules {
	if len(entities) == 0 {
		return nil
	}
	r := &Rules{entities: entities}
	for e, values := range entities {
		at := placeOf(e)
		for k, v := range values {
			if v == 0 {
				continue
			}
			t := &r.tables[k]
			if t.limits == nil {
				t.limits = map[place]float64{}
			}
			t.levels |= 1 << at.level
			if other, twice := t.limits[at]; twice { // an address written in two ways
				v = min(v, other)
			}
			t.limits[at] = v
		}
	}
	return r
}

func placeOf(e Entity) place {
	pick := func(n Name, named, any level) level {
		if n.Default {
			return any
		}
		return named
	}
	switch {
	case e.IP.Given:
		return place{pick(e.IP, address, anyAddress), "", canonical(e.IP.Text)}
	case e.User.Given && e.ClientID.Given:
		return place{pick(e.User, pick(e.ClientID, userClient, userAnyClient), pick(e.ClientID, anyUserClient, anyUserAnyClient)), e.User.Text, e.ClientID.Text}
	case e.User.Given:
		return place{pick(e.User, user, anyUser), e.User.Text, ""}
	}
	return place{pick(e.ClientID, client, anyClient), "", e.ClientID.Text}
}

// canonical is one form for all ways to write an address.
func canonical(text string) string {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return text
	}
	return addr.Unmap().WithZone("").String()
}

// Entities lists who has quotas, in order. r may be nil.
func (r *Rules) Entities() []Entity {
	if r == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(r.entities), Entity.Compare)
}

// Values are an entity's own quotas. r may be nil.
func (r *Rules) Values(e Entity) Values {
	if r == nil {
		return Values{}
	}
	return r.entities[e]
}

// Map is a copy of what NewRules was given. r may be nil.
func (r *Rules) Map() map[Entity]Values {
	if r == nil {
		return map[Entity]Values{}
	}
	return maps.Clone(r.entities)
}

// Len counts the entities. r may be nil.
func (r *Rules) Len() int {
	if r == nil {
		return 0
	}
	return len(r.entities)
}

// Has says whether anybody has a quota of that kind. r may be nil.
func (r *Rules) Has(k Kind) bool { return r != nil && r.tables[k].levels != 0 }

// meterKey names what is counted together.
type meterKey struct {
	kind         Kind
	user, client string
}

// find is the quota of that kind that holds for a client, and what counts towards it. The most specific one holds alone: user and client
// id, user and default client id, user, default user and client id, both defaults, default user, client id, default client id. What is
// counted together is what has the parts of that quota in common, also where one quota, a default, holds for many. A client without an id is
// met by quotas of users only.
func (r *Rules) find(k Kind, who, id string) (limit float64, key meterKey, ok bool) {
	t := &r.tables[k]
	if t.levels == 0 {
		return 0, key, false
	}
	try := func(at place) bool {
		if t.levels&(1<<at.level) != 0 {
			limit, ok = t.limits[at]
		}
		return ok
	}
	hasID := id != ""
	switch {
	case hasID && (try(place{userClient, who, id}) || try(place{userAnyClient, who, ""})):
		return limit, meterKey{k, who, id}, true
	case try(place{user, who, ""}):
		return limit, meterKey{k, who, ""}, true
	case hasID && (try(place{anyUserClient, "", id}) || try(place{anyUserAnyClient, "", ""})):
		return limit, meterKey{k, who, id}, true
	case try(place{anyUser, "", ""}):
		return limit, meterKey{k, who, ""}, true
	case hasID && (try(place{client, "", id}) || try(place{anyClient, "", ""})):
		return limit, meterKey{k, "", id}, true
	}
	return 0, key, false
}

// findAddress is the quota of connections that holds for an address.
func (r *Rules) findAddress(ip string) (limit float64, key meterKey, ok bool) {
	t := &r.tables[Connection]
	if t.levels == 0 {
		return 0, key, false
	}
	ip = canonical(ip)
	if limit, ok = t.limits[place{address, "", ip}]; !ok {
		limit, ok = t.limits[place{anyAddress, "", ""}]
	}
	return limit, meterKey{Connection, "", ip}, ok
}

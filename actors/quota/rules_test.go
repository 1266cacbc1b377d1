package quota

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func of(user, client string) Entity {
	name := func(s string) Name {
		switch s {
		case "":
			return Name{}
		case "*":
			return Named(nil)
		}
		return Named(&s)
	}
	return Entity{User: name(user), ClientID: name(client)}
}

func limits(list ...Entity) *Rules {
	m := map[Entity]Values{}
	for i, e := range list {
		m[e] = Values{Produce: float64(i + 1)}
	}
	return NewRules(m)
}

func TestTheMostSpecificQuotaHoldsAlone(t *testing.T) {
	// In the order of precedence, and what is counted together under each.
	order := []struct {
		e            Entity
		user, client string
	}{
		{of("u", "c"), "u", "c"}, {of("u", "*"), "u", "c"}, {of("u", ""), "u", ""}, {of("*", "c"), "u", "c"},
		{of("*", "*"), "u", "c"}, {of("*", ""), "u", ""}, {of("", "c"), "", "c"}, {of("", "*"), "", "c"},
	}
	for set := range 1 << len(order) {
		var list []Entity
		want := -1
		for i, o := range order {
			if set&(1<<i) != 0 {
				list = append(list, o.e)
				if want < 0 {
					want = i
				}
			}
		}
		list = append(list, of("other", "c"), of("u", "other"), of("other", ""), of("", "other"), of("*", "other"))
		limit, key, ok := limits(list...).find(Produce, "u", "c")
		if ok != (want >= 0) {
			t.Fatalf("%b: found %v", set, ok)
		}
		if ok && (limit != 1 || key != meterKey{Produce, order[want].user, order[want].client}) {
			t.Errorf("%b: limit %v, counted as %+v; expected that of %s", set, limit, key, order[want].e)
		}
		if _, _, ok := limits(list...).find(Fetch, "u", "c"); ok {
			t.Error("a quota of another kind holds")
		}
	}
}

func TestAClientWithoutAnIDHasTheQuotasOfItsUserOnly(t *testing.T) {
	if _, _, ok := limits(of("u", "*"), of("*", "*"), of("", "*"), of("", "c")).find(Produce, "u", ""); ok {
		t.Error("a quota of client ids holds for a client without one")
	}
	limit, key, ok := limits(of("u", "*"), of("*", "")).find(Produce, "u", "")
	if !ok || limit != 2 || key != (meterKey{Produce, "u", ""}) {
		t.Errorf("%v %+v %v", limit, key, ok)
	}
}

func TestAnAddressIsTheSameHoweverItIsWritten(t *testing.T) {
	ip := func(s string) Entity { return Entity{IP: Named(&s)} }
	r := NewRules(map[Entity]Values{ip("192.0.2.7"): {Connection: 3}, ip("2001:DB8:0::1"): {Connection: 4}, {IP: Named(nil)}: {Connection: 9}})
	for text, want := range map[string]float64{"192.0.2.7": 3, "::ffff:192.0.2.7": 3, "2001:db8::1": 4, "2001:db8::2": 9, "10.0.0.1": 9} {
		if limit, key, ok := r.findAddress(text); !ok || limit != want || key.client == "" {
			t.Errorf("%s: %v %+v %v", text, limit, key, ok)
		}
	}
	if _, _, ok := NewRules(map[Entity]Values{ip("192.0.2.7"): {Connection: 3}}).findAddress("10.0.0.1"); ok {
		t.Error("the quota of one address holds for another")
	}
}

func TestValuesThatCannotBeAreRefused(t *testing.T) {
	user, ip := of("u", ""), Entity{IP: Named(new(string))}
	ip.IP.Text = "192.0.2.1"
	for _, w := range []struct {
		e     Entity
		key   string
		value float64
		ok    bool
	}{
		{user, "producer_byte_rate", 1, true}, {user, "producer_byte_rate", 0, false}, {user, "producer_byte_rate", 1.5, false},
		{user, "producer_byte_rate", math.NaN(), false}, {user, "producer_byte_rate", math.Inf(1), false}, {user, "request_percentage", 0.5, true},
		{user, "request_percentage", math.NaN(), false}, {user, "request_percentage", -1, false}, {user, "connection_creation_rate", 1, false},
		{ip, "connection_creation_rate", 1, true}, {ip, "connection_creation_rate", 1 << 31, false}, {ip, "producer_byte_rate", 1, false}, {user, "x", 1, false},
	} {
		if _, err := w.e.CheckValue(w.key, w.value); (err == nil) != w.ok {
			t.Errorf("%s of %s = %v: %v", w.key, w.e, w.value, err)
		}
	}
	long := string(make([]byte, NameBytesMax+1))
	empty := ""
	for _, e := range []Entity{{}, {User: Named(&long)}, {User: Named(&empty)}, {IP: Named(&long)}, {IP: ip.IP, User: user.User}} {
		if e.Check() == nil {
			t.Errorf("%s can have quotas", e)
		}
	}
}

func TestMetersAreBoundedAndThoseThatNothingUsesGo(t *testing.T) {
	m, rules := NewMeters(DefaultWindows(), nil), limits(of("", "*"))
	rules.tables[Produce].limits[place{level: anyClient}] = 1000
	// A few shards tell as much as all.
	const some = 4
	now, charged := int64(1_000_000), 0
	for i := 0; charged < 2*some*shardMax; i++ {
		if name := fmt.Sprintf("client-%d", i); (meterKey{Produce, "", name}).shard() < some {
			m.Charge(rules, Produce, Anonymous, name, 1, now)
			charged++
		}
	}
	if n := m.rates.len(); n != some*shardMax {
		t.Errorf("%d meters instead of %d", n, some*shardMax)
	}
	now += 12_000
	for i := 0; charged > 2*some*shardMax-some*20; i++ {
		if name := fmt.Sprintf("late-%d", i); (meterKey{Produce, "", name}).shard() < some {
			m.Charge(rules, Produce, Anonymous, name, 1, now)
			charged--
		}
	}
	if n := m.rates.len(); n > some*(shardMax/4) {
		t.Errorf("%d meters although most are idle", n)
	}
}

func TestAFetchThatIsThrottledDoesNotCount(t *testing.T) {
	m := NewMeters(DefaultWindows(), nil)
	rules := NewRules(map[Entity]Values{of("*", ""): {Fetch: 1000}})
	now := int64(0)
	if most := m.FetchMax(rules, Anonymous, "c"); most != 10_000 {
		t.Errorf("at most %d bytes", most)
	}
	fetch := func(n int64, want int32) {
		t.Helper()
		if got := m.Fetched(rules, Anonymous, "c", n, now); got != want {
			t.Fatalf("throttled for %d ms instead of %d", got, want)
		}
	}
	fetch(10_000, 0)
	fetch(1_000, 1000)
	fetch(1_000, 1000)
	fetch(500, 500)
	now += 11_000
	fetch(50_000, 0) // more than all windows allow, but nothing came meanwhile
	fetch(1, 40_001)
}

func TestThrottlesAreAsLongAsKafkas(t *testing.T) {
	m := NewMeters(DefaultWindows(), nil)
	rules := NewRules(map[Entity]Values{of("*", ""): {Produce: 1000, Request: 50, Mutation: 2}, {IP: Named(nil)}: {Connection: 1}})
	if got := m.Charge(rules, Produce, "u", "c", 12_000, 0); got != 2000 {
		t.Errorf("produce: %d ms", got)
	}
	if got := m.Charge(rules, Produce, "u", "d", 1_000, 0); got != 3000 { // of the same user
		t.Errorf("produce: %d ms", got)
	}
	if got := m.Charge(rules, Request, "u", "c", 5e9+1e8, 0); got != 200 {
		t.Errorf("request: %d ms", got)
	}
	if got := m.Charge(rules, Request, "u", "c", 60e9, 0); got != 1000 { // never longer than a window
		t.Errorf("request: %d ms", got)
	}
	if got, refused := m.Mutate(rules, "u", "c", 24, 0, true); got != 0 || refused {
		t.Errorf("mutation: %d ms, %v", got, refused)
	}
	if got, refused := m.Mutate(rules, "u", "c", 1, 0, true); got != 1000 || !refused {
		t.Errorf("mutation: %d ms, %v", got, refused)
	}
	for i := range 12 {
		if got := m.Connected(rules, "192.0.2.1", 0); (got != 0) != (i >= 10) {
			t.Errorf("connection %d: %d ms", i, got)
		}
	}
	if got := m.Charge(NewRules(map[Entity]Values{of("*", ""): {Produce: 1e-9}}), Produce, "v", "", math.MaxInt32, 0); got != math.MaxInt32 {
		t.Errorf("%d ms", got)
	}
}

func TestRulesListWhatTheyWereMadeOf(t *testing.T) {
	rnd := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	m := map[Entity]Values{}
	for range 100 {
		m[of([]string{"", "*", fmt.Sprint(rnd.IntN(9))}[rnd.IntN(3)], fmt.Sprint(rnd.IntN(99)))] = Values{Fetch: 1}
	}
	r := NewRules(m)
	list := r.Entities()
	if len(list) != len(m) || !slices.IsSortedFunc(list, Entity.Compare) {
		t.Errorf("%d of %d, in order: %v", len(list), len(m), slices.IsSortedFunc(list, Entity.Compare))
	}
	var none *Rules
	if none.Len() != 0 || none.Has(Produce) || none.Entities() != nil || NewRules(nil) != nil || len(none.Map()) != 0 {
		t.Error("no rules are not the nil rules")
	}
}

func BenchmarkChargeOfOneQuota(b *testing.B) {
	m, rules := NewMeters(DefaultWindows(), nil), limits(of("", "c"))
	b.ReportAllocs()
	for i := range b.N {
		m.Charge(rules, Produce, Anonymous, "c", 0, int64(i>>10))
	}
}

func BenchmarkChargeOfTheLastOfAllLevels(b *testing.B) {
	m := NewMeters(DefaultWindows(), nil)
	rules := limits(of("u", "c"), of("u", "*"), of("u", ""), of("*", "d"), of("x", "*"), of("", "c"), of("", "*"))
	b.ReportAllocs()
	for i := range b.N {
		m.Charge(rules, Produce, Anonymous, "other", 0, int64(i>>10))
	}
}

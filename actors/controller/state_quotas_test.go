package controller

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"pgregory.net/rapid"

	"github.com/troupe-io/troupe/actors/quota"
	"github.com/troupe-io/troupe/storage/vfs"
)

// quotaOf is a user's and client's entity; "" is none, "*" the default.
func quotaOf(user, client string) (e quota.Entity) {
	for at, name := range map[*quota.Name]string{&e.User: user, &e.ClientID: client} {
		switch name {
		case "":
		case "*":
			*at = quota.Named(nil)
		default:
			*at = quota.Named(&name)
		}
	}
	return e
}

func drawQuotas(t *rapid.T) command {
	name := rapid.SampledFrom([]string{"", "*", "a", "b"})
	c := &alterQuotas{}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		change := QuotaChange{Entity: quotaOf(name.Draw(t, "user"), name.Draw(t, "client"))}
		if rapid.IntRange(0, 3).Draw(t, "ip") == 0 {
			ip := rapid.SampledFrom([]string{"192.0.2.1", "::1", "x"}).Draw(t, "address")
			change.Entity = quota.Entity{IP: quota.Named(&ip)}
		}
		for range rapid.IntRange(0, 3).Draw(t, "ops") {
			change.Ops = append(change.Ops, QuotaOp{rapid.SampledFrom([]string{"producer_byte_rate", "request_percentage", "connection_creation_rate", "x"}).Draw(t, "key"),
				rapid.SampledFrom([]float64{1, 2, 0.5, -1}).Draw(t, "value"), rapid.Bool().Draw(t, "remove")})
		}
		c.changes = append(c.changes, change)
	}
	return c
}

func TestQuotasOfAnEntityChangeTogetherOrNotAtAll(t *testing.T) {
	s := newState(local{node: 1})
	alter := func(want []int16, changes ...QuotaChange) {
		t.Helper()
		next, out := s.apply(&alterQuotas{changes})
		for i, r := range out.results {
			if r.Code != want[i] || (r.Code != 0) != (r.Message != "") {
				t.Errorf("change %d: %+v instead of code %d", i, r, want[i])
			}
		}
		s = next
	}
	const invalid = 42
	u, c := quotaOf("u", ""), quotaOf("u", "c")
	set := func(key string, v float64) QuotaOp { return QuotaOp{Key: key, Value: v} }
	drop := func(key string) QuotaOp { return QuotaOp{Key: key, Remove: true} }
	alter([]int16{0, invalid, invalid}, QuotaChange{u, []QuotaOp{set("producer_byte_rate", 5), set("consumer_byte_rate", 6)}},
		QuotaChange{c, []QuotaOp{set("producer_byte_rate", 7), set("no_such", 1)}},
		QuotaChange{u, []QuotaOp{set("producer_byte_rate", 9)}})
	if got := s.quotas.Values(u); got != (quota.Values{quota.Produce: 5, quota.Fetch: 6}) || s.quotas.Len() != 1 {
		t.Errorf("%v", got)
	}
	alter([]int16{invalid}, QuotaChange{u, []QuotaOp{drop("producer_byte_rate"), drop("producer_byte_rate")}})
	before := s.quotas
	alter([]int16{0}, QuotaChange{u, []QuotaOp{drop("request_percentage"), set("producer_byte_rate", 5)}})
	if s.quotas != before {
		t.Error("a change of nothing made other rules")
	}
	alter([]int16{0}, QuotaChange{u, []QuotaOp{drop("producer_byte_rate"), drop("consumer_byte_rate")}})
	if s.quotas != nil {
		t.Errorf("what has no quotas is kept: %v", s.quotas.Entities())
	}
}

func TestEntitiesWithQuotasAreBounded(t *testing.T) {
	s := newState(local{node: 1})
	c := &alterQuotas{}
	for i := range quota.EntitiesMax + 1 {
		c.changes = append(c.changes, QuotaChange{quotaOf(fmt.Sprint(i), ""), []QuotaOp{{Key: "producer_byte_rate", Value: 1}}})
	}
	s, out := s.apply(c)
	if s.quotas.Len() != quota.EntitiesMax || out.results[quota.EntitiesMax].Code != kerr.InvalidRequest.Code || out.results[0].Code != 0 {
		t.Errorf("%d entities", s.quotas.Len())
	}
	s, out = s.apply(&alterQuotas{[]QuotaChange{{quotaOf("5", ""), []QuotaOp{{Key: "producer_byte_rate", Value: 2}}}}})
	if !out.changed || out.results[0].Code != 0 {
		t.Errorf("an entity that is there cannot be changed: %+v", out.results)
	}
	if back, err := restore(s.snapshot(), s.local); err != nil || back.quotas.Len() != quota.EntitiesMax {
		t.Error(err)
	}
}

func TestACheckpointFromBeforeQuotasStillOpens(t *testing.T) {
	s := newState(local{node: 1})
	s, _ = s.apply(&registerBroker{Broker{ID: 1, Host: "h"}})
	old := s.snapshot() // ends where it ended before there were quotas or groups' configurations
	s, _ = s.apply(&alterQuotas{[]QuotaChange{{quotaOf("u", "*"), []QuotaOp{{Key: "producer_byte_rate", Value: 1.0}}}}})
	if now := s.snapshot(); string(now[:len(old)]) != string(old) || len(now) == len(old) {
		t.Error("quotas change what stands before them")
	}
	if back, err := restore(old, s.local); err != nil || back.quotas != nil {
		t.Errorf("%v, %v", back.quotas, err)
	}
	back, err := restore(s.snapshot(), s.local)
	if err != nil || back.quotas.Values(quotaOf("u", "*"))[quota.Produce] != 1 || len(back.groupConfigs) != 0 {
		t.Errorf("%v", err)
	}
}

func TestQuotasThatWereAnsweredAreThereAfterACrash(t *testing.T) {
	disk := vfs.NewMem()
	for life := range 4 {
		h := boot(t, disk)
		for n := range 5 { // with what the former lives set, beyond a checkpoint
			a := h.ask(func(done func(Answer)) any {
				return &AlterQuotas{Ask: Ask{Done: done}, Changes: []QuotaChange{{quotaOf(fmt.Sprintf("u-%d-%d", life, n), ""), []QuotaOp{{Key: "producer_byte_rate", Value: float64(n + 1)}}}}}
			})
			if a.Code != 0 || a.Results[0].Code != 0 || a.Image.Quotas.Len() != life*5+n+1 {
				t.Fatalf("life %d: %+v", life, a)
			}
		}
		rules := h.holder.Load().Quotas
		for past := range life + 1 {
			for n := range 5 {
				if got := rules.Values(quotaOf(fmt.Sprintf("u-%d-%d", past, n), "")); got[quota.Produce] != float64(n+1) {
					t.Errorf("life %d: quota %d of life %d is %v", life, n, past, got)
				}
			}
		}
		disk = disk.CrashClone(rand.New(rand.NewPCG(7, uint64(life))))
	}
}

package quota

// This file owns the meters of a broker: one for each thing that is counted together. Invariants:
//
//   - looking one up takes no lock and no memory: a shard is a map that is never written, replaced by a copy when a meter is added;
//   - a shard has at most shardMax meters: adding one drops those that nothing counts on any more, and if none is left to drop, the
//     client is not metered (that takes shardMax clients of different names at once, and a name of one's own gets around the
//     quota of a client id anyway; users and addresses are not made up at will). That is looked at anew once a window.

import (
	"math"
	"sync/atomic"
)

const (
	shardCount = 256
	shardMax   = 256
)

// Meters count what clients use of their quotas. Safe for concurrent use.
type Meters struct {
	windows Windows
	metrics *Metrics
	rates   book[*rate]
	buckets book[*bucket]
}

// NewMeters makes meters; metrics may be nil.
func NewMeters(w Windows, metrics *Metrics) *Meters {
	w.Num, w.SizeMs = max(1, w.Num), max(1, w.SizeMs)
	if metrics == nil {
		metrics = NewMetrics(nil)
	}
	return &Meters{windows: w, metrics: metrics}
}

// Charge counts n bytes (Produce) or nanoseconds (Request) of a client, and says for how long it is to be throttled, ms; 0: not at all.
// rules must not be nil.
func (m *Meters) Charge(rules *Rules, k Kind, user, client string, n, nowMs int64) int32 {
	limit, r := m.metered(rules, k, user, client, nowMs)
	if r == nil {
		return 0
	}
	r.add(n, nowMs)
	longest := int64(math.MaxInt32)
	if k == Request { // per cent of a core, of which a second has 1e9 ns
		limit *= 1e9 / 100
		longest = m.windows.SizeMs
	}
	return m.throttled(k, r.over(0, limit, nowMs), longest)
}

// Fetched is Charge for the bytes of a Fetch's answer, which count only if it is not throttled, since otherwise they are not sent. An
// answer when nothing was fetched for all windows is never throttled: else a batch larger than they allow would never come.
func (m *Meters) Fetched(rules *Rules, user, client string, n, nowMs int64) int32 {
	limit, r := m.metered(rules, Fetch, user, client, nowMs)
	if r == nil {
		return 0
	}
	if over := r.over(n, limit, nowMs); over > 0 && !r.idle(nowMs) {
		return m.throttled(Fetch, over, math.MaxInt32)
	}
	r.add(n, nowMs)
	return 0
}

// FetchMax is the most that one Fetch may take without being throttled for sure, bytes.
func (m *Meters) FetchMax(rules *Rules, user, client string) int64 {
	limit, _, ok := rules.find(Fetch, user, client)
	if !ok {
		return math.MaxInt64
	}
	most := limit * float64(max(1, m.windows.Num-1)) * float64(m.windows.SizeMs) / 1000
	if most >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(1, int64(most))
}

// Mutate counts n partitions created or deleted. A strict one is refused while the quota is exhausted; throttleMs is how long that
// lasts. One that is not strict is carried out, and the client throttled.
func (m *Meters) Mutate(rules *Rules, user, client string, n, nowMs int64, strict bool) (throttleMs int32, refused bool) {
	limit, key, ok := rules.find(Mutation, user, client)
	if !ok {
		return 0, false
	}
	b := m.buckets.get(key, nowMs, m.windows.SizeMs, func() *bucket { return newBucket(m.windows, nowMs) })
	if b == nil {
		return 0, false
	}
	owed, refused := b.take(n, limit, nowMs, strict)
	if strict && !refused {
		return 0, false
	}
	return clamp(owed, math.MaxInt32), refused
}

// Throttled counts a throttle by Mutate, which may be asked several times for one request.
func (m *Meters) Throttled(k Kind, throttleMs int32) { m.metrics.throttled(k, throttleMs) }

// Connected counts a connection from an address, and says for how long it is to be held before it is refused, ms; 0: it may stay. A refused
// one does not count. rules must not be nil.
func (m *Meters) Connected(rules *Rules, ip string, nowMs int64) int32 {
	limit, key, ok := rules.findAddress(ip)
	if !ok {
		return 0
	}
	r := m.rate(key, nowMs)
	if r == nil {
		return 0
	}
	if over := r.over(1, limit, nowMs); over > 0 {
		return m.throttled(Connection, over, m.windows.SizeMs)
	}
	r.add(1, nowMs)
	return 0
}

// metered is a client's quota and what counts its use; nil: it has none, or is not metered.
func (m *Meters) metered(rules *Rules, k Kind, user, client string, nowMs int64) (limit float64, r *rate) {
	limit, key, ok := rules.find(k, user, client)
	if !ok {
		return 0, nil
	}
	return limit, m.rate(key, nowMs)
}

func (m *Meters) rate(key meterKey, nowMs int64) *rate {
	return m.rates.get(key, nowMs, m.windows.SizeMs, func() *rate { return newRate(m.windows, nowMs) })
}

func (m *Meters) throttled(k Kind, overMs float64, longestMs int64) int32 {
	throttle := clamp(overMs, longestMs)
	if throttle > 0 {
		m.metrics.throttled(k, throttle)
	}
	return throttle
}

func clamp(ms float64, longest int64) int32 { return int32(min(ms, float64(longest), math.MaxInt32)) }

// meter is a rate or a bucket.
type meter interface {
	comparable
	idle(nowMs int64) bool
}

// book finds meters by what they count.
type book[M meter] struct {
	shards [shardCount]struct {
		meters    atomic.Pointer[map[meterKey]M]
		fullUntil atomic.Int64 // unix ms: no meter is added before
	}
}

// get finds the meter of key or adds it; the zero value if there is no room, also for the next retryMs.
func (b *book[M]) get(key meterKey, nowMs, retryMs int64, create func() M) (none M) {
	shard := &b.shards[key.shard()]
	for {
		old := shard.meters.Load()
		var known map[meterKey]M
		if old != nil {
			known = *old
		}
		if m, ok := known[key]; ok {
			return m
		}
		if nowMs < shard.fullUntil.Load() {
			return none
		}
		next := make(map[meterKey]M, len(known)+1)
		for k, m := range known {
			if !m.idle(nowMs) {
				next[k] = m
			}
		}
		if len(next) >= shardMax {
			shard.fullUntil.Store(nowMs + retryMs)
			return none
		}
		m := create()
		next[key] = m
		if shard.meters.CompareAndSwap(old, &next) {
			return m
		}
	}
}

// len counts the meters.
func (b *book[M]) len() (n int) {
	for i := range b.shards {
		if m := b.shards[i].meters.Load(); m != nil {
			n += len(*m)
		}
	}
	return n
}

// shard is FNV-1a of the key.
func (k meterKey) shard() int {
	h := uint32(2166136261) ^ uint32(k.kind)
	for _, s := range [...]string{k.user, k.client} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
		h = (h ^ 0xff) * 16777619
	}
	return int((h ^ h>>16) % shardCount)
}

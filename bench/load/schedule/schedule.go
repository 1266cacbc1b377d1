// Package schedule is the open loop: it says when each record is due, whatever the broker does meanwhile.
//
// Invariant: At is a function of the record's number alone, never of what happened to other records. A latency that counts
// from At therefore holds the time a record waited for a stalled broker (no coordinated omission).
package schedule

import "math"

// Plan is the share of one sender in an even schedule: sender Phase of Of sends each Of-th record.
type Plan struct {
	PerSecond float64 // of all senders together; 0 is a closed loop: everything is always due
	Of, Phase int64   // 0 <= Phase < Of
	Count     int64   // records of all senders together; 0 is no limit
	Start     int64   // ns of any clock: when the schedule begins
	End       int64   // ns of the same clock: nothing is due from there on; 0 is no end
}

// Open says whether the plan is an open loop.
func (p *Plan) Open() bool { return p.PerSecond > 0 }

// At is when this sender's record i is due, ns of the clock of Start. Only for open loops.
func (p *Plan) At(i int64) int64 {
	return p.Start + int64(float64(i*p.Of+p.Phase)*1e9/p.PerSecond)
}

// Limit is how many records this sender has to send in all; math.MaxInt64 without a limit.
func (p *Plan) Limit() int64 {
	if p.Count == 0 {
		return math.MaxInt64
	}
	return max(0, (p.Count-p.Phase+p.Of-1)/p.Of)
}

// Due is how many of this sender's records are due at now (ns of the clock of Start), those already sent included.
func (p *Plan) Due(now int64) int64 {
	limit := p.Limit()
	if !p.Open() {
		if p.End > 0 && now >= p.End {
			return 0
		}
		return limit
	}
	if p.End > 0 && now >= p.End {
		now = p.End - 1
	}
	if now < p.Start {
		return 0
	}
	i := (int64(float64(now-p.Start)*p.PerSecond/1e9) - p.Phase) / p.Of
	i = max(i, 0)
	for i > 0 && p.At(i-1) > now { // rounding may be off by one either way
		i--
	}
	for p.At(i) <= now {
		i++
	}
	return min(i, limit)
}

// Over says whether nothing will ever be due again once sent records have been sent by now.
func (p *Plan) Over(sent, now int64) bool {
	if sent >= p.Limit() {
		return true
	}
	return p.End > 0 && now >= p.End && (!p.Open() || p.At(sent) >= p.End)
}

package schedule

import (
	"testing"
	"time"
)

func TestTheSendersOfAPlanTogetherKeepTheRate(t *testing.T) {
	for _, rate := range []float64{0.5, 1, 3, 997, 500_000} {
		for _, of := range []int64{1, 3, 7} {
			for _, at := range []int64{-1, 0, 1, 333_333_333, 1e9, 59_999_999_999} {
				const start = 12345
				var due int64
				for phase := range of {
					p := Plan{PerSecond: rate, Of: of, Phase: phase, Start: start}
					n := p.Due(start + at)
					if n > 0 && p.At(n-1) > start+at || p.At(n) <= start+at {
						t.Fatalf("rate %v, sender %d of %d at %d: Due says %d, but record %d is due at %d and %d at %d", rate, phase, of, at, n, n-1, p.At(max(n-1, 0)), n, p.At(n))
					}
					due += n
				}
				want := int64(0)
				if at >= 0 {
					want = int64(float64(at)*rate/1e9) + 1
				}
				if due < want-1 || due > want+1 {
					t.Errorf("rate %v, %d senders at %d ns: %d records are due instead of %d", rate, of, at, due, want)
				}
			}
		}
	}
}

func TestCountAndEndLimitAPlan(t *testing.T) {
	var sum int64
	for phase := range int64(3) {
		p := Plan{Of: 3, Phase: phase, Count: 10}
		if p.Due(0) != p.Limit() || p.Over(p.Limit()-1, 0) || !p.Over(p.Limit(), 0) {
			t.Errorf("sender %d: %d due of %d", phase, p.Due(0), p.Limit())
		}
		sum += p.Limit()
	}
	if sum != 10 {
		t.Errorf("three senders send %d records instead of 10", sum)
	}
	open := Plan{PerSecond: 10, Of: 1, End: int64(time.Second)}
	if n := open.Due(int64(time.Hour)); n != 10 {
		t.Errorf("%d records are due in a second at 10/s", n)
	}
	if open.Over(9, int64(time.Hour)) || !open.Over(10, int64(time.Hour)) || open.Over(10, 1) {
		t.Error("a plan is over once all that was due before its end is sent")
	}
}

func TestAnAlarmRings(t *testing.T) {
	ring, rung := Bell()
	a := NewAlarm(ring)
	defer a.Close()
	for _, in := range []time.Duration{time.Millisecond, 0, -1} {
		a.Set(in)
		<-rung
	}
	portable := newTimerFire(ring)
	portable.set(time.Millisecond)
	<-rung
	portable.close()
}

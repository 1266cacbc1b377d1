package quota

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// modelRate counts the plain way: every event, and those that are in the windows that count.
type modelRate struct {
	w       Windows
	epochMs int64
	events  [][2]int64 // window, n
}

func (m *modelRate) add(n, now int64) {
	m.events = append(m.events, [2]int64{(now - m.epochMs) / m.w.SizeMs, n})
}

func (m *modelRate) over(extra int64, limit float64, now int64) float64 {
	at, sum := (now-m.epochMs)/m.w.SizeMs, float64(extra)
	for _, e := range m.events {
		if e[0] > at-int64(m.w.Num) && e[0] <= at {
			sum += float64(e[1])
		}
	}
	covered := math.Max(1, float64(int64(m.w.Num-1)*m.w.SizeMs+(now-m.epochMs)%m.w.SizeMs))
	if rate := sum / covered * 1000; rate > limit {
		return math.Round((rate - limit) / limit * covered) // Kafka's formula
	}
	return 0
}

func TestARateIsTheSumOfTheWindowsOverTheTimeThatTheyCover(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		w := Windows{Num: 1 + rnd.IntN(13), SizeMs: 1 + rnd.Int64N(2000)}
		now := rnd.Int64N(1 << 41)
		r, m := newRate(w, now), &modelRate{w: w, epochMs: now}
		limit := 1 + rnd.Float64()*10_000
		long := rnd.IntN(300)
		for i := range 300 {
			switch {
			case rnd.IntN(20) == 0:
				now += rnd.Int64N(20 * w.SizeMs * int64(w.Num))
			case i == long:
				now += rnd.Int64N(windowMask-1_000) * w.SizeMs // up to 194 days of silence with windows of a second
			default:
				now += rnd.Int64N(w.SizeMs + 1)
			}
			n := rnd.Int64N(5000)
			if got, want := r.over(n, limit, now), m.over(n, limit, now); math.Abs(got-want) > 1 {
				t.Fatalf("%+v, limit %v, at %d: over by %v ms instead of %v", w, limit, now-m.epochMs, got, want)
			}
			r.add(n, now)
			m.add(n, now)
			if got, want := r.over(0, limit, now), m.over(0, limit, now); math.Abs(got-want) > 1 {
				t.Fatalf("%+v, limit %v, at %d: over by %v ms instead of %v", w, limit, now-m.epochMs, got, want)
			}
		}
	}
}

func TestWhatOneSecondMayTakeIsHeldOverTime(t *testing.T) {
	// A client that asks for as much as it can in pieces and waits as long as it is told.
	for _, piece := range []int64{1_000, 16_384, 100_000, 1_000_000} {
		const limit = 1_000_000
		w := DefaultWindows()
		r, now, total := newRate(w, 0), int64(0), int64(0)
		const span = 200_000
		for now < span {
			r.add(piece, now)
			total += piece
			now += 1 + int64(r.over(0, limit, now))
		}
		got := float64(total) / float64(now) * 1000 / limit
		if got < 0.85 || got > 1.15 {
			t.Errorf("pieces of %d: %.3f of the quota", piece, got)
		}
	}
}

func TestCountsOfManyAtOnceAreAllThere(t *testing.T) {
	r := newRate(DefaultWindows(), 0)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 10_000 {
				r.add(1, int64(i/1000*1000+g)) // everybody enters each window at about the same time
			}
		})
	}
	all.Wait()
	if got := r.sum(9_000); got != 80_000 {
		t.Errorf("%d counts instead of 80000", got)
	}
}

func TestAClockThatGoesBackHarmsNothing(t *testing.T) {
	r := newRate(DefaultWindows(), 100_000)
	r.add(5, 150_000)
	r.add(7, 149_000)
	r.add(7, 150_000-11*1000) // the slot that the newest window has
	if got := r.sum(150_000); got != 19 {
		t.Errorf("%d", got)
	}
	r.add(1, 0)
	if r.over(0, 1e-9, 0) <= 0 {
		t.Error("a count before the first window is lost")
	}
	r.add(math.MaxInt64, 151_000)
	if got := r.sum(151_000); got < sumMax || got > sumMax+100 {
		t.Errorf("%d", got)
	}
}

func TestABucketFillsAtItsRateUpToItsBurst(t *testing.T) {
	w := Windows{Num: 11, SizeMs: 1000}
	b, now := newBucket(w, 1_000_000), int64(1_000_000)
	take := func(n int64, strict bool, wantOwed float64, wantRefused bool) {
		t.Helper()
		owed, refused := b.take(n, 5, now, strict)
		if owed != wantOwed || refused != wantRefused {
			t.Fatalf("owed %v ms, refused %v; expected %v, %v", owed, refused, wantOwed, wantRefused)
		}
	}
	take(55, true, 0, false)    // the burst: 11 windows of 5
	take(5, true, 1000, false)  // the bucket is empty, not below: this one passes
	take(1, true, 1000, true)   // now it is below
	take(1, true, 1000, true)   // what is refused takes nothing
	take(1, false, 1200, false) // what is not strict does
	now += 1200                 // and it is empty again
	take(500, true, 100e3, false)
	now += 100e3 + 3_600_000 // an hour brings no more than a burst
	take(55, true, 0, false)
	take(1, true, 200, false)
	take(1, true, 200, true)
	if b.idle(now) || !b.idle(now+200+11_000) {
		t.Error("a bucket is idle when it is full")
	}
	// The smallest quota and the largest request.
	tiny := newBucket(w, now)
	if owed, refused := tiny.take(math.MaxInt64/2, 1e-300, now, true); refused || owed <= 0 {
		t.Errorf("%v %v", owed, refused)
	}
	for range 3 {
		if owed, _ := tiny.take(math.MaxInt64/2, 1e-300, now, false); owed <= 0 {
			t.Errorf("%v", owed)
		}
	}
}

package protocol

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestFrameClassesAreSnugAndAscending(t *testing.T) {
	last := 0
	for n := 0; n <= FrameClassMax; n += 1 + n/97 {
		i := frameClassOf(n)
		size := frameClassSize(i)
		if size < n {
			t.Fatalf("%d bytes got a class of %d", n, size)
		}
		if i > 0 && frameClassSize(i-1) >= n {
			t.Fatalf("%d bytes got class %d of %d bytes, but %d would do", n, i, size, frameClassSize(i-1))
		}
		if i < last {
			t.Fatalf("class of %d bytes went down", n)
		}
		last = i
	}
	if got := frameClassSize(frameClassOf(64_100)); got != 65_536 {
		t.Fatalf("64,100 bytes take a buffer of %d", got)
	}
}

func TestFrameReleasedOnceTooOftenPanics(t *testing.T) {
	p := NewFramePool(1 << 20)
	f := p.Get(1000)
	f.Retain(2)
	for range 3 {
		f.Release()
	}
	_ = p.Get(1000) // the buffer has a new tenant; the old frame is still dead
	for name, misuse := range map[string]func(){"release": f.Release, "retain": func() { f.Retain(1) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a dead frame did not panic", name)
				}
			}()
			misuse()
		}()
	}
}

func TestFramePoolKeepsNoMoreThanItMay(t *testing.T) {
	const limit = 100_000
	p := NewFramePool(limit)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var held []*Frame
	for range 10_000 {
		if len(held) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(held))
			held[i].Release()
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
		} else {
			n := rnd.IntN(1 << rnd.IntN(22))
			f := p.Get(n)
			if len(f.Bytes) != n || cap(f.Bytes) != n {
				t.Fatalf("asked for %d, got len %d cap %d", n, len(f.Bytes), cap(f.Bytes))
			}
			held = append(held, f)
		}
		if kept := p.Kept(); kept > limit || kept < 0 {
			t.Fatalf("pool keeps %d", kept)
		}
	}
	for _, f := range held {
		f.Release()
	}
	if p.InUse() != 0 {
		t.Fatalf("%d bytes in use after everything was released", p.InUse())
	}
	p.Trim(0)
	if p.Kept() != 0 {
		t.Fatalf("%d bytes kept after Trim", p.Kept())
	}
}

func TestFramePoolMakesRoomForOtherSizes(t *testing.T) {
	p := NewFramePool(1 << 20)
	var burst []*Frame
	for range 1 << 11 {
		burst = append(burst, p.Get(512))
	}
	for _, f := range burst {
		f.Release()
	}
	f := p.Get(64_000)
	buf := &f.Bytes[0]
	f.Release()
	if g := p.Get(64_100); &g.Bytes[0] != buf {
		t.Fatal("a pool full of small frames did not keep the large one")
	}
}

func TestFramePoolIsSafeForConcurrentUse(t *testing.T) {
	p := NewFramePool(1 << 18)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(w), 2))
			for range 2000 {
				f := p.Get(1 + rnd.IntN(70_000))
				f.Retain(1)
				f.Bytes[0] = byte(w)
				f.Release()
				if f.Bytes[0] != byte(w) {
					t.Error("two owners of one buffer")
				}
				f.Release()
			}
		})
	}
	wg.Wait()
	if p.InUse() != 0 {
		t.Fatalf("%d bytes in use after everything was released", p.InUse())
	}
}

func BenchmarkFrameGetRelease(b *testing.B) {
	p := NewFramePool(64 << 20)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Get(64_100).Release()
		}
	})
}

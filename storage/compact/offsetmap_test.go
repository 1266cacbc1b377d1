package compact

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
)

// The vectors are those of SipHash's authors (vectors_sip128): key 00…0f, input 00, 01, … of the given length.
func TestTheDigestIsSipHash128(t *testing.T) {
	key := HashKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	for n, want := range map[int]string{0: "a3817f04ba25a8e66df67214c7550293", 1: "da87c1d86b99af44347659119b22fc45", 8: "3b62a9ba6258f5610f83e264f31497b4"} {
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i)
		}
		d := key.digest(in)
		var out []byte
		for i := range 8 {
			out = append(out, byte(d.lo>>(8*i)))
		}
		for i := range 8 {
			out = append(out, byte(d.hi>>(8*i)))
		}
		if got := hex.EncodeToString(out); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

func TestTheMapAgreesWithGosAndStaysInItsBounds(t *testing.T) {
	for _, limit := range []int64{1 << 10, 100_000, 10 << 20} {
		m := newOffsetMap(limit, 1000)
		key := HashKey{1, 2}
		rng := rand.New(rand.NewPCG(4, 4))
		want := map[string]int64{}
		for offset := int64(1000); offset < 61_000; offset++ {
			k := fmt.Sprint("key", rng.IntN(30_000))
			if !m.room(1) {
				break
			}
			m.put(key.digest([]byte(k)), offset)
			want[k] = offset
		}
		if m.n != len(want) || m.bytes() > limit || m.n > m.most {
			t.Errorf("limit %d: %d entries in %d bytes, want %d", limit, m.n, m.bytes(), len(want))
		}
		for i := range 30_000 {
			k := fmt.Sprint("key", i)
			offset, there := want[k]
			if !there {
				offset = -1
			}
			if got := m.get(key.digest([]byte(k))); got != offset {
				t.Fatalf("limit %d, %s: %d, want %d", limit, k, got, offset)
			}
		}
		if limit == 10<<20 && len(want) < 20_000 || limit == 1<<10 && len(want) > 64 {
			t.Errorf("limit %d holds %d keys", limit, len(want))
		}
	}
	m := newOffsetMap(1<<10, 5)
	if m.holds(4) || !m.holds(5) || !m.holds(5+offsetMask-1) || m.holds(5+offsetMask) {
		t.Error("the range of offsets is not 44 bits")
	}
}

func TestTheMapStaysInItsLimitWhileItGrows(t *testing.T) {
	for _, limit := range []int64{2 << 10, 100_000, 777_777, 1 << 20, 10<<20 + 13} {
		m := newOffsetMap(limit, 0)
		for {
			before := m.bytes()
			if !m.room(m.most - m.n + 1) {
				break
			}
			if both := before + m.bytes(); both > limit || m.bytes() <= before {
				t.Errorf("limit %d: %d bytes grow to %d", limit, before, m.bytes())
			}
			m.n = m.most
		}
		if m.bytes() < limit*3/4 {
			t.Errorf("limit %d: only %d bytes are used", limit, m.bytes())
		}
	}
}

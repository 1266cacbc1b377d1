package api

import (
	"math/rand/v2"
	"testing"
)

func TestFirstsNumberKeysInTheOrderInWhichTheyComeFirst(t *testing.T) {
	for _, total := range []int{1, 2, firstsFew, firstsFew + 1, 200} {
		var f firsts[int]
		at := map[int]int{}
		for range total {
			key := rand.IntN(total)
			want, twice := at[key]
			if !twice {
				want = len(at)
				at[key] = want
			}
			if got := f.add(key, total); got != want {
				t.Fatalf("of %d: key %d has number %d, want %d", total, key, got, want)
			}
		}
	}
}

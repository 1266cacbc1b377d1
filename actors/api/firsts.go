package api

// This file owns finding what a request names twice: each API decides what that means, as Kafka does.

// firsts numbers keys in the order in which they come for the first time. The zero value is ready.
type firsts[K comparable] struct {
	few  []K
	many map[K]int
}

// firstsFew is up to how many keys a list is searched instead of a map.
const firstsFew = 16

// add gives a key its number: the number of different keys before it if it is new. total is how many keys may come.
func (f *firsts[K]) add(key K, total int) int {
	if total > firstsFew {
		if f.many == nil {
			f.many = make(map[K]int, total)
		}
		at, twice := f.many[key]
		if !twice {
			at = len(f.many)
			f.many[key] = at
		}
		return at
	}
	for i, k := range f.few {
		if k == key {
			return i
		}
	}
	if total > 1 {
		f.few = append(f.few, key)
		return len(f.few) - 1
	}
	return 0
}

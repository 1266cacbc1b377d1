package verify

import "sort"

// Ranges is a set of numbers kept as spans. Invariant: spans are sorted, do not touch each other, and are at most rangesMax; numbers that
// come in order cost nothing but an addition.
type Ranges struct{ spans []Span }

// Span is the numbers First to Last, both included.
type Span struct{ First, Last int64 }

// Len is how many numbers the span holds.
func (s Span) Len() int64 { return s.Last - s.First + 1 }

// rangesMax bounds the memory of one set: 1 MiB.
const rangesMax = 1 << 16

// Add adds first to last. It says false, and leaves the set as it is, if the set would have more than rangesMax spans.
func (r *Ranges) Add(first, last int64) bool {
	n := len(r.spans)
	if n > 0 && first == r.spans[n-1].Last+1 {
		r.spans[n-1].Last = last
		return true
	}
	// spans[lo:hi] touch the new one.
	lo := sort.Search(n, func(i int) bool { return r.spans[i].Last >= first-1 })
	hi := lo
	for hi < n && r.spans[hi].First <= last+1 {
		first, last = min(first, r.spans[hi].First), max(last, r.spans[hi].Last)
		hi++
	}
	if hi > lo {
		r.spans[lo] = Span{first, last}
		r.spans = append(r.spans[:lo+1], r.spans[hi:]...)
		return true
	}
	if n >= rangesMax {
		return false
	}
	r.spans = append(r.spans, Span{})
	copy(r.spans[lo+1:], r.spans[lo:])
	r.spans[lo] = Span{first, last}
	return true
}

// Has says whether n is in the set.
func (r *Ranges) Has(n int64) bool {
	at := len(r.spans) - 1
	if at < 0 || n > r.spans[at].Last {
		return false
	}
	if n >= r.spans[at].First {
		return true
	}
	i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].Last >= n })
	return r.spans[i].First <= n
}

// Max is the greatest number, -1 if there is none.
func (r *Ranges) Max() int64 {
	if len(r.spans) == 0 {
		return -1
	}
	return r.spans[len(r.spans)-1].Last
}

// Len is how many numbers the set holds.
func (r *Ranges) Len() (n int64) {
	for _, s := range r.spans {
		n += s.Len()
	}
	return n
}

// Spans is the set; it is not to be changed.
func (r *Ranges) Spans() []Span { return r.spans }

// Minus calls f with each span of numbers that are in r and not in other.
func (r *Ranges) Minus(other *Ranges, f func(Span)) {
	j := 0
	for _, s := range r.spans {
		at := s.First
		for j < len(other.spans) && other.spans[j].Last < at {
			j++
		}
		for k := j; at <= s.Last; k++ {
			if k == len(other.spans) || other.spans[k].First > s.Last {
				f(Span{at, s.Last})
				break
			}
			if other.spans[k].First > at {
				f(Span{at, other.spans[k].First - 1})
			}
			at = other.spans[k].Last + 1
		}
	}
}

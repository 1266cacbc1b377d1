package compact

import "math/bits"

// offsetMap maps digests of keys to offsets in bounded memory: open addressing, 16 bytes an entry. It grows fourfold up to its
// limit, so a small log costs little and a large one seldom moves its entries.
//
// An entry is the digest's low 64 bits, then 20 more of its bits above 44 bits of (offset - base + 1); an empty one has zeros there.
// Invariants: n <= most, which leaves at least a fifth of the slots empty, so that every search ends; entries are never removed.
type offsetMap struct {
	slots []slot
	n     int
	most  int // entries before it must grow
	limit int // slots at most
	base  int64
}

type slot struct{ hash, rest uint64 }

const (
	slotBytes       = 16
	offsetBits      = 44
	offsetMask      = 1<<offsetBits - 1
	smallestSlots   = 1 << 12 // at most, at first
	growth          = 4
	loadNumerator   = 4 // of 5
	loadDenominator = 5
)

// newOffsetMap makes a map of at most limitBytes for offsets from base on. While it grows, the old slots are there too: the limit holds for
// both together, as the sizes are the limit divided by powers of growth.
func newOffsetMap(limitBytes, base int64) *offsetMap {
	m := &offsetMap{limit: int(max(limitBytes/slotBytes*growth/(growth+1), 64)), base: base}
	n := m.limit
	for n > smallestSlots {
		n /= growth
	}
	m.resize(n)
	return m
}

func (m *offsetMap) resize(n int) {
	old := m.slots
	m.slots, m.most = make([]slot, n), n*loadNumerator/loadDenominator
	for i := range old {
		if old[i].rest != 0 {
			at := m.place(old[i].hash)
			for m.slots[at].rest != 0 {
				if at++; at == len(m.slots) {
					at = 0
				}
			}
			m.slots[at] = old[i]
		}
	}
}

// place is where the search for a hash begins.
func (m *offsetMap) place(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(m.slots)))
	return int(hi)
}

// room says whether n entries more are sure to fit, growing the map if need be.
func (m *offsetMap) room(n int) bool {
	for m.n+n > m.most {
		if len(m.slots) >= m.limit {
			return false
		}
		m.resize(m.larger())
	}
	return true
}

// larger is the size after this one.
func (m *offsetMap) larger() int {
	n := m.limit
	for n/growth > len(m.slots) {
		n /= growth
	}
	return n
}

// holds says whether an offset is within what entries can say.
func (m *offsetMap) holds(offset int64) bool { return offset >= m.base && offset-m.base < offsetMask }

// put notes the offset of a key, which is larger than those before. There must be room.
func (m *offsetMap) put(d digest, offset int64) {
	tag := d.hi &^ offsetMask
	value := tag | uint64(offset-m.base+1)
	for at := m.place(d.lo); ; {
		s := &m.slots[at]
		if s.rest == 0 {
			s.hash, s.rest = d.lo, value
			m.n++
			return
		}
		if s.hash == d.lo && s.rest&^offsetMask == tag {
			s.rest = value
			return
		}
		if at++; at == len(m.slots) {
			at = 0
		}
	}
}

// get is the last offset of a key, -1 if there is none.
func (m *offsetMap) get(d digest) int64 {
	tag := d.hi &^ offsetMask
	for at := m.place(d.lo); ; {
		s := &m.slots[at]
		if s.rest == 0 {
			return -1
		}
		if s.hash == d.lo && s.rest&^offsetMask == tag {
			return m.base + int64(s.rest&offsetMask) - 1
		}
		if at++; at == len(m.slots) {
			at = 0
		}
	}
}

// bytes is the memory that the map holds.
func (m *offsetMap) bytes() int64 { return int64(len(m.slots)) * slotBytes }

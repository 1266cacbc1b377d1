package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashClone returns the file system as a crash at this moment would leave it: everything durable, and of the rest a share
// that rng draws. Of unsynced pages some survive whole, some not at all, some in part, sector by sector; unsynced changes of
// names survive up to a point in each directory. The clone has no limits, locks or faults set, and everything in it is durable.
// The same rng state gives the same clone.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.durable)
	for _, dir := range slices.Sorted(maps.Keys(m.pending)) {
		changes := m.pending[dir]
		for _, c := range changes[:rng.IntN(len(changes)+1)] {
			apply(names, c)
		}
	}
	out := NewMem()
	out.dirs = maps.Clone(m.dirs)
	seen := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		if seen[n] == nil {
			seen[n] = n.crash(rng)
		}
		out.names[name] = seen[n]
		out.durable[name] = seen[n]
	}
	return out
}

func (n *inode) crash(rng *rand.Rand) *inode {
	out := newInode()
	out.cur.size = n.dur.size
	if n.cur.size != n.dur.size && rng.IntN(2) == 0 {
		out.cur.size = n.cur.size
	}
	pages := int((out.cur.size + BlockSize - 1) / BlockSize)
	out.cur.pages = make([]*page, pages)
	for at := range out.cur.pages {
		if p := n.dur.page(at); p != nil {
			fresh := *p
			out.cur.pages[at] = &fresh
		}
	}
	// Sometimes a crash spares everything or nothing: those edges deserve more than their natural share.
	mode := rng.IntN(8)
	for _, at := range slices.Sorted(maps.Keys(n.dirty)) {
		if at >= pages {
			continue
		}
		var mask uint8 // sectors that survive
		switch pick := rng.IntN(3); {
		case mode == 0:
			mask = 0
		case mode == 1:
			mask = 0xff
		case pick == 0:
			mask = 0
		case pick == 1:
			mask = 0xff
		default:
			mask = uint8(rng.IntN(256))
		}
		out.cur.pages[at] = mixed(n.cur.page(at), out.cur.pages[at], mask)
	}
	out.dur.size = out.cur.size
	out.dur.pages = slices.Clone(out.cur.pages)
	if in := out.cur.size % BlockSize; in != 0 && out.cur.pages[pages-1] != nil {
		clear(out.cur.pages[pages-1][in:])
	}
	return out
}

// mixed takes the sectors in mask from p and the others from old; nil is zeros.
func mixed(p, old *page, mask uint8) *page {
	out := new(page)
	if old != nil {
		*out = *old
	}
	for s := range BlockSize / SectorSize {
		if mask&(1<<s) == 0 {
			continue
		}
		to := out[s*SectorSize : (s+1)*SectorSize]
		if p == nil {
			clear(to)
		} else {
			copy(to, p[s*SectorSize:])
		}
	}
	return out
}

package segment

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// ChunkPool bounds the memory of tail caches (bytes), shared by all logs of a broker.
//
// Invariants:
//   - used is the sum of all buffers handed out; used + what lies in the free lists stays within limit, save for one batch that
//     is larger than half the pool (it must get through all the same).
//   - A chunk may be evicted only while it stands in the list of evictable ones (written, no longer filled) and the cache's
//     reference is the only one.
//   - Whoever is refused waits in line and is told once room may be there; each refusal also asks idle logs to write what they hold,
//     so room always comes as long as the disk moves.
//
// A mutex guards it: many goroutines (owners, writers, readers) share it, and it is taken once a chunk, not once a batch.
type ChunkPool struct {
	limit   int64
	waiting atomic.Int32 // len(waiters), read without the lock

	mu             sync.Mutex
	used           int64
	free           [sizeClasses][][]byte
	freeBytes      int64
	evictableBytes int64
	oldest, newest *chunk // evictable, in the order in which they were written
	waiters        []waiter
	firstFilling   *Log // logs that hold a chunk being filled; least recently looked at first
	lastFilling    *Log
	logs           map[string]*Log // by directory: an owner that restarts finds its former self's chunks here
}

type waiter struct {
	log  *Log
	want int64
}

// Buffers come in powers of two from a block to a chunk.
const (
	sizeClasses   = 9
	smallestChunk = 2 * blockBytes
	// sweepMax bounds how many chunks or logs one call looks at under the lock.
	sweepMax = 64
)

// NewChunkPool makes a pool of limitBytes, at least 64 KiB. A broker's default is 64 MiB.
func NewChunkPool(limitBytes int64) *ChunkPool {
	return &ChunkPool{limit: max(limitBytes, 64<<10), logs: map[string]*Log{}}
}

// UsedBytes is the memory held by tail caches now.
func (p *ChunkPool) UsedBytes() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

func classOf(n int64) int {
	n = max(n, blockBytes)
	return min(bits.Len64(uint64(n-1))-12, sizeClasses-1)
}

func classBytes(class int) int64 { return blockBytes << class }

// reserve takes a buffer for each class, all or none. Refused, l waits in line and will be sent a roomAvailable.
func (p *ChunkPool) reserve(l *Log, classes []int) ([][]byte, bool) {
	var total int64
	for _, c := range classes {
		total += classBytes(c)
	}
	p.mu.Lock()
	for range sweepMax * 2 {
		if p.used+total <= p.limit || !p.evictOne() {
			break
		}
	}
	if p.used+total > p.limit && !(total > p.limit/2 && p.used <= p.limit/2) {
		if !l.inLine {
			l.inLine = true
			p.waiters = append(p.waiters, waiter{l, total})
			p.waiting.Store(int32(len(p.waiters)))
		}
		ask := p.idleLogs(total)
		p.mu.Unlock()
		for _, idle := range ask {
			idle.shared.Send(idle.owner, &flushWanted{opBase{log: idle}})
		}
		return nil, false
	}
	p.used += total
	bufs := make([][]byte, len(classes))
	for i, c := range classes {
		if n := len(p.free[c]); n > 0 {
			bufs[i], p.free[c][n-1] = p.free[c][n-1], nil
			p.free[c] = p.free[c][:n-1]
			p.freeBytes -= classBytes(c)
		}
	}
	p.shrinkFree()
	p.mu.Unlock()
	for i, c := range classes {
		if bufs[i] == nil {
			bufs[i] = newBuffer(int(classBytes(c)))
		}
	}
	return bufs, true
}

// shrinkFree lets the runtime have free buffers that would break the limit.
func (p *ChunkPool) shrinkFree() {
	for c := sizeClasses - 1; c >= 0; c-- {
		for n := len(p.free[c]); n > 0 && p.used+p.freeBytes > p.limit; n-- {
			p.free[c][n-1] = nil
			p.free[c] = p.free[c][:n-1]
			p.freeBytes -= classBytes(c)
		}
	}
}

// giveBack returns a buffer.
func (p *ChunkPool) giveBack(buf []byte) {
	p.mu.Lock()
	p.put(buf)
	wake := p.roomFor()
	p.mu.Unlock()
	tell(wake)
}

func (p *ChunkPool) put(buf []byte) {
	n := int64(len(buf))
	p.used -= n
	if p.used+p.freeBytes+n <= p.limit {
		c := classOf(n)
		p.free[c] = append(p.free[c], buf)
		p.freeBytes += n
	}
}

// recycle takes the buffer of a chunk that nobody holds any more.
func (p *ChunkPool) recycle(c *chunk) {
	p.mu.Lock()
	p.unlist(c)
	buf := c.buf
	c.buf = nil
	p.put(buf)
	wake := p.roomFor()
	p.mu.Unlock()
	tell(wake)
}

// written makes c evictable: all of it is in the file and nothing will be added.
func (p *ChunkPool) written(c *chunk) {
	p.mu.Lock()
	if c.cached && !c.listed {
		c.listed = true
		c.prev = p.newest
		if p.newest != nil {
			p.newest.next = c
		} else {
			p.oldest = c
		}
		p.newest = c
		p.evictableBytes += int64(len(c.buf))
	}
	wake := p.roomFor()
	p.mu.Unlock()
	tell(wake)
}

func (p *ChunkPool) unlist(c *chunk) {
	if !c.listed {
		return
	}
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		p.oldest = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		p.newest = c.prev
	}
	c.prev, c.next, c.listed = nil, nil, false
	p.evictableBytes -= int64(len(c.buf))
}

// evictOne frees the oldest written chunk that no reader holds.
func (p *ChunkPool) evictOne() bool {
	c := p.oldest
	for range sweepMax {
		if c == nil {
			return false
		}
		if c.refs.CompareAndSwap(1, 0) {
			p.unlist(c)
			c.cached = false
			buf := c.buf
			c.buf = nil
			p.put(buf)
			return true
		}
		c = c.next
	}
	return false
}

// drop gives up the cache's reference to c.
func (p *ChunkPool) drop(c *chunk) {
	p.mu.Lock()
	was := c.cached
	c.cached = false
	p.unlist(c)
	p.mu.Unlock()
	if was {
		c.release()
	}
}

// dropWritten is drop if c is written; it says whether c is gone.
func (p *ChunkPool) dropWritten(c *chunk) bool {
	p.mu.Lock()
	ok := c.listed || !c.cached
	p.mu.Unlock()
	if ok {
		p.drop(c)
	}
	return ok
}

// unwrittenLimit is how many unwritten bytes one log may have.
func (p *ChunkPool) unwrittenLimit() int64 { return max(p.limit/2, 2*chunkBytes) }

// wake tells those in line for whom there may be room.
func (p *ChunkPool) wake() {
	p.mu.Lock()
	wake := p.roomFor()
	p.mu.Unlock()
	tell(wake)
}

// roomFor takes from the line, in order, those who may find room now.
func (p *ChunkPool) roomFor() []*Log {
	if len(p.waiters) == 0 {
		return nil
	}
	room := p.limit - p.used + p.evictableBytes
	var out []*Log
	for len(p.waiters) > 0 {
		w := p.waiters[0]
		large := w.want > p.limit/2 && p.used-p.evictableBytes <= p.limit/2
		if w.want > room && !large {
			break
		}
		room -= w.want
		w.log.inLine = false
		out = append(out, w.log)
		p.waiters = p.waiters[1:]
	}
	if len(p.waiters) == 0 {
		p.waiters = nil
	}
	p.waiting.Store(int32(len(p.waiters)))
	return out
}

func tell(logs []*Log) {
	for _, l := range logs {
		l.shared.Send(l.owner, &roomAvailable{opBase{log: l}})
	}
}

// idleLogs picks logs whose chunks being filled are to be written, least recently appended to first, about want bytes of them.
func (p *ChunkPool) idleLogs(want int64) []*Log {
	var out []*Log
	for step := range sweepMax {
		l := p.firstFilling
		if l == nil || want <= 0 {
			break
		}
		p.unlinkFilling(l)
		p.linkFilling(l)
		if l.asked || l.touched.Swap(false) && step < sweepMax/2 {
			continue
		}
		l.asked = true
		want -= l.curBytes
		out = append(out, l)
	}
	return out
}

// filling notes that l holds a chunk of n bytes that is being filled; 0: none any more.
func (p *ChunkPool) filling(l *Log, n int64) {
	p.mu.Lock()
	l.curBytes = n
	if n > 0 {
		p.logs[l.reader.dir] = l
	}
	if n > 0 && !l.inFilling {
		p.linkFilling(l)
	} else if n == 0 && l.inFilling {
		p.unlinkFilling(l)
	}
	p.mu.Unlock()
}

func (p *ChunkPool) linkFilling(l *Log) {
	l.inFilling, l.prevFilling, l.nextFilling = true, p.lastFilling, nil
	if p.lastFilling != nil {
		p.lastFilling.nextFilling = l
	} else {
		p.firstFilling = l
	}
	p.lastFilling = l
}

func (p *ChunkPool) unlinkFilling(l *Log) {
	if l.prevFilling != nil {
		l.prevFilling.nextFilling = l.nextFilling
	} else {
		p.firstFilling = l.nextFilling
	}
	if l.nextFilling != nil {
		l.nextFilling.prevFilling = l.prevFilling
	} else {
		p.lastFilling = l.prevFilling
	}
	l.inFilling, l.prevFilling, l.nextFilling = false, nil, nil
}

// answered notes that l heard a flushWanted.
func (p *ChunkPool) answered(l *Log) {
	p.mu.Lock()
	l.asked = false
	p.mu.Unlock()
}

// former is the log that holds memory for dir: an earlier incarnation's.
func (p *ChunkPool) former(dir string) *Log {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logs[dir]
}

// forget takes l out of every list.
func (p *ChunkPool) forget(l *Log) {
	p.mu.Lock()
	if p.logs[l.reader.dir] == l {
		delete(p.logs, l.reader.dir)
	}
	if l.inFilling {
		p.unlinkFilling(l)
	}
	if l.inLine {
		l.inLine = false
		kept := p.waiters[:0:0]
		for _, w := range p.waiters {
			if w.log != l {
				kept = append(kept, w)
			}
		}
		p.waiters = kept
		p.waiting.Store(int32(len(kept)))
	}
	wake := p.roomFor()
	p.mu.Unlock()
	tell(wake)
}

// roomAvailable tells an owner whose Append was refused to try again.
type roomAvailable struct{ opBase }

// flushWanted asks an owner to write the chunk it is filling.
type flushWanted struct{ opBase }

package segment

import (
	"math"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// Log is the append side of a partition's log. One actor owns it; none of its methods blocks on the disk. Messages that the
// writer actors send to Owner which implement segment.Completion go back in through Complete.
//
// Invariants:
//   - sent <= pos: bytes of the active segment below sent have been handed to the writer, in order; unwritten counts all
//     bytes appended and not yet reported written, of closed segments too.
//   - cur, if not nil, is the last of tail and ends at pos; it is written to by this owner alone.
//   - What readers see (reader.view) is replaced only by Publish, save that tail may be brought up to date in between.
type Log struct {
	reader Reader
	shared *Shared
	owner  *actor.PID
	writer *actor.PID
	opt    Options

	start, end int64
	seg        *seg
	firstSeg   seg // the active segment at Open: saves an allocation for each idle log
	pos        int64
	x          indexer
	createdMs  int64 // when the active segment's first batch was appended
	cur        *chunk
	tail       []*chunk
	recent     []*seg // closed since Open, oldest first
	sent       int64
	unwritten  int64
	hot        bool // the last chunk was filled to its end: take a whole one next time

	// Segments before the active one, for State; those closed before Open are known by number only until they are listed.
	closedSegments int32
	closedBytes    int64

	durable State // of the last Checkpointed, or what Open was given
	check   checkpoint
	// recordedBase is the active segment of the State that a restart would begin with, at least; doomed are segments below the log
	// start that are kept because they are not below it.
	recordedBase int64
	doomed       []*seg
	listing      bool // a listOp is under way
	closing      bool
	err          error

	io writerSide // the writer actor's

	// Guarded by the pool's mutex.
	inLine, inFilling, asked bool
	prevFilling, nextFilling *Log
	curBytes                 int64

	touched touchFlag
}

// checkpoint is the state of Checkpoint requests.
type checkpoint struct {
	busy, again bool
	token       uint64 // of the next one
}

// Open prepares the log in dir, owned by owner. It touches no file: an idle log costs nothing. dir is created at the first flush.
// A former Log of the same directory (its owner panicked) is closed.
func Open(shared *Shared, dir string, owner *actor.PID, opt Options, from State) *Log {
	if from == (State{}) {
		from = NewState(0)
	}
	if err := from.check(); err != nil {
		invariant.Fail("open %s: %v", dir, err)
	}
	if former := shared.Pool.former(dir); former != nil {
		former.releaseMemory()
	}
	l := &Log{shared: shared, owner: owner, opt: opt, start: from.LogStartOffset, end: from.LogEndOffset, pos: from.ActiveSize,
		sent: from.ActiveSize, createdMs: from.FirstAppendMs, closedSegments: from.ClosedSegments, closedBytes: from.ClosedBytes, durable: from,
		recordedBase: from.ActiveBase}
	l.writer = shared.writerOf(dir)
	l.x = indexer{base: from.ActiveBase, interval: opt.IndexInterval, since: from.BytesSinceIndex, indexed: from.IndexedTimestamp,
		largest: stamp{from.LargestTimestamp, from.OffsetOfLargestTimestamp}, n: from.IndexEntries, tn: from.TimeIndexEntries,
		firstStamp: from.FirstTimestamp}
	s := &l.firstSeg
	s.base, s.id = from.ActiveBase, segIDs.Add(1)
	s.size.Store(-1)
	s.written.Store(from.ActiveSize)
	s.idx.Store(from.IndexEntries)
	s.tidx.Store(from.TimeIndexEntries)
	s.checked.Store(from.ActiveSize == 0)
	s.rebuiltTime = -1
	l.seg = s
	l.reader.open(shared, dir, s, from, opt.IndexInterval)
	l.reader.recorded.Store(from.ActiveBase)
	l.publish(from.LogEndOffset)
	return l
}

// Reader is the read side: lock-free views for any goroutine.
func (l *Log) Reader() *Reader { return &l.reader }

// EndOffset is the next offset to be appended.
func (l *Log) EndOffset() int64 { return l.end }

// StartOffset is the log start offset.
func (l *Log) StartOffset() int64 { return l.start }

// UnwrittenBytes counts appended bytes not yet in the segment files (back pressure, checkpoint pacing).
func (l *Log) UnwrittenBytes() int64 { return l.unwritten }

// Err is why the log cannot go on, or nil: the Failed of the first Completion that had one.
func (l *Log) Err() error { return l.err }

// SetOptions changes the settings.
func (l *Log) SetOptions(o Options) {
	l.opt = o
	l.x.interval = o.IndexInterval
	l.reader.interval.Store(o.IndexInterval)
}

// Append copies one batch (header plus body, checked by the caller) to the end of the log, stamping baseOffset and
// leaderEpoch into its own copy of the header. The batch is visible to readers when Publish is called.
// nowMs is the time for rolling by age. It says false if the chunk pool or the unwritten limit of this log is exhausted; nothing was
// appended then, and the owner gets a Completion when it is worth trying again (any Completion is a reason to). A log that has
// failed (Err) or was closed says false for good.
func (l *Log) Append(batch []byte, h *protocol.BatchHeader, baseOffset int64, leaderEpoch int32, nowMs int64) bool {
	size := int64(len(batch))
	if baseOffset < l.end || size < protocol.BatchHeaderSize || size != int64(h.BatchLength)+12 || h.LastOffsetDelta < 0 {
		invariant.Fail("append to %s: batch of %d bytes (header says %d) at offset %d, log end %d, delta %d",
			l.reader.dir, size, h.BatchLength+12, baseOffset, l.end, h.LastOffsetDelta)
	}
	if l.err != nil || l.closing {
		return false
	}
	if l.unwritten > 0 && l.unwritten+size > l.shared.Pool.unwrittenLimit() {
		l.shared.Metrics.refused()
		if l.unwritten == l.pos-l.sent {
			l.letGo() // nothing is under way that would bring the Completion
		}
		return false
	}
	lastOffset := baseOffset + int64(h.LastOffsetDelta)
	roll := l.mustRoll(size, lastOffset, h.MaxTimestamp, nowMs)
	hot := l.hot && !l.shared.Pool.tight.Load()
	var p plan
	if roll {
		p = planFor(nil, 0, size, hot)
	} else {
		p = planFor(l.cur, l.pos, size, hot)
	}
	var bufs [][]byte
	if len(p.classes) > 0 {
		var ok bool
		if bufs, ok = l.shared.Pool.reserve(l, p.classes); !ok {
			l.shared.Metrics.refused()
			return false
		}
	}
	if roll {
		l.roll(baseOffset)
	}
	if l.pos == 0 {
		l.createdMs = nowMs
	}
	if p.grow {
		l.growCur(bufs[0])
		bufs = bufs[1:]
	}
	l.touched.set()
	at := l.pos
	l.x.add(at, size, lastOffset, h.MaxTimestamp)
	w := batchWriter{log: l, bufs: bufs, at: at, size: size, baseOffset: baseOffset, nextOffset: lastOffset + 1}
	var header [protocol.BatchHeaderSize]byte
	copy(header[:], batch)
	protocol.PatchBatch(header[:], baseOffset, leaderEpoch)
	w.put(header[:])
	w.put(batch[protocol.BatchHeaderSize:])
	if len(w.bufs) != 0 || l.pos != at+size {
		invariant.Fail("append to %s: %d buffers left, position %d, want %d", l.reader.dir, len(w.bufs), l.pos, at+size)
	}
	l.unwritten += size
	l.end = lastOffset + 1
	return true
}

// mustRoll says that a batch does not go into the active segment, by Kafka's rules.
func (l *Log) mustRoll(size, lastOffset, maxTimestamp, nowMs int64) bool {
	if l.pos == 0 {
		// An empty segment may have been named before a gap that does not fit in 31 bits.
		return lastOffset-l.seg.base > math.MaxInt32
	}
	if l.pos > min(l.opt.SegmentBytes, math.MaxInt32)-size || lastOffset-l.seg.base > math.MaxInt32 || l.x.full() {
		return true
	}
	waited := nowMs - l.createdMs
	if l.x.firstStamp >= 0 {
		waited = maxTimestamp - l.x.firstStamp
	}
	return waited > l.opt.SegmentMs
}

// plan is the memory that a batch needs.
type plan struct {
	grow    bool // the first buffer replaces the current chunk's
	classes []int
}

// planFor finds the buffers for size bytes at pos, where cur (if not nil) ends. With hot, a whole chunk at once.
func planFor(cur *chunk, pos, size int64, hot bool) (p plan) {
	at, end := pos, pos+size
	if cur != nil {
		if end <= cur.capEnd() {
			return p
		}
		if limit := boundary(cur.base); cur.capEnd() < limit {
			p.grow = true
			p.classes = append(p.classes, classOf(max(min(end, limit)-cur.base, min(4*int64(len(cur.buf)), limit-cur.base))))
			at = min(end, limit)
		} else {
			at = limit
		}
	}
	for at < end {
		base := at &^ (blockBytes - 1)
		limit := boundary(base)
		want := max(min(end, limit)-base, min(smallestChunk, limit-base))
		if hot {
			want = limit - base
		}
		p.classes = append(p.classes, classOf(want))
		at = min(end, limit)
	}
	return p
}

// batchWriter copies one batch over as many chunks as it takes.
type batchWriter struct {
	log                    *Log
	bufs                   [][]byte
	at, size               int64 // where the batch stands in the segment
	baseOffset, nextOffset int64
}

func (w *batchWriter) put(b []byte) {
	l := w.log
	for len(b) > 0 {
		if l.cur == nil {
			key, first := w.baseOffset, w.at
			if l.pos > w.at {
				key, first = w.nextOffset, w.at+w.size
			}
			l.startChunk(w.bufs[0], key, first)
			w.bufs = w.bufs[1:]
		}
		c := l.cur
		if l.pos == w.at {
			c.addMark(w.baseOffset, w.at)
		}
		n := copy(c.buf[l.pos-c.base:c.capEnd()-c.base], b)
		b = b[n:]
		l.pos += int64(n)
		c.end.Store(l.pos)
		if l.pos == c.capEnd() && l.pos == boundary(c.base) {
			l.hot = true
			l.letGo()
		}
	}
}

// startChunk begins a chunk at pos in buf.
func (l *Log) startChunk(buf []byte, key, first int64) {
	base := l.pos &^ (blockBytes - 1)
	c := &chunk{seg: l.seg, key: key, base: base, start: l.pos, first: first, buf: buf, pool: l.shared.Pool, cached: true,
		marks: make([]mark, len(buf)/markInterval+2)}
	c.end.Store(l.pos)
	c.refs.Store(1)
	l.cur = c
	l.addTail(c)
	l.shared.Pool.filling(l, int64(len(buf)))
}

// growCur moves what the current chunk holds into a larger buffer. Readers that hold the old one finish with it.
func (l *Log) growCur(buf []byte) {
	old := l.cur
	c := &chunk{seg: old.seg, key: old.key, base: old.base, start: old.start, first: old.first, buf: buf, pool: old.pool, cached: true,
		marks: make([]mark, len(buf)/markInterval+2)}
	copy(c.buf[c.start-c.base:], old.at(old.start, l.pos))
	n := old.count.Load()
	copy(c.marks, old.marks[:n])
	c.count.Store(n)
	c.end.Store(l.pos)
	c.refs.Store(1)
	l.cur = c
	tail := make([]*chunk, len(l.tail), len(l.tail)+1) // older views share the array: never change a slot
	copy(tail, l.tail)
	tail[len(tail)-1] = c
	l.tail = tail
	l.republish() // before the old one goes: a reader that finds it gone looks at the view again
	old.pool.drop(old)
	l.shared.Pool.filling(l, int64(len(buf)))
}

// tailMax bounds the chunks a log keeps in its tail, written ones; the pool bounds their bytes.
const tailMax = 256

func (l *Log) addTail(c *chunk) {
	gone := 0
	for gone < len(l.tail) && l.tail[gone].refs.Load() == 0 {
		gone++
	}
	for len(l.tail)-gone >= tailMax && l.shared.Pool.dropWritten(l.tail[gone]) {
		gone++
	}
	l.tail = append(l.tail[gone:], c)
}

// Publish makes everything appended visible to readers: high watermark = log end offset = end, last stable offset = lso.
func (l *Log) Publish(end, lso int64) {
	if end != l.end {
		invariant.Fail("publish %s up to %d, but the log ends at %d", l.reader.dir, end, l.end)
	}
	l.publish(lso)
}

func (l *Log) publish(lso int64) {
	l.reader.view.Store(&view{start: l.start, end: l.end, lso: min(lso, l.end), seg: l.seg, pos: l.pos, largest: l.x.largest,
		tail: l.tail, recent: l.recent, olderBytes: l.closedBytes})
}

// republish brings the view's memory and segment list up to date without showing more.
func (l *Log) republish() {
	v := *l.reader.view.Load()
	if v.end == l.end {
		l.publish(v.lso)
		return
	}
	v.start, v.tail = l.start, l.tail
	for len(v.recent) > 0 && (len(l.recent) == 0 || v.recent[0].base < l.recent[0].base) {
		v.recent = v.recent[1:]
	}
	v.olderBytes = l.closedBytes
	for _, s := range l.recent {
		if s.base >= v.seg.base { // closed, but not yet behind what is published
			v.olderBytes -= s.size.Load()
		}
	}
	l.reader.view.Store(&v)
}

// roll closes the active segment and begins one at base.
func (l *Log) roll(base int64) {
	old := l.seg
	l.x.addTime()
	l.letGo()
	largest := l.x.largest
	old.largest.Store(&largest)
	old.next.Store(base)
	old.size.Store(l.pos)
	l.send(&sealOp{opBase: opBase{log: l}, seg: old, size: l.pos, timeIndex: l.x.timeIndex})
	l.recent = append(l.recent, old)
	l.closedSegments++
	l.closedBytes += l.pos
	l.shared.Metrics.rolled()

	l.seg = newSeg(base)
	l.pos, l.sent, l.createdMs = 0, 0, 0
	l.x = newIndexer(base, l.opt.IndexInterval)
}

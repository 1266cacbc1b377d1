package load

// This file owns the native producer. Its state belongs to whoever's turn it is: the connection's goroutine that has an answer, or the alarm's. They take
// turns by kick; so an answer is accounted for, and the next batch made and sent, without waking another goroutine. Dials and metadata
// requests run on goroutines of their own and tell it by its mailbox.
//
// Invariants:
//
//   - a record is made only when its batch has somewhere to go: while the broker stalls, the open loop's backlog is a number (the plan's),
//     not memory, and each record still counts from when it was due;
//   - numbers of a partition's records are given out in order and never again; batches of a partition are sent in that order.

import (
	"context"
	"sync"
	"time"

	"github.com/troupe-io/troupe/bench/load/latency"
	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/schedule"
)

const (
	// requestBytesMax is how much of several partitions' batches goes into one request.
	requestBytesMax = 1 << 20
	// housekeeping is how often time-outs are looked at.
	housekeeping = int64(100 * time.Millisecond)
	// keyedQueueMax is how many closed batches of a partition may wait when keys decide.
	keyedQueueMax = 2
	// spareBatchesMax is how many used batches are kept.
	spareBatchesMax = 64
	// drainMax is how long after the end of the open loop what was due before is still sent.
	drainMax = 10 * time.Second
	// interruptGrace is how long an interrupted run waits for its last acknowledgements.
	interruptGrace = 5 * time.Second
)

type producer struct {
	r      *run
	id     int32
	src    *records.Source
	plan   schedule.Plan
	stripe *latency.Stripe
	alarm  *schedule.Alarm
	mail   mailbox
	mu     sync.Mutex // held by the goroutine whose turn it is
	over   chan struct{}
	begun  bool // the clock has started
	ended  bool

	lanes   []*lane // by partition
	open    []*lane // those with an open batch, the oldest first
	ready   []*lane // those with closed batches
	links   map[int32]*link
	spare   []*records.Batch
	current int   // keyless: the partition whose turn it is
	held    *lane // keyed: where the key just drawn belongs, when there was no room for it
	heldKey []byte
	made    int64
	alarmAt int64 // what the alarm is set to; 0: it is not
	backlog int   // closed batches
	flying  int   // batches in flight

	identity     identity
	refreshing   bool
	refreshAfter int64
	wantRefresh  bool
	housekeptAt  int64
	stopped      bool  // nothing more is made
	stopDeadline int64 // ns; when to give up waiting for acknowledgements
	stamp        records.Stamp
	stampOrNil   *records.Stamp
}

// lane is one partition as this producer sees it.
type lane struct {
	id        int32
	next      int64 // the number of the next record
	seqFrom   int64 // the number that has sequence 0 with the present producer id
	open      *records.Batch
	queue     []*records.Batch // closed, in the order of their numbers
	flight    int              // batches in flight
	muted     bool             // a batch came back: nothing is sent until all of flight have
	notBefore int64
	listed    bool // in ready
}

func newProducer(r *run, id, partitions int) *producer {
	o := r.o
	p := &producer{r: r, id: int32(id), src: r.pool.Source(id), stripe: r.acks.Stripe(id), over: make(chan struct{}),
		links: map[int32]*link{}, current: id % partitions,
		plan: schedule.Plan{PerSecond: o.Rate, Of: int64(o.Connections), Phase: int64(id), Count: o.Count}}
	p.alarm = schedule.NewAlarm(p.ring)
	p.identity = identity{id: -1, wanted: o.Idempotent}
	for i := range partitions {
		p.lanes = append(p.lanes, &lane{id: int32(i)})
	}
	if o.Pattern.Stamped {
		p.stamp = records.Stamp{Run: r.id, Producer: p.id}
		p.stampOrNil = &p.stamp
	}
	return p
}

// run sends until the plan is over, or ctx is, and everything sent is answered or given up.
func (p *producer) run(ctx context.Context) {
	defer p.close()
	p.kick()
	select {
	case <-p.over:
	case <-ctx.Done():
		p.mail.put(event{interrupted: true})
		p.kick()
		<-p.over
	}
}

// kick has the producer take its turn, on the goroutine that has something for it. If another one is at it, that one takes a turn more: so
// there is always one at work at most, and nothing that was put into the mailbox is forgotten.
func (p *producer) kick() {
	for {
		if !p.mu.TryLock() {
			return
		}
		p.turn()
		p.mu.Unlock()
		if !p.mail.waiting() {
			return
		}
	}
}

// ring is the alarm's.
func (p *producer) ring() {
	p.mail.put(event{alarm: true})
	p.kick()
}

// turn does all that can be done now, and sets the alarm for the next thing.
func (p *producer) turn() {
	now := p.r.now()
	if p.ended {
		p.mail.close()
		return
	}
	for _, e := range p.mail.take() {
		p.handle(e, now)
	}
	if !p.begun {
		return
	}
	if now-p.housekeptAt >= housekeeping {
		p.housekeptAt = now
		p.keepHouse(now)
	}
	if !p.stopped && p.plan.Over(p.made, now) {
		p.stop(now + int64(p.r.o.DeliveryTimeout) + int64(p.r.o.RequestTimeout))
	}
	if !p.stopped && p.plan.End > 0 && now > p.plan.End+int64(drainMax) {
		p.r.unsent.Add(p.plan.Due(now) - p.made)
		p.stop(now + int64(p.r.o.DeliveryTimeout) + int64(p.r.o.RequestTimeout))
	}
	if !p.stopped {
		p.make(now)
	}
	p.closeDue(now)
	p.send(now)
	p.refresh(now)
	if p.stopped && (p.flying == 0 && p.backlog == 0 && len(p.open) == 0 || now >= p.stopDeadline || p.r.broken()) {
		p.abandon()
		p.ended = true
		close(p.over)
		return
	}
	p.setAlarm(now)
}

func (p *producer) stop(deadline int64) {
	if !p.stopped || deadline < p.stopDeadline {
		p.stopped, p.stopDeadline = true, deadline
	}
}

// make makes the records that are due and have somewhere to go.
func (p *producer) make(now int64) {
	due := p.plan.Due(now) - p.made
	open := p.plan.Open()
	for due > 0 {
		l, key := p.place(now)
		if l == nil {
			return
		}
		b := l.open
		if b == nil {
			if !open {
				now = p.r.now() // in a closed loop a record is due when it is made
			}
			b = p.openBatch(l, now)
		}
		at := now
		for {
			if open {
				at = p.plan.At(p.made)
			}
			b.Append(p.src, key, at, p.stampOrNil)
			p.made++
			due--
			if key != nil || due == 0 || p.full(b) {
				break
			}
		}
		if p.full(b) {
			p.closeBatch(l)
			if key == nil {
				p.send(now)
			}
		}
	}
}

// place says to which partition the next record goes; nil if there is no room for it now.
func (p *producer) place(now int64) (*lane, []byte) {
	if p.r.o.Pattern.Keys == "none" {
		return p.placeKeyless(now), nil
	}
	if p.backlog >= p.backlogMax() {
		return nil, nil
	}
	l, key := p.held, p.heldKey
	if l == nil {
		key = p.src.Key()
		l = p.lanes[records.Partition(key, len(p.lanes))]
	}
	if l.open == nil && len(l.queue) >= keyedQueueMax {
		p.held, p.heldKey = l, key
		return nil, nil
	}
	p.held, p.heldKey = nil, nil
	return l, key
}

// placeKeyless stays with a partition for a batch, and then goes on to the next one that can be sent to, as the Java client does.
func (p *producer) placeKeyless(now int64) *lane {
	if l := p.lanes[p.current]; l.open != nil {
		return l
	}
	if p.identity.missing() {
		return nil
	}
	for i := range p.lanes {
		at := (p.current + i) % len(p.lanes)
		l := p.lanes[at]
		if len(l.queue) == 0 && p.room(l, now) {
			p.current = at
			return l
		}
	}
	return nil
}

// backlogMax is how many closed batches may wait when keys decide.
func (p *producer) backlogMax() int {
	return (p.r.o.Concurrency + keyedQueueMax) * max(len(p.links), 1)
}

func (p *producer) full(b *records.Batch) bool {
	o := p.r.o
	return b.Size()+records.RecordSizeMax(o.keySize(), o.Pattern.Size) > o.BatchBytes || o.BatchRecords > 0 && b.Len() >= o.BatchRecords
}

// openBatch opens a batch for a partition.
func (p *producer) openBatch(l *lane, now int64) *records.Batch {
	var b *records.Batch
	if n := len(p.spare); n > 0 {
		b, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		b = &records.Batch{}
	}
	b.Reset(l.id, l.next, now)
	l.open = b
	p.open = append(p.open, l)
	return b
}

// closeBatch closes the open batch of a partition.
func (p *producer) closeBatch(l *lane) {
	b := l.open
	l.open = nil
	l.next += int64(b.Len())
	for i, o := range p.open {
		if o == l {
			p.open = append(p.open[:i], p.open[i+1:]...)
			break
		}
	}
	l.queue = append(l.queue, b)
	p.backlog++
	p.list(l)
	if l.id == int32(p.current) {
		p.current = (p.current + 1) % len(p.lanes)
	}
}

func (p *producer) list(l *lane) {
	if !l.listed {
		l.listed = true
		p.ready = append(p.ready, l)
	}
}

// deadline is when the open batch of a partition goes out even if it is not full.
func (p *producer) deadline(l *lane) int64 { return l.open.Due[0] + int64(p.r.o.Linger) }

// closeDue closes the batches whose linger is over and that can go out now; the others go on filling.
func (p *producer) closeDue(now int64) {
	for i := 0; i < len(p.open); {
		l := p.open[i]
		if !p.stopped && (p.deadline(l) > now || !p.room(l, now)) {
			i++
			continue
		}
		p.closeBatch(l)
	}
}

// setAlarm finds out when there is something to do without an answer.
func (p *producer) setAlarm(now int64) {
	until := p.housekeptAt + housekeeping
	blocked := p.identity.missing() || p.held != nil || p.r.o.Pattern.Keys != "none" && p.backlog >= p.backlogMax()
	for _, l := range p.open {
		if p.room(l, now) {
			until = min(until, p.deadline(l))
		}
	}
	if !p.stopped && !blocked && p.plan.Open() {
		until = min(until, p.nextDue(now))
	}
	if p.plan.End > 0 && !p.stopped {
		until = min(until, p.plan.End)
	}
	for _, l := range p.ready {
		if l.notBefore > now {
			until = min(until, l.notBefore)
		}
	}
	for _, k := range p.links {
		if k.notBefore > now {
			until = min(until, k.notBefore)
		}
	}
	if p.wantRefresh && !p.refreshing {
		until = min(until, p.refreshAfter)
	}
	until = max(until, now+1) // above 0, which is an alarm that is not set
	if until == p.alarmAt {
		return
	}
	p.alarmAt = until
	p.alarm.Set(time.Duration(until - p.r.now()))
}

// nextDue is when there will be something to make: a batch full of records, or one whose linger is over.
func (p *producer) nextDue(now int64) int64 {
	o := p.r.o
	if o.Pattern.Keys == "none" && p.lanes[p.current].open == nil && p.placeKeyless(now) == nil {
		return now + housekeeping // an answer comes first
	}
	size := records.RecordSizeMax(o.keySize(), o.Pattern.Size)
	fits := int64(max(1, (o.BatchBytes-61)/size))
	if o.BatchRecords > 0 {
		fits = min(fits, int64(o.BatchRecords))
	}
	first := p.plan.At(p.made) + int64(o.Linger)
	if l := p.lanes[p.current]; o.Pattern.Keys == "none" && l.open != nil {
		fits = max(1, fits-int64(l.open.Len()))
		first = p.deadline(l)
	}
	return min(first, p.plan.At(p.made+fits-1))
}

func (p *producer) recycle(b *records.Batch) {
	if len(p.spare) < spareBatchesMax {
		p.spare = append(p.spare, b)
	}
}

// abandon counts what was never answered when the producer ends.
func (p *producer) abandon() {
	for _, l := range p.lanes {
		if l.open != nil {
			p.r.unacked.Add(int64(l.open.Len()))
		}
		for _, b := range l.queue {
			p.r.unacked.Add(int64(b.Len()))
			p.excuse(b)
		}
	}
	for _, k := range p.links {
		for q := range k.requests {
			for _, b := range q.batches {
				p.r.unacked.Add(int64(b.Len()))
				p.excuse(b)
			}
		}
	}
}

// excuse says to the verifier that a batch that was sent may be in the log or not.
func (p *producer) excuse(b *records.Batch) {
	if p.r.verifier != nil && b.Tries > 0 {
		p.r.verifier.Excuse(p.id, b.Partition, b.First, b.Last())
	}
}

func (p *producer) close() {
	p.alarm.Close()
	p.mail.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.links {
		if k.conn != nil {
			k.conn.Close(errEnded)
		}
	}
}

// mailbox is how other goroutines tell the producer what happened. What is under way bounds it: requests in flight, one dial a
// broker, one metadata request and one for a producer id.
type mailbox struct {
	mu     sync.Mutex
	events []event
	taken  []event
	closed bool
}

func (m *mailbox) put(e event) {
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.events = append(m.events, e)
	}
	m.mu.Unlock()
	if closed {
		if e.conn != nil {
			e.conn.Close(errEnded)
		}
	}
}

func (m *mailbox) waiting() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.events) > 0
}

// take returns what has come; it is good until the next take.
func (m *mailbox) take() []event {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events, m.taken = m.taken[:0], m.events
	return m.taken
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	left := m.events
	m.events = nil
	m.mu.Unlock()
	for _, e := range left {
		if e.conn != nil {
			e.conn.Close(errEnded)
		}
	}
}

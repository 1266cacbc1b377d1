package load

// This file owns getting the native producer's batches to the leaders: requests, answers, retries, and the producer id.
//
// Invariants: with idempotence a batch that may have reached the broker is only ever sent again as the same bytes with the same sequence. If
// such a batch is given up, the producer id is fenced: nothing is sent until all of flight is answered, all other batches that were sent are
// given up too, and a new producer id begins. So a retry never doubles a record, and a gap in sequences never blocks for ever.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/wire"
	"github.com/troupe-io/troupe/protocol"
)

const (
	backoffMin = int64(20 * time.Millisecond)
	backoffMax = int64(time.Second)
)

var (
	errEnded          = errors.New("the run is over")
	errRequestTimeout = errors.New("request timed out")
)

// identity is the idempotent producer's id.
type identity struct {
	wanted bool
	id     int64 // -1: none yet
	epoch  int16
	asking bool
	fenced bool // see the invariants above
	after  int64
}

func (i *identity) missing() bool { return i.wanted && (i.id < 0 || i.fenced) }

// link is this producer's connection to one broker.
type link struct {
	node      int32
	addr      string
	conn      *wire.Conn
	dialing   bool
	failures  int
	notBefore int64
	requests  map[*request]struct{} // in flight
	building  *request
}

// request is a Produce request with at most one batch of each of some partitions.
type request struct {
	call    wire.Call
	link    *link
	batches []*records.Batch
	results []result // one a batch, filled in by the connection's goroutine
	bytes   int
}

type result struct {
	answered bool
	code     protocol.ErrorCode
	offset   int64
}

// event is what another goroutine tells the producer.
type event struct {
	request   *request   // answered, or failed with err
	link      *link      // dialled: conn or err
	conn      *wire.Conn // owned by the receiver
	refreshed bool
	identity  *kmsg.InitProducerIDResponse
	asked     bool // the producer id was asked for
	alarm     bool
	err       error
	at        int64

	interrupted bool
}

// tell is for goroutines other than the one whose turn it is, and for callbacks on any.
func (p *producer) tell(e event) {
	p.mail.put(e)
	p.kick()
}

// leader is the link to a partition's leader; nil while there is none to use. It dials when needed.
func (p *producer) leader(l *lane, now int64) *link {
	node, addr, ok := p.r.cluster.View().Addr(l.id)
	if !ok {
		p.wantRefresh = true
		return nil
	}
	k := p.links[node]
	if k == nil {
		k = &link{node: node, requests: map[*request]struct{}{}}
		p.links[node] = k
	}
	if k.conn != nil {
		return k
	}
	if !k.dialing && now >= k.notBefore {
		k.dialing, k.addr = true, addr
		go func() {
			conn, err := wire.Dial(context.Background(), addr)
			p.tell(event{link: k, conn: conn, err: err})
		}()
	}
	return nil
}

// prepare connects to the leaders and gets a producer id before the clock starts.
func (p *producer) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		p.mu.Lock()
		now := p.r.now()
		for _, e := range p.mail.take() {
			p.handle(e, now)
		}
		p.keepHouse(now)
		p.refresh(now)
		up := !p.identity.missing()
		for _, l := range p.lanes {
			up = p.leader(l, now) != nil && up
		}
		p.mu.Unlock()
		if up || p.r.broken() {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("connect to the leaders of topic %s: not done in %s; so far: %v", p.r.o.Topic, startMax, p.r.errs.all())
		}
	}
}

// begin takes over the schedule.
func (p *producer) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan.Start, p.plan.End, p.housekeptAt, p.begun = p.r.begin, p.r.end, p.r.begin, true
}

// room says whether a batch of the partition could be sent now.
func (p *producer) room(l *lane, now int64) bool {
	if p.identity.missing() || l.muted || now < l.notBefore {
		return false
	}
	k := p.leader(l, now)
	return k != nil && len(k.requests) < p.r.o.Concurrency
}

// send sends closed batches as far as there is room.
func (p *producer) send(now int64) {
	if len(p.ready) == 0 || p.identity.missing() {
		return
	}
	keep := p.ready[:0]
	for _, l := range p.ready {
		if l.muted && l.flight == 0 {
			l.muted = false
		}
		if len(l.queue) > 0 && !l.muted && now >= l.notBefore {
			if k := p.leader(l, now); k != nil {
				p.put(k, l)
			}
		}
		if l.listed = len(l.queue) > 0; l.listed {
			keep = append(keep, l)
		}
	}
	clear(p.ready[len(keep):])
	p.ready = keep
	for _, k := range p.links {
		p.flush(k, now)
	}
}

// put adds a partition's next batch to the request that is being put together, if there is room.
func (p *producer) put(k *link, l *lane) {
	b := l.queue[0]
	if q := k.building; q != nil && q.bytes+b.Size() > requestBytesMax {
		p.flush(k, p.r.now())
	}
	if k.building == nil {
		if k.conn == nil || len(k.requests) >= p.r.o.Concurrency {
			return
		}
		k.building = &request{link: k}
	}
	q := k.building
	q.batches = append(q.batches, b)
	q.bytes += b.Size()
	copy(l.queue, l.queue[1:])
	l.queue = l.queue[:len(l.queue)-1]
	l.flight++
	p.backlog--
	p.flying++
}

// flush sends the request that was put together for a broker.
func (p *producer) flush(k *link, now int64) {
	q := k.building
	if q == nil {
		return
	}
	k.building = nil
	o := p.r.o
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = o.Acks, int32(o.RequestTimeout.Milliseconds())
	t := kmsg.NewProduceRequestTopic()
	t.Topic = o.Topic
	for _, b := range q.batches {
		l := p.lanes[b.Partition]
		if !b.Sealed() {
			id, epoch := int64(-1), int16(-1)
			if p.identity.wanted {
				id, epoch = p.identity.id, p.identity.epoch
			}
			if err := b.Seal(o.Codec, time.Now().UnixMilli(), id, epoch, int32((b.First-l.seqFrom)&0x7fffffff)); err != nil {
				p.r.stop(fmt.Errorf("compress a batch: %w", err))
			}
		}
		if b.Tries++; b.Tries > 1 {
			p.r.retries.Add(1)
			if !p.identity.wanted && p.r.verifier != nil {
				p.r.verifier.Excuse(p.id, b.Partition, b.First, b.Last())
			}
		}
		part := kmsg.NewProduceRequestTopicPartition()
		part.Partition, part.Records = b.Partition, b.Wire()
		t.Partitions = append(t.Partitions, part)
	}
	req.Topics = append(req.Topics, t)
	q.results = make([]result, len(q.batches))
	q.call = wire.Call{Request: req, NoAnswer: o.Acks == 0, Done: func(answer kmsg.Response, err error) {
		at := p.r.now()
		if answer != nil {
			q.read(answer.(*kmsg.ProduceResponse), o.Topic)
		}
		p.tell(event{request: q, err: err, at: at})
	}}
	k.requests[q] = struct{}{}
	if err := k.conn.Send(&q.call, wire.ProduceVersion); err != nil {
		if errors.Is(err, wire.ErrNotServed) {
			p.r.stop(err)
		}
		p.mail.put(event{request: q, err: err, at: now})
	}
}

// read takes the results out of the answer.
func (q *request) read(a *kmsg.ProduceResponse, topic string) {
	for i := range a.Topics {
		if a.Topics[i].Topic != topic {
			continue
		}
		for j := range a.Topics[i].Partitions {
			part := &a.Topics[i].Partitions[j]
			for n, b := range q.batches {
				if b.Partition == part.Partition {
					q.results[n] = result{true, protocol.ErrorCode(part.ErrorCode), part.BaseOffset}
					break
				}
			}
		}
	}
}

func (p *producer) handle(e event, now int64) {
	switch {
	case e.request != nil:
		p.answered(e, now)
	case e.link != nil:
		k := e.link
		k.dialing = false
		if e.err != nil {
			p.r.errs.add(kindOf(e.err), 1)
			k.failures++
			k.notBefore = now + backoff(k.failures)
			p.wantRefresh = true
			return
		}
		k.conn, k.failures = e.conn, 0
	case e.refreshed:
		p.refreshing = false
		p.refreshAfter = now + backoffMin
		if e.err != nil {
			p.r.errs.add("metadata: "+kindOf(e.err), 1)
			p.wantRefresh = true
			p.refreshAfter = now + 5*backoffMin
		}
	case e.asked:
		p.identified(e, now)
	case e.alarm:
		p.alarmAt = 0
	case e.interrupted:
		p.stop(now + int64(interruptGrace))
	}
}

func backoff(failures int) int64 {
	return min(backoffMin<<min(max(failures-1, 0), 10), backoffMax)
}

// answered takes the answer of a request, or that there will be none.
func (p *producer) answered(e event, now int64) {
	q, k := e.request, e.request.link
	delete(k.requests, q)
	if e.err != nil && k.conn != nil && !k.conn.Alive() {
		k.conn = nil
		k.failures++
		k.notBefore = now + backoff(k.failures)
		p.wantRefresh = true
	}
	for i, b := range q.batches {
		l := p.lanes[b.Partition]
		l.flight--
		p.flying--
		res := q.results[i]
		switch {
		case e.err != nil:
			p.again(l, b, kindOf(e.err), now)
		case q.call.NoAnswer:
			p.acked(l, b, result{offset: -1}, e.at)
		case !res.answered:
			p.again(l, b, "the answer leaves a partition out", now)
		case res.code == protocol.ErrNone || res.code == protocol.ErrDuplicateSequenceNumber:
			// A duplicate is in the log already; brokers that forgot where answer without an offset.
			if res.code != protocol.ErrNone {
				p.r.errs.add(res.code.String(), 1)
				res.offset = max(res.offset, 0)
			}
			p.acked(l, b, res, e.at)
		case res.code == protocol.ErrOutOfOrderSequenceNumber && len(l.queue) > 0 && l.queue[0].First < b.First && l.queue[0].Tries > 0:
			// The one before it came back: both are sent again, in order.
			p.again(l, b, res.code.String(), now)
		case res.code.Retriable():
			p.wantRefresh = true
			p.again(l, b, res.code.String(), now)
		default:
			p.giveUp(b, res.code.String())
		}
	}
}

// acked takes an acknowledgement.
func (p *producer) acked(l *lane, b *records.Batch, res result, at int64) {
	r := p.r
	n := p.stripe.Batch(b.Due, at, r.from, r.recordBytes)
	if n > 0 {
		r.counted(at)
		r.gaps.ack(int(b.Partition), at)
	}
	if r.o.Acks != 0 {
		r.ackedAt(p.id, b.Partition, b.First, b.Last(), res.offset)
	}
	p.recycle(b)
}

// again puts a batch back in its place.
func (p *producer) again(l *lane, b *records.Batch, kind string, now int64) {
	p.r.errs.add(kind, 1)
	at := sort.Search(len(l.queue), func(i int) bool { return l.queue[i].First > b.First })
	l.queue = append(l.queue, nil)
	copy(l.queue[at+1:], l.queue[at:])
	l.queue[at] = b
	p.backlog++
	l.muted = true
	l.notBefore = now + backoff(b.Tries)
	p.list(l)
}

// giveUp counts a batch as failed. It is in no queue any more.
func (p *producer) giveUp(b *records.Batch, kind string) {
	p.r.errs.add(kind, 1)
	p.r.failed.Add(int64(b.Len()))
	p.excuse(b)
	if b.Tries > 0 && p.identity.wanted {
		p.identity.fenced = true
	}
	p.recycle(b)
}

// keepHouse looks at time-outs, and asks for a producer id if there is none.
func (p *producer) keepHouse(now int64) {
	for _, k := range p.links {
		if k.conn == nil {
			continue
		}
		if sent, ok := k.conn.Oldest(); ok && time.Since(sent) > p.r.o.RequestTimeout {
			k.conn.Close(errRequestTimeout)
		}
	}
	for i := 0; i < len(p.open); {
		if l := p.open[i]; now-l.open.Created > int64(p.r.o.DeliveryTimeout) {
			p.closeBatch(l)
			continue
		}
		i++
	}
	for _, l := range p.ready {
		for len(l.queue) > 0 && now-l.queue[0].Created > int64(p.r.o.DeliveryTimeout) {
			b := l.queue[0]
			l.queue = append(l.queue[:0], l.queue[1:]...)
			p.backlog--
			p.giveUp(b, "delivery timed out")
		}
	}
	p.renew(now)
}

// refresh asks who leads, if somebody wants to know.
func (p *producer) refresh(now int64) {
	if p.wantRefresh && !p.refreshing && now >= p.refreshAfter {
		p.wantRefresh, p.refreshing = false, true
		go func() {
			_, err := p.r.cluster.Refresh(context.Background())
			p.tell(event{refreshed: true, err: err})
		}()
	}
}

// renew gets a producer id when there is none, or when the one there was is fenced and nothing is in flight any more.
func (p *producer) renew(now int64) {
	i := &p.identity
	if i.fenced && p.flying == 0 {
		for _, l := range p.lanes {
			keep := l.queue[:0]
			for _, b := range l.queue {
				if b.Tries > 0 {
					p.backlog--
					p.giveUp(b, "given up with its producer id")
					continue
				}
				b.Unseal()
				keep = append(keep, b)
			}
			l.queue = keep
			l.seqFrom = l.next
			if len(keep) > 0 {
				l.seqFrom = keep[0].First
			}
			l.muted = false
		}
		i.fenced, i.id = false, -1
	}
	if !i.wanted || i.id >= 0 || i.asking || now < i.after {
		return
	}
	i.asking = true
	go func() {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.TransactionTimeoutMillis = 60_000
		resp, err := p.r.cluster.Ask(context.Background(), req, initProducerIDVersion)
		e := event{asked: true, err: err}
		if err == nil {
			e.identity = resp.(*kmsg.InitProducerIDResponse)
		}
		p.tell(e)
	}()
}

const initProducerIDVersion = 4

func (p *producer) identified(e event, now int64) {
	i := &p.identity
	i.asking = false
	if e.err == nil && e.identity.ErrorCode != 0 {
		e.err = protocol.ErrorCode(e.identity.ErrorCode)
	}
	if e.err != nil {
		if errors.Is(e.err, wire.ErrNotServed) {
			p.r.stop(fmt.Errorf("%w; --idempotent=false does without", e.err))
		}
		p.r.errs.add("producer id: "+kindOf(e.err), 1)
		i.after = now + 5*backoffMin
		return
	}
	i.id, i.epoch = e.identity.ProducerID, e.identity.ProducerEpoch
}

// kindOf names an error so that the same trouble has the same name.
func kindOf(err error) string {
	var code protocol.ErrorCode
	var ne net.Error
	switch {
	case errors.As(err, &code):
		return code.String()
	case errors.Is(err, errRequestTimeout):
		return "request timed out"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, wire.ErrClosed):
		return "connection lost"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "no answer in time"
	}
	return err.Error()
}

package load

// This file owns the native readers: each has some of the partitions and one connection to each of their leaders, with one Fetch in
// flight. Invariants: a partition has one reader at a time; a reader's position only goes forward, by whole batches, so every record is
// taken once whatever connections break; a partition that cannot be read any further is given up with a fault, never read in a circle.

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/bench/load/latency"
	"github.com/troupe-io/troupe/bench/load/verify"
	"github.com/troupe-io/troupe/bench/load/wire"
	"github.com/troupe-io/troupe/protocol"
)

const (
	// decompressedMax bounds what one batch decompresses to.
	decompressedMax = 256 << 20
	// stuckMax is how many fetches may bring bytes but no whole batch.
	stuckMax = 3
	// stallMax is how long a reader that has an end to reach may get nothing.
	stallMax = 60 * time.Second
	// readRetry is the pause after a leader was not to be had.
	readRetry = 50 * time.Millisecond
)

// cursor is where reading of a partition stands.
type cursor struct {
	partition int32
	next      int64
	until     atomic.Int64 // -1: no end is known
	stuck     int
	over      bool // it cannot be read any further
}

func (c *cursor) done() bool {
	until := c.until.Load()
	return c.over || until >= 0 && c.next >= until
}

// reading is all readers of a run.
type reading struct {
	r        *run
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	cursors  []*cursor
	progress atomic.Int64 // records taken
	left     atomic.Int64 // of --count; counts down
	limited  bool
}

// read starts n readers at starts; ends may be nil. decode says whether records are looked at one by one.
func (r *run) read(ctx context.Context, n int, starts, ends []int64, decode bool) *reading {
	ctx, cancel := context.WithCancel(ctx)
	g := &reading{r: r, cancel: cancel}
	if r.o.Mode == Consume && r.o.Count > 0 {
		g.limited = true
		g.left.Store(r.o.Count)
	}
	for p, at := range starts {
		c := &cursor{partition: int32(p), next: at}
		c.until.Store(-1)
		if ends != nil {
			c.until.Store(ends[p])
		}
		g.cursors = append(g.cursors, c)
	}
	n = min(n, len(g.cursors))
	for i := range n {
		t := &taker{g: g, decode: decode, fetches: r.acks.Stripe(i)}
		if r.trip != nil {
			t.trips = r.trip.Stripe(i)
		}
		var mine []*cursor
		for p := i; p < len(g.cursors); p += n {
			mine = append(mine, g.cursors[p])
		}
		if r.o.Client == Franz {
			g.wg.Go(func() { g.franz(ctx, t, mine) })
			continue
		}
		g.wg.Go(func() { g.native(ctx, t, mine) })
	}
	return g
}

// wait waits until everything up to the ends has been read. Without progress for stallMax it gives up.
func (g *reading) wait() error {
	ended := make(chan struct{})
	go func() { g.wg.Wait(); close(ended) }()
	defer g.stop()
	last, since := g.progress.Load(), time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return nil
		case <-tick.C:
			if n := g.progress.Load(); n != last {
				last, since = n, time.Now()
			} else if time.Since(since) > stallMax {
				return fmt.Errorf("reading topic %s: nothing came for %s, and it is not at its end", g.r.o.Topic, stallMax)
			}
		}
	}
}

// until sets the ends and waits for them.
func (g *reading) until(ends []int64) error {
	for i, c := range g.cursors {
		c.until.Store(ends[i])
	}
	return g.wait()
}

func (g *reading) stop() {
	g.cancel()
	g.wg.Wait()
}

// native reads some partitions: one session a leader; what a session hands back goes to another once the leaders are known anew.
func (g *reading) native(ctx context.Context, t *taker, mine []*cursor) {
	back := make(chan []*cursor, len(mine)) // a session holds at least one cursor, so this never blocks
	idle := mine
	running := 0
	for {
		view := g.r.cluster.View()
		byLeader := map[string][]*cursor{}
		var leaderless []*cursor
		for _, c := range idle {
			if c.done() {
				continue
			}
			if _, addr, ok := view.Addr(c.partition); ok {
				byLeader[addr] = append(byLeader[addr], c)
			} else {
				leaderless = append(leaderless, c)
			}
		}
		for addr, list := range byLeader {
			running++
			own := *t // each session counts on its own
			go func() { own.session(ctx, addr, list); back <- list }()
		}
		idle = leaderless
		if running == 0 && len(idle) == 0 {
			return
		}
		var retry <-chan time.Time
		if len(idle) > 0 {
			retry = time.After(readRetry)
		}
		select {
		case list := <-back:
			running--
			for _, c := range list {
				if !c.done() {
					idle = append(idle, c)
				}
			}
		case <-retry:
		}
		if ctx.Err() != nil {
			for ; running > 0; running-- {
				<-back
			}
			return
		}
		if len(idle) > 0 {
			time.Sleep(readRetry)
			if _, err := g.r.cluster.Refresh(ctx); err != nil && ctx.Err() == nil {
				g.r.errs.add("metadata: "+kindOf(err), 1)
			}
		}
	}
}

// session reads partitions from one broker until all are done, or one of them has to be looked for elsewhere.
func (t *taker) session(ctx context.Context, addr string, list []*cursor) {
	r := t.g.r
	conn, err := wire.Dial(ctx, addr)
	if err != nil {
		if ctx.Err() == nil {
			r.errs.add(kindOf(err), 1)
		}
		return
	}
	defer conn.Close(errEnded)
	for ctx.Err() == nil {
		req := kmsg.NewPtrFetchRequest()
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = int32(r.o.FetchWait.Milliseconds()), 1, int32(r.o.FetchBytes), -1
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic = r.o.Topic
		for i := range list {
			c := list[(i+t.turn)%len(list)] // the broker fills up from the first: each is it in turn
			if c.done() {
				continue
			}
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = c.partition, c.next, int32(r.o.FetchBytes)
			topic.Partitions = append(topic.Partitions, p)
		}
		t.turn++
		if len(topic.Partitions) == 0 {
			return
		}
		req.Topics = append(req.Topics, topic)
		askCtx, cancel := context.WithTimeout(ctx, r.o.FetchWait+r.o.RequestTimeout)
		sent := r.now()
		answer, err := conn.Ask(askCtx, req, wire.FetchVersion)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				r.errs.add("fetch: "+kindOf(err), 1)
			}
			return
		}
		if !t.fetched(answer.(*kmsg.FetchResponse), list, sent) {
			return
		}
	}
}

// fetched takes an answer; false if a partition has to be looked for elsewhere.
func (t *taker) fetched(a *kmsg.FetchResponse, list []*cursor, sent int64) bool {
	r := t.g.r
	at := r.now()
	if a.ErrorCode != 0 {
		r.errs.add("fetch: "+protocol.ErrorCode(a.ErrorCode).String(), 1)
		return false
	}
	ok, some := true, false
	for i := range a.Topics {
		for j := range a.Topics[i].Partitions {
			p := &a.Topics[i].Partitions[j]
			var c *cursor
			for _, l := range list {
				if l.partition == p.Partition {
					c = l
				}
			}
			if c == nil {
				continue
			}
			switch code := protocol.ErrorCode(p.ErrorCode); code {
			case protocol.ErrNone:
				some = some || len(p.RecordBatches) > 0
				t.batches(c, p.RecordBatches, at)
			case protocol.ErrOffsetOutOfRange:
				r.errs.add("fetch: "+code.String(), 1)
				t.giveUp(c, fmt.Errorf("it is not in the log any more"))
			default:
				r.errs.add("fetch: "+code.String(), 1)
				ok = false
			}
		}
	}
	if some && t.trips == nil && at >= r.from {
		t.fetches.Value(at - sent)
	}
	return ok
}

// giveUp says that a partition cannot be read beyond where it is.
func (t *taker) giveUp(c *cursor, why error) {
	c.over = true
	if v := t.g.r.verifier; v != nil {
		v.Fault(verify.Unverifiable, 1, "%s-%d offset %d: %v", t.g.r.o.Topic, c.partition, c.next, why)
	}
}

// taker takes records for the histograms and the verifier. It is for one goroutine.
type taker struct {
	g       *reading
	decode  bool
	fetches *latency.Stripe
	trips   *latency.Stripe
	turn    int
	due     []int64
}

// batches takes the record batches that a fetch brought for a partition.
func (t *taker) batches(c *cursor, b []byte, at int64) {
	if len(b) == 0 {
		return
	}
	before := c.next
	err := protocol.EachBatch(b, func(h *protocol.BatchHeader, batch []byte) error {
		if h.LastOffset() < c.next {
			return nil // the broker may begin before what was asked for
		}
		t.batch(c, h, batch, at)
		c.next = h.LastOffset() + 1
		return nil
	})
	if err == nil && c.next == before {
		if c.stuck++; c.stuck >= stuckMax {
			err = fmt.Errorf("%d bytes came and no whole batch is in them", len(b))
		}
	} else {
		c.stuck = 0
	}
	if err != nil {
		t.g.r.errs.add("fetch: "+err.Error(), 1)
		if v := t.g.r.verifier; v != nil {
			v.Log(c.partition).CorruptBatch(c.next, err)
		}
		t.giveUp(c, err)
	}
}

func (t *taker) batch(c *cursor, h *protocol.BatchHeader, batch []byte, at int64) {
	if h.Control() {
		return
	}
	n := int64(h.RecordCount)
	if t.decode {
		n = t.records(c, h, batch, at)
	}
	t.count(n, int64(len(batch)), at)
}

// count counts consumed records.
func (t *taker) count(n, size, at int64) {
	r := t.g.r
	t.g.progress.Add(n)
	if t.trips == nil && at >= r.from && r.o.Mode == Consume {
		t.fetches.Count(n, size)
		r.counted(at)
	}
	if t.g.limited && t.g.left.Add(-n) <= 0 {
		t.g.cancel()
	}
}

// records looks at each record of a batch and says how many there were.
func (t *taker) records(c *cursor, h *protocol.BatchHeader, batch []byte, at int64) (n int64) {
	v := t.g.r.verifier
	if v != nil {
		if err := protocol.CheckBatchCRC(batch); err != nil {
			v.Log(c.partition).CorruptBatch(h.BaseOffset, err)
			return 0
		}
	}
	it, err := protocol.NewRecords(batch, decompressedMax)
	if err == nil {
		defer it.Close()
		t.begin(c.partition)
		for it.Next() {
			if rec := it.Record(); rec.Offset >= c.next {
				t.record(c.partition, rec.Offset, rec.Key, rec.Value)
				n++
			}
		}
		t.end(c.partition, at)
		err = it.Err()
	}
	if err != nil && v != nil {
		v.Log(c.partition).CorruptBatch(h.BaseOffset, err)
	}
	return n
}

// begin and end enclose the records of one batch.
func (t *taker) begin(partition int32) {
	t.due = t.due[:0]
	if v := t.g.r.verifier; v != nil {
		v.Log(partition).Begin()
	}
}

func (t *taker) record(partition int32, offset int64, key, value []byte) {
	r := t.g.r
	if r.verifier != nil {
		if s, ok := r.verifier.Log(partition).Record(offset, key, value); ok {
			t.due = append(t.due, s.Due)
		}
		return
	}
	t.stamped(key, value)
}

func (t *taker) end(partition int32, at int64) {
	r := t.g.r
	if r.verifier != nil {
		r.verifier.Log(partition).End()
	}
	if t.trips != nil && len(t.due) > 0 && t.trips.Batch(t.due, at, r.from, r.recordBytes) > 0 {
		r.counted(at)
	}
}

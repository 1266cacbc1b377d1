package load

// This file owns the modes consume and metadata.

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/schedule"
	"github.com/troupe-io/troupe/bench/load/verify"
	"github.com/troupe-io/troupe/bench/load/wire"
	"github.com/troupe-io/troupe/protocol"
)

// consume reads the topic: up to its present end, or for a duration or a count.
func (r *run) consume(ctx context.Context, admin *admin, partitions int) (*Report, error) {
	o := r.o
	ends, err := admin.offsets(ctx, partitions, false)
	if err != nil {
		return nil, err
	}
	starts := ends
	if !o.FromEnd {
		if starts, err = admin.beginnings(ctx, partitions); err != nil {
			return nil, err
		}
	}
	if o.FromEnd || o.Duration > 0 {
		ends = nil
	}
	if o.Verify {
		r.verifier = verify.NewAlone(o.Topic, partitions)
	}
	r.startClock()
	g := r.read(ctx, o.Connections, starts, ends, o.Verify || o.Client == Franz)
	watch := r.watch()
	if r.end > 0 {
		timer := time.AfterFunc(time.Duration(r.end-r.now()), g.cancel)
		defer timer.Stop()
	}
	if ends != nil {
		err = g.wait()
	} else {
		g.wg.Wait()
		g.cancel()
	}
	report := watch.finish(ctx)
	if r.verifier != nil {
		v := r.verifier.Finish()
		report.Verify = &v
	}
	return report, err
}

// stamped takes the time a record was due from its stamp, without a verifier.
func (t *taker) stamped(key, value []byte) {
	if t.trips == nil {
		return
	}
	if s, err := records.CheckStamp(key, value); err == nil && s.Run == t.g.r.id {
		t.due = append(t.due, s.Due)
	}
}

// metadata asks for the topic's metadata, pipelined, on schedule or as fast as answers come.
func (r *run) metadata(ctx context.Context) (*Report, error) {
	o := r.o
	seed := func(i int) string {
		v := r.cluster.View()
		_, addr, ok := v.Addr(int32(i % len(v.Leaders)))
		if !ok {
			return o.Seeds[i%len(o.Seeds)]
		}
		return addr
	}
	conns := make([]*wire.Conn, o.Connections)
	for i := range conns {
		c, err := wire.Dial(ctx, seed(i))
		if err != nil {
			return nil, err
		}
		conns[i] = c
		defer func() { conns[i].Close(errEnded) }()
	}
	r.startClock()
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() { r.askMetadata(ctx, i, &conns[i], func() string { return seed(i) }) })
	}
	watch := r.watch()
	wg.Wait()
	return watch.finish(ctx), nil
}

// askMetadata is the loop of one connection: up to Concurrency requests are in flight.
func (r *run) askMetadata(ctx context.Context, id int, conn **wire.Conn, addr func() string) {
	o := r.o
	stripe := r.acks.Stripe(id)
	plan := schedule.Plan{Start: r.begin, PerSecond: o.Rate, Of: int64(o.Connections), Phase: int64(id), Count: o.Count, End: r.end}
	ring, rung := schedule.Bell()
	alarm := schedule.NewAlarm(ring)
	defer alarm.Close()
	type outcome struct{ lost bool }
	answered := make(chan outcome, o.Concurrency)
	var made int64
	flying, down := 0, false
	ask := func(due int64) {
		req := kmsg.NewPtrMetadataRequest()
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(o.Topic)
		req.Topics = append(req.Topics, t)
		done := func(a kmsg.Response, err error) {
			at := r.now()
			switch {
			case err != nil:
				r.errs.add(kindOf(err), 1)
			default:
				if m := a.(*kmsg.MetadataResponse); len(m.Topics) != 1 || m.Topics[0].ErrorCode != 0 {
					kind := "the answer is not for the topic asked for"
					if len(m.Topics) == 1 {
						kind = protocol.ErrorCode(m.Topics[0].ErrorCode).String()
					}
					r.errs.add(kind, 1)
				}
				if due >= r.from {
					stripe.Add(at-due, 1, 0)
					r.counted(at)
				}
			}
			answered <- outcome{err != nil}
		}
		flying++
		if err := (*conn).Send(&wire.Call{Request: req, Done: done}, wire.MetadataVersion); err != nil {
			done(nil, err)
		}
	}
	take := func(out outcome) {
		flying--
		if out.lost {
			r.failed.Add(1)
			down = true
		}
	}
	var stopAt int64
	for {
		now := r.now()
		if stopAt == 0 && (ctx.Err() != nil || plan.Over(made, now) || plan.End > 0 && now > plan.End+int64(drainMax)) {
			if !plan.Over(made, now) && ctx.Err() == nil {
				r.unsent.Add(plan.Due(now) - made)
			}
			stopAt = now + int64(interruptGrace)
		}
		if stopAt != 0 && (flying == 0 || now >= stopAt) {
			r.unacked.Add(int64(flying))
			return
		}
		if down && flying == 0 {
			if c, err := wire.Dial(ctx, addr()); err == nil {
				(*conn).Close(errEnded)
				*conn, down = c, false
			} else {
				r.errs.add(kindOf(err), 1)
			}
		}
		for stopAt == 0 && !down && flying < o.Concurrency && plan.Due(now) > made {
			due := now
			if plan.Open() {
				due = plan.At(made)
			}
			made++
			ask(due)
		}
		wait := time.Duration(housekeeping)
		if down {
			wait = readRetry
		} else if stopAt == 0 && plan.Open() && flying < o.Concurrency {
			wait = min(wait, time.Duration(plan.At(made)-r.now()))
		}
		alarm.Set(wait)
		select {
		case out := <-answered:
			take(out)
			for more := true; more; {
				select {
				case out = <-answered:
					take(out)
				default:
					more = false
				}
			}
		case <-rung:
		}
	}
}

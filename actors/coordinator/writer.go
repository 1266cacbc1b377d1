package coordinator

// This file owns the way of a coordinator's records to its partition. A few batches are on their way at a time, so that a batch need
// not wait until the sync before its own is over; what comes when they are goes into the next one, so the batches are as large as
// the disk is slow and nobody waits for a timer. Invariants:
//
//   - records stand in the log in the order in which the Machine handed them out;
//   - an append is told its fate once, after its last record's batch; it has failed if any of its batches has;
//   - fates are told in that order too, also when a refusal of the partition overtakes its word on an earlier batch.

import (
	"slices"

	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// BatchBytesMax is the size at which a batch is full; a single record may be larger.
const BatchBytesMax = 512 << 10

// batchesOnWayMax is how many batches are on their way at a time: one in the sync under way, one for the next, and one that raft or
// the partition has in hand. More only makes them smaller.
const batchesOnWayMax = 3

// writer gathers records. The zero value is not ready: see newWriter.
type writer struct {
	term   uint64
	queue  []*outgoing                   // the last one is open
	onWay  []*outgoing                   // oldest first
	failed map[uint64]protocol.ErrorCode // appends of which a batch failed and another is to come
	came   map[uint64]bool               // appends of which a batch came through and another is to come
	spare  []*outgoing
}

// outgoing is one batch, open or sent; it is the token of its Produce.
type outgoing struct {
	term    uint64
	builder record.Builder
	ends    []uint64 // appends whose last record is in the batch
	goesOn  uint64   // the append whose records go on in the next batch, 0: none
	sentMs  int64
	settled bool // the partition has said fate
	fate    protocol.ErrorCode
}

func newWriter(term uint64) *writer {
	return &writer{term: term, failed: map[uint64]protocol.ErrorCode{}, came: map[uint64]bool{}}
}

// add takes over the records of an Append.
func (w *writer) add(a group.Append) {
	for _, r := range a.Records {
		o := w.open()
		if o.builder.Count() > 0 && o.builder.SizeWith(r.Key, r.Value) > BatchBytesMax {
			if len(o.ends) == 0 || o.ends[len(o.ends)-1] != a.ID {
				o.goesOn = a.ID
			}
			o = w.push()
		}
		o.builder.Add(r.Key, r.Value)
	}
	o := w.open()
	o.ends = append(o.ends, a.ID)
}

func (w *writer) open() *outgoing {
	if n := len(w.queue); n > 0 {
		return w.queue[n-1]
	}
	return w.push()
}

func (w *writer) push() *outgoing {
	var o *outgoing
	if n := len(w.spare); n > 0 {
		o, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		o = &outgoing{term: w.term}
	}
	w.queue = append(w.queue, o)
	return o
}

// next is the Produce to send now, but for where to answer; or nil. The frame's reference goes with it.
func (w *writer) next(frames *protocol.FramePool, nowMs int64) *partition.Produce {
	if len(w.onWay) >= batchesOnWayMax || len(w.queue) == 0 {
		return nil
	}
	o := w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	w.onWay = append(w.onWay, o)
	o.sentMs = nowMs
	batch, header := o.builder.Seal(nowMs)
	f := frames.Get(1 + len(batch)) // the partition writes a byte in front of the batch
	copy(f.Bytes[1:], batch)
	return &partition.Produce{
		Batch: f.Bytes[1:], Frame: f, Start: 1, Header: header, Acks: -1, Token: o, AppendTimeMs: -1,
	}
}

// oldestMs is when the oldest batch on its way was sent.
func (w *writer) oldestMs() (ms int64, ok bool) {
	if len(w.onWay) == 0 {
		return 0, false
	}
	return w.onWay[0].sentMs, true
}

// done takes the fate of a batch on its way; tell is called for each append that is settled by it, or by later batches that only
// waited for this one. torn says that an append that failed is in the log in part.
func (w *writer) done(o *outgoing, err protocol.ErrorCode, tell func(id uint64, err protocol.ErrorCode)) (torn bool) {
	invariant.Check(slices.Contains(w.onWay, o) && !o.settled, "a batch is settled that is not on its way")
	o.settled, o.fate = true, err
	for len(w.onWay) > 0 && w.onWay[0].settled {
		o := w.onWay[0]
		w.onWay = append(w.onWay[:0], w.onWay[1:]...)
		torn = w.settle(o, o.fate, tell) || torn
	}
	return torn
}

func (w *writer) settle(o *outgoing, err protocol.ErrorCode, tell func(id uint64, err protocol.ErrorCode)) (torn bool) {
	switch {
	case o.goesOn == 0:
	case err != protocol.ErrNone:
		w.failed[o.goesOn] = err
	default:
		w.came[o.goesOn] = true
	}
	for _, id := range o.ends {
		fate := err
		if earlier, ok := w.failed[id]; ok {
			fate = earlier
			delete(w.failed, id)
		}
		if fate != protocol.ErrNone && (err == protocol.ErrNone || w.came[id]) {
			torn = true
		}
		delete(w.came, id)
		tell(id, fate)
	}
	o.builder.Reset()
	o.ends, o.goesOn, o.settled = o.ends[:0], 0, false
	if o.builder.Cap() <= spareBytesMax && len(w.spare) < batchesOnWayMax {
		w.spare = append(w.spare, o)
	}
	return torn
}

// spareBytesMax bounds the memory that an idle coordinator keeps for each of its next batches.
const spareBytesMax = 16 << 10

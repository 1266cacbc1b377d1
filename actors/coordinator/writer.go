package coordinator

// This file owns the way of a coordinator's records to its partition. One batch is on its way at a time; what comes meanwhile goes
// into the next one, so the batches are as large as the disk is slow and nobody waits for a timer. Invariants:
//
//   - records stand in the log in the order in which the Machine handed them out;
//   - an append is told its fate once, after its last record's batch; it has failed if any of its batches has.

import (
	"github.com/troupe-io/troupe/actors/coordinator/group"
	"github.com/troupe-io/troupe/actors/coordinator/record"
	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/protocol"
)

// BatchBytesMax is the size at which a batch is full; a single record may be larger.
const BatchBytesMax = 512 << 10

// writer gathers records. The zero value is not ready: see newWriter.
type writer struct {
	term   uint64
	queue  []*outgoing // the last one is open
	onWay  *outgoing
	sentMs int64                         // when onWay was sent
	failed map[uint64]protocol.ErrorCode // appends of which a batch failed and another is to come
	spare  *outgoing
}

// outgoing is one batch, open or sent; it is the token of its Produce.
type outgoing struct {
	term    uint64
	builder record.Builder
	ends    []uint64 // appends whose last record is in the batch
	goesOn  uint64   // the append whose records go on in the next batch, 0: none
}

func newWriter(term uint64) *writer {
	return &writer{term: term, failed: map[uint64]protocol.ErrorCode{}}
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
	o := w.spare
	if w.spare = nil; o == nil {
		o = &outgoing{term: w.term}
	}
	w.queue = append(w.queue, o)
	return o
}

// next is the Produce to send now, but for where to answer; or nil. The frame's reference goes with it.
func (w *writer) next(frames *protocol.FramePool, nowMs int64) *partition.Produce {
	if w.onWay != nil || len(w.queue) == 0 {
		return nil
	}
	o := w.queue[0]
	w.queue = append(w.queue[:0], w.queue[1:]...)
	w.onWay, w.sentMs = o, nowMs
	batch, header := o.builder.Seal(nowMs)
	f := frames.Get(1 + len(batch)) // the partition writes a byte in front of the batch
	copy(f.Bytes[1:], batch)
	return &partition.Produce{
		Batch: f.Bytes[1:], Frame: f, Start: 1, Header: header, Acks: -1, Token: o, AppendTimeMs: -1,
	}
}

// done tells the fate of the batch on its way; tell is called for each append that is settled by it.
func (w *writer) done(o *outgoing, err protocol.ErrorCode, tell func(id uint64, err protocol.ErrorCode)) {
	invariant.Check(o == w.onWay, "a batch is settled that is not on its way")
	w.onWay = nil
	if err != protocol.ErrNone && o.goesOn != 0 {
		w.failed[o.goesOn] = err
	}
	for _, id := range o.ends {
		fate := err
		if earlier, ok := w.failed[id]; ok {
			fate = earlier
			delete(w.failed, id)
		}
		tell(id, fate)
	}
	o.builder.Reset()
	o.ends, o.goesOn = o.ends[:0], 0
	if o.builder.Cap() <= spareBytesMax {
		w.spare = o
	}
}

// spareBytesMax bounds the memory that an idle coordinator keeps for its next batch.
const spareBytesMax = 64 << 10

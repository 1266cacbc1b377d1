package connection

// This file owns the writer goroutine: everything on the answering side that has to wait. It exists while there is such work and a
// moment longer. Invariants: one job at a time, of which the actor knows (sending) until the writer reports sent; a job's memory and
// parts are given back exactly once, also when the connection ends in the middle.

import (
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/invariant"
	"github.com/troupe-io/troupe/storage/segment"
)

// writerLinger is how long a writer waits for another job before its goroutine ends.
const writerLinger = 2 * time.Second

// job is what the writer has to do: write parts, then the answer of call, after running its blocking part.
type job struct {
	parts   []segment.Part
	out     *[]byte // the buffer behind the first part
	call    *call
	release func()
}

// free gives back what the job holds.
func (j *job) free() {
	freeOut(j.out)
	j.out = nil
	if j.release != nil {
		j.release()
		j.release = nil
	}
}

type writer struct {
	s     *socket
	jobs  chan job // one at a time
	alive atomic.Bool
}

func newWriter(s *socket) *writer { return &writer{s: s} }

// submit never waits: the actor submits only when the job before is done.
func (w *writer) submit(j job) {
	if w.jobs == nil { // most connections never wait
		w.jobs = make(chan job, 1)
	}
	w.jobs <- j
	if w.alive.CompareAndSwap(false, true) {
		go w.run()
	}
}

func (w *writer) run() {
	s := w.s
	defer func() {
		if reason := recover(); reason != nil {
			s.system.Send(s.pid, crashed{reason, debug.Stack()})
		}
	}()
	linger := time.NewTimer(writerLinger)
	defer linger.Stop()
	for {
		select {
		case j := <-w.jobs:
			err := w.do(&j)
			s.sent.err = err
			s.system.Send(s.pid, &s.sent)
			linger.Reset(writerLinger)
		case <-s.quit:
			w.alive.Store(false) // a job that comes from now on has a goroutine of its own, for the same end
			select {
			case j := <-w.jobs:
				j.free()
			default:
			}
			return
		case <-linger.C:
			w.alive.Store(false)
			// A job may have come just now: then whoever sets alive again owns it.
			if len(w.jobs) == 0 || !w.alive.CompareAndSwap(false, true) {
				return
			}
			linger.Reset(writerLinger)
		}
	}
}

func (w *writer) do(j *job) error {
	defer j.free()
	if err := w.write(j.parts); err != nil {
		return err
	}
	call := j.call
	if call == nil {
		return nil
	}
	freeOut(j.out)
	j.out = nil
	j.release = call.release
	call.blocking()
	if !call.answered.Load() {
		invariant.Fail("the blocking part of %s did not answer", kmsg.NameForKey(call.Key))
	}
	if call.silent {
		return nil
	}
	if call.streamed {
		return w.write(call.stream.Parts)
	}
	j.out = outBuffers.Get().(*[]byte)
	b, err := call.appendAnswer(*j.out)
	*j.out = b
	if err != nil {
		return err
	}
	return w.write([]segment.Part{{Bytes: b}})
}

// write writes all of parts, waiting as long as the client takes something now and then. It changes parts.
func (w *writer) write(parts []segment.Part) (err error) {
	s := w.s
	var pieces [][]byte
	var copied []byte
	defer s.writeMs.Store(0)
	for parts = skip(parts, 0); len(parts) > 0; {
		s.writeMs.Store(max(1, s.nowMs()))
		var n int
		p := &parts[0]
		if p.Bytes != nil {
			pieces = pieces[:0]
			for i := 0; i < len(parts) && parts[i].Bytes != nil && len(pieces) < iovecsMax; i++ {
				pieces = append(pieces, parts[i].Bytes)
			}
			n, err = s.wire.write(pieces, len(pieces) < len(parts))
		} else if fd, ok := p.File.Fd(); ok {
			n, err = s.wire.sendFile(fd, p.Offset, p.Length)
		} else {
			if copied == nil {
				copied = make([]byte, fileChunkBytes)
			}
			n, err = s.wire.copyFile(*p, copied)
		}
		s.metrics.bytesOut.Add(float64(n))
		if err != nil {
			return err
		}
		parts = skip(parts, int64(n))
	}
	return nil
}

// skip drops the first n bytes of parts, and empty parts at their front. It changes parts.
func skip(parts []segment.Part, n int64) []segment.Part {
	for len(parts) > 0 {
		p := &parts[0]
		if p.Bytes != nil {
			if n < int64(len(p.Bytes)) {
				p.Bytes = p.Bytes[n:]
				return parts
			}
			n -= int64(len(p.Bytes))
		} else {
			if n < p.Length {
				p.Offset += n
				p.Length -= n
				return parts
			}
			n -= p.Length
		}
		parts = parts[1:]
	}
	return parts
}

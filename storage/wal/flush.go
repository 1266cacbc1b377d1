package wal

import (
	"fmt"

	"github.com/troupe-io/troupe/storage/vfs"
)

// This file makes the open group durable with one write, and answers.
//
// Invariant: the write at base covers only blocks that hold no durable group, save the header of a file's first write, which is
// written again as it is.

// flush writes the open group and answers everything in it.
func (w *writer) flush() {
	g := &w.group
	if !g.open || w.err != nil {
		return
	}
	f := w.cur()
	h := groupHeader{write: w.nextWrite, bytes: uint32(g.used - g.at - groupHeaderSize), records: g.records}
	end := g.at + int(h.total())
	clear(g.buf[g.used:end])
	h.encode(g.buf[g.at:], w.cfg.DirID, f.seq)
	if !f.begun {
		clear(g.buf[:blockSize])
		identity{dirID: w.cfg.DirID, seq: f.seq, size: f.size, filled: f.filled}.encode(g.buf)
		begun{firstWrite: w.nextWrite}.encode(g.buf, w.cfg.DirID, f.seq)
	}
	began := w.clock.Now()
	_, err := w.out.WriteAt(g.buf[:end], g.base)
	if err == nil && !w.dsync {
		err = w.out.DataSync()
	}
	if err != nil {
		w.fail(fmt.Errorf("write %d bytes to %s at offset %d: %w", end, w.path(f), g.base, err))
		return
	}
	m := w.cfg.Metrics
	m.SyncSeconds.Observe(w.clock.Now().Sub(began).Seconds())
	m.Syncs.Inc()
	m.WrittenBytes.Add(float64(end))
	m.GroupBytes.Observe(float64(end))
	m.GroupAppends.Observe(float64(len(w.done)))

	if !f.begun {
		f.begun, f.firstWrite = true, w.nextWrite
	}
	f.end = g.base + int64(end)
	w.nextWrite++
	g.open = false
	if len(g.buf) > w.cfg.WriteBytes {
		g.buf = vfs.AlignedBuffer(w.cfg.WriteBytes)
	}
	if !w.halfway && f.end > f.size/2 {
		w.halfway, w.cleanDue = true, true
	}
	w.needSync = false
	w.answerDone(nil)
	w.tellMoved()
}

// answerDone answers every Append that is staged in full.
func (w *writer) answerDone(err error) {
	for i, a := range w.done {
		w.answer(a, err)
		w.done[i] = nil
	}
	w.done = w.done[:0]
}

func (w *writer) answer(a *Append, err error) {
	if a.Reply == nil {
		return
	}
	a.answer = Appended{Append: a, Err: err}
	w.cfg.System.Send(a.Reply, &a.answer)
}

// fail is final: nothing that is not durable now will ever be said to be.
func (w *writer) fail(err error) {
	if w.err != nil {
		return
	}
	w.err = fmt.Errorf("write-ahead log failed, nothing more is written: %w", err)
	w.cfg.Disk.Fail(w.err)
	w.cfg.Log.Error().Err(w.err).Msg("broker is fenced")
	w.group.open = false
	w.answerDone(w.err)
	for _, a := range w.queue {
		w.answer(a, w.err)
	}
	w.queue, w.moved, w.needSync, w.cursor = nil, nil, false, cursor{}
}

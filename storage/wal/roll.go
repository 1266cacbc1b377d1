package wal

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

// This file sees to it that the writer has a file to write to: it takes spares, asks the preparer for the next, recycles files that
// nothing needs.
//
// Invariant: at most one job is with the preparer, and none is given out while one that failed half-way waits to be tried again, so
// the numbers of files stay without gaps whatever a crash leaves.

// roll makes the next spare the current file. It says false if there is none.
func (w *writer) roll() bool {
	if len(w.spares) == 0 {
		w.needFile()
		return false
	}
	f := w.spares[0]
	out, dsync, err := openToWrite(w.cfg.FS, w.path(f), false)
	if err != nil {
		w.fail(fmt.Errorf("open log file to write: %w", err))
		return false
	}
	if w.out != nil {
		if err := w.out.Close(); err != nil {
			w.fail(fmt.Errorf("close log file: %w", err))
			return false
		}
	}
	w.spares = slices.Delete(w.spares, 0, 1)
	w.files = append(w.files, f)
	w.out, w.dsync, w.halfway, w.blocked, w.cleanDue = out, dsync, false, false, true
	w.wantSpare()
	return true
}

// needFile is called when appends have to wait.
func (w *writer) needFile() {
	w.wantSpare()
	if w.blocked {
		return
	}
	w.blocked = true
	w.urgentDue = w.urgentDue || w.full
	w.cfg.Metrics.BlockedTotal.Inc()
	w.cfg.System.Send(w.preparer, hurry{})
}

func (w *writer) liveBytes() (total int64) {
	for _, f := range w.files {
		total += f.size
	}
	return total
}

func (w *writer) totalBytes() int64 {
	total := w.liveBytes()
	for _, f := range w.spares {
		total += f.size
	}
	return total
}

// nextSeq is the number of the next file to be prepared.
func (w *writer) nextSeq() uint64 {
	if n := len(w.spares); n > 0 {
		return w.spares[n-1].seq + 1
	}
	if f := w.cur(); f != nil {
		return f.seq + 1
	}
	return 1
}

// wantSpare sees to it that there is a spare or that one is being made.
func (w *writer) wantSpare() {
	if w.job != nil || w.err != nil {
		return
	}
	if len(w.limbo) > 0 { // nothing else before that: numbers must stay without gaps
		if w.timer == nil {
			job := w.limbo[0]
			w.limbo = slices.Delete(w.limbo, 0, 1)
			w.submit(job)
		}
		return
	}
	if len(w.spares) > 0 {
		return
	}
	limit := w.cfg.LimitBytes
	if w.overLimit {
		limit += limitFilesOver * w.cfg.FileBytes
	}
	if w.totalBytes()+w.cfg.FileBytes <= limit {
		w.submit(&prepare{seq: w.nextSeq(), size: w.cfg.FileBytes, eager: w.cur() == nil || !w.cur().filled})
		return
	}
	if w.timer == nil { // at the limit: say so, now and then
		w.urgentDue = true
		w.retryLater()
	}
}

func (w *writer) submit(job *prepare) {
	self, sys := w.self, w.cfg.System
	job.send = func(p *prepared) { sys.Send(self, p) }
	w.job = job
	sys.Send(w.preparer, job)
}

// retryLater looks again after a while, if anything is still missing then.
func (w *writer) retryLater() {
	if w.timer == nil {
		w.timer = w.cfg.System.SendAfter(w.cfg.RetryAfter, w.self, retry{})
	}
}

// noSpace notes that a file cannot be made now: produce is refused until one can.
func (w *writer) noSpace(err error) {
	w.cfg.Metrics.NoSpaceTotal.Inc()
	if !w.full {
		w.full = true
		w.cfg.Disk.AddFull(1)
		w.cfg.Log.Warn().Err(err).Msg("cannot prepare the next write-ahead log file; produce is refused until that works")
	}
	w.retryLater()
}

// passing says that what kept a file from being made may be over after a while: the disk or a table of the system is full. Anything
// else (an I/O error) is final.
func passing(err error) bool {
	return vfs.IsNoSpace(err) || errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// onPrepared takes a spare over.
func (w *writer) onPrepared(p *prepared) {
	if p.job != w.job {
		return
	}
	w.job = nil
	if w.err != nil {
		return
	}
	job := p.job
	if p.err != nil {
		var panicked actorsystem.PanicError
		again := errors.As(p.err, &panicked) // the preparer is back: tried again when this batch is drained
		if !again && (job.seq != 0 || w.blocked) && !passing(p.err) {
			w.fail(p.err) // waiting would not end
			return
		}
		if job.recycle != nil || len(job.delete) > 0 {
			w.limbo = append(w.limbo, job)
		}
		switch {
		case again:
		case job.seq != 0:
			w.noSpace(p.err)
		default:
			w.cfg.Log.Warn().Err(p.err).Msg("cannot delete a write-ahead log file; it is tried again")
			w.retryLater()
		}
		return
	}
	if job.seq != 0 {
		w.spares = append(w.spares, &logFile{seq: job.seq, size: job.size, end: blockSize, filled: p.filled})
		if w.full {
			w.full = false
			w.cfg.Disk.AddFull(-1)
			w.cfg.Log.Info().Msg("the next write-ahead log file is ready; produce is accepted again")
		}
	}
}

// housekeep recycles what nothing needs and starts to free the oldest file when that is due.
func (w *writer) housekeep() {
	if w.err != nil {
		return
	}
	if w.cleanDue || w.urgentDue {
		w.clean(w.urgentDue)
	}
	for len(w.files) > 1 && w.files[0].pins == 0 && !w.group.open && w.job == nil && len(w.limbo) == 0 {
		f := w.files[0]
		w.files = slices.Delete(w.files, 0, 1)
		w.log.reader.forget(f.seq)
		w.cfg.Metrics.RecycledTotal.Inc()
		if f.size == w.cfg.FileBytes && len(w.spares) < sparesKept(w.cfg.LimitBytes/w.cfg.FileBytes) {
			w.submit(&prepare{seq: w.nextSeq(), size: f.size, recycle: f})
		} else {
			w.submit(&prepare{delete: []string{fileName(f.seq)}})
		}
		w.overLimit = false
		w.cleanDue = true // the next one may be due as well
	}
	w.wantSpare()
	w.cfg.Metrics.LiveFiles.Set(float64(len(w.files)))
	w.cfg.Metrics.LiveBytes.Set(float64(w.liveBytes()))
}

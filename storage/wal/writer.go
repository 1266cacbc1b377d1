package wal

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

// writer is the one actor that writes the log. This file owns its life: start, messages, files, stop. stage.go puts records into
// the open group, flush.go makes it durable, answer.go tells what is in the log, roll.go sees to files, move.go frees old ones.
//
// Invariants:
//   - An Append is answered when every record of it is durable (if it asked for that), in the order in which Appends came.
//   - files are the log, oldest first; the last is written to. Their numbers, and those of spares behind them, follow each other.
//   - A file leaves the log only when nothing pins it and no open group is waiting to become durable.
//   - After the first failed write or sync nothing is written any more.
type writer struct {
	cfg    *Config
	log    *Log
	clock  actorsystem.Clock
	self   *actor.PID
	first  bool              // first incarnation: no sender can have lost an append with a former one
	met    map[string]uint64 // incarnation by which each sender has recovered from us
	owners []owner

	err error // nothing can be written any more

	files     []*logFile
	spares    []*logFile
	out       vfs.File // of the last of files
	dsync     bool     // out's writes are durable when they return
	nextWrite uint64
	resumeDue bool // an empty group must go out before any other
	halfway   bool // the current file has been seen half full
	blocked   bool // appends wait for a file

	groups map[GroupID]*groupInfo
	scan   map[GroupID]*GroupState // of recovery, until taken or out of date

	group   openGroup
	scratch []byte // for encoding checkpoints

	queue     []*Append // that wait for room; the first may be staged in part
	cursor    cursor    // in queue[0]
	hoisted   int       // queue[:hoisted] have had their checkpoints written ahead
	done      []*Append // staged, to be answered
	needSync  bool      // something staged must be durable before done is answered
	moved     []*Moved  // staged, to be told
	overLimit bool      // checkpoints found no room: files beyond the limit are allowed

	preparer   *actor.PID
	job        *prepare
	limbo      []*prepare // recycling or deleting that failed, to be tried again
	full       bool       // disk.AddFull(1) is ours
	timer      actorsystem.Timer
	moves      []moveItem
	collecting bool
	cleanDue   bool
	urgentDue  bool
}

// owner is who recovered groups from us.
type owner struct {
	reply *actor.PID
	wants func(GroupID) bool
}

// cursor is how far an Append is staged.
type cursor struct{ group, step, entry int }

// retry makes the writer look again for a file.
type retry struct{}

var _ actor.Actor = (*writer)(nil)

func newWriter(l *Log) *writer {
	return &writer{cfg: &l.cfg, log: l, clock: l.cfg.System.Clock(), met: map[string]uint64{}, groups: map[GroupID]*groupInfo{}}
}

// Receive implements actor.Actor.
func (w *writer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *Append:
		w.onAppend(m)
	case actorsystem.Drained:
		w.drain()
	case *Recover:
		w.onRecover(m)
	case *prepared:
		w.onPrepared(m)
	case *collected:
		w.onCollected(m)
	case retry:
		w.timer = nil
		w.urgentDue = w.urgentDue || (w.blocked && w.job == nil)
		w.wantSpare()
	case *actor.Started:
		w.start(ctx)
	case *actor.Stopping:
		w.flush()
		w.close()
	case *actor.Restarting:
		w.close()
	}
}

func (w *writer) cur() *logFile {
	if len(w.files) == 0 {
		return nil
	}
	return w.files[len(w.files)-1]
}

// start recovers the files and makes the log ready to be written.
func (w *writer) start(ctx actor.Context) {
	w.self = ctx.Self()
	w.first = w.log.incarnations.Add(1) == 1
	w.log.reader.forget(0)
	if w.err = w.cfg.Disk.Failed(); w.err != nil {
		return
	}
	if w.err = w.open(ctx); w.err != nil {
		w.cfg.Log.Error().Err(w.err).Str("dir", w.cfg.Dir).Msg("write-ahead log cannot be opened")
	}
}

func (w *writer) open(ctx actor.Context) error {
	if err := w.cfg.FS.MkdirAll(w.cfg.Dir); err != nil {
		return fmt.Errorf("make the write-ahead log's directory: %w", err)
	}
	if err := w.cfg.FS.SyncDir(path.Dir(w.cfg.Dir)); err != nil {
		return fmt.Errorf("make the write-ahead log's directory: %w", err)
	}
	rec, err := recoverFiles(w.cfg)
	if err != nil {
		return err
	}
	w.preparer, err = w.cfg.System.Spawn(ctx, actorsystem.Spec{Kind: "wal-preparer", Name: path.Base(w.cfg.Dir), Lane: actorsystem.Own,
		New: func() actor.Actor { return &preparer{cfg: w.cfg, clock: w.clock} }})
	if err != nil {
		return err
	}
	w.install(rec)
	if err := w.makeReady(len(rec.files) == 0 && len(rec.spares) == 0); err != nil {
		return err
	}
	if len(rec.leftovers) > 0 {
		w.submit(&prepare{delete: rec.leftovers})
	}
	w.housekeep()
	return nil
}

// install takes over what recovery found.
func (w *writer) install(rec *recovered) {
	bySeq := map[uint64]*logFile{}
	for _, f := range rec.files {
		lf := &logFile{seq: f.id.seq, size: f.id.size, end: f.end, firstWrite: f.firstWrite, filled: f.id.filled, begun: true}
		bySeq[lf.seq] = lf
		w.files = append(w.files, lf)
	}
	for _, st := range rec.spares {
		w.spares = append(w.spares, &logFile{seq: st.id.seq, size: st.id.size, end: blockSize, filled: st.id.filled})
	}
	w.nextWrite = rec.nextWrite
	w.scan = make(map[GroupID]*GroupState, len(rec.groups))
	for id, g := range rec.groups {
		w.groups[id] = g.index(id, bySeq)
		w.scan[id] = g.state
	}
}

// makeReady opens the file to write to and puts what recovery found beyond doubt: it is synced, and an empty group takes the
// number that a torn write may have used.
func (w *writer) makeReady(fresh bool) error {
	if fresh {
		if err := createQuickly(w.cfg, 1, w.cfg.FirstFileBytes); err != nil {
			if vfs.IsNoSpace(err) {
				w.noSpace(err)
				return nil
			}
			return err
		}
		w.spares = append(w.spares, &logFile{seq: 1, size: w.cfg.FirstFileBytes, end: blockSize})
	}
	w.resumeDue = !fresh
	if f := w.cur(); f != nil {
		var err error
		if w.out, w.dsync, err = openToWrite(w.cfg.FS, w.path(f), false); err != nil {
			return fmt.Errorf("open log file to write: %w", err)
		}
		if err := w.out.DataSync(); err != nil {
			w.fail(fmt.Errorf("sync %s: %w", w.path(f), err))
			return w.err
		}
	} else if len(w.spares) > 0 {
		w.roll()
	}
	if w.cur() != nil && w.err == nil {
		w.ready(0, true) // writes the empty group if there is room for it now
	}
	return w.err
}

func (w *writer) path(f *logFile) string { return path.Join(w.cfg.Dir, fileName(f.seq)) }

// onAppend stages an Append, or queues it behind those that wait for room.
func (w *writer) onAppend(a *Append) {
	switch {
	case w.err != nil:
		w.answer(a, w.err)
	case !w.first && a.Reply != nil && !w.knows(a):
		// Its sender lost what it had sent to our former self: it has to recover first, and expects no answer.
	case len(w.queue) >= w.cfg.QueueMax:
		w.fail(fmt.Errorf("%d appends wait for a write-ahead log file: the senders exceed their credit", len(w.queue)))
		w.answer(a, w.err)
	case len(w.queue) == 0 && w.stage(a):
		w.done = append(w.done, a)
	case w.err != nil:
		w.answer(a, w.err)
	default:
		w.queue = append(w.queue, a)
	}
}

func (w *writer) knows(a *Append) bool {
	incarnation, ok := w.met[a.Reply.Id]
	return ok && incarnation == a.Incarnation
}

// drain ends a batch of messages: one write for all of it.
func (w *writer) drain() {
	w.pump()
	if w.needSync {
		w.flush()
	} else {
		w.answerDone(nil)
	}
	w.housekeep()
	if w.needSync {
		w.flush()
		w.housekeep()
	}
}

// pump stages what waits, as far as there is room, and then the checkpoints of the rest: they may make room.
func (w *writer) pump() {
	for len(w.queue) > 0 && w.err == nil && w.stage(w.queue[0]) {
		w.done = append(w.done, w.queue[0])
		w.queue = slices.Delete(w.queue, 0, 1)
		w.hoisted = max(0, w.hoisted-1)
	}
	if len(w.queue) == 0 || w.err != nil {
		w.hoisted = 0
		return
	}
	for w.hoisted < len(w.queue) && w.hoist(w.queue[w.hoisted]) {
		w.hoisted++
	}
	w.retryLater()
}

// close lets go of files and of the broker's full flag; nothing is written.
func (w *writer) close() {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.full {
		w.full = false
		w.cfg.Disk.AddFull(-1)
	}
	if w.out != nil {
		if err := w.out.Close(); err != nil && !errors.Is(err, vfs.ErrNotExist) {
			w.cfg.Log.Warn().Err(err).Msg("close write-ahead log file")
		}
		w.out = nil
	}
	w.log.reader.forget(0)
	if w.err == nil {
		w.err = actorsystem.StoppedError{Kind: "wal", Name: w.cfg.Dir}
	}
}

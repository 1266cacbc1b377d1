package wal

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"syscall"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

// writer is the one actor that writes the log. This file owns its life: start, messages, files, stop. stage.go puts records into
// the open group, flush.go makes it durable, move.go frees old files.
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
		if job.seq != 0 && !again && !passing(p.err) {
			w.fail(p.err)
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
		if f.size == w.cfg.FileBytes && len(w.spares) < spareFilesMax {
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

// onRecover answers with the state of the groups, from the scan made at the start where that is still true.
func (w *writer) onRecover(r *Recover) {
	if r.Reply != nil {
		// What waits for room of this sender's former incarnation was never acknowledged and has nobody to answer to.
		if len(w.queue) > 0 && w.queue[0].Reply != nil && w.queue[0].Reply.Id == r.Reply.Id {
			w.cursor = cursor{}
		}
		w.queue = slices.DeleteFunc(w.queue, func(a *Append) bool { return a.Reply != nil && a.Reply.Id == r.Reply.Id })
		w.hoisted = 0
		w.met[r.Reply.Id] = r.Incarnation
		w.owners = slices.DeleteFunc(w.owners, func(o owner) bool { return o.reply.Id == r.Reply.Id })
		w.owners = append(w.owners, owner{r.Reply, r.Wants})
	}
	w.flush()
	out := &Recovered{Incarnation: r.Incarnation, Err: w.err}
	if w.err == nil {
		out.Groups, out.Err = w.states(r.Wants)
	}
	if r.Reply != nil {
		w.cfg.System.Send(r.Reply, out)
	}
}

// ownerOf is the position in owners of the last one that wants the group, -1 if nobody does.
func (w *writer) ownerOf(g GroupID) int {
	for i := len(w.owners) - 1; i >= 0; i-- {
		if o := w.owners[i]; o.wants == nil || o.wants(g) {
			return i
		}
	}
	return -1
}

func (w *writer) states(wants func(GroupID) bool) (map[GroupID]*GroupState, error) {
	out := map[GroupID]*GroupState{}
	current := true
	for id := range w.groups {
		if wants != nil && !wants(id) {
			continue
		}
		state := w.scan[id]
		if state == nil {
			current = false
			break
		}
		out[id] = state
	}
	if !current {
		rec, err := w.rescan()
		if err != nil {
			return nil, err
		}
		clear(out)
		for id, g := range rec.groups {
			if wants == nil || wants(id) {
				out[id] = g.state
			}
		}
	}
	for id := range out {
		delete(w.scan, id)
	}
	return out, nil
}

// rescan reads the files again, as far as they are written.
func (w *writer) rescan() (*recovered, error) {
	rec := &recovered{groups: map[GroupID]*recoveredGroup{}, nextWrite: 1}
	for _, f := range w.files {
		if !f.begun {
			continue
		}
		rec.files = append(rec.files, recoveredFile{fileStart: fileStart{name: w.path(f), begun: true, firstWrite: f.firstWrite,
			id: identity{dirID: w.cfg.DirID, seq: f.seq, size: f.size, filled: f.filled}}})
	}
	if err := rec.scanFiles(w.cfg, w.nextWrite); err != nil {
		return nil, err
	}
	for id, g := range rec.groups {
		if err := g.finish(id); err != nil {
			return nil, err
		}
	}
	return rec, nil
}

func (w *writer) forgetScan(id GroupID) {
	if len(w.scan) > 0 {
		delete(w.scan, id)
	}
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

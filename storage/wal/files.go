package wal

import (
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
)

// This file makes files ready for the writer: new ones, recycled ones. The preparer actor does it beside the writer, one
// short step per message, so that neither start-up nor a roll ever waits for 64 MiB of zeros.
//
// Invariant: a name wal-*.log always stands on a file with a valid header. A new file gets the name when its header is durable; a
// recycled one gets the header of its next life before its next name, so a header that disagrees with its name says "nothing
// needs this file".

// fillStep is how much is zeroed at once, bytes.
const fillStep = 1 << 20

// sparesKept is how many prepared files are kept, of a log that may have limit of them; a freed file beyond that is deleted. Making
// a file anew means writing it twice, so a log that has been busy keeps half of what it may have.
func sparesKept(limit int64) int { return int(max(2, limit/2)) }

// prepare asks the preparer for a file. Exactly one answer (*prepared) comes back for each.
type prepare struct {
	seq     uint64 // of the new file; 0: only delete
	size    int64
	recycle *logFile // file to reuse, or to delete; nil: make a new one
	delete  []string // names to delete in passing
	eager   bool     // zero without pauses: the current file is slow as long as it has to do
	send    func(*prepared)
}

// Undelivered answers when the preparer has failed or stopped.
func (p *prepare) Undelivered(reason error) { p.send(&prepared{job: p, err: reason}) }

// prepared answers prepare.
type prepared struct {
	job    *prepare
	filled bool
	err    error
}

// hurry tells the preparer that the writer waits: no more zeroing.
type hurry struct{}

// step goes on with the job under way.
type step struct{ job *prepare }

// openToWrite opens a log file for the writer's durable writes. dsync says that a write is durable when it returns; else
// DataSync must follow.
func openToWrite(fs vfs.FS, name string, create bool) (f vfs.File, dsync bool, err error) {
	f, err = fs.Open(name, vfs.OpenOptions{Create: create, Direct: true, DSync: true})
	if err == nil {
		return f, true, nil
	}
	if !errors.Is(err, vfs.ErrNotSupported) {
		return nil, false, err
	}
	f, err = fs.Open(name, vfs.OpenOptions{Create: create})
	return f, false, err
}

// writeIdentity makes a file's header durable. buf is one aligned block.
func writeIdentity(f vfs.File, dsync bool, id identity, buf []byte) error {
	clear(buf)
	id.encode(buf)
	if _, err := f.WriteAt(buf, 0); err != nil {
		return err
	}
	if dsync {
		return nil
	}
	return f.DataSync()
}

// createQuickly makes a file without zeroing it: a few milliseconds.
func createQuickly(cfg *Config, seq uint64, size int64) error {
	f, dsync, err := allocate(cfg, seq, size)
	if err != nil {
		return err
	}
	return publish(cfg, f, dsync, identity{dirID: cfg.DirID, seq: seq, size: size}, preparedName(seq))
}

// allocate makes the file under its temporary name and reserves its space.
func allocate(cfg *Config, seq uint64, size int64) (vfs.File, bool, error) {
	name := path.Join(cfg.Dir, preparedName(seq))
	f, dsync, err := openToWrite(cfg.FS, name, true)
	if err != nil {
		return nil, false, fmt.Errorf("create log file: %w", err)
	}
	err = f.Preallocate(size)
	if errors.Is(err, vfs.ErrNotSupported) {
		err = f.Truncate(size)
	}
	if err != nil {
		f.Close()
		if rmErr := cfg.FS.Remove(name); rmErr != nil && !errors.Is(rmErr, vfs.ErrNotExist) {
			err = errors.Join(err, rmErr)
		}
		return nil, false, fmt.Errorf("reserve %d bytes for %s: %w", size, name, err)
	}
	return f, dsync, nil
}

// publish writes the header and gives the file its name. It closes f.
func publish(cfg *Config, f vfs.File, dsync bool, id identity, oldName string) error {
	err := writeIdentity(f, dsync, id, vfs.AlignedBuffer(blockSize))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	to := path.Join(cfg.Dir, fileName(id.seq))
	if err == nil {
		err = cfg.FS.Rename(path.Join(cfg.Dir, oldName), to)
	}
	if err == nil {
		err = cfg.FS.SyncDir(cfg.Dir)
	}
	if err != nil {
		return fmt.Errorf("make %s ready: %w", to, err)
	}
	return nil
}

// preparer does one job at a time. It owns the file of the job under way and nothing else.
type preparer struct {
	cfg   *Config
	clock actorsystem.Clock

	job    *prepare
	f      vfs.File
	dsync  bool
	name   string // of f now
	at     int64  // zeroed up to here
	hurry  bool
	zeroes []byte
}

var _ actor.Actor = (*preparer)(nil)

// Receive implements actor.Actor.
func (p *preparer) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *prepare:
		p.hurry = false
		p.begin(ctx, m)
	case *step:
		if m.job == p.job && p.job != nil {
			p.fill(ctx)
		}
	case hurry:
		p.hurry = true
		if p.job != nil {
			p.fill(ctx)
		}
	case *collect:
		m.send(m.read(p.cfg))
	case *actor.Stopping:
		if p.job != nil {
			p.finish(actorsystem.StoppedError{Kind: "wal-preparer", Name: p.name})
		}
	case *actor.Restarting:
		if p.job != nil { // the panic was on one of its steps
			p.finish(actorsystem.PanicError{Kind: "wal-preparer", Name: p.name, Reason: "failed on the way"})
		}
	}
}

// begin opens or makes the job's file.
func (p *preparer) begin(ctx actor.Context, job *prepare) {
	p.job = job
	for _, name := range job.delete {
		if err := p.remove(name); err != nil {
			p.finish(err)
			return
		}
	}
	switch {
	case job.seq == 0:
		p.finish(nil)
		return
	case job.recycle == nil:
		p.name, p.at = preparedName(job.seq), 0
		f, dsync, err := allocate(p.cfg, job.seq, job.size)
		if err != nil {
			p.finish(err)
			return
		}
		p.f, p.dsync = f, dsync
	default:
		p.name = fileName(job.recycle.seq)
		p.at = job.recycle.end
		if job.recycle.filled {
			p.at = job.size
		}
		f, dsync, err := openToWrite(p.cfg.FS, path.Join(p.cfg.Dir, p.name), false)
		if errors.Is(err, vfs.ErrNotExist) { // a former try got as far as renaming it
			p.name = fileName(job.seq)
			f, dsync, err = openToWrite(p.cfg.FS, path.Join(p.cfg.Dir, p.name), false)
		}
		if err != nil {
			p.finish(fmt.Errorf("recycle log file: %w", err))
			return
		}
		p.f, p.dsync = f, dsync
	}
	p.fill(ctx)
}

func (p *preparer) remove(name string) error {
	err := p.cfg.FS.Remove(path.Join(p.cfg.Dir, name))
	if err != nil && !errors.Is(err, vfs.ErrNotExist) {
		return fmt.Errorf("delete log file: %w", err)
	}
	if err := p.cfg.FS.SyncDir(p.cfg.Dir); err != nil {
		return fmt.Errorf("delete log file: %w", err)
	}
	return nil
}

// fill zeroes one step and comes back for the next, usually after as long a pause, so that the log's own writes get their
// share of the disk; or it publishes the file.
func (p *preparer) fill(ctx actor.Context) {
	if p.f == nil {
		return
	}
	if p.at < p.job.size && !p.hurry {
		if p.zeroes == nil {
			p.zeroes = vfs.AlignedBuffer(fillStep)
		}
		began := p.clock.Now()
		n := min(fillStep, p.job.size-p.at)
		if _, err := p.f.WriteAt(p.zeroes[:n], p.at); err != nil {
			p.finish(fmt.Errorf("zero %s at %d: %w", p.name, p.at, err))
			return
		}
		p.at += n
		if p.job.eager {
			p.cfg.System.Send(ctx.Self(), &step{p.job})
		} else {
			p.cfg.System.SendAfter(min(p.clock.Now().Sub(began), 50*time.Millisecond), ctx.Self(), &step{p.job})
		}
		return
	}
	p.zeroes = nil
	f := p.f
	p.f = nil
	if err := f.DataSync(); err != nil {
		f.Close()
		p.finish(fmt.Errorf("sync %s: %w", p.name, err))
		return
	}
	id := identity{dirID: p.cfg.DirID, seq: p.job.seq, size: p.job.size, filled: p.at >= p.job.size}
	p.finish(publish(p.cfg, f, p.dsync, id, p.name))
}

// finish answers the job. A new file that failed leaves nothing behind.
func (p *preparer) finish(err error) {
	job := p.job
	if p.f != nil {
		p.f.Close()
		p.f = nil
	}
	if err != nil && job.seq != 0 && job.recycle == nil {
		if rmErr := p.remove(preparedName(job.seq)); rmErr != nil {
			err = errors.Join(err, rmErr)
		}
	}
	filled := p.at >= job.size
	p.job, p.zeroes = nil, nil
	job.send(&prepared{job: job, filled: filled, err: err})
}

package wal

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Config is what a Log is made of. Zero values of the sizes are the defaults.
type Config struct {
	Dir    string // made if missing
	FS     vfs.FS
	System *actorsystem.System
	Disk   *diskstate.State
	// DirID tells data directories apart: a random number that stays with this one. Files with another id are refused.
	DirID uint64

	FileBytes      int64 // of one file; default 64 MiB
	FirstFileBytes int64 // of the file a fresh directory begins with, made in no time; default 8 MiB
	LimitBytes     int64 // of all files together, at least 4 files; default 512 MiB
	WriteBytes     int   // of one write; a larger record gets a write of its own; default 4 MiB
	QueueMax       int   // Appends that may wait for a file; default 65536

	// Pressure gets Pressure and Moved. nil: whoever sent the last Recover that wants the group.
	Pressure *actor.PID

	// SelfChecked says that a payload's bytes beyond the first 22 are covered by a checksum of its own, just verified.
	SelfChecked func(data []byte) bool
	// VerifySelfChecked verifies such a payload when it is read back.
	VerifySelfChecked func(data []byte) error

	// Fanout runs do(0) … do(n-1), perhaps at the same time, and returns when all have returned. nil: one after the other; Goroutines: a
	// goroutine each. The result is the same.
	Fanout func(n int, do func(i int))
	// ScanWorkers is how many files recovery reads at the same time (through Fanout); default 2.
	ScanWorkers int

	// RetryAfter is the pause before a file that could not be prepared is tried again; default 500 ms.
	RetryAfter time.Duration

	Metrics *Metrics // nil: counted, not shown
	Log     zerolog.Logger
}

const (
	maxFileBytes   = 1 << 31 // offsets in a file are 32 bits
	minFileBytes   = 16 * blockSize
	defaultFile    = 64 << 20
	defaultFirst   = 8 << 20
	defaultLimit   = 512 << 20
	defaultWrite   = 4 << 20
	defaultQueue   = 65536
	limitFilesMin  = 4
	limitFilesOver = 2 // files beyond the limit that checkpoints may open when nothing else makes room
)

// Log is one directory's write-ahead log: what its writer's incarnations and its readers share.
type Log struct {
	cfg    Config
	reader *reader
	// incarnations counts writers: only the first may trust appends of senders that have not recovered from it.
	incarnations atomic.Int64
}

// New checks the settings; it touches no disk.
func New(cfg Config) (*Log, error) {
	setDefault(&cfg.FileBytes, defaultFile)
	setDefault(&cfg.FirstFileBytes, min(defaultFirst, cfg.FileBytes))
	setDefault(&cfg.LimitBytes, max(defaultLimit, limitFilesMin*cfg.FileBytes))
	setDefault(&cfg.WriteBytes, defaultWrite)
	setDefault(&cfg.QueueMax, defaultQueue)
	setDefault(&cfg.ScanWorkers, 2)
	setDefault(&cfg.RetryAfter, 500*time.Millisecond)
	switch {
	case cfg.FS == nil || cfg.System == nil || cfg.Disk == nil || cfg.Dir == "":
		return nil, fmt.Errorf("wal: Dir, FS, System and Disk must be set")
	case cfg.FileBytes < minFileBytes || cfg.FileBytes > maxFileBytes || cfg.FileBytes%blockSize != 0:
		return nil, fmt.Errorf("wal: file size is %d, want a multiple of %d between %d and %d", cfg.FileBytes, blockSize, minFileBytes, maxFileBytes)
	case cfg.FirstFileBytes < minFileBytes || cfg.FirstFileBytes > cfg.FileBytes || cfg.FirstFileBytes%blockSize != 0:
		return nil, fmt.Errorf("wal: first file's size is %d, want a multiple of %d between %d and %d", cfg.FirstFileBytes, blockSize, minFileBytes, cfg.FileBytes)
	case cfg.LimitBytes < limitFilesMin*cfg.FileBytes:
		return nil, fmt.Errorf("wal: size limit is %d, want at least %d files of %d", cfg.LimitBytes, limitFilesMin, cfg.FileBytes)
	}
	cfg.WriteBytes = int(vfs.AlignUp(int64(min(max(cfg.WriteBytes, 2*blockSize), int(cfg.FileBytes-2*blockSize)))))
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics(nil)
	}
	if cfg.Fanout == nil {
		cfg.Fanout = func(n int, do func(int)) {
			for i := range n {
				do(i)
			}
		}
	}
	return &Log{cfg: cfg, reader: newReader(&cfg)}, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// NewActor is for actorsystem.Spec{Kind: "wal", Lane: actorsystem.Own, WantsDrained: true}. The writer recovers its files when it
// starts, after each restart too; senders of the former incarnation must then send Recover before anything else (what they had
// queued is dropped), so the raft actors are restarted with it.
func (l *Log) NewActor() actor.Actor { return newWriter(l) }

// Reader reads entries of this log.
func (l *Log) Reader() Reader { return l.reader }

// MaxEntryBytes is the largest payload that an entry or a checkpoint may have, bytes.
func (l *Log) MaxEntryBytes() int { return int(l.cfg.maxPayload()) }

func (c *Config) maxPayload() int64 {
	return c.FileBytes - c.FileBytes/reserveShare - 2*blockSize - groupHeaderSize - recordHeaderSize
}

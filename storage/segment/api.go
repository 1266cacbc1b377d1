// Package segment keeps one partition's committed record batches in Apache Kafka's file formats: .log, .index, .timeindex.
//
// How the parts share the work:
//
//   - Log (log.go, flush.go, retention.go) is the append side, owned by one actor on the Core lane. It copies batches into chunks
//     of memory and sends messages; it never touches the disk.
//   - The segment-writer actors (writer.go, ops.go) do all writing: chunks, indexes, syncs, deletions, one I/O at a time each. A log
//     always goes to the same writer, so what it asks for happens in the order it asked.
//   - Reader (reader.go, cursor.go, timestamps.go) serves any goroutine from immutable views: memory while a chunk is cached, files after.
//   - ChunkPool and FileCache bound memory and open files for the whole broker.
//
// What is assumed of the disk: a write that was followed by fdatasync survives; one that was not may survive in any part. What is
// promised: a Checkpointed says that everything up to its State survives, and Open cuts whatever lies above.
package segment

import (
	"errors"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Shared is what all logs of a broker share: built once.
type Shared struct {
	FS    vfs.FS
	Pool  *ChunkPool
	Files *FileCache
	// Writers are the segment I/O actors (Own lane, see NewWriterActor); a log hashes to one of them. They must be here before
	// the first Open.
	Writers []*actor.PID
	Send    func(to *actor.PID, message any)
	Disk    *diskstate.State
	// Clock is used by the writer actors alone, for delays and latencies; nil is the wall clock.
	Clock actorsystem.Clock
	// Metrics may be nil.
	Metrics *Metrics
}

// Options are a log's settings; they may change while it is open (SetOptions).
type Options struct {
	SegmentBytes   int64 // segment.bytes
	SegmentMs      int64 // segment.ms
	RetentionBytes int64 // retention.bytes, -1: none
	RetentionMs    int64 // retention.ms, -1: none
	IndexInterval  int64 // index.interval.bytes
	DeleteDelayMs  int64 // file.delete.delay.ms
	Compact        bool  // cleanup.policy has compact: closed segments are to become cleanable soon
}

// Completion is an answer of a writer actor, or the pool's word that it is worth trying Append again.
type Completion interface {
	completion()
	// Failed is why the log cannot go on (an I/O error, corruption), or nil. Complete must be called all the same.
	Failed() error
}

// Checkpointed says that State is durable in the segment files.
type Checkpointed struct {
	Token uint64
	State State
}

// Bounds is one consistent reading of the offsets. Never blocks.
type Bounds struct{ Start, HighWatermark, LastStable int64 }

// TimestampOffset is a record found by time.
type TimestampOffset struct {
	Timestamp, Offset int64
	LeaderEpoch       int32
}

// ErrOffsetOutOfRange answers a Read outside [Start, HighWatermark].
var ErrOffsetOutOfRange = errors.New("offset out of range")

// ErrClosed answers a Read through a Reader whose log was closed or replaced by a restart of its owner: ask for the new Reader.
var ErrClosed = errors.New("log closed")

// ErrInterrupted is wrapped by the failure of what a writer actor was asked before it panicked. The files are as a crash would have
// left them, the writer is back: opened again at its last checkpoint, the log goes on.
var ErrInterrupted = errors.New("the segment writer restarted")

// ErrStopped is wrapped by the failure of what a writer actor was asked after its end, or not long before: the broker is stopping.
var ErrStopped = errors.New("the segment writer has stopped")

// ErrCorrupt is wrapped by every error that says the files do not hold what they should.
var ErrCorrupt = errors.New("segment files corrupt")

const (
	chunkBytes = 1 << 20 // unit of writing: files are cut into chunks at multiples of it
	blockBytes = 4096    // unit of alignment of O_DIRECT
	// indexBytesMax is Kafka's default segment.index.bytes: a segment rolls when one of its indexes would grow beyond it.
	indexBytesMax = 10 << 20
)

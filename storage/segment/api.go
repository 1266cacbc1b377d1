// Package segment keeps one partition's committed record batches in Apache Kafka's file formats: .log, .index, .timeindex.
package segment

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// Shared is what all logs of a broker share: built once.
type Shared struct {
	FS    vfs.FS
	Pool  *ChunkPool
	Files *FileCache
	// Writers are the segment I/O actors (Own lane, see NewWriterActor); a log hashes to one of them.
	Writers []*actor.PID
	Send    func(to *actor.PID, message any)
	Disk    *diskstate.State
}

// ChunkPool bounds the memory of tail caches (bytes), shared by all logs of a broker.
type ChunkPool struct{}

// FileCache bounds the open segment files of a broker.
type FileCache struct{}

// Options are a log's settings; they may change while it is open (SetOptions).
type Options struct {
	SegmentBytes   int64 // segment.bytes
	SegmentMs      int64 // segment.ms
	RetentionBytes int64 // retention.bytes, -1: none
	RetentionMs    int64 // retention.ms, -1: none
	IndexInterval  int64 // index.interval.bytes
	DeleteDelayMs  int64 // file.delete.delay.ms
}

// State is where a restart begins: what Checkpointed reports and Open takes. Everything at or above LogEndOffset, and
// everything in the active file above ActiveSize, is cut.
type State struct {
	LogStartOffset, LogEndOffset int64
	ActiveBase                   int64 // base offset of the active segment
	ActiveSize                   int64 // bytes of it that are durable
	// whatever else the implementation needs to restart without reading data (max timestamp so far, …)
	LargestTimestamp, OffsetOfLargestTimestamp int64
}

// Log is the append side of a partition's log. One actor owns it; none of its methods blocks on the disk. Messages that the
// writer actors send to Owner which implement segment.Completion go back in through Complete.
type Log struct{}

// Completion is an answer of a writer actor.
type Completion interface{ completion() }

// Open prepares the log in dir, owned by owner. It touches no file: an idle log costs nothing. dir is created at the first flush.
func Open(shared *Shared, dir string, owner *actor.PID, opt Options, from State) *Log {
	panic("contract")
}

// Append copies one batch (header plus body, checked by the caller) to the end of the log, stamping baseOffset and
// leaderEpoch into its own copy of the header. The batch is visible to readers when Publish is called.
// nowMs is the time for rolling by age. It says false if the chunk pool or the unwritten limit of this log is exhausted; nothing was
// appended then, and the owner gets a Completion when it is worth trying again.
func (l *Log) Append(batch []byte, h *protocol.BatchHeader, baseOffset int64, leaderEpoch int32, nowMs int64) bool {
	panic("contract")
}

// Publish makes everything appended visible to readers: high watermark = log end offset = end, last stable offset = lso.
func (l *Log) Publish(end, lso int64) { panic("contract") }

// Complete takes a writer actor's answer. It returns a non-nil Checkpointed when a Checkpoint asked for earlier is durable.
func (l *Log) Complete(c Completion) *Checkpointed { panic("contract") }

// Checkpoint asks for everything appended so far to be written and synced; token comes back in Checkpointed. Cheap when
// nothing is new. One at a time: a second one while the first is under way is merged into the next.
func (l *Log) Checkpoint(token uint64) { panic("contract") }

// Checkpointed says that State is durable in the segment files.
type Checkpointed struct {
	Token uint64
	State State
}

// UnwrittenBytes counts appended bytes not yet in the segment files (back pressure, checkpoint pacing).
func (l *Log) UnwrittenBytes() int64 { panic("contract") }

// EndOffset is the next offset to be appended; StartOffset the log start offset.
func (l *Log) EndOffset() int64   { panic("contract") }
func (l *Log) StartOffset() int64 { panic("contract") }

// SetStart moves the log start offset up (DeleteRecords, retention); whole segments below it are deleted in the background,
// when no reader holds them, DeleteDelayMs later.
func (l *Log) SetStart(offset int64) { panic("contract") }

// RetentionStart says where the log should start by Options' time and size limits now; it equals StartOffset if nothing is to go.
// It may roll the active segment if all of it is past RetentionMs.
func (l *Log) RetentionStart(nowMs int64) int64 { panic("contract") }

// RollIfDue rolls the active segment if SegmentMs has passed.
func (l *Log) RollIfDue(nowMs int64) { panic("contract") }

// SetOptions changes the settings.
func (l *Log) SetOptions(o Options) { panic("contract") }

// Reader is the read side: lock-free views for any goroutine.
func (l *Log) Reader() *Reader { panic("contract") }

// Close releases memory and handles; with remove the directory is renamed aside and deleted in the background.
func (l *Log) Close(remove bool) { panic("contract") }

// Reader reads committed data through immutable views; safe for concurrent use, also while the owner restarts.
type Reader struct{}

// Bounds is one consistent reading of the offsets. Never blocks.
type Bounds struct{ Start, HighWatermark, LastStable int64 }

// Bounds returns the current offsets.
func (r *Reader) Bounds() Bounds { panic("contract") }

// Available estimates, without blocking, how many bytes a Read at offset could return now, up to limit.
func (r *Reader) Available(offset int64, limit int64) int64 { panic("contract") }

// Read finds whole batches from the one that contains offset up to upTo (exclusive; the high watermark or the LSO), at most
// maxBytes; if the first batch alone is larger and minOneBatch is set, it is returned all the same. It may block on an index
// lookup. ErrOffsetOutOfRange if offset is not within [Start, HighWatermark].
func (r *Reader) Read(offset, upTo, maxBytes int64, minOneBatch bool) (*Slice, error) {
	panic("contract")
}

// Slice is a run of bytes of a log: memory and file parts in order. Release it once, when the bytes have been sent.
type Slice struct {
	Parts []Part
	Size  int64
}

// Part is memory (Bytes != nil) or a range of a file (for sendfile).
type Part struct {
	Bytes  []byte
	File   vfs.File
	Offset int64
	Length int64
}

// Release gives chunks and file handles back.
func (s *Slice) Release() { panic("contract") }

// TimestampOffset is a record found by time.
type TimestampOffset struct {
	Timestamp, Offset int64
	LeaderEpoch       int32
}

// OffsetForTimestamp finds the first record with a timestamp >= ts (ListOffsets); ok is false if there is none. Record-exact, decompresses
// batches if it must. May block.
func (r *Reader) OffsetForTimestamp(ts int64) (found TimestampOffset, ok bool, err error) {
	panic("contract")
}

// MaxTimestamp finds the record with the largest timestamp (ListOffsets -3). May block.
func (r *Reader) MaxTimestamp() (found TimestampOffset, ok bool, err error) { panic("contract") }

// SizeBytes is the log's size in bytes (DescribeLogDirs). Never blocks.
func (r *Reader) SizeBytes() int64 { panic("contract") }

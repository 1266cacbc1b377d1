package segment

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
)

// seg is what owner, writer and readers know of one segment. The base never changes; the rest moves forward only, each
// field with one writer, so readers need no lock.
type seg struct {
	base int64
	// id tells open files of this segment from those of another of the same name, before and after it (see FileCache).
	id uint64
	// size is the final size in bytes, set by the owner when it rolls; -1 while the segment is active.
	size atomic.Int64
	// next is the base of the following segment, set with size.
	next atomic.Int64
	// written counts the bytes that can be read from the file; idx and tidx the index entries that can. Set by the log's
	// writer (indexes first), or when the log opens.
	written   atomic.Int64
	idx, tidx atomic.Int32
	// checked says that the index files were found good in this process, or were born in it.
	checked atomic.Bool
	// rebuilt: the indexes were found wrong while in use and made anew, once.
	rebuilt atomic.Bool
	// largest is the segment's largest timestamp; nil while unknown (active, or not looked up yet).
	largest atomic.Pointer[stamp]
	// replaced: compaction put another segment in its place (swap.go); what its names open now is not its own. Set before that is so.
	replaced atomic.Bool
	// deleted: writes still queued for it are dropped.
	deleted atomic.Bool
	// lastRead is where the last file read ended, advised up to where the kernel was asked to read ahead. Hints only.
	lastRead, advised atomic.Int64

	// The log's writer alone: what must be synced at the next checkpoint.
	dirtyLog, dirtyIndex bool
	// padded: the file ends with zeros beyond written, up to a block boundary. onDisk: the file exists, as far as the writer knows.
	padded, onDisk bool
	// rebuiltTime is the last timestamp of a time index that was rebuilt after Open, else -1: later entries must exceed it.
	rebuiltTime int64
}

// stamp is a largest timestamp and the last offset of the batch that holds it. Immutable.
type stamp struct{ timestamp, offset int64 }

func newSeg(base int64) *seg {
	s := &seg{base: base, id: segIDs.Add(1), rebuiltTime: -1}
	s.size.Store(-1)
	s.checked.Store(true)
	return s
}

// segIDs counts the segments of this process.
var segIDs atomic.Uint64

func (s *seg) closed() bool { return s.size.Load() >= 0 }

const (
	logSuffix       = ".log"
	indexSuffix     = ".index"
	timeIndexSuffix = ".timeindex"
	deletedSuffix   = ".deleted"
	rebuiltSuffix   = ".rebuilt"
	cleanedSuffix   = ".cleaned"
	swapSuffix      = ".swap"
)

// fileName is Kafka's: the base offset as 20 digits.
func fileName(dir string, base int64, suffix string) string {
	return fmt.Sprintf("%s/%020d%s", dir, base, suffix)
}

func (s *seg) names(dir string) []string {
	return []string{fileName(dir, s.base, logSuffix), fileName(dir, s.base, indexSuffix), fileName(dir, s.base, timeIndexSuffix)}
}

// parseLogName is the base offset of a .log file's name.
func parseLogName(name string) (base int64, ok bool) {
	digits, found := strings.CutSuffix(name, logSuffix)
	if !found || len(digits) != 20 {
		return 0, false
	}
	base, err := strconv.ParseInt(digits, 10, 64)
	return base, err == nil && base >= 0
}

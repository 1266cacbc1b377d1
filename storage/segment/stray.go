package segment

import (
	"hash/fnv"
	"strings"

	"github.com/asynkron/protoactor-go/actor"
)

// This file owns directories that no log is left for: their topic was deleted just before a crash.

// removeStray asks the writer of a directory to remove it.
type removeStray struct{ dir string }

// RemoveStray removes dir, and what Close(true) left aside of it, in the background. A log that is opened there afterwards
// begins after the removal.
func RemoveStray(shared *Shared, dir string) {
	dir = strings.TrimSuffix(dir, deletedSuffix)
	shared.Send(shared.writerOf(dir), removeStray{dir})
}

func (w *Writer) removeStray(dir string) {
	w.s.Files.forgetDir(dir)
	for _, name := range []string{dir, dir + deletedSuffix} {
		w.s.FS.RemoveAll(name) // what stays is tried again at the next start
	}
}

// writerOf is the writer that does everything for a directory.
func (s *Shared) writerOf(dir string) *actor.PID {
	h := fnv.New32a()
	h.Write([]byte(dir))
	return s.Writers[int(h.Sum32()%uint32(len(s.Writers)))]
}

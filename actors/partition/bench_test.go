package partition

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/troupe-io/troupe/storage/vfs"
)

// below puts a file system's names under a directory.
type below struct {
	vfs.FS
	dir string
}

func (b below) at(name string) string { return filepath.Join(b.dir, name) }

func (b below) Open(name string, o vfs.OpenOptions) (vfs.File, error) {
	return b.FS.Open(b.at(name), o)
}
func (b below) Remove(name string) error          { return b.FS.Remove(b.at(name)) }
func (b below) RemoveAll(name string) error       { return b.FS.RemoveAll(b.at(name)) }
func (b below) Rename(from, to string) error      { return b.FS.Rename(b.at(from), b.at(to)) }
func (b below) MkdirAll(name string) error        { return b.FS.MkdirAll(b.at(name)) }
func (b below) List(dir string) ([]string, error) { return b.FS.List(b.at(dir)) }
func (b below) Stat(name string) (int64, error)   { return b.FS.Stat(b.at(name)) }
func (b below) SyncDir(dir string) error          { return b.FS.SyncDir(b.at(dir)) }
func (b below) Space(dir string) (total, free int64, err error) {
	return b.FS.Space(b.at(dir))
}

// BenchmarkPartitionAppendAcknowledged is a batch's way from the partition's mailbox to its Produced, through raft and WAL.
func BenchmarkPartitionAppendAcknowledged(b *testing.B) {
	for _, disk := range []string{"memory", "disk"} {
		for _, c := range []struct {
			size     int
			inFlight int
		}{{256, 1}, {256, 128}, {64 << 10, 16}} {
			b.Run(fmt.Sprintf("%s/size=%d/inflight=%d", disk, c.size, c.inFlight), func(b *testing.B) {
				s := setup{walBytes: 64 << 20, poolBytes: 64 << 20}
				if disk == "disk" {
					s.files = below{vfs.OS(), b.TempDir()}
				}
				h := newHouse(b, vfs.NewMem(), s)
				batch := plain(string(make([]byte, c.size))).batch()
				b.SetBytes(int64(c.size))
				b.ReportAllocs()
				b.ResetTimer()
				sent, answered := 0, 0
				for answered < b.N {
					for sent < b.N && sent-answered < c.inFlight {
						h.sendBatch(batch, nil)
						sent++
					}
					answered += len(h.next().(*Produced).Results)
				}
			})
		}
	}
}

// BenchmarkRestartAfterPanic is from a panic of each actor of the write path to the next acknowledgement, with 1,000 batches to apply again.
func BenchmarkRestartAfterPanic(b *testing.B) {
	for _, kind := range []string{"partition", "raft", "wal"} {
		b.Run(kind, func(b *testing.B) {
			h := newHouse(b, vfs.NewMem(), setup{walBytes: 8 << 20})
			for range 1000 {
				h.mustProduce(plain("a record that has to be applied again"))
			}
			b.ResetTimer()
			for range b.N {
				switch kind {
				case "partition":
					h.kill.partition.Store(1)
				case "raft":
					h.kill.raft.Store(1)
				default:
					h.kill.wal.Store(1)
				}
				for restarts := h.sys.RestartsByKind()[kind]; h.sys.RestartsByKind()[kind] == restarts; {
					h.produce(plain("x"))
				}
				h.produceUntil(plain("y"))
			}
		})
	}
}

package segment

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/protocol"
	"github.com/troupe-io/troupe/storage/diskstate"
	"github.com/troupe-io/troupe/storage/vfs"
)

// benchRig is a log on the real disk with a real writer actor; the benchmark's goroutine is the owner.
type benchRig struct {
	shared *Shared
	log    *Log
	system *actorsystem.System
	answer chan Completion
	dir    string
}

func newBenchRig(b *testing.B, opt Options, poolBytes int64) *benchRig {
	r := &benchRig{answer: make(chan Completion, 100_000), dir: b.TempDir() + "/t-0"}
	r.system = actorsystem.New(actorsystem.Config{})
	b.Cleanup(r.system.Shutdown)
	owner := actor.NewPID("bench", "owner")
	r.shared = &Shared{FS: vfs.OS(), Pool: NewChunkPool(poolBytes), Files: NewFileCache(256), Disk: &diskstate.State{},
		Send: func(to *actor.PID, m any) {
			if to == owner {
				r.answer <- m.(Completion)
			} else {
				r.system.Send(to, m)
			}
		}}
	pid, err := r.system.SpawnRoot(actorsystem.Spec{Kind: "segment-writer", Name: "0", Lane: actorsystem.Own,
		New: func() actor.Actor { return NewWriterActor(r.shared) }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.system.StopWait(pid, 10*time.Second) })
	r.shared.Writers = []*actor.PID{pid}
	r.log = Open(r.shared, r.dir, owner, opt, NewState(0))
	return r
}

func (r *benchRig) append(b *testing.B, batch []byte, h *protocol.BatchHeader) {
	for !r.log.Append(batch, h, r.log.EndOffset(), 3, 1000) {
		r.complete(b, <-r.answer)
	}
	r.log.Publish(r.log.EndOffset(), r.log.EndOffset())
	for len(r.answer) > 0 {
		r.complete(b, <-r.answer)
	}
}

func (r *benchRig) complete(b *testing.B, c Completion) *Checkpointed {
	if err := c.Failed(); err != nil {
		b.Fatal(err)
	}
	return r.log.Complete(c)
}

func (r *benchRig) checkpoint(b *testing.B) State {
	r.log.Checkpoint(1)
	for {
		if cp := r.complete(b, <-r.answer); cp != nil {
			return cp.State
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{256, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			opt := testOptions
			opt.SegmentBytes, opt.RetentionBytes = 256<<20, 0
			r := newBenchRig(b, opt, 64<<20)
			batch := exactBatch(size, 1, 1000)
			h, _ := protocol.ParseBatchHeader(batch)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				r.append(b, batch, &h)
				if i%(256<<20/size) == 0 { // keep the disk from filling up
					r.log.Checkpoint(1)
					r.log.SetStart(r.log.RetentionStart(2000))
				}
			}
			r.checkpoint(b)
		})
	}
}

// BenchmarkRead reads front to back in slices of 1 MiB, from the tail cache, the page cache and the disk.
func BenchmarkRead(b *testing.B) {
	for _, source := range []string{"memory", "page-cache", "cold"} {
		for _, size := range []int{256, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%d", source, size), func(b *testing.B) {
				total := int64(512 << 20)
				if source == "memory" {
					total = 40 << 20
				}
				r := newBenchRig(b, testOptions, 64<<20)
				batch := exactBatch(size, 1, 1000)
				h, _ := protocol.ParseBatchHeader(batch)
				for range total / int64(size) {
					r.append(b, batch, &h)
				}
				state := r.checkpoint(b)
				reader := r.log.Reader()
				if source != "memory" {
					r.log.Close(false)
					r.log = Open(r.shared, r.dir, actor.NewPID("bench", "owner"), testOptions, state)
					reader = r.log.Reader()
				}
				buf := make([]byte, 64<<10)
				pass := func() {
					offset := int64(0)
					for hw := reader.Bounds().HighWatermark; offset < hw; {
						s, err := reader.Read(offset, hw, 1<<20, true)
						if err != nil {
							b.Fatal(err)
						}
						for _, p := range s.Parts {
							for at := int64(0); p.Bytes == nil && at < p.Length; at += int64(len(buf)) {
								if _, err := p.File.ReadAt(buf[:min(int64(len(buf)), p.Length-at)], p.Offset+at); err != nil && err != io.EOF {
									b.Fatal(err)
								}
							}
							for at := 0; at < len(p.Bytes); {
								at += copy(buf, p.Bytes[at:])
							}
						}
						offset += s.Size / int64(size)
						s.Release()
					}
				}
				if source == "page-cache" {
					pass()
				}
				b.SetBytes(total)
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if source == "cold" {
						b.StopTimer()
						dropCache(b, fileName(r.dir, 0, logSuffix))
						b.StartTimer()
					}
					pass()
				}
			})
		}
	}
}

// dropCache takes a file's pages out of the page cache.
func dropCache(b *testing.B, name string) {
	f, err := vfs.OS().Open(name, vfs.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	if fd, ok := f.Fd(); ok {
		dropPages(fd)
	}
}

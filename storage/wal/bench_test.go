package wal_test

import (
	"fmt"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/vfs"
	"github.com/troupe-io/troupe/storage/wal"
)

// BenchmarkGroupCommit lets a number of appenders each keep one append of one 256-byte entry in flight; every 256 KiB they
// checkpoint. An operation is one acknowledged append.
func BenchmarkGroupCommit(b *testing.B) {
	for _, disk := range []string{"real", "mem"} {
		for _, appenders := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("%s/appenders=%d", disk, appenders), func(b *testing.B) {
				fs, dir := vfs.FS(vfs.NewMem()), "/wal"
				if disk == "real" {
					fs, dir = vfs.OS(), b.TempDir()+"/wal"
				}
				benchmarkGroupCommit(b, fs, dir, appenders, 256)
			})
		}
	}
}

// BenchmarkBatches is the same with 64 KiB entries on the real disk: bytes a second.
func BenchmarkBatches(b *testing.B) {
	b.SetBytes(64 << 10)
	benchmarkGroupCommit(b, vfs.OS(), b.TempDir()+"/wal", 32, 64<<10)
}

type appender struct {
	a     wal.Append
	index uint64
	data  []byte
}

func (p *appender) next(group wal.GroupID) *wal.Append {
	p.index++
	g := &p.a.Groups[0]
	g.Group, g.Checkpoint = group, nil
	g.Entries[0] = raftpb.Entry{Index: p.index, Term: 1, Data: p.data}
	g.HardState = raftpb.HardState{Term: 1, Vote: 1, Commit: p.index - 1}
	if p.index%uint64(max(8, 256<<10/len(p.data))) == 0 {
		g.Checkpoint = &wal.Checkpoint{Index: p.index - 1, Term: 1}
	}
	return &p.a
}

func benchmarkGroupCommit(b *testing.B, fs vfs.FS, dir string, appenders, size int) {
	r := newRig(b, fs, dir, nil)
	defer r.stop()
	r.mustRecover()
	all := make([]appender, appenders)
	sent, got := 0, 0
	done := make(chan struct{})
	client, err := r.sys.SpawnRoot(actorsystem.Spec{Kind: "test", Name: fmt.Sprint("client-", b.Name(), b.N), New: func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch m := ctx.Message().(type) {
			case string:
				for i := range all {
					p := &all[i]
					p.data = make([]byte, size)
					p.a = wal.Append{Groups: []wal.GroupAppend{{Entries: make([]raftpb.Entry, 1)}}, Reply: ctx.Self(), Seq: uint64(i), Sync: true}
					if sent < b.N {
						sent++
						r.sys.Send(r.pid, p.next(wal.GroupID(i+2)))
					}
				}
			case *wal.Appended:
				if m.Err != nil {
					b.Error(m.Err)
				}
				if got++; got == b.N {
					close(done)
				}
				if sent < b.N {
					sent++
					r.sys.Send(r.pid, all[m.Append.Seq].next(wal.GroupID(m.Append.Seq+2)))
				}
			}
		})
	}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	r.sys.Send(client, "go")
	<-done
	b.StopTimer()
}

// BenchmarkFloor is what the disk does at best: one 4 KiB O_DIRECT|O_DSYNC overwrite after another in a zero-filled file.
func BenchmarkFloor(b *testing.B) {
	f, err := vfs.OS().Open(b.TempDir()+"/floor", vfs.OpenOptions{Create: true, Direct: true, DSync: true})
	if err != nil {
		b.Skip(err)
	}
	defer f.Close()
	zero, block := vfs.AlignedBuffer(16<<20), vfs.AlignedBuffer(vfs.BlockSize)
	if _, err := f.WriteAt(zero, 0); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for i := range b.N {
		if _, err := f.WriteAt(block, int64(i%4096)*vfs.BlockSize); err != nil {
			b.Fatal(err)
		}
	}
}

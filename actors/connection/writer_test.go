package connection

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/troupe-io/troupe/actorsystem"
	"github.com/troupe-io/troupe/storage/segment"
	"github.com/troupe-io/troupe/storage/vfs"
)

// tcpPair is two ends of a connection on the loopback.
func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestMemoryAndFilePartsGoOutInOrder(t *testing.T) {
	onDisk := vfs.OS()
	for name, c := range map[string]struct {
		fs   vfs.FS
		path string
	}{
		"sendfile":                  {onDisk, filepath.Join(t.TempDir(), "file")},
		"a disk without descriptor": {vfs.NewMem(), "file"},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := c.fs.Open(c.path, vfs.OpenOptions{Create: true})
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			data := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
			if _, err := file.WriteAt(data, 0); err != nil {
				t.Fatal(err)
			}
			near, far := tcpPair(t)
			w, err := newWire(near)
			if err != nil {
				t.Fatal(err)
			}
			parts := []segment.Part{{Bytes: []byte("head")}, {File: file, Offset: 16, Length: 3_000_000}, {Bytes: []byte{}}, {Bytes: []byte("middle")},
				{File: file, Offset: 1, Length: 7}, {Bytes: []byte("tail")}}
			want := append([]byte("head"), data[16:3_000_016]...)
			want = append(append(append(want, "middle"...), data[1:8]...), "tail"...)
			got := make(chan []byte)
			go func() {
				b, _ := io.ReadAll(far)
				got <- b
			}()
			s := &socket{wire: w, metrics: NewMetrics(nil), system: testSystem(t)}
			if err := newWriter(s).write(parts); err != nil {
				t.Fatal(err)
			}
			near.Close()
			if b := <-got; !bytes.Equal(b, want) {
				t.Fatalf("%d bytes came, %d were sent, or they differ", len(b), len(want))
			}
		})
	}
}

func TestAJobThatComesWhenTheConnectionIsOverIsGivenBack(t *testing.T) {
	near, _ := tcpPair(t)
	w, err := newWire(near)
	if err != nil {
		t.Fatal(err)
	}
	system := testSystem(t)
	pid, err := system.SpawnRoot(actorsystem.Spec{Kind: "connection", Name: "x", New: func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		s := &socket{wire: w, metrics: NewMetrics(nil), system: system, pid: pid, quit: make(chan struct{}), idlers: newIdlers()}
		wr := newWriter(s)
		freed := make(chan struct{}, 2)
		free := func() { freed <- struct{}{} }
		wr.submit(job{release: free})
		<-freed
		close(s.quit)
		wr.submit(job{release: free})
		select {
		case <-freed:
		case <-time.After(10 * time.Second):
			t.Fatal("what the job held is lost")
		}
	}
}

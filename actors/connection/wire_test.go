package connection

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted here: %v", err)
	}
	return len(entries)
}

// A socket goes out of the runtime's poller and back, many times, and takes one descriptor all the time; it can be written in both
// states, read in each in its own way, and closing it in either closes it for the client.
func TestASocketLeavesTheRuntimesPollerAndComesBack(t *testing.T) {
	for _, endDetached := range []bool{false, true} {
		near, far := tcpPair(t)
		w, err := newWire(near)
		if err != nil {
			t.Fatal(err)
		}
		before := openFiles(t)
		var back [2]byte
		buf := make([]byte, 16)
		talk := func(read func() int) {
			t.Helper()
			if _, err := far.Write([]byte("hi")); err != nil {
				t.Fatal(err)
			}
			for n := 0; n < 2; {
				n += read()
			}
			if n, err := w.tryWrite([][]byte{[]byte("h"), []byte("o")}); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			if _, err := io.ReadFull(far, back[:]); err != nil || !bytes.Equal(back[:], []byte("ho")) {
				t.Fatal(back, err)
			}
		}
		for range 20 {
			talk(func() int {
				n, err := w.read(buf, nil)
				if err != nil {
					t.Fatal(err)
				}
				return n
			})
			w.deadline(past)
			if _, err := w.read(buf, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("a deadline that is over gives %v", err)
			}
			if err := w.detach(); err != nil {
				t.Fatal(err)
			}
			if n, again := w.readNow(buf); n > 0 || !again {
				t.Fatalf("%d bytes, again %v, where there is nothing", n, again)
			}
			talk(func() int {
				n, _ := w.readNow(buf)
				return max(n, 0)
			})
			if err := w.attach(); err != nil {
				t.Fatal(err)
			}
		}
		if n := openFiles(t); n != before {
			t.Fatalf("%d descriptors are open, %d were", n, before)
		}
		if endDetached {
			if err := w.detach(); err != nil {
				t.Fatal(err)
			}
		}
		w.close()
		w.close()
		_ = far.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := far.Read(buf); !errors.Is(err, io.EOF) {
			t.Fatalf("the client sees %v", err)
		}
		for what, err := range map[string]error{"attach": w.attach(), "detach": w.detach()} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s of a closed socket: %v", what, err)
			}
		}
		if _, err := w.read(buf, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read of a closed socket: %v", err)
		}
		if _, err := w.tryWrite([][]byte{buf}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a write to a closed socket: %v", err)
		}
		if n := openFiles(t); n != before-1 {
			t.Fatalf("%d descriptors are open, %d were before the socket was closed", n, before)
		}
	}
}

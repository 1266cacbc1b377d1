package groupload

// This file owns the floor: a server that only reads requests, makes them durable and answers. What it takes under a load is what the
// machine takes; the rest is the broker's.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/troupe-io/troupe/storage/vfs"
)

// floorEnv names the directory in which this very program serves as the floor.
const floorEnv = "GROUPLOAD_FLOOR_DIR"

type floor struct {
	addr string
	pid  int
	stop func()
}

func startFloor(t *testing.T) floor {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), floorEnv+"="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	var f floor
	if _, err := fmt.Fscanln(bufio.NewReader(out), &f.addr); err != nil {
		stop()
		t.Fatalf("the floor did not start: %v", err)
	}
	f.pid, f.stop = cmd.Process.Pid, stop
	return f
}

// floorFileBytes is written once at the start, and then over and over: as the broker's own recycled log.
const floorFileBytes = 16 << 20

// request is an answer that waits for a durable write.
type request struct {
	conn        net.Conn
	correlation [4]byte
}

// serveFloor prints the address it listens on. Requests that come during one durable write share the next.
func serveFloor(dir string) error {
	file, err := vfs.OS().Open(filepath.Join(dir, "floor"), vfs.OpenOptions{Create: true, Direct: true, DSync: true})
	direct := err == nil
	if errors.Is(err, vfs.ErrNotSupported) {
		file, err = vfs.OS().Open(filepath.Join(dir, "floor"), vfs.OpenOptions{Create: true})
	}
	if err != nil {
		return err
	}
	if _, err := file.WriteAt(vfs.AlignedBuffer(floorFileBytes), 0); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	requests := make(chan request, 1024)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go readFloor(conn, requests)
		}
	}()
	block := vfs.AlignedBuffer(vfs.BlockSize)
	answer := make([]byte, 48) // as long as an OffsetCommit's, error code 0 at its end
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	var batch []request
	for at := int64(0); ; at = (at + vfs.BlockSize) % floorFileBytes {
		batch = append(batch[:0], <-requests)
		for len(requests) > 0 {
			batch = append(batch, <-requests)
		}
		_, err := file.WriteAt(block, at)
		if err == nil && !direct {
			err = file.DataSync()
		}
		if err != nil {
			return err
		}
		for _, r := range batch {
			copy(answer[4:], r.correlation[:])
			_, _ = r.conn.Write(answer)
		}
	}
}

func readFloor(conn net.Conn, requests chan<- request) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		var head [12]byte // size, API key, version, correlation id
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		if _, err := in.Discard(int(binary.BigEndian.Uint32(head[:])) - 8); err != nil {
			return
		}
		requests <- request{conn, [4]byte(head[8:])}
	}
}

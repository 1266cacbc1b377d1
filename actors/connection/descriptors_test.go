package connection_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/troupe-io/troupe/actors/connection"
)

// withoutDescriptors is set in the process that may open no more files.
const withoutDescriptors = "TROUPE_TEST_WITHOUT_DESCRIPTORS"

func TestOpenConnectionsAreServedWhenDescriptorsRunOut(t *testing.T) {
	if os.Getenv(withoutDescriptors) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), withoutDescriptors+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	d := silence(t, connection.Limits{})
	clients := make([]*client, 8)
	for i := range clients {
		clients[i] = d.dial()
		clients[i].ask(versionsRequest(), 3)
	}
	d.allSilent(len(clients))
	late, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0) // connects when nothing can be accepted
	if err != nil {
		t.Fatal(err)
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	limit := func(n uint64) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
	}
	limit(1)
	addr := d.listener.Addr().(*net.TCPAddr)
	if err := unix.Connect(late, &unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}); err != nil {
		t.Fatal(err)
	}
	for range 20 { // as one that is silent, as one that is not, and as one whose request needs a goroutine
		for i, c := range clients {
			if i%2 == 0 {
				c.ask(large(), 3)
			}
			c.ask(versionsRequest(), 3)
			c.ask(heartbeatRequest(), 4)
		}
	}
	const attempts = 20 // as would flood the log
	d.eventually("accepting fails again and again", func() bool { return d.count("troupe_connection_accept_failures_total") >= attempts })
	if n := strings.Count(d.log.String(), "cannot accept"); n == 0 || n > 5 {
		t.Errorf("%d lines say that nothing can be accepted, after %d attempts", n, attempts)
	}
	limit(before.Cur)
	file := os.NewFile(uintptr(late), "late")
	conn, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	(&client{t: t, conn: conn, r: bufio.NewReader(conn)}).ask(versionsRequest(), 3)
	d.allSilent(len(clients) + 1)
	for _, c := range clients {
		c.ask(versionsRequest(), 3)
	}
}

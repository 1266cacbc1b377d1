package connection_test

import (
	"net"
	"strings"
	"testing"

	"github.com/troupe-io/troupe/actors/connection"
)

// A silent client asks for more than its socket takes and reads it late: the answer waits in the runtime's poller, as a busy client's does.
func TestASilentClientThatReadsLateGetsAllOfALargeAnswer(t *testing.T) {
	d := silence(t, connection.Limits{})
	d.stage("t")
	large := batch(t, strings.Repeat("x", 900_000))
	producer := d.dial()
	const batches = 12
	for range batches {
		producer.ask(produceRequest(-1, "t", large), 9)
	}
	producer.conn.Close()
	d.eventually("the producer is gone", func() bool { return d.kinds("connection") == 0 && d.listener.Silent() == 0 })
	c := d.dial()
	_ = c.conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	for range 3 {
		d.allSilent(1)
		req := fetchRequest(0, "t")
		req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 1<<30, 1<<30
		c.send(req, 12, 7)
		d.eventually("the connection whose answer waits has its goroutine", func() bool { return d.listener.Silent() == 0 })
		if p := fetched(t, c.receive(req, 12, 7)); len(p.RecordBatches) != batches*len(large) {
			t.Fatalf("%d bytes of records came, want %d", len(p.RecordBatches), batches*len(large))
		}
	}
	d.allSilent(1)
}

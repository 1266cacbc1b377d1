package connection_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/connection"
)

func TestProduceIsAcknowledgedAtEachVersion(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	for v := int16(3); v <= 13; v++ {
		req := produceRequest(-1, "t", batch(t, "a", "b"))
		req.Topics[0].TopicID = [16]byte{1, 0}
		p := produced(t, c.ask(req, v))
		if p.ErrorCode != 0 || p.BaseOffset != int64(v-3)*2 {
			t.Fatalf("v%d: %+v", v, p)
		}
	}
}

func TestPipelinedProducesAreAnsweredInOrder(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 64<<20)
	d.stage("t", "u")
	c := d.dial()
	big := batch(t, strings.Repeat("x", 60_000))
	small := batch(t, "x")
	const n = 100
	go func() {
		for i := range int32(n) {
			if i%2 == 0 {
				c.send(produceRequest(-1, "t", big), 9, i)
			} else {
				c.send(produceRequest(1, "u", small), 9, i)
			}
		}
	}()
	for i := range int32(n) {
		if p := produced(t, c.receive(kmsg.NewPtrProduceRequest(), 9, i)); p.ErrorCode != 0 || p.BaseOffset != int64(i/2) {
			t.Fatalf("answer %d: %+v", i, p)
		}
	}
}

func TestProduceRefusals(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	fakes := d.stage("t", "elsewhere")
	fakes["elsewhere"].lead(false)
	good := batch(t, "a")
	wrongCRC := batch(t, "a")
	wrongCRC[len(wrongCRC)-1]++
	txn := batch(t, "a")
	txn[22] |= 0x10
	for name, c := range map[string]struct {
		req  *kmsg.ProduceRequest
		want int16
	}{
		"unknown topic":                 {produceRequest(-1, "nope", good), 3},
		"not the leader":                {produceRequest(-1, "elsewhere", good), 6},
		"wrong CRC":                     {produceRequest(-1, "t", wrongCRC), 2},
		"null records":                  {produceRequest(-1, "t", nil), 87},
		"two batches":                   {produceRequest(-1, "t", append(batch(t, "a"), good...)), 87},
		"acks 7":                        {produceRequest(7, "t", good), 21},
		"too large":                     {produceRequest(-1, "t", batch(t, strings.Repeat("x", 1<<20))), 10},
		"transactional without an id":   {produceRequest(-1, "t", txn), 53},
		"unknown topic, acks 1, pipeld": {produceRequest(1, "nope", good), 3},
	} {
		t.Run(name, func(t *testing.T) {
			if p := produced(t, d.dial().ask(c.req, 9)); p.ErrorCode != c.want || p.BaseOffset != -1 {
				t.Fatalf("want error %d, got %+v", c.want, p)
			}
		})
	}
	resp := d.dial().ask(produceRequest(-1, "elsewhere", good), 10).(*kmsg.ProduceResponse)
	if l := resp.Topics[0].Partitions[0].CurrentLeader; l.LeaderID != 2 || len(resp.Brokers) != 1 || resp.Brokers[0].Host != "two" {
		t.Fatalf("no hint to the leader: %+v", resp)
	}
	unknownID := produceRequest(-1, "", good)
	unknownID.Topics[0].TopicID = [16]byte{9}
	if p := produced(t, d.dial().ask(unknownID, 13)); p.ErrorCode != 100 {
		t.Fatalf("%+v", p)
	}
}

func TestAcksZeroIsNotAnsweredAndAnErrorClosesTheConnection(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	c.send(produceRequest(0, "t", batch(t, "a")), 9, 1)
	c.send(versionsRequest(), 3, 2)
	c.receive(versionsRequest(), 3, 2)
	c.send(produceRequest(0, "nope", batch(t, "a")), 9, 3)
	c.closed()
}

func TestAProduceThatKilledItsPartitionIsAnsweredRetriably(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	f.panics.Store(true)
	if p := produced(t, d.dial().ask(produceRequest(-1, "t", batch(t, "a")), 9)); p.ErrorCode != 6 {
		t.Fatalf("%+v", p)
	}
}

func TestAProduceThatIsNotCommittedInTimeSaysSo(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	f.hold.Store(true)
	req := produceRequest(-1, "t", batch(t, "a"))
	req.TimeoutMillis = 1
	if p := produced(t, d.dial().ask(req, 9)); p.ErrorCode != 7 || p.BaseOffset != -1 {
		t.Fatalf("%+v", p)
	}
}

func TestALargeRequestGrowsIntoItsFrame(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	for range 3 {
		if p := produced(t, c.ask(produceRequest(-1, "t", batch(t, strings.Repeat("x", 900_000))), 9)); p.ErrorCode != 0 {
			t.Fatalf("%+v", p)
		}
	}
}

package connection_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/connection"
)

// The actor may start a call, and give it a deadline, while the reader is still about to publish it. For the race detector.
func TestPipelinedCallsGetDeadlinesFromTheActorAlone(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	const n = 2000
	go func() {
		for i := range int32(n) {
			if _, err := c.conn.Write(frameOf(req, 0, i)); err != nil {
				return
			}
		}
	}()
	answers := kmsg.NewPtrDescribeProducersRequest()
	for i := range int32(n) {
		c.receive(answers, 0, i)
	}
}

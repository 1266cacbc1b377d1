package connection_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/api"
	"github.com/troupe-io/troupe/actors/connection"
)

func fetched(t testing.TB, r kmsg.Response) kmsg.FetchResponseTopicPartition {
	t.Helper()
	return r.(*kmsg.FetchResponse).Topics[0].Partitions[0]
}

func TestFetchReturnsWhatWasProducedAtEachVersion(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	sent := batch(t, "one", "two")
	c.ask(produceRequest(-1, "t", bytes.Clone(sent)), 9)
	for v := int16(4); v <= 18; v++ {
		p := fetched(t, c.ask(fetchRequest(0, "t"), v))
		if p.ErrorCode != 0 || p.HighWatermark != 2 || len(p.RecordBatches) != len(sent) || !bytes.Equal(p.RecordBatches[17:], sent[17:]) {
			t.Fatalf("v%d: %+v", v, p)
		}
	}
}

func TestFetchErrors(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	fakes := d.stage("t", "elsewhere")
	d.dial().ask(produceRequest(-1, "t", batch(t, "a")), 9)
	fakes["elsewhere"].lead(false)
	change := func(f func(*kmsg.FetchRequest), topics ...string) *kmsg.FetchRequest {
		req := fetchRequest(0, topics...)
		req.MaxWaitMillis = 5000
		f(req)
		return req
	}
	for name, c := range map[string]struct {
		req  *kmsg.FetchRequest
		want int16
	}{
		"unknown topic":    {change(func(*kmsg.FetchRequest) {}, "nope"), 3},
		"out of range":     {change(func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].FetchOffset = 2 }, "t"), 1},
		"not the leader":   {change(func(*kmsg.FetchRequest) {}, "elsewhere"), 6},
		"fenced epoch":     {change(func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 0 }, "t"), 74},
		"future epoch":     {change(func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 9 }, "t"), 75},
		"a future fetcher": {change(func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].LastFetchedEpoch = 9 }, "t"), 1},
		"a follower":       {change(func(r *kmsg.FetchRequest) { r.ReplicaID = 5 }, "t"), 6},
		"isolation 7":      {change(func(r *kmsg.FetchRequest) { r.IsolationLevel = 7 }, "t"), -1},
	} {
		t.Run(name, func(t *testing.T) {
			if p := fetched(t, d.dial().ask(c.req, 12)); p.ErrorCode != c.want || p.HighWatermark != -1 || p.LogStartOffset != -1 {
				t.Fatalf("want error %d, got %+v", c.want, p)
			}
		})
	}
}

func TestALongPollIsWokenByAProduce(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	c := d.dial()
	req := fetchRequest(0, "t")
	req.MaxWaitMillis = 60_000
	c.send(req, 12, 1)
	d.eventually("the fetch waits", func() bool { return f.waiting.Load() == 1 })
	d.dial().ask(produceRequest(-1, "t", batch(t, "a")), 9)
	if p := fetched(t, c.receive(req, 12, 1)); p.HighWatermark != 1 || len(p.RecordBatches) == 0 {
		t.Fatalf("%+v", p)
	}
}

func TestALongPollEndsEmptyAtItsTime(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	req := fetchRequest(0, "t")
	req.MaxWaitMillis = 30
	began := time.Now()
	if p := fetched(t, d.dial().ask(req, 12)); p.ErrorCode != 0 || len(p.RecordBatches) != 0 || time.Since(began) < 25*time.Millisecond {
		t.Fatalf("after %s: %+v", time.Since(began), p)
	}
	d.eventually("the wait is taken back", func() bool { return f.waiting.Load() == 0 })
}

func TestALongPollOfAClientThatLeftIsTakenBack(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	c := d.dial()
	req := fetchRequest(0, "t")
	req.MaxWaitMillis = 60_000
	c.send(req, 12, 1)
	d.eventually("the fetch waits", func() bool { return f.waiting.Load() == 1 })
	c.conn.Close()
	d.eventually("the wait is taken back", func() bool { return f.waiting.Load() == 0 })
	d.eventually("the connection is gone", func() bool { return d.kinds("connection") == 0 })
}

func TestDrainEndsALongPoll(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	f := d.stage("t")["t"]
	c := d.dial()
	req := fetchRequest(0, "t")
	req.MaxWaitMillis = 60_000
	c.send(req, 12, 1)
	d.eventually("the fetch waits", func() bool { return f.waiting.Load() == 1 })
	if err := d.listener.Drain(d.broker.System, patience); err != nil {
		t.Fatal(err)
	}
	if p := fetched(t, c.receive(req, 12, 1)); p.ErrorCode != 0 {
		t.Fatalf("%+v", p)
	}
	c.closed()
}

func TestAFirstBatchLargerThanAskedForIsReturnedAlone(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t", "u")
	c := d.dial()
	for _, topic := range []string{"t", "u"} {
		c.ask(produceRequest(-1, topic, batch(t, "a long value that is more than the bytes asked for")), 9)
	}
	req := fetchRequest(0, "t", "u")
	req.MaxBytes = 10
	resp := c.ask(req, 12).(*kmsg.FetchResponse)
	if len(resp.Topics[0].Partitions[0].RecordBatches) == 0 || len(resp.Topics[1].Partitions[0].RecordBatches) != 0 {
		t.Fatalf("%+v", resp)
	}
}

func TestAnIncrementalFetchTellsOnlyWhatIsNew(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20, func(b *api.Broker) { b.Fetch = api.NewFetchSessions(2, func() uint64 { return 41 }) })
	d.stage("t", "u", "v")
	c := d.dial()
	full := fetchRequest(0, "t", "u", "v")
	full.SessionEpoch = 0
	resp := c.ask(full, 12).(*kmsg.FetchResponse)
	if resp.ErrorCode != 0 || resp.SessionID != 42 || len(resp.Topics) != 3 {
		t.Fatalf("the first answer: %+v", resp)
	}
	next := func(epoch int32, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
		req := fetchRequest(0)
		req.SessionID, req.SessionEpoch = 42, epoch
		if change != nil {
			change(req)
		}
		return c.ask(req, 12).(*kmsg.FetchResponse)
	}
	if resp = next(1, nil); resp.ErrorCode != 0 || len(resp.Topics) != 0 || resp.SessionID != 42 {
		t.Fatalf("nothing is new, but: %+v", resp)
	}
	c.ask(produceRequest(-1, "u", batch(t, "a")), 9)
	if resp = next(2, nil); len(resp.Topics) != 1 || resp.Topics[0].Topic != "u" || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Fatalf("u is new, but: %+v", resp)
	}
	resp = next(3, func(r *kmsg.FetchRequest) { r.Topics = fetchRequest(1, "u").Topics })
	if len(resp.Topics) != 0 {
		t.Fatalf("u has been told, but: %+v", resp)
	}
	c.ask(produceRequest(-1, "t", batch(t, "a")), 9)
	resp = next(4, func(r *kmsg.FetchRequest) {
		r.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{Topic: "t", Partitions: []int32{0}}}
	})
	if len(resp.Topics) != 0 {
		t.Fatalf("t was forgotten, but: %+v", resp)
	}
	if resp = next(9, nil); resp.ErrorCode != 71 {
		t.Fatalf("want INVALID_FETCH_SESSION_EPOCH, got %+v", resp)
	}
	end := fetchRequest(0, "t")
	end.SessionID, end.SessionEpoch = 42, -1
	if resp = c.ask(end, 12).(*kmsg.FetchResponse); resp.SessionID != 0 || d.broker.Fetch.Len() != 0 || d.broker.Fetch.Partitions() != 0 {
		t.Fatalf("the session should have ended: %+v", resp)
	}
	if resp = next(5, nil); resp.ErrorCode != 70 {
		t.Fatalf("want FETCH_SESSION_ID_NOT_FOUND, got %+v", resp)
	}
}

func TestAFullSessionCacheServesWithoutASession(t *testing.T) {
	id := uint64(0)
	d := openDoor(t, connection.Limits{}, 8<<20, func(b *api.Broker) {
		b.Fetch = api.NewFetchSessions(1, func() uint64 { id++; return id })
	})
	d.stage("t")
	c := d.dial()
	for i, want := range []int32{2, 0} {
		req := fetchRequest(0, "t")
		req.SessionEpoch = 0
		if resp := c.ask(req, 12).(*kmsg.FetchResponse); resp.SessionID != want {
			t.Fatalf("fetch %d: session %d, want %d", i, resp.SessionID, want)
		}
	}
}

func TestOffsetsAreListed(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	before := time.Now().UnixMilli()
	c.ask(produceRequest(-1, "t", batch(t, "a", "b", "c")), 9)
	list := func(version int16, ts int64) kmsg.ListOffsetsResponseTopicPartition {
		req := kmsg.NewPtrListOffsetsRequest()
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = ts
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
		return c.ask(req, version).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	}
	for _, want := range []struct {
		version int16
		ts      int64
		offset  int64
		code    int16
	}{{1, -1, 3, 0}, {11, -1, 3, 0}, {5, -2, 0, 0}, {6, -3, -1, 35}, {7, -4, -1, 35}, {8, -4, 0, 0}, {9, -5, -1, 0}, {11, -9, -1, 35},
		{5, before, 0, 0}, {5, before + 1e9, -1, 0}} {
		if p := list(want.version, want.ts); p.Offset != want.offset || p.ErrorCode != want.code {
			t.Fatalf("v%d, timestamp %d: %+v", want.version, want.ts, p)
		}
	}
	if p := list(7, -3); p.ErrorCode != 0 || p.Offset < 0 || p.Timestamp < before {
		t.Fatalf("largest timestamp: %+v", p)
	}
}

func TestEpochsProducersAndDeletedRecords(t *testing.T) {
	d := openDoor(t, connection.Limits{}, 8<<20)
	d.stage("t")
	c := d.dial()
	c.ask(produceRequest(-1, "t", batch(t, "a", "b", "c")), 9)

	epochs := kmsg.NewPtrOffsetForLeaderEpochRequest()
	ep := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	ep.LeaderEpoch = 1
	epochs.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{ep}}}
	if p := c.ask(epochs, 4).(*kmsg.OffsetForLeaderEpochResponse).Topics[0].Partitions[0]; p.LeaderEpoch != 1 || p.EndOffset != 3 {
		t.Fatalf("%+v", p)
	}

	producers := kmsg.NewPtrDescribeProducersRequest()
	producers.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}
	resp := c.ask(producers, 0).(*kmsg.DescribeProducersResponse)
	if p := resp.Topics[0].Partitions; len(p[0].ActiveProducers) != 1 || p[0].ActiveProducers[0].ProducerID != 7 || p[1].ErrorCode != 3 {
		t.Fatalf("%+v", resp)
	}

	del := kmsg.NewPtrDeleteRecordsRequest()
	del.TimeoutMillis = 5000
	del.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: 2}}}}
	if p := c.ask(del, 2).(*kmsg.DeleteRecordsResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 || p.LowWatermark != 2 {
		t.Fatalf("%+v", p)
	}
	if p := fetched(t, c.ask(fetchRequest(0, "t"), 12)); p.ErrorCode != 1 {
		t.Fatalf("%+v", p)
	}
}

package test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

var codecs = []struct {
	name  string
	codec kgo.CompressionCodec
	id    uint8 // as the batch header has it
}{
	{"none", kgo.NoCompression(), 0}, {"gzip", kgo.GzipCompression(), 1}, {"snappy", kgo.SnappyCompression(), 2},
	{"lz4", kgo.Lz4Compression(), 3}, {"zstd", kgo.ZstdCompression(), 4},
}

// lines makes n records whose values are all different and compress well.
func lines(n int, prefix string) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		out[i] = &kgo.Record{Key: []byte(fmt.Sprintf("key-%d", i)), Value: []byte(fmt.Sprintf("%s-%d-%s", prefix, i, strings.Repeat("x", 100))),
			Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}}}
	}
	return out
}

// same compares what came with what went, in order.
func same(t *testing.T, got, want []*kgo.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records came, %d went", len(got), len(want))
	}
	for i := range want {
		g, w := got[i], want[i]
		if string(g.Key) != string(w.Key) || string(g.Value) != string(w.Value) || len(g.Headers) != len(w.Headers) {
			t.Fatalf("record %d: got %q=%q %v, want %q=%q %v", i, g.Key, g.Value, g.Headers, w.Key, w.Value, w.Headers)
		}
		if g.Offset != int64(i) {
			t.Fatalf("record %d came with offset %d", i, g.Offset)
		}
	}
}

func TestEveryCodecAcksAndIdempotenceComesBackAsItWent(t *testing.T) {
	b := harness.Start(t)
	acks := []struct {
		name       string
		acks       kgo.Acks
		idempotent bool
	}{{"acks-0", kgo.NoAck(), false}, {"acks-1", kgo.LeaderAck(), false}, {"acks-all", kgo.AllISRAcks(), false}, {"idempotent", kgo.AllISRAcks(), true}}
	for _, c := range codecs {
		for _, a := range acks {
			t.Run(c.name+"/"+a.name, func(t *testing.T) {
				topic := b.CreateTopic("t-"+c.name+"-"+a.name, 1, nil)
				opts := []kgo.Opt{kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(c.codec), kgo.RequiredAcks(a.acks)}
				if !a.idempotent {
					opts = append(opts, kgo.DisableIdempotentWrite())
				}
				cl := b.Client(opts...)
				sent := lines(500, c.name)
				if err := cl.ProduceSync(harness.Context(t), sent...).FirstErr(); err != nil {
					t.Fatal(err)
				}
				got := b.ReadAll(topic, len(sent))
				same(t, got, sent)
				for _, r := range got {
					if r.Attrs.CompressionType() != c.id {
						t.Fatalf("codec %d came back, %d went", r.Attrs.CompressionType(), c.id)
					}
					if a.idempotent != (r.ProducerID >= 0) {
						t.Fatalf("producer id %d came back, idempotent is %v", r.ProducerID, a.idempotent)
					}
				}
			})
		}
	}
}

func TestConsumeFromBeginningEndOffsetAndTimestamp(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("positions", 1, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic))
	base := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	sent := lines(100, "p")
	for i, r := range sent {
		r.Timestamp = base.Add(time.Duration(i) * time.Second)
		// A batch each, so that a position falls between batches and not only inside one.
		if i%10 == 9 {
			if err := cl.ProduceSync(harness.Context(t), sent[i-9:i+1]...).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		from  kgo.Offset
		first int64
	}{
		"beginning":                {kgo.NewOffset().AtStart(), 0},
		"an offset in a batch":     {kgo.NewOffset().At(37), 37},
		"the first of a batch":     {kgo.NewOffset().At(40), 40},
		"ten before the end":       {kgo.NewOffset().AtEnd().Relative(-10), 90},
		"a timestamp":              {kgo.NewOffset().AfterMilli(base.Add(55 * time.Second).UnixMilli()), 55},
		"between two timestamps":   {kgo.NewOffset().AfterMilli(base.Add(55*time.Second + 1).UnixMilli()), 55},
		"a timestamp before all":   {kgo.NewOffset().AfterMilli(base.Add(-time.Hour).UnixMilli()), 0},
		"just after one timestamp": {kgo.NewOffset().AfterMilli(base.Add(55*time.Second).UnixMilli() + 1), 56},
	} {
		t.Run(name, func(t *testing.T) {
			reader := b.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: c.from}}))
			got := harness.Poll(t, reader, 1)
			if got[0].Offset != c.first {
				t.Fatalf("began at %d, want %d", got[0].Offset, c.first)
			}
		})
	}
	t.Run("end", func(t *testing.T) {
		adm := kadm.NewClient(cl)
		ends, err := adm.ListEndOffsets(harness.Context(t), topic)
		if err != nil {
			t.Fatal(err)
		}
		end, _ := ends.Lookup(topic, 0)
		reader := b.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(end.Offset)}}))
		late := &kgo.Record{Value: []byte("late")}
		if err := cl.ProduceSync(harness.Context(t), late).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if got := harness.Poll(t, reader, 1); string(got[0].Value) != "late" || got[0].Offset != 100 {
			t.Fatalf("%s at %d", got[0].Value, got[0].Offset)
		}
	})
	t.Run("an offset that is not there", func(t *testing.T) {
		reader := b.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(5000)}}), kgo.ConsumeResetOffset(kgo.NoResetOffset()))
		fetches := reader.PollFetches(harness.Context(t))
		var err error
		for _, e := range fetches.Errors() {
			err = e.Err
		}
		if !errors.Is(err, kerr.OffsetOutOfRange) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestTopicConfigurationsAreEnforced(t *testing.T) {
	b := harness.Start(t)
	adm := kadm.NewClient(b.Client())
	ctx := harness.Context(t)
	p := kadm.StringPtr
	b.CreateTopic("small", 1, map[string]*string{"max.message.bytes": p("1000")})
	cl := b.Client(kgo.DefaultProduceTopic("small"), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 2000)}).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a batch over max.message.bytes: %v", err)
	}
	if err := cl.ProduceSync(ctx, &kgo.Record{Value: make([]byte, 500)}).FirstErr(); err != nil {
		t.Errorf("a batch within max.message.bytes: %v", err)
	}

	b.CreateTopic("stamped", 1, map[string]*string{"message.timestamp.type": p("LogAppendTime")})
	cl = b.Client(kgo.DefaultProduceTopic("stamped"))
	if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("x"), Timestamp: time.UnixMilli(1)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if got := b.ReadAll("stamped", 1)[0]; time.Since(got.Timestamp) > time.Minute {
		t.Errorf("LogAppendTime is %v", got.Timestamp)
	}

	b.CreateTopic("recent", 1, map[string]*string{"message.timestamp.before.max.ms": p("60000"), "message.timestamp.after.max.ms": p("60000")})
	cl = b.Client(kgo.DefaultProduceTopic("recent"))
	for _, ts := range []time.Time{time.Now().Add(-time.Hour), time.Now().Add(time.Hour)} {
		if err := cl.ProduceSync(ctx, &kgo.Record{Value: []byte("x"), Timestamp: ts}).FirstErr(); !errors.Is(err, kerr.InvalidTimestamp) {
			t.Errorf("a record of %v: %v", ts, err)
		}
	}

	b.CreateTopic("packed", 1, map[string]*string{"compression.type": p("gzip")})
	cl = b.Client(kgo.DefaultProduceTopic("packed"), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	sent := lines(20, "g")
	if err := cl.ProduceSync(ctx, sent...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := b.ReadAll("packed", 20)
	same(t, got, sent)
	if got[0].Attrs.CompressionType() != 1 {
		t.Errorf("compression.type=gzip keeps codec %d", got[0].Attrs.CompressionType())
	}

	for _, bad := range []map[string]*string{{"cleanup.policy": p("compress")}, {"no.such.config": p("1")}, {"retention.ms": p("soon")}, {"segment.bytes": p("0")}} {
		if _, err := adm.CreateTopic(ctx, 1, 1, bad, "refused"); !errors.Is(err, kerr.InvalidConfig) && !errors.Is(err, kerr.InvalidRequest) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if topics, err := adm.ListTopics(ctx); err != nil || topics.Has("refused") {
		t.Errorf("the refused topic is there (%v)", err)
	}
}

func TestDeleteRecordsMovesTheBeginning(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("trimmed", 1, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic))
	ctx := harness.Context(t)
	if err := cl.ProduceSync(ctx, lines(50, "d")...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	adm := kadm.NewClient(cl)
	upTo := kadm.Offsets{}
	upTo.Add(kadm.Offset{Topic: topic, Partition: 0, At: 20})
	if _, err := adm.DeleteRecords(ctx, upTo); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at once", "after a kill"} {
		if got := b.ReadAll(topic, 30); got[0].Offset != 20 {
			t.Fatalf("%s the log begins at %d, want 20", when, got[0].Offset)
		}
		if when == "at once" {
			b.Restart()
		}
	}
}

func TestAutoCreationCanBeAllowedAndForbidden(t *testing.T) {
	for _, allowed := range []bool{true, false} {
		b := harness.Start(t, fmt.Sprintf("--auto.create.topics.enable=%v", allowed), "--num.partitions", "2")
		cl := b.Client(kgo.AllowAutoTopicCreation(), kgo.DefaultProduceTopic("auto"), kgo.UnknownTopicRetries(3))
		err := cl.ProduceSync(harness.Context(t), &kgo.Record{Value: []byte("x")}).FirstErr()
		if (err == nil) != allowed {
			t.Errorf("allowed %v: %v", allowed, err)
		}
		topics, err := kadm.NewClient(cl).ListTopics(harness.Context(t))
		if err != nil || slices.Contains(topics.Names(), "auto") != allowed || allowed && len(topics["auto"].Partitions) != 2 {
			t.Errorf("allowed %v: %v %v", allowed, topics.Names(), err)
		}
	}
}

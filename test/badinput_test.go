package test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/test/harness"
)

// serves checks that the broker still does its work.
func serves(t *testing.T, b *harness.Broker, topic string) {
	t.Helper()
	if err := b.Client(kgo.DefaultProduceTopic(topic)).ProduceSync(harness.Context(t), &kgo.Record{Value: []byte("still here")}).FirstErr(); err != nil {
		t.Fatalf("the broker no longer serves: %v", err)
	}
}

// peakMiB is the process's largest resident size so far.
func peakMiB(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
			kib, _ := strconv.Atoi(f[1])
			return kib >> 10
		}
	}
	return 0
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// closes checks that the broker closes the connection.
func closes(t *testing.T, c net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, c)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Error("the connection stays open")
	}
}

func TestGarbageClosesItsConnectionAndHarmsNobody(t *testing.T) {
	b := harness.Start(t, "--memory-limit", "256MiB", "--socket.request.max.bytes", "16MiB")
	topic := b.CreateTopic("unharmed", 1, nil)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		c := dial(t, b.Addr)
		junk := make([]byte, 4+rng.IntN(100_000))
		for i := range junk {
			junk[i] = byte(rng.Uint32())
		}
		binary.BigEndian.PutUint32(junk, uint32(rng.IntN(len(junk)))) // a frame length that is there
		_, _ = c.Write(junk)
		_ = c.(*net.TCPConn).CloseWrite()
		closes(t, c)
	}
	for name, frame := range map[string][]byte{
		"a length over the limit": {0x7f, 0xff, 0xff, 0xff, 0, 18, 0, 3},
		"a negative length":       {0xff, 0xff, 0xff, 0xff, 0, 18},
		"a length of zero":        {0, 0, 0, 0},
		"an unknown API key":      {0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff},
		"a header cut short":      {0, 0, 0, 3, 0, 18, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, b.Addr)
			if _, err := c.Write(frame); err != nil {
				t.Fatal(err)
			}
			closes(t, c)
		})
	}
	half := dial(t, b.Addr) // a frame that never ends must hold nothing up
	_, _ = half.Write([]byte{0, 1, 0, 0, 0, 18})
	serves(t, b, topic)
	if mib := peakMiB(t, b.PID()); mib > 256 {
		t.Errorf("%d MiB at most", mib)
	}
	if strings.Contains(b.Log(), "panicked") {
		t.Error("an actor panicked")
	}
}

func TestALyingLengthDoesNotAllocate(t *testing.T) {
	b := harness.Start(t, "--memory-limit", "256MiB")
	topic := b.CreateTopic("modest", 1, nil)
	for range 100 { // 100 × 90 MB announced, nothing sent
		c := dial(t, b.Addr)
		_, _ = c.Write([]byte{0x05, 0x5d, 0x4a, 0x80, 0, 0, 0, 9})
	}
	serves(t, b, topic)
	if mib := peakMiB(t, b.PID()); mib > 256 {
		t.Errorf("%d MiB at most", mib)
	}
}

// produce sends one raw Produce request with the given record set and returns the partition's error.
func produce(t *testing.T, b *harness.Broker, topic string, records []byte) error {
	t.Helper()
	cl := b.Client()
	meta := kmsg.NewPtrMetadataRequest()
	mt := kmsg.NewMetadataRequestTopic()
	mt.Topic = kmsg.StringPtr(topic)
	meta.Topics = append(meta.Topics, mt)
	mresp, err := meta.RequestWith(harness.Context(t), cl)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = topic, mresp.Topics[0].TopicID
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = records
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(harness.Context(t), cl)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
}

// batch is a v2 record batch with one record.
func batch(value string) []byte {
	var rec []byte
	rec = append(rec, 0)             // attributes
	rec = kbin.AppendVarlong(rec, 0) // timestamp delta
	rec = kbin.AppendVarint(rec, 0)  // offset delta
	rec = kbin.AppendVarint(rec, -1) // no key
	rec = kbin.AppendVarint(rec, int32(len(value)))
	rec = append(rec, value...)
	rec = kbin.AppendVarint(rec, 0) // no headers
	body := append(kbin.AppendVarint(nil, int32(len(rec))), rec...)
	now := time.Now().UnixMilli()
	rb := kmsg.RecordBatch{PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		NumRecords: 1, Records: body}
	rb.Length = int32(49 + len(body))
	raw := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], castagnoli(raw[21:]))
	return raw
}

func TestAWrongBatchIsRefusedAndNothingIsStored(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("strict", 1, nil)
	if err := produce(t, b, topic, batch("good")); err != nil {
		t.Fatalf("a good batch: %v", err)
	}
	spoilt := batch("spoilt")
	spoilt[len(spoilt)-3] ^= 0x40
	if err := produce(t, b, topic, spoilt); !errors.Is(err, kerr.CorruptMessage) {
		t.Errorf("a wrong CRC: %v", err)
	}
	for name, records := range map[string][]byte{"an empty record set": {}, "a header cut short": batch("x")[:40], "a body cut short": batch("long enough")[:65]} {
		if err := produce(t, b, topic, records); !errors.Is(err, kerr.InvalidRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := produce(t, b, topic, append(batch("kept"), batch("cut")[:30]...)); err != nil {
		t.Errorf("a good batch before one cut short: %v", err)
	}
	got := b.ReadAll(topic, 2)
	if string(got[0].Value) != "good" || string(got[1].Value) != "kept" || got[1].Offset != 1 {
		t.Fatalf("stored: %q at %d, %q at %d", got[0].Value, got[0].Offset, got[1].Value, got[1].Offset)
	}
}

func TestAClientThatNeverReadsHarmsNobody(t *testing.T) {
	b := harness.Start(t, "--memory-limit", "256MiB")
	topic := b.CreateTopic("deaf", 1, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for range 32 { // 32 MB of answer for each fetch
		if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Value: make([]byte, 1<<20-1000)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.ReplicaID = 4, 50<<20, -1
	ft := kmsg.NewFetchRequestTopic()
	ft.Topic = topic
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.PartitionMaxBytes = 50 << 20
	ft.Partitions = append(ft.Partitions, fp)
	req.Topics = append(req.Topics, ft)
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
	for range 8 {
		c := dial(t, b.Addr)
		_ = c.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
		for range 1000 {
			if _, err := c.Write(frame); err != nil {
				break // not read from any more: back pressure
			}
		}
	}
	serves(t, b, topic)
	if mib := peakMiB(t, b.PID()); mib > 256 {
		t.Errorf("%d MiB at most", mib)
	}
}

func TestAMillionTinyRequestsAreAnswered(t *testing.T) {
	requests := 1_000_000
	if testing.Short() {
		requests = 50_000
	}
	b := harness.Start(t, "--memory-limit", "256MiB")
	topic := b.CreateTopic("tiny", 1, nil)
	c := dial(t, b.Addr)
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	req := kmsg.NewPtrApiVersionsRequest()
	req.Version = 0
	frame := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
	const perWrite = 500
	var many []byte
	for range perWrite {
		many = append(many, frame...)
	}
	go func() {
		for range requests / perWrite {
			if _, err := c.Write(many); err != nil {
				return
			}
		}
	}()
	var head [4]byte
	for i := range requests {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
	serves(t, b, topic)
	if mib := peakMiB(t, b.PID()); mib > 256 {
		t.Errorf("%d MiB at most", mib)
	}
}

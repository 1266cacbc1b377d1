package test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// storedRecords counts the records in a partition's .log files by their batch headers, as any reader of Kafka's format would.
func storedRecords(t *testing.T, dir string) (records int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for len(raw) > 0 {
			size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
			if len(raw) < 61 || len(raw) < size || raw[16] != 2 {
				t.Fatalf("%s holds something that is not a whole batch", name)
			}
			records += int(binary.BigEndian.Uint32(raw[57:]))
			raw = raw[size:]
		}
	}
	return records
}

func TestAStoppedBrokerLeavesEveryRecordInItsSegmentFiles(t *testing.T) {
	b := harness.Start(t)
	topic := b.CreateTopic("segments", 3, nil)
	cl := b.Client(kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for p := range 3 {
		for i := range 10 * (p + 1) {
			if err := cl.ProduceSync(harness.Context(t), &kgo.Record{Partition: int32(p), Value: []byte(fmt.Sprint(i))}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.Signal(syscall.SIGTERM)
	if code := b.Wait(stopWithin); code != 0 {
		t.Fatalf("exit %d", code)
	}
	for p := range 3 {
		if got := storedRecords(t, filepath.Join(b.Dir, "topics", fmt.Sprintf("%s-%d", topic, p))); got != 10*(p+1) {
			t.Errorf("partition %d: %d records in the files, %d were acknowledged", p, got, 10*(p+1))
		}
	}
	for _, line := range strings.Split(b.Log(), "\n") {
		if strings.Contains(line, " ERR ") {
			t.Errorf("an orderly stop logs an error: %s", line)
		}
	}
	b.MustStart()
	b.ReadAll(topic, 60)
}

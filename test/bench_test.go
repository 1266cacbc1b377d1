package test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

type benchReport struct {
	Summary struct {
		Records       int64
		RecordsPerS   float64 `json:"records_per_s"`
		LatencyMillis struct {
			P50, P99, Max float64
		} `json:"latency_ms"`
	}
	Errors     map[string]int64
	Retries    int64
	LongestGap *struct{ Ms float64 } `json:"longest_gap"`
	Intervals  []struct{ Records int64 }
	Verify     *struct {
		OK                 bool
		Acknowledged, Read int64
	}
	Interrupted bool
}

func readBench(t *testing.T, out string) benchReport {
	t.Helper()
	var r benchReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func TestBenchInAllItsModes(t *testing.T) {
	b := harness.Start(t)
	csv := filepath.Join(t.TempDir(), "series.csv")
	r := readBench(t, b.MustRun("", "bench", "produce", "-t", "load", "--create-topic", "--partitions", "4", "--rate", "5000", "-d", "1s", "--verify", "-z", "lz4",
		"--payload", "json", "--keys", "zipf", "-o", "json", "--csv", csv, "--connections", "2"))
	if r.Summary.Records != 5000 || !r.Verify.OK || r.Verify.Read != 5000 || r.Summary.LatencyMillis.P99 <= 0 || len(r.Intervals) == 0 {
		t.Errorf("produce: %+v", r)
	}
	if raw, err := os.ReadFile(csv); err != nil || !strings.Contains(string(raw), "\nsummary,") {
		t.Errorf("CSV: %v\n%s", err, raw)
	}
	if out := b.MustRun("", "bench", "consume", "-t", "load", "--verify", "--progress", "1s"); !strings.Contains(out, "5000 records") || !strings.Contains(out, "verify: OK") {
		t.Errorf("consume: %s", out)
	}
	for _, client := range []string{"native", "franz"} {
		r = readBench(t, b.MustRun("", "bench", "round-trip", "-t", "rt-"+client, "--create-topic", "--delete-topic", "--rate", "1000", "-n", "500", "--linger", "0", "--verify", "--client", client, "-o", "json"))
		if r.Summary.Records != 500 || !r.Verify.OK {
			t.Errorf("round-trip with %s: %+v", client, r)
		}
	}
	if out := b.MustRun("", "bench", "metadata", "-t", "load", "-n", "200"); !strings.Contains(out, "200 requests") {
		t.Errorf("metadata: %s", out)
	}
	if res := b.Run("", "bench", "produce", "-t", "none", "-d", "1s"); res.Code != 1 || !strings.Contains(res.Stderr, "--create-topic") {
		t.Errorf("an unknown topic: %+v", res)
	}
	if res := b.Run("", "bench", "produce", "-s", "-1"); res.Code != 2 {
		t.Errorf("a record size below 0: %+v", res)
	}
	b.MustNotHavePanicked()
}

func TestBenchLivesThroughKill9AndLosesNothing(t *testing.T) {
	b := harness.Start(t)
	for _, mode := range []string{"produce", "round-trip"} {
		done := make(chan harness.Result, 1)
		go func() {
			done <- b.Run("", "bench", mode, "-t", "kill-"+mode, "--create-topic", "--rate", "5000", "-d", "3s", "--verify", "--connections", "2", "-o", "json")
		}()
		waitForRecords(t, b, "kill-"+mode) // the kill comes in the middle of the load
		b.Restart()
		res := <-done
		r := readBench(t, res.Stdout)
		if res.Code != 0 || !r.Verify.OK || r.Verify.Acknowledged != 15000 || len(r.Errors) == 0 || r.LongestGap.Ms < 10 {
			t.Errorf("%s: exit %d, %s\n%+v", mode, res.Code, res.Stderr, r)
		}
	}
}

// waitForRecords waits until some thousand records are in the first partition.
func waitForRecords(t *testing.T, b *harness.Broker, topic string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		var described []struct {
			Partitions []struct {
				EndOffset int64 `json:"end_offset"`
			}
		}
		if r := b.Run("", "topic", "describe", topic, "-o", "json"); r.Code == 0 && json.Unmarshal([]byte(r.Stdout), &described) == nil &&
			len(described) == 1 && described[0].Partitions[0].EndOffset > 1000 {
			return
		}
	}
	t.Fatalf("topic %s did not get any records", topic)
}

func TestBenchPrintsItsSummaryWhenInterrupted(t *testing.T) {
	b := harness.Start(t)
	cmd := exec.Command(harness.Binary(t), "bench", "produce", "-b", b.Addr, "-t", "long", "--create-topic", "--rate", "1000", "-d", "1h", "--verify", "-o", "json", "--progress", "100ms", "--interval", "100ms")
	var stdout strings.Builder
	cmd.Stdout = &stdout
	progress, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := make([]byte, 0, 4096)
	for buf := make([]byte, 1024); !strings.Contains(string(seen), "records/s"); {
		n, err := progress.Read(buf)
		if err != nil {
			t.Fatalf("it ended: %v\n%s", err, seen)
		}
		seen = append(seen, buf[:n]...)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	go func() { // it must not block on what nobody reads
		for buf := make([]byte, 1024); ; {
			if _, err := progress.Read(buf); err != nil {
				return
			}
		}
	}()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, seen)
	}
	if r := readBench(t, stdout.String()); !r.Interrupted || !r.Verify.OK || r.Summary.Records == 0 {
		t.Errorf("%+v", r)
	}
}

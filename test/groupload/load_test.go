package groupload

// This file owns the sizes of the measures and what is read of the broker's process.

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestMain lets this program also be the other processes of a measure.
func TestMain(m *testing.M) {
	var err error
	if args := strings.Fields(os.Getenv(victimEnv)); len(args) > 0 {
		err = serveVictim(args)
	} else if dir := os.Getenv(floorEnv); dir != "" {
		err = serveFloor(dir)
	} else {
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// size is a number from the environment, or small where the environment says nothing.
func size(t *testing.T, name string, small int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return small
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s: a number is wanted", name, text)
	}
	return n
}

// atFullSize says whether the limits are to be checked, as `make bench-groups` does on a machine that does nothing else.
func atFullSize() bool { return os.Getenv("GROUPLOAD_LIMITS") != "" }

func within(t *testing.T, what string, got, limit float64) {
	t.Helper()
	if atFullSize() && got > limit {
		t.Errorf("%s: %.3g, the limit is %.3g", what, got, limit)
	}
}

// tickMs is how long one tick of a process's CPU clock is: USER_HZ is 100 on every Linux.
const tickMs = 10

// stolenTicks is the time that the machine's own host has kept from it so far, of all cores; 0 on bare metal.
func stolenTicks(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Skipf("stolen time cannot be read here: %v", err)
	}
	// cpu user nice system idle iowait irq softirq steal
	ticks, _ := strconv.Atoi(strings.Fields(string(raw))[8])
	return ticks
}

// cpu is the CPU time that a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skipf("a process's CPU time cannot be read here: %v", err)
	}
	// The second field, the command in parentheses, may contain blanks; utime and stime are the 12th and 13th after it.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tickMs * time.Millisecond
}

// rss is a process's resident memory, MiB.
func rss(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("a process's memory cannot be read here: %v", err)
	}
	for _, line := range strings.Split(string(raw), "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, _ := strconv.Atoi(f[1])
			return float64(kib) / 1024
		}
	}
	t.Fatal("no VmRSS in /proc/PID/status")
	return 0
}

package matrix

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// answerWithin bounds each command to a client, member aside.
const answerWithin = 2 * time.Minute

// agent is one running process of a client's glue (../agents/README.md): commands go in, a line at a time, and answers come out.
type agent struct {
	client  string
	version string

	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan []string // answers, closed at the end of the process
	mu     sync.Mutex
	recent []string // the last lines of both outputs, for failures
}

// ack is one acknowledged record; partition and offset are -1 where the client does not tell them.
type ack struct {
	n         int
	partition int32
	offset    int64
}

// delivery is one record that a consumer got.
type delivery struct {
	n         int
	partition int32
	offset    int64
}

// start starts a client's glue and reads its version. The process and what it started are killed with the test.
func start(t testing.TB, c client, addr string) *agent {
	t.Helper()
	a := &agent{client: c.name, cmd: exec.Command(c.command[0], append(c.command[1:], addr)...), lines: make(chan []string, 100_000)}
	a.cmd.Env = append(os.Environ(), c.env...)
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := a.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatalf("start the glue of %s: %v", c.name, err)
	}
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		defer close(a.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			a.remember(s.Text())
			if words := strings.Fields(s.Text()); len(words) > 0 && words[0] != "note" {
				a.lines <- words
			}
		}
	}()
	go func() {
		defer both.Done()
		for s := bufio.NewScanner(stderr); s.Scan(); {
			a.remember(s.Text())
		}
	}()
	t.Cleanup(func() {
		a.kill()
		both.Wait()
		_ = a.cmd.Wait()
		if t.Failed() {
			t.Logf("%s said last:\n%s", c.name, strings.Join(a.recent, "\n"))
		}
	})
	words, err := a.next(time.After(answerWithin))
	if err != nil || words[0] != "version" || len(words) != 2 {
		t.Fatalf("the glue of %s began with %q (%v), not with a version", c.name, words, err)
	}
	a.version = words[1]
	return a
}

func (a *agent) remember(line string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.recent = append(a.recent, line[:min(len(line), 300)])
	if len(a.recent) > 30 {
		a.recent = a.recent[1:]
	}
}

// kill ends the process and its children with SIGKILL.
func (a *agent) kill() { _ = syscall.Kill(-a.cmd.Process.Pid, syscall.SIGKILL) }

func (a *agent) send(words ...any) error {
	_, err := io.WriteString(a.in, strings.TrimSuffix(fmt.Sprintln(words...), "\n")+"\n")
	return err
}

func (a *agent) next(deadline <-chan time.Time) ([]string, error) {
	select {
	case words, ok := <-a.lines:
		if !ok {
			return nil, errors.New("the process ended")
		}
		return words, nil
	case <-deadline:
		return nil, errors.New("no answer in time")
	}
}

// outcome is what came between a command and its done.
type outcome struct {
	acks    []ack
	unacked int
	records []delivery
}

// do sends a command and reads answers until it is done.
func (a *agent) do(words ...any) (outcome, error) {
	if err := a.send(words...); err != nil {
		return outcome{}, fmt.Errorf("%s, %v: %w", a.client, words, err)
	}
	return a.finish(words...)
}

// finish reads answers until a command that was sent is done.
func (a *agent) finish(words ...any) (outcome, error) {
	var o outcome
	deadline := time.After(answerWithin)
	for {
		answer, err := a.next(deadline)
		if err != nil {
			return o, fmt.Errorf("%s, %v: %w (%d acknowledged, %d records)", a.client, words, err, len(o.acks), len(o.records))
		}
		switch answer[0] {
		case "done":
			return o, nil
		case "failed":
			return o, fmt.Errorf("%s, %v: %s", a.client, words, strings.Join(answer[1:], " "))
		case "acked":
			made, err := parseAck(answer)
			if err != nil {
				return o, err
			}
			o.acks = append(o.acks, made)
		case "unacked":
			o.unacked++
		case "record":
			d, err := parseRecord(answer)
			if err != nil {
				return o, err
			}
			o.records = append(o.records, d)
		default:
			return o, fmt.Errorf("%s answered %q", a.client, answer)
		}
	}
}

func parseAck(words []string) (ack, error) {
	if len(words) != 4 {
		return ack{}, fmt.Errorf("an acknowledgement has a number, a partition and an offset, not %q", words)
	}
	n, err1 := strconv.Atoi(words[1])
	p, err2 := strconv.ParseInt(words[2], 10, 32)
	o, err3 := strconv.ParseInt(words[3], 10, 64)
	return ack{n, int32(p), o}, errors.Join(err1, err2, err3)
}

// parseRecord checks key and value too: both are functions of the record's number.
func parseRecord(words []string) (delivery, error) {
	if len(words) != 5 {
		return delivery{}, fmt.Errorf("a record has a partition, an offset, a key and a value, not %.200q", words)
	}
	p, err1 := strconv.ParseInt(words[1], 10, 32)
	o, err2 := strconv.ParseInt(words[2], 10, 64)
	n, err3 := number(words[3], words[4])
	return delivery{n, int32(p), o}, errors.Join(err1, err2, err3)
}

func key(n int) string { return fmt.Sprintf("key-%d", n) }

func value(n int) string { return fmt.Sprintf("value-%d-%s", n, strings.Repeat("x", 100)) }

// number is the number of the record with this key and value.
func number(k, v string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(k, "key-"))
	if err != nil || k != key(n) || v != value(n) {
		return 0, fmt.Errorf("no record has the key %.50q and the value %.50q", k, v)
	}
	return n, nil
}

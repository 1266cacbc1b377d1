// Package harness drives the real binary for black-box tests: it starts brokers on free ports with data directories of
// their own, kills them, starts them again, and runs the command line. It knows nothing of the inside.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ReadyWithin bounds how long a broker may take until a client can produce.
const ReadyWithin = 20 * time.Second

var builds sync.Map // build tag → func() (string, error)

// Binary is the binary under test: $TROUPE_BIN, or built once for this test run.
func Binary(t testing.TB) string { return binary(t, "TROUPE_BIN", "") }

// ChaosBinary is the same with fault injection: $TROUPE_CHAOS_BIN, or built.
func ChaosBinary(t testing.TB) string { return binary(t, "TROUPE_CHAOS_BIN", "chaos") }

func binary(t testing.TB, env, tag string) string {
	t.Helper()
	if path := os.Getenv(env); path != "" {
		return path
	}
	build, _ := builds.LoadOrStore(tag, sync.OnceValues(func() (string, error) {
		_, here, _, _ := runtime.Caller(0)
		dir, err := os.MkdirTemp("", "troupe-bin-")
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, "troupe")
		cmd := exec.Command("go", "build", "-tags", tag, "-o", path, "./cmd/troupe")
		cmd.Dir = filepath.Join(filepath.Dir(here), "..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build the binary under test: %w\n%s", err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Broker is one broker under test.
type Broker struct {
	Addr, AdminAddr, Dir string
	// ReadyIn is how long the last start took until /readyz said yes.
	ReadyIn time.Duration

	t      testing.TB
	binary string
	flags  []string
	log    string // file
	cmd    *exec.Cmd
	exited chan struct{}
	stdout *lockedBuffer
}

// Start starts a broker, waits until it is ready, and ends it with the test.
func Start(t testing.TB, flags ...string) *Broker {
	t.Helper()
	b := New(t, Binary(t), flags...)
	b.MustStart()
	return b
}

// New prepares a broker on free ports without starting it.
func New(t testing.TB, binary string, flags ...string) *Broker {
	t.Helper()
	dir := t.TempDir()
	b := &Broker{Addr: FreeAddr(t), AdminAddr: FreeAddr(t), Dir: filepath.Join(dir, "data"), t: t, binary: binary, flags: flags,
		log: filepath.Join(dir, "log"), stdout: &lockedBuffer{}}
	t.Cleanup(func() {
		if b.cmd != nil && !b.Alive() {
			t.Errorf("the broker ended by itself: %v", b.cmd.ProcessState)
		}
		b.Kill()
		if t.Failed() {
			t.Logf("the broker's log ends with:\n%s", tail(b.Log(), 60))
		}
	})
	return b
}

// FreeAddr is a loopback address whose port nobody uses.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Args is the command line of the broker.
func (b *Broker) Args() []string {
	return append([]string{"serve", "--data-dir", b.Dir, "--kafka-addr", b.Addr, "--admin-addr", b.AdminAddr, "--log-format", "console"}, b.flags...)
}

// Launch starts the process without waiting until it is ready.
func (b *Broker) Launch() {
	b.t.Helper()
	logFile, err := os.OpenFile(b.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	defer logFile.Close()
	cmd := exec.Command(b.binary, b.Args()...)
	cmd.Stdout, cmd.Stderr = b.stdout, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error), make(chan struct{})
	go func() {
		// Pdeathsig goes by the thread that started the process: without a thread of its own the broker is killed whenever the Go
		// runtime ends the one that happened to start it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		b.t.Fatalf("start %s: %v", b.binary, err)
	}
	b.cmd, b.exited = cmd, exited
}

// MustStart starts the process and waits until a client can produce.
func (b *Broker) MustStart() {
	b.t.Helper()
	began := time.Now()
	b.Launch()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(ReadyWithin); ; {
		select {
		case <-b.exited:
			b.t.Fatalf("the broker ended (%v) before it was ready:\n%s", b.cmd.ProcessState, tail(b.Log(), 40))
		case <-deadline:
			b.t.Fatalf("the broker was not ready within %s:\n%s", ReadyWithin, tail(b.Log(), 40))
		case <-tick.C:
			if code, _ := b.TryGet("/readyz"); code == http.StatusOK {
				b.ReadyIn = time.Since(began)
				return
			}
		}
	}
}

// Kill ends the process at once (SIGKILL), if it runs.
func (b *Broker) Kill() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Kill()
	<-b.exited
	b.cmd = nil
}

// Restart kills the process and starts it again on the same data and addresses.
func (b *Broker) Restart() {
	b.t.Helper()
	b.Kill()
	b.MustStart()
}

// Signal sends a signal.
func (b *Broker) Signal(s os.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatalf("signal the broker: %v", err)
	}
}

// Wait waits until the process has ended by itself, and returns its exit code.
func (b *Broker) Wait(within time.Duration) int {
	b.t.Helper()
	select {
	case <-b.exited:
		code := b.cmd.ProcessState.ExitCode()
		b.cmd = nil
		return code
	case <-time.After(within):
		b.t.Fatalf("the broker did not end within %s:\n%s", within, tail(b.Log(), 40))
		return -1
	}
}

// Alive says whether the process runs.
func (b *Broker) Alive() bool {
	select {
	case <-b.exited:
		return false
	default:
		return b.cmd != nil
	}
}

// PID is the process's id.
func (b *Broker) PID() int { return b.cmd.Process.Pid }

// Stdout is all that the broker has written there.
func (b *Broker) Stdout() string { return b.stdout.String() }

// LogFile is where the broker logs.
func (b *Broker) LogFile() string { return b.log }

// Log is all that the broker has logged.
func (b *Broker) Log() string {
	raw, err := os.ReadFile(b.log)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

// MustNotHavePanicked checks that no actor has.
func (b *Broker) MustNotHavePanicked() {
	b.t.Helper()
	if strings.Contains(b.Log(), "panicked") {
		b.t.Error("an actor panicked")
	}
}

// TryGet asks the admin address; code 0 means that nobody answered.
func (b *Broker) TryGet(path string) (code int, body string) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + b.AdminAddr + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw)
}

// Get asks the admin address and expects 200.
func (b *Broker) Get(path string) string {
	b.t.Helper()
	code, body := b.TryGet(path)
	if code != http.StatusOK {
		b.t.Fatalf("GET %s: %d %s", path, code, body)
	}
	return body
}

// Client is a Kafka client of the broker, closed with the test.
func (b *Broker) Client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addr), kgo.MetadataMinAge(50 * time.Millisecond)}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	return cl
}

// CreateTopic creates a topic and returns its name.
func (b *Broker) CreateTopic(name string, partitions int32, configs map[string]*string) string {
	b.t.Helper()
	adm := kadm.NewClient(b.Client())
	if _, err := adm.CreateTopic(Context(b.t), partitions, 1, configs, name); err != nil {
		b.t.Fatalf("create topic %s: %v", name, err)
	}
	return name
}

// CreateGroupTopic has the broker make the topic of the groups, as the first question for a coordinator does, and waits for it.
func (b *Broker) CreateGroupTopic() {
	b.t.Helper()
	cl, ctx := b.Client(), Context(b.t)
	for {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKeys = []string{"any"}
		resp, err := req.RequestWith(ctx, cl)
		if err != nil {
			b.t.Fatalf("find the coordinator: %v", err)
		}
		if resp.Coordinators[0].ErrorCode == 0 {
			return
		}
	}
}

// ReadAll consumes the partitions of a topic from the beginning until count records have come.
func (b *Broker) ReadAll(topic string, count int) []*kgo.Record {
	b.t.Helper()
	cl := b.Client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	return Poll(b.t, cl, count)
}

// Poll polls until count records have come.
func Poll(t testing.TB, cl *kgo.Client, count int) []*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var records []*kgo.Record
	for len(records) < count {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d of %d records came within a minute", len(records), count)
		}
		if err := fetches.Err0(); err != nil {
			t.Fatalf("poll: %v", err)
		}
		records = append(records, fetches.Records()...)
	}
	return records
}

// Context ends with the test, or after a minute.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs the binary with arguments, a standard input, and this broker's addresses in its environment.
func (b *Broker) Run(stdin string, args ...string) Result {
	b.t.Helper()
	return Run(b.t, stdin, []string{"TROUPE_BOOTSTRAP=" + b.Addr, "TROUPE_ADMIN_ADDR=" + b.AdminAddr}, args...)
}

// MustRun is Run for a command that must succeed; it returns its standard output.
func (b *Broker) MustRun(stdin string, args ...string) string {
	b.t.Helper()
	r := b.Run(stdin, args...)
	if r.Code != 0 {
		b.t.Fatalf("troupe %s: exit %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r.Stdout
}

// Run runs the binary with arguments, for at most a minute.
func Run(t testing.TB, stdin string, env []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), env...)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("troupe %s: %v %v\n%s", strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// lockedBuffer is a buffer that one goroutine writes while another reads.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

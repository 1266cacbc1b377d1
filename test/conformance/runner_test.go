package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/troupe-io/troupe/test/harness"
)

// This file builds a suite's test binary, runs it, and holds what it did against the suite's list.

var (
	quick  = flag.Bool("quick", false, "run only what the lists mark quick, with fewer records")
	update = flag.Bool("update", false, "write what the tests did into the lists instead of comparing")
	only   = flag.String("only", "", "run the tests that match this regular expression, and compare nothing")
)

// suite is what a run needs to know.
type suite struct {
	list    string // expected/<list>.txt
	version string // module@version
	binary  string
	tests   []string // every test that must be listed; nil where the list itself is the choice
	dir     string   // where the binary runs
	env     []string
	timeout time.Duration
}

// scratch is a directory for a suite's sources and binaries; it stays, so that the next run is faster.
func scratch(t *testing.T, elem ...string) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..", "bin", "conformance")
	dir := filepath.Join(append([]string{root}, elem...)...)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// A module of its own: what lies here is no package of Troupe.
	write(t, root, "go.mod", "module scratch\n", 0o644)
	return dir
}

// goTool runs the go command in dir and returns its standard output.
func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// module is the version of a module that go.mod pins, as module@version, and the directory of its sources.
func module(t *testing.T, path string) (version, dir string) {
	t.Helper()
	goTool(t, ".", "mod", "download", path)
	version, dir, _ = strings.Cut(goTool(t, ".", "list", "-m", "-f", "{{.Path}}@{{.Version}} {{.Dir}}", path), " ")
	return version, dir
}

// event is one line of what test2json writes.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// run runs the suite and compares what it did with its list.
func (s suite) run(t *testing.T) {
	t.Helper()
	file := filepath.Join("expected", s.list+".txt")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Parse(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if l.Version != s.version && !*update {
		t.Fatalf("%s lists %s, go.mod pins %s: go through what changed and run with UPDATE=1", file, l.Version, s.version)
	}
	listed := map[string]bool{}
	for _, e := range l.Tests {
		listed[e.Name] = true
	}
	for _, name := range s.tests {
		if !listed[name] && !*update {
			t.Errorf("%s: the suite has it, %s does not list it", name, file)
		}
	}
	runs, skips := l.patterns(*quick)
	if *only != "" {
		runs, skips = *only, ""
	}
	if runs == "" { // which would run everything
		t.Fatalf("%s selects no test", file)
	}
	args := []string{"tool", "test2json", "-t", s.binary, "-test.v=test2json", "-test.timeout", s.timeout.String(), "-test.run", runs}
	if skips != "" {
		args = append(args, "-test.skip", skips)
	}
	began := time.Now()
	got, output := s.execute(t, args)
	passed, failed, skipped := count(got)
	t.Logf("%s: %d passed, %d failed, %d skipped in %s", s.version, passed, failed, skipped, time.Since(began).Round(time.Second))
	if *only != "" {
		return
	}
	if *update {
		if *quick {
			t.Fatal("a list is made from a full run: leave QUICK out")
		}
		l.Version = s.version
		l.Update(got)
		if err := os.WriteFile(file, []byte(l.Format(leadingComment(string(text)))), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, d := range l.Compare(got, *quick) {
		name, _, _ := strings.Cut(d, ":")
		t.Errorf("%s\n%s", d, lastLines(output[name], 30))
	}
}

// execute runs a test binary through test2json. Each test's own output is returned and also written into a file.
func (s suite) execute(t *testing.T, args []string) (got map[string]Outcome, output map[string]string) {
	t.Helper()
	log, err := os.Create(filepath.Join(scratch(t, "logs"), s.list+".out"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), s.env...)
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("run %s: %v", s.binary, err)
	}
	got, output = map[string]Outcome{}, map[string]string{}
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			fmt.Fprintln(log, scanner.Text())
			continue
		}
		switch e.Action {
		case "output":
			output[e.Test] += e.Output
			_, _ = log.WriteString(e.Output)
		case "pass", "fail", "skip":
			if e.Test != "" {
				got[e.Test] = Outcome(e.Action)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", s.binary, err)
	}
	if len(got) == 0 {
		t.Fatalf("%s ran no test; its output ends with:\n%s", s.binary, lastLines(output[""], 40))
	}
	return got, output
}

// count counts top-level tests and subtests alike.
func count(got map[string]Outcome) (passed, failed, skipped int) {
	for _, o := range slices.Collect(maps.Values(got)) {
		switch o {
		case Pass:
			passed++
		case Fail:
			failed++
		case Skip:
			skipped++
		}
	}
	return passed, failed, skipped
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// leadingComment is the text before a list's first line.
func leadingComment(text string) string {
	before, _, _ := strings.Cut(text, "suite ")
	return before
}

// envOr is an environment variable, or what stands for it where it is not set.
func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}

// awaitGroups waits until the broker serves groups: the first that asks for a coordinator makes the topic that holds the groups, and
// tests that only look at groups or topics expect it to be there, as it is on a cluster that has been used.
func awaitGroups(t *testing.T, b *harness.Broker) { t.Helper(); awaitGroupsAt(t, b.Addr) }

func awaitGroupsAt(t *testing.T, addr string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	for ctx := harness.Context(t); ; {
		err := adm.FindGroupCoordinators(ctx, "any").Error()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("the broker serves no groups: %v", err)
		}
	}
}

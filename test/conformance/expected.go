package conformance

import (
	"bufio"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// This file owns the lists of what each test of a suite must do: their form (expected/*.txt), and the comparison with what the
// tests did. Invariant: a run agrees with its list only if every listed test ran and did what is listed, and no other test ran.

// Outcome is how a test ends.
type Outcome string

const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	// Skip is a test that runs and skips itself.
	Skip Outcome = "skip"
	// Exclude is a test that is not started, since it can only fail or hang.
	Exclude Outcome = "exclude"
)

var outcomes = []Outcome{Pass, Fail, Skip, Exclude}

// Expectation is one line of a list.
type Expectation struct {
	Outcome Outcome
	Quick   bool   // the quick form runs it too
	Name    string // subtests by their full name: Parent/Child
	Reason  string // why it does not pass; empty where it does
}

// List is one file of expected/.
type List struct {
	Version string // module@version of the suite
	Tests   []Expectation
}

// Parse reads a list. Each line is empty, a comment (#), "suite MODULE@VERSION", "count WORD=N…" or
// "OUTCOME quick|full NAME [# REASON]". The counts must agree with the lines; whatever does not pass needs a reason.
func Parse(text string) (*List, error) {
	l := &List{}
	var counts string
	seen := map[string]bool{}
	scanner := bufio.NewScanner(strings.NewReader(text))
	for n := 1; scanner.Scan(); n++ {
		line, reason, _ := strings.Cut(strings.TrimSpace(scanner.Text()), " # ")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(line, "#"):
			continue
		case fields[0] == "suite" && len(fields) == 2:
			l.Version = fields[1]
			continue
		case fields[0] == "count":
			counts = strings.Join(fields[1:], " ")
			continue
		}
		if len(fields) != 3 || !slices.Contains(outcomes, Outcome(fields[0])) || fields[1] != "quick" && fields[1] != "full" {
			return nil, fmt.Errorf("line %d: want OUTCOME quick|full NAME [# REASON], found %q", n, scanner.Text())
		}
		e := Expectation{Outcome: Outcome(fields[0]), Quick: fields[1] == "quick", Name: fields[2], Reason: strings.TrimSpace(reason)}
		if seen[e.Name] {
			return nil, fmt.Errorf("line %d: %s stands here twice", n, e.Name)
		}
		if e.Outcome != Pass && e.Reason == "" {
			return nil, fmt.Errorf("line %d: %s does not pass: say why, behind a #", n, e.Name)
		}
		seen[e.Name] = true
		l.Tests = append(l.Tests, e)
	}
	if want := l.counts(); counts != want {
		return nil, fmt.Errorf("the count line says %q, the lines below are %q", counts, want)
	}
	return l, nil
}

// counts says how many tests are expected to end how.
func (l *List) counts() string {
	var words []string
	for _, o := range outcomes {
		n := 0
		for _, e := range l.Tests {
			if e.Outcome == o {
				n++
			}
		}
		words = append(words, fmt.Sprintf("%s=%d", o, n))
	}
	return strings.Join(words, " ")
}

// Format writes a list as Parse reads it, in the order of names, below a comment.
func (l *List) Format(comment string) string {
	slices.SortFunc(l.Tests, func(a, b Expectation) int { return strings.Compare(a.Name, b.Name) })
	var b strings.Builder
	fmt.Fprintf(&b, "%ssuite %s\ncount %s\n\n", comment, l.Version, l.counts())
	for _, e := range l.Tests {
		when := "full"
		if e.Quick {
			when = "quick"
		}
		fmt.Fprintf(&b, "%-7s %-5s %s", e.Outcome, when, e.Name)
		if e.Reason != "" {
			fmt.Fprintf(&b, " # %s", e.Reason)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// selected says whether a run starts the test.
func selected(e Expectation, quick bool) bool { return e.Outcome != Exclude && (e.Quick || !quick) }

// Compare names every test that did not do what is listed; nothing means that the run agrees.
func (l *List) Compare(got map[string]Outcome, quick bool) []string {
	var differences []string
	listed := map[string]bool{}
	for _, e := range l.Tests {
		did, ran := got[e.Name]
		listed[e.Name] = selected(e, quick)
		switch {
		case !selected(e, quick):
		case !ran:
			differences = append(differences, fmt.Sprintf("%s: did not run, expected %s", e.Name, e.Outcome))
		case did != e.Outcome:
			differences = append(differences, fmt.Sprintf("%s: expected %s, it is now %s", e.Name, e.Outcome, did))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !listed[name] {
			differences = append(differences, fmt.Sprintf("%s: not in the list, it is now %s", name, got[name]))
		}
	}
	return differences
}

// Update makes the list say what a full run did. Reasons, exclusions and the choice for the quick form stay.
func (l *List) Update(got map[string]Outcome) {
	kept := map[string]Expectation{}
	for _, e := range l.Tests {
		kept[e.Name] = e
	}
	l.Tests = slices.DeleteFunc(l.Tests, func(e Expectation) bool { return e.Outcome != Exclude })
	for name, did := range got {
		e, known := kept[name]
		if parent, _, isSub := strings.Cut(name, "/"); !known && isSub {
			e.Quick = kept[parent].Quick
		}
		if did == Pass {
			e.Reason = ""
		} else if e.Reason == "" {
			e.Reason = "UNEXPLAINED"
		}
		e.Name, e.Outcome = name, did
		l.Tests = append(l.Tests, e)
	}
}

// patterns gives the values of -test.run and -test.skip that start what the list selects.
func (l *List) patterns(quick bool) (run, skip string) {
	var runs, skips []string
	exact := func(name string) string {
		parts := strings.Split(name, "/")
		for i, p := range parts {
			parts[i] = "^" + regexp.QuoteMeta(p) + "$"
		}
		return strings.Join(parts, "/")
	}
	unselected := map[string]bool{}
	for _, e := range l.Tests {
		isSub := strings.Contains(e.Name, "/")
		if selected(e, quick) {
			if !isSub {
				runs = append(runs, exact(e.Name))
			}
		} else if isSub {
			unselected[e.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unselected)) {
		if parent := name[:strings.LastIndex(name, "/")]; !unselected[parent] {
			skips = append(skips, exact(name))
		}
	}
	return strings.Join(runs, "|"), strings.Join(skips, "|")
}

package matrix

import (
	_ "embed"
	"fmt"
	"strings"
)

// expected.txt is the list of results that must come out; this file reads it.
//
//go:embed expected.txt
var expectedText string

// unpinned stands for the version of a client whose package the tree does not choose.
const unpinned = "unpinned"

// expectation is one client's line.
type expectation struct {
	client, version string
	results         map[string]string // step → pass or gap
}

// expectations are the lines of expected.txt in order, and the reason of each gap by "client step".
func expectations() ([]expectation, map[string]string, error) {
	var all []expectation
	stars, gaps := map[string]string{}, map[string]string{}
	for i, line := range strings.Split(expectedText, "\n") {
		wrong := func(why string) error { return fmt.Errorf("expected.txt, line %d: %s: %q", i+1, why, line) }
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if gap, ok := strings.CutPrefix(line, "gap "); ok {
			which, why, ok := strings.Cut(gap, ": ")
			words := strings.Fields(which)
			if !ok || len(words) != 2 {
				return nil, nil, wrong("a gap is written `gap CLIENT STEP: why`")
			}
			if words[0] == "*" {
				stars[words[1]] = why
			} else {
				gaps[words[0]+" "+words[1]] = why
			}
			continue
		}
		words := strings.Fields(line)
		if len(words) != 2+len(steps) {
			return nil, nil, wrong(fmt.Sprintf("a client has a name, a version and %d results", len(steps)))
		}
		e := expectation{client: words[0], version: words[1], results: map[string]string{}}
		for i, s := range steps {
			if r := words[2+i]; r != "pass" && r != "gap" {
				return nil, nil, wrong("a result is pass or gap")
			}
			e.results[s.name] = words[2+i]
		}
		all = append(all, e)
	}
	for _, e := range all {
		for step, result := range e.results {
			which := e.client + " " + step
			if gaps[which] == "" {
				gaps[which] = stars[step]
			}
			if result == "gap" && gaps[which] == "" {
				return nil, nil, fmt.Errorf("expected.txt: %s is a gap and nothing says why", which)
			}
		}
	}
	return all, gaps, nil
}

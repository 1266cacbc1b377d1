package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// This file owns the transcripts on disk: recorded/NN_name.txt holds Kafka's answers, one file per API; differences.txt holds, for each
// case in which Troupe answers otherwise on purpose, why (words that stand in docs/differences.md) and what Troupe answers.
//
//	# name of the case
//	why: words of docs/differences.md        (differences.txt only)
//	> request
//	  its answer

// transcripts is case → lines.
type transcripts map[string][]string

// parseTranscripts reads one file; prefix stands before each name.
func parseTranscripts(text, prefix string) transcripts {
	all := transcripts{}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok {
			name = prefix + title
			all[name] = []string{}
		} else if line != "" && name != "" {
			all[name] = append(all[name], line)
		}
	}
	return all
}

// loadRecorded reads Kafka's recorded answers.
func loadRecorded(dir string) (transcripts, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	all := transcripts{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for name, lines := range parseTranscripts(string(raw), strings.TrimSuffix(filepath.Base(f), ".txt")+"/") {
			all[name] = lines
		}
	}
	return all, nil
}

// saveRecorded writes Kafka's answers, one file per API, in the order of the table, and removes files that no case is left for.
func saveRecorded(dir string, cases []*testCase, said transcripts) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]*strings.Builder{}
	for _, tc := range cases {
		if files[tc.file] == nil {
			files[tc.file] = &strings.Builder{}
		}
		writeTranscript(files[tc.file], tc.name, said[tc.String()])
	}
	old, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if files[strings.TrimSuffix(filepath.Base(f), ".txt")] == nil {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(b.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writeTranscript(b *strings.Builder, name string, lines []string) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(b, "# %s\n%s\n", name, strings.Join(lines, "\n"))
}

// difference is a known one.
type difference struct {
	why    string
	troupe []string
}

// loadDifferences reads the list of known differences; each reason must stand in the document.
func loadDifferences(file, document string) (map[string]difference, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(document)
	if err != nil {
		return nil, err
	}
	all := map[string]difference{}
	for name, lines := range parseTranscripts(string(raw), "") {
		if len(lines) == 0 || !strings.HasPrefix(lines[0], "why: ") {
			return nil, fmt.Errorf("%s: %s has no line \"why: words of %s\" under its name", file, name, document)
		}
		why := strings.TrimPrefix(lines[0], "why: ")
		if !strings.Contains(string(doc), why) {
			return nil, fmt.Errorf("%s: %s says %q, which does not stand in %s", file, name, why, document)
		}
		all[name] = difference{why, lines[1:]}
	}
	return all, nil
}

// saveDifferences writes the list again with what Troupe answers now.
func saveDifferences(file string, known map[string]difference, troupe transcripts) error {
	var b strings.Builder
	names := make([]string, 0, len(known))
	for name := range known {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		lines := known[name].troupe
		if now, ok := troupe[name]; ok {
			lines = now
		}
		writeTranscript(&b, name, append([]string{"why: " + known[name].why}, lines...))
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

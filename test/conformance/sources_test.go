package conformance

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// This file makes the copies of a suite's sources that must be changed before they can run here. A change that no longer finds its
// place fails, so that a new version of a suite cannot slip past it.

// edit replaces every occurrence of old, of which there must be n, in a file.
type edit struct {
	file, old, new string
	n              int
}

// copyTree copies the files of a directory that keep says yes to (by their path within it) to an empty directory dst.
func copyTree(t *testing.T, src, dst string, keep func(path string) bool) {
	t.Helper()
	if err := os.RemoveAll(dst); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case !keep(rel):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// apply makes the edits in dir.
func apply(t *testing.T, dir string, edits []edit) {
	t.Helper()
	for _, e := range edits {
		file := filepath.Join(dir, e.file)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := strings.Count(string(content), e.old); found != e.n {
			t.Fatalf("%s: %q stands there %d times, expected %d: the suite has changed", e.file, e.old, found, e.n)
		}
		if err := os.WriteFile(file, bytes.ReplaceAll(content, []byte(e.old), []byte(e.new)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// write writes a file of our own into dir.
func write(t *testing.T, dir, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

var testDeclaration = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

// testsIn names the tests in the files that match a pattern.
func testsIn(t *testing.T, pattern string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testDeclaration.FindAllSubmatch(content, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names
}

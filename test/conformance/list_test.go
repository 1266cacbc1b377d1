package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const sampleList = `# A sample.
suite example.org/suite@v1
count pass=2 fail=0 skip=1 exclude=1

pass    quick TestA
pass    quick TestA/one
skip    full  TestB # needs a second broker
exclude full  TestC/slow # never ends
`

func parse(t *testing.T, text string) *List {
	t.Helper()
	l, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestEveryListInTheTreeCanBeReadAndIsWrittenAsItIs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("expected", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d lists, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if again := parse(t, string(text)).Format(leadingComment(string(text))); again != string(text) {
			t.Errorf("%s is not written as it stands there; lines are sorted by name:\n%s", file, again)
		}
	}
}

func TestAListThatContradictsItselfIsRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"a count that is not the number of lines": {"pass=2", "pass=3"},
		"a test that stands there twice":          {"TestA/one", "TestA"},
		"a skip without a reason":                 {" # needs a second broker", ""},
		"an outcome that nobody knows":            {"skip    full", "maybe   full"},
	} {
		if _, err := Parse(strings.Replace(sampleList, change[0], change[1], 1)); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestARunAgreesOnlyIfEveryListedTestDidWhatIsListed(t *testing.T) {
	l := parse(t, sampleList)
	good := func() map[string]Outcome { return map[string]Outcome{"TestA": Pass, "TestA/one": Pass, "TestB": Skip} }
	for name, c := range map[string]struct {
		change func(got map[string]Outcome)
		quick  bool
		want   string // how the first difference begins
	}{
		"all as listed":                      {change: func(map[string]Outcome) {}},
		"the quick form without the others":  {change: func(got map[string]Outcome) { delete(got, "TestB") }, quick: true},
		"a test that skips silently":         {change: func(got map[string]Outcome) { got["TestA/one"] = Skip }, want: "TestA/one: expected pass, it is now skip"},
		"a test that fails":                  {change: func(got map[string]Outcome) { got["TestA"] = Fail }, want: "TestA: expected pass, it is now fail"},
		"a skip that now passes":             {change: func(got map[string]Outcome) { got["TestB"] = Pass }, want: "TestB: expected skip, it is now pass"},
		"a test that is missing":             {change: func(got map[string]Outcome) { delete(got, "TestA/one") }, want: "TestA/one: did not run, expected pass"},
		"a test that is new":                 {change: func(got map[string]Outcome) { got["TestD"] = Pass }, want: "TestD: not in the list"},
		"an excluded test that ran":          {change: func(got map[string]Outcome) { got["TestC/slow"] = Pass }, want: "TestC/slow: not in the list"},
		"a full test that ran in quick form": {change: func(map[string]Outcome) {}, quick: true, want: "TestB: not in the list"},
	} {
		got := good()
		c.change(got)
		differences := l.Compare(got, c.quick)
		switch {
		case c.want == "" && len(differences) > 0:
			t.Errorf("%s: %q", name, differences)
		case c.want != "" && (len(differences) != 1 || !strings.HasPrefix(differences[0], c.want)):
			t.Errorf("%s: %q, want %q", name, differences, c.want)
		}
	}
}

func TestOnlyWhatIsSelectedIsStarted(t *testing.T) {
	l := parse(t, sampleList)
	if run, skip := l.patterns(false); run != "^TestA$|^TestB$" || skip != "^TestC$/^slow$" {
		t.Errorf("full: run %q, skip %q", run, skip)
	}
	if run, _ := l.patterns(true); run != "^TestA$" {
		t.Errorf("quick: run %q", run)
	}
}

func TestAnUpdateKeepsReasonsExclusionsAndTheQuickForm(t *testing.T) {
	l := parse(t, sampleList)
	l.Update(map[string]Outcome{"TestA": Pass, "TestA/two": Pass, "TestB": Fail})
	text := l.Format("")
	for _, want := range []string{"pass    quick TestA/two\n", "fail    full  TestB # needs a second broker\n", "exclude full  TestC/slow # never ends\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if slices.ContainsFunc(l.Tests, func(e Expectation) bool { return e.Name == "TestA/one" }) {
		t.Error("a test that is gone is still listed")
	}
}

package group

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

func TestAPlanSetsEachPartitionWhereItWasAskedTo(t *testing.T) {
	there := position{Partition: cli.Partition{Topic: "t", Partition: 1}, Committed: 50, Start: 10, End: 100}
	none := there
	none.Committed = -1
	for _, c := range []struct {
		name   string
		target target
		at     position
		atTime int64
		want   string // new offset, delta, note
	}{
		{"earliest", target{kind: toEarliest}, there, -1, "10 -40"},
		{"latest", target{kind: toLatest}, there, -1, "100 +50"},
		{"latest of a new group", target{kind: toLatest}, none, -1, "100"},
		{"an offset", target{kind: toOffset, number: 42}, there, -1, "42 -8"},
		{"an offset before the start", target{kind: toOffset, number: 3}, there, -1, "10 -40 3 is before the start"},
		{"an offset after the end", target{kind: toOffset, number: 101}, there, -1, "100 +50 101 is after the end"},
		{"the end itself", target{kind: toOffset, number: 100}, there, -1, "100 +50"},
		{"a time", target{kind: toTime}, there, 77, "77 +27"},
		{"a time that nothing is as new as", target{kind: toTime}, there, -1, "100 +50 nothing that new: the end"},
		{"a shift on", target{kind: toShift, number: 7}, there, -1, "57 +7"},
		{"a shift back beyond the start", target{kind: toShift, number: -1000}, there, -1, "10 -40 -950 is before the start"},
		{"a shift that no int64 holds", target{kind: toShift, number: 1<<63 - 1}, there, -1, "100 +50 9223372036854775807 is after the end"},
		{"a shift of nothing", target{kind: toShift}, none, -1, "error no committed offset to shift; give --to"},
		{"current", target{kind: toCurrent}, there, -1, "50 +0"},
		{"current of nothing", target{kind: toCurrent}, none, -1, "100 no committed offset: the end"},
		{"a file", target{kind: toFile, file: map[cli.Partition]int64{there.Partition: 60}}, there, -1, "60 +10"},
		{"a log that cannot be asked", target{kind: toLatest}, position{Committed: 5, Start: -1, End: -1, Err: errors.New("gone")}, -1, "error start and end of the log are not known: gone"},
	} {
		m := planMove(c.target, c.at, c.atTime)
		got := ""
		if m.New != nil {
			got = fmt.Sprint(*m.New)
		}
		if m.Delta != nil {
			got += fmt.Sprintf(" %+d", *m.Delta)
		}
		if m.Note != "" {
			got += " " + m.Note
		}
		if m.Error != "" {
			got += "error " + m.Error
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWhereToIsReadInEveryForm(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000).UTC()
	for text, want := range map[string]target{
		"earliest": {kind: toEarliest}, "LATEST": {kind: toLatest}, "current": {kind: toCurrent}, "0": {kind: toOffset}, "42": {kind: toOffset, number: 42},
		"2h": {kind: toTime, number: 1_700_000_000_000 - 7_200_000}, "@5": {kind: toTime, number: 5},
		"2023-01-01": {kind: toTime, number: time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()},
	} {
		if got, err := parseTarget(text, now); err != nil || got.kind != want.kind || got.number != want.number {
			t.Errorf("%q: %+v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-5", "soon", "1.5", "99999999999999999999"} {
		if got, err := parseTarget(text, now); cli.ExitCode(err) != 2 {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

func TestAScopeCoversWhatItNames(t *testing.T) {
	s := scope{specs: []string{"a", "b:0,3-5", "b:7", "c:1", "c"}}
	if err := s.parse(); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[cli.Partition]bool{{Topic: "a", Partition: 9}: true, {Topic: "b", Partition: 4}: true, {Topic: "b", Partition: 7}: true,
		{Topic: "b", Partition: 1}: false, {Topic: "c", Partition: 8}: true, {Topic: "d", Partition: 0}: false} {
		if s.covers(p) != want {
			t.Errorf("%v: %v", p, !want)
		}
	}
	for _, bad := range []string{"", ":0", "a:", "a:x", "a:3-1", "a:-1", "a:0,,1", "a:0-9999999"} {
		if err := (&scope{specs: []string{bad}}).parse(); cli.ExitCode(err) != 2 {
			t.Errorf("%q was taken", bad)
		}
	}
	if err := (&scope{all: true, specs: []string{"a"}}).parse(); cli.ExitCode(err) != 2 {
		t.Error("--all-topics with --topic was taken")
	}
}

func TestLagIsCountedInOffsetsAndInSeconds(t *testing.T) {
	for _, c := range [][3]int64{{5, 10, 5}, {10, 10, 0}, {12, 10, 0}, {-1, 10, -1}, {5, -1, -1}} {
		if got := lagOffsets(c[0], c[1]); got != c[2] {
			t.Errorf("committed %d, end %d: lag %d, want %d", c[0], c[1], got, c[2])
		}
	}
	now := time.UnixMilli(10_000)
	for ms, want := range map[int64]float64{10_000: 0, 8_766: 1.234, 11_000: 0, 0: 10} {
		if got := lagSeconds(time.UnixMilli(ms), now); got != want {
			t.Errorf("%d: %v s, want %v", ms, got, want)
		}
	}
}

func TestPositionsAreJoinedWithOwnersAndTimes(t *testing.T) {
	p := func(n int32) cli.Partition { return cli.Partition{Topic: "t", Partition: n} }
	positions := []position{
		{Partition: p(0), Committed: 4, Start: 0, End: 10, LeaderEpoch: 2},
		{Partition: p(1), Committed: 10, Start: 0, End: 10, LeaderEpoch: -1},
		{Partition: p(2), Committed: -1, Start: 0, End: 10},
		{Partition: p(3), Committed: 1, Start: 0, End: 10},
	}
	owner := &member{MemberID: "m", ClientID: "c", Host: "h"}
	got := measure(positions, map[cli.Partition]*member{p(0): owner}, map[cli.Partition]time.Time{p(0): time.UnixMilli(500)}, time.UnixMilli(2000))
	if *got[0].Lag != 6 || *got[0].LagSeconds != 1.5 || got[0].ClientID != "c" || *got[0].LeaderEpoch != 2 {
		t.Errorf("lagging: %+v", got[0])
	}
	if *got[1].Lag != 0 || *got[1].LagSeconds != 0 || got[1].LeaderEpoch != nil {
		t.Errorf("caught up: %+v", got[1])
	}
	if got[2].Committed != nil || got[2].Lag != nil || got[2].LagSeconds != nil {
		t.Errorf("never committed: %+v", got[2])
	}
	if *got[3].Lag != 9 || got[3].LagSeconds != nil {
		t.Errorf("not read in time: %+v", got[3])
	}
	if lag, seconds, complete := totals(got); lag != 15 || seconds != 1.5 || complete {
		t.Errorf("totals: %d %v %v", lag, seconds, complete)
	}
}

func TestOffsetsOfAFileAreReadInEveryForm(t *testing.T) {
	want := map[cli.Partition]int64{{Topic: "a", Partition: 0}: 5, {Topic: "b", Partition: 2}: 7}
	for name, text := range map[string]string{
		"as Kafka's tools write it": "a,0,5\nb,2,7\n",
		"with a header":             "topic,partition,offset\na,0,5\nb,2,7",
		"with groups":               "g,a,0,5\nother,a,0,99\ng,b,2,7\n",
		"with groups and a header":  "group,topic,partition,offset\ng,a,0,5\ng,b,2,7\n",
		"as JSON":                   `[{"group":"g","topic":"a","partition":0,"offset":5},{"topic":"b","partition":2,"offset":7},{"group":"x","topic":"a","offset":1}]`,
		"as JSON lines":             "{\"topic\":\"a\",\"partition\":0,\"offset\":5}\n{\"topic\":\"b\",\"partition\":2,\"offset\":7}\n",
	} {
		if got, err := readOffsets(strings.NewReader(text), "g"); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "only others": "x,a,0,5\n", "a word": "a,0,5\na,1,x\n", "negative": "a,0,-1\n", "twice": "a,0,1\na,0,2\n",
		"two fields": "a,0\n", "not JSON": "[{", "no topic": `[{"partition":0,"offset":1}]`, "a wide partition": "a,5000000000,1\n",
	} {
		if got, err := readOffsets(strings.NewReader(text), "g"); err == nil {
			t.Errorf("%s was taken as %v", name, got)
		}
	}
	var out bytes.Buffer
	list := []savedOffset{{Group: "g", Topic: "a", Offset: 5}, {Group: "h", Topic: "a", Partition: 1, Offset: 6}}
	if err := writeCSV(&out, list, true); err != nil || out.String() != "g,a,0,5\nh,a,1,6\n" {
		t.Errorf("%q %v", out.String(), err)
	}
}

func FuzzOffsetsFile(f *testing.F) {
	f.Add("a,0,5\n")
	f.Add("g,a,0,5\n")
	f.Add(`[{"topic":"a","partition":0,"offset":5}]`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := readOffsets(strings.NewReader(text), "g")
		if err == nil && len(got) == 0 {
			t.Error("no offsets and no error")
		}
		for p, o := range got {
			if p.Topic == "" || p.Partition < 0 || o < 0 {
				t.Errorf("%v at %d was taken", p, o)
			}
		}
	})
}

func TestAssignmentsAreWrittenShort(t *testing.T) {
	if got := written([]assignment{{"a", []int32{0, 1, 2, 5, 7, 8}}, {"b", []int32{3}}}); got != "a:0-2,5,7-8 b:3" {
		t.Error(got)
	}
	if got := written(nil); got != "-" {
		t.Error(got)
	}
	for s, want := range map[float64]string{0: "0s", 0.012: "12ms", 3.21: "3.2s", 252: "4m12s", 11100: "3h5m", 198000: "2d7h"} {
		if got := duration(s); got != want {
			t.Errorf("%v: %s, want %s", s, got, want)
		}
	}
}

func TestGroupsAreFilteredInAnyCase(t *testing.T) {
	if got, err := words("state", []string{"empty", "STABLE"}, states); err != nil || !slices.Equal(got, []string{"Empty", "Stable"}) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := words("state", []string{"asleep"}, states); cli.ExitCode(err) != 2 {
		t.Error("an unknown state was taken")
	}
	all := []listed{{"b", "consumer", "Stable", "consumer", 1}, {"a", "classic", "Empty", "connect", 1}}
	if got := filter(all, nil, nil, nil); len(got) != 2 || got[0].Group != "a" {
		t.Errorf("%v", got)
	}
	if got := filter(all, nil, []string{"classic"}, []string{"consumer"}); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

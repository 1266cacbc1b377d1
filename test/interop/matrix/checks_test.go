package matrix

import (
	"strings"
	"testing"
)

// The matrix is worth what its checks find: each is shown what it must not let through.

func TestALostOrMovedAcknowledgementIsFound(t *testing.T) {
	log := stored{0: {0: 10, 1: 11}, 1: {0: 12}}
	for name, c := range map[string]struct {
		acks []ack
		want string
	}{
		"all there":            {[]ack{{10, 0, 0}, {11, 0, 1}, {12, -1, -1}}, ""},
		"lost":                 {[]ack{{13, 0, 2}}, "lost"},
		"lost, place not told": {[]ack{{13, -1, -1}}, "lost"},
		"at another offset":    {[]ack{{11, 0, 0}}, "where record 10 is"},
		"in another partition": {[]ack{{12, 0, 0}}, "where record 10 is"},
	} {
		if err := log.holds(c.acks); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnotherCodecIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		found map[string]int
		right bool
	}{
		"all":     {map[string]int{"lz4": 3}, true},
		"mixed":   {map[string]int{"lz4": 3, "none": 1}, false},
		"another": {map[string]int{"gzip": 3}, false},
		"nothing": {map[string]int{}, false},
	} {
		if err := wantCodec(c.found, "lz4"); (err == nil) != c.right {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARecordThatComesAgainBelowTheCommitsIsFound(t *testing.T) {
	a := &audience{seen: map[int32]map[int64]bool{}, floor: map[int32]int64{}}
	m := &member{}
	a.take(m, delivery{n: 1, partition: 0, offset: 4}, nil)
	a.take(m, delivery{n: 1, partition: 0, offset: 4}, nil)
	if a.wrong != nil || a.doubles != 1 || m.got != 2 {
		t.Fatalf("a record that was not committed may come again: %v, %d doubles", a.wrong, a.doubles)
	}
	a.floor[0] = 5
	a.take(m, delivery{n: 1, partition: 0, offset: 4}, nil)
	if a.wrong == nil {
		t.Fatal("a committed record came again, and nobody saw")
	}
}

func TestAChangedRecordIsFound(t *testing.T) {
	good := []string{"record", "0", "7", key(3), value(3)}
	if d, err := parseRecord(good); err != nil || d != (delivery{3, 0, 7}) {
		t.Fatal(d, err)
	}
	for _, bad := range [][]string{{"record", "0", "7", key(3), value(4)}, {"record", "0", "7", "key-x", value(3)}, {"record", "0", "x", key(3), value(3)}, {"record", "0"}} {
		if _, err := parseRecord(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestExpectationsNameEachClientAndEachGapHasAReason(t *testing.T) {
	expected, gaps, err := expectations()
	if err != nil {
		t.Fatal(err)
	}
	all := clients("")
	if len(all) != len(expected) {
		t.Fatalf("%d clients, %d lines", len(all), len(expected))
	}
	for i, e := range expected {
		if e.client != all[i].name {
			t.Errorf("line %d is %s, client %d is %s", i, e.client, i, all[i].name)
		}
		for step, r := range e.results {
			if r == "gap" && gaps[e.client+" "+step] == "" {
				t.Errorf("%s %s is a gap without a reason", e.client, step)
			}
		}
	}
}

package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

func TestAMomentIsReadInEveryForm(t *testing.T) {
	zone := time.FixedZone("here", 2*3600)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"@1700000000000":            time.UnixMilli(1700000000000),
		"@0":                        time.UnixMilli(0),
		"2026-01-02T15:04:05Z":      time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		"2026-01-02T15:04:05.5Z":    time.Date(2026, 1, 2, 15, 4, 5, 5e8, time.UTC),
		"2026-01-02T15:04:05+01:00": time.Date(2026, 1, 2, 14, 4, 5, 0, time.UTC),
		"2026-01-02T15:04:05":       time.Date(2026, 1, 2, 15, 4, 5, 0, zone),
		"2026-01-02 15:04":          time.Date(2026, 1, 2, 15, 4, 0, 0, zone),
		"2026-01-02":                time.Date(2026, 1, 2, 0, 0, 0, 0, zone),
		"15m":                       now.Add(-15 * time.Minute),
		"-15m":                      now.Add(-15 * time.Minute),
		"1h30m":                     now.Add(-90 * time.Minute),
		"2d":                        now.Add(-48 * time.Hour),
		"1d12h":                     now.Add(-36 * time.Hour),
		"0s":                        now,
		"65000d":                    time.UnixMilli(0), // before 1970
	} {
		if ms, ok := ParseTime(text, now); !ok || ms != want.UnixMilli() {
			t.Errorf("%q is %d (%v), want %d", text, ms, ok, want.UnixMilli())
		}
	}
	for _, text := range []string{"", "-", "0", "42", "-10", "h", "d", "-d", "--5m", "+5m", "5", "1.5d", "999999d", "@", "@-1", "@x", "2026-13-01", "yesterday", "1969-01-01"} {
		if ms, ok := ParseTime(text, now); ok {
			t.Errorf("%q was taken as %d", text, ms)
		}
	}
}

func TestColumnsAlignWhateverTheCharacters(t *testing.T) {
	var out bytes.Buffer
	Table(&out, "NAME COUNT STATE", func(row func(...any)) {
		row("顧客", 7, "ok")
		row("café", 1234, "ok")
		row("e\u0301te\u0301", Number("-"), "")
		row("a\x1b[2Jb\n", 1, "x")
	})
	want := `NAME         COUNT  STATE
顧客             7  ok
café          1234  ok
e` + "\u0301te\u0301" + `              -
a\x1b[2Jb\n      1  x
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestATableWithoutRowsIsItsHeader(t *testing.T) {
	var out bytes.Buffer
	Table(&out, "A LONGER", func(func(...any)) {})
	if out.String() != "A  LONGER\n" {
		t.Errorf("%q", out.String())
	}
}

func TestAnErrorOfTheWireSaysWhatToDo(t *testing.T) {
	err := Explain("topic x", kerr.UnknownTopicOrPartition, "")
	if got := err.Error(); got != "topic x: UNKNOWN_TOPIC_OR_PARTITION; see `troupe topic list`, or create it with `troupe topic create`" {
		t.Error(got)
	}
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Error("the cause is lost")
	}
	if got := Explain("x", kerr.InvalidConfig, "retention.ms must be a number").Error(); got != "x: INVALID_CONFIG: retention.ms must be a number" {
		t.Error(got)
	}
	if Explain("x", nil, "ignored") != nil {
		t.Error("no error became one")
	}
	if err := Explain("x", fmt.Errorf("ask: %w", context.Canceled), ""); ExitCode(err) != 130 {
		t.Errorf("an interrupt exits %d", ExitCode(err))
	}
	if ExitCode(Usagef("x")) != 2 || ExitCode(ErrReported) != 1 || ExitCode(nil) != 0 {
		t.Error("exit codes")
	}
}

func TestBootstrapAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"a:1,b:2": "a:1 b:2", "host": "host:9092", "::1": "[::1]:9092", "[::1]:7": "[::1]:7", " a , b:3": "a:9092 b:3",
	} {
		got, err := (&Client{Bootstrap: text}).Seeds()
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", ",", "http://a:1", ":9092", "a:"} {
		if got, err := (&Client{Bootstrap: text}).Seeds(); ExitCode(err) != 2 {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}

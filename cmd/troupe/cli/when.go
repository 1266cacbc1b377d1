package cli

import (
	"strconv"
	"strings"
	"time"
)

// TimeForms says what ParseTime takes, for errors and help.
const TimeForms = "@MILLISECONDS since 1970, a date such as 2026-01-02 or 2026-01-02T15:04:05Z, a span before now such as 15m, 2h or 3d"

var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// ParseTime reads a moment in one of the TimeForms, as milliseconds since 1970. A date without a zone is in now's zone. A span may
// have a minus before it; it means the same.
func ParseTime(text string, now time.Time) (ms int64, ok bool) {
	if digits, is := strings.CutPrefix(text, "@"); is {
		n, err := strconv.ParseUint(digits, 10, 63)
		return int64(n), err == nil
	}
	if d, ok := parseSpan(strings.TrimPrefix(text, "-")); ok {
		return max(now.Add(-d).UnixMilli(), 0), true
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil && t.UnixMilli() >= 0 {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// parseSpan is time.ParseDuration that also knows days ("3d", "1d12h"), and wants a unit.
func parseSpan(text string) (time.Duration, bool) {
	var days time.Duration
	if before, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(before, 10, 16) // up to 65,535 days: about what a Duration holds
		if err != nil {
			return 0, false
		}
		if days, text = time.Duration(n)*24*time.Hour, rest; text == "" {
			return days, true
		}
	}
	if text == "" || text[0] < '0' || text[0] > '9' {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || text == "0" || days+d < 0 {
		return 0, false
	}
	return days + d, true
}

package config

import (
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file owns how text becomes a value and back, for each kind of setting. Parsing is strict: what is not wholly
// understood is an error that says what is allowed.

// Kind is the type of a setting's value.
type Kind int

// The kinds.
const (
	String   Kind = iota // any text
	Int                  // a whole number
	Bytes                // a size: 1048576, 512KiB, 64MiB, 2GiB
	Duration             // 10s, 1m30s
	Bool                 // true or false
	Enum                 // one of Choices
	Addr                 // HOST:PORT
	Ratio                // a number from 0 to 1
)

// parse checks text against d and stores it in s.
func (d *Setting) parse(s *Settings, text string) error {
	bad := func() error {
		return fmt.Errorf("%s: %q is not allowed; allowed: %s", d.Key, text, d.Allowed())
	}
	switch p := d.field(s).(type) {
	case *string:
		switch d.Kind {
		case Enum:
			if !slices.Contains(d.Choices, text) {
				return bad()
			}
		case Addr:
			if text == "" && d.MayBeEmpty || slices.Contains(d.Choices, text) {
				break
			}
			if err := checkAddr(text); err != nil {
				return fmt.Errorf("%s: %q is not allowed (%w); allowed: %s", d.Key, text, err, d.Allowed())
			}
		default:
			if text == "" && !d.MayBeEmpty {
				return bad()
			}
		}
		*p = text
	case *float64:
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= 1) {
			return bad()
		}
		*p = v
	case *bool:
		v, err := strconv.ParseBool(text)
		if err != nil {
			return bad()
		}
		*p = v
	case *time.Duration:
		v, err := time.ParseDuration(text)
		if err != nil || int64(v) < d.Min || int64(v) > d.Max {
			return bad()
		}
		*p = v
	case *int32:
		v, err := d.number(text)
		if err != nil || v < math.MinInt32 || v > math.MaxInt32 {
			return bad()
		}
		*p = int32(v)
	case *int64:
		v, err := d.number(text)
		if err != nil {
			return bad()
		}
		*p = v
	default:
		panic(fmt.Sprintf("config: setting %s has a field of an unknown type %T", d.Key, p))
	}
	return nil
}

func (d *Setting) number(text string) (int64, error) {
	parse := func(t string) (int64, error) { return strconv.ParseInt(t, 10, 64) }
	if d.Kind == Bytes {
		parse = ParseBytes
	}
	v, err := parse(text)
	if err != nil {
		return 0, err
	}
	if v == -1 && d.Unlimited {
		return v, nil
	}
	if v < d.Min || v > d.Max {
		return 0, strconv.ErrRange
	}
	return v, nil
}

// get formats the setting's value as parse would take it.
func (d *Setting) get(s *Settings) string {
	switch p := d.field(s).(type) {
	case *string:
		return *p
	case *float64:
		return strconv.FormatFloat(*p, 'f', -1, 64)
	case *bool:
		return strconv.FormatBool(*p)
	case *time.Duration:
		return p.String()
	case *int32:
		return strconv.FormatInt(int64(*p), 10)
	case *int64:
		return strconv.FormatInt(*p, 10)
	default:
		panic(fmt.Sprintf("config: setting %s has a field of an unknown type %T", d.Key, p))
	}
}

// Plain writes a value as numbers without units and durations in one form; what cannot be read comes back as it is.
func (d *Setting) Plain(text string) string {
	var s Settings
	if d.parse(&s, text) != nil {
		return text
	}
	return d.get(&s)
}

// Allowed says in words which values d takes.
func (d *Setting) Allowed() string {
	var say string
	switch d.Kind {
	case Bool:
		return "true, false"
	case Enum:
		return strings.Join(d.Choices, ", ")
	case Ratio:
		return "a number from 0 to 1"
	case String:
		say = "text"
	case Addr:
		say = "HOST:PORT"
		for _, c := range d.Choices {
			say += ", or " + c
		}
	case Duration:
		say = fmt.Sprintf("a duration such as 10s, from %s to %s", time.Duration(d.Min), time.Duration(d.Max))
	case Bytes:
		say = "a size such as 64MiB, from " + FormatBytes(d.Min)
		if d.Max < math.MaxInt64 {
			say += " to " + FormatBytes(d.Max)
		}
	case Int:
		say = fmt.Sprintf("a whole number from %d", d.Min)
		if d.Max < math.MaxInt64 {
			say += fmt.Sprintf(" to %d", d.Max)
		}
	}
	if d.Unlimited {
		say += ", or -1 for no limit"
	}
	if d.MayBeEmpty {
		say += ", or empty"
	}
	return say
}

var byteUnits = []struct {
	suffix string
	size   int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3},
	{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"k", 1 << 10}, {"B", 1},
}

// ParseBytes reads a size: a plain number of bytes, or a number with a unit (KiB, MiB, GiB, TiB are powers of 1024, and so
// are the bare letters; kB, MB, GB, TB are powers of 1000).
func ParseBytes(text string) (int64, error) {
	num, unit := strings.TrimSpace(text), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(num, u.suffix); ok {
			num, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	if v, err := strconv.ParseInt(num, 10, 64); err == nil {
		if v > math.MaxInt64/unit || v < math.MinInt64/unit {
			return 0, fmt.Errorf("size %q is too large", text)
		}
		return v * unit, nil
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || math.IsNaN(v) || math.Abs(v)*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size such as 64MiB", text)
	}
	return int64(v * float64(unit)), nil
}

// FormatBytes writes a size with the largest power-of-1024 unit that divides it.
func FormatBytes(n int64) string {
	for _, u := range byteUnits[:4] {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}

func checkAddr(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("not HOST:PORT")
	}
	if p, err := strconv.Atoi(port); err != nil || p < 0 || p > 65535 {
		return fmt.Errorf("the port must be a number from 0 to 65535")
	}
	return nil
}

package topicconfig

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// This file owns the reading of one value. Numbers and words are trimmed as Kafka trims them.

// ValueBytesMax bounds a configuration value that is stored (bytes).
const ValueBytesMax = 4096

// Error says which configuration cannot be, and what is allowed. It is Kafka's INVALID_CONFIG.
type Error struct{ Name, Value, Why string }

func (e *Error) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("configuration %s: %s", e.Name, e.Why)
	}
	return fmt.Sprintf("configuration %s=%s: %s", e.Name, clip(e.Value), e.Why)
}

// clip keeps a client's text in an answer short.
func clip(s string) string {
	const lengthMax = 100
	if len(s) > lengthMax {
		return strings.ToValidUTF8(s[:lengthMax], "") + "…"
	}
	return s
}

// Unknown is the error for a name that is not in the table.
func Unknown(name string) error {
	return &Error{Name: clip(name), Why: "Troupe enforces no topic configuration of this name; allowed are " + names}
}

// Check says whether value is one that the key allows.
func (k *Key) Check(value string) error {
	if len(value) > ValueBytesMax {
		return &Error{k.Name, value, fmt.Sprintf("the value has %d bytes; at most %d are allowed", len(value), ValueBytesMax)}
	}
	switch k.Type {
	case kmsg.ConfigTypeList:
		_, err := k.list(value)
		return err
	case kmsg.ConfigTypeDouble:
		_, err := k.ratio(value)
		return err
	case kmsg.ConfigTypeString:
		if !slices.Contains(k.Allowed, strings.TrimSpace(value)) {
			return &Error{k.Name, value, "allowed is one of " + strings.Join(k.Allowed, ", ")}
		}
		return nil
	}
	_, err := k.number(value, 1)
	return err
}

// number reads value in units of the key; unit scales a synonym's value, saturating.
func (k *Key) number(value string, unit int64) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil || n > maxOf(k.Type) || n < -maxOf(k.Type)-1 {
		return 0, &Error{k.Name, value, "allowed is a whole number " + k.bounds()}
	}
	if unit != 1 && n > 0 {
		if n > math.MaxInt64/unit {
			n = math.MaxInt64
		} else {
			n *= unit
		}
	}
	if n < k.Min {
		return 0, &Error{k.Name, value, "allowed is a whole number " + k.bounds()}
	}
	return n, nil
}

// clamped reads a broker's value, whose numbers below Min mean Min.
func (k *Key) clamped(value string) (int64, error) {
	unbounded := *k
	unbounded.Min = math.MinInt64
	n, err := unbounded.number(value, 1)
	return max(n, k.Min), err
}

// ratio reads a number from 0 to 1: the only ones with a fraction are shares.
func (k *Key) ratio(value string) (float64, error) {
	v, ok := ParseDouble(value)
	if !ok || !(v >= 0 && v <= 1) {
		return 0, &Error{k.Name, value, "allowed is a number from 0 to 1"}
	}
	return v, nil
}

// ParseDouble reads a number with a fraction as Java does, trimmed; ok is false if it is none, or NaN or infinite.
func ParseDouble(value string) (v float64, ok bool) {
	text := strings.TrimSpace(value)
	v, err := strconv.ParseFloat(withoutSuffix(text), 64)
	return v, err == nil && !strings.Contains(text, "_") && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// withoutSuffix takes the letter off that Java allows at the end of a number with a fraction, 0.5f or 0.5D.
func withoutSuffix(text string) string {
	if n := len(text) - 1; n > 0 && strings.ContainsRune("fFdD", rune(text[n])) && strings.ContainsRune("0123456789.", rune(text[n-1])) {
		return text[:n]
	}
	return text
}

// JavaDouble writes a number as Java does, and so Kafka's DescribeConfigs: 0.5, 1.0, 1.0E-4, 4.194304E8.
func JavaDouble(v float64) string {
	withPoint := func(s string) string {
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	if size := math.Abs(v); size == 0 || size >= 1e-3 && size < 1e7 {
		return withPoint(strconv.FormatFloat(v, 'f', -1, 64))
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'E', -1, 64), "E")
	n, _ := strconv.Atoi(exponent)
	return withPoint(mantissa) + "E" + strconv.Itoa(n)
}

func (k *Key) bounds() string {
	if k.Min == math.MinInt64 {
		return fmt.Sprintf("up to %d", maxOf(k.Type))
	}
	return fmt.Sprintf("from %d to %d", k.Min, maxOf(k.Type))
}

// list reads a comma-separated list, without doubles. The empty list is allowed (Kafka: SUBTRACT may leave one).
func (k *Key) list(value string) ([]string, error) {
	var out []string
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if !slices.Contains(k.Allowed, part) {
			return nil, &Error{k.Name, value, "allowed is a list of " + strings.Join(k.Allowed, ", ")}
		}
		if !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out, nil
}

// Canonical is a valid value as DescribeConfigs shows it: trimmed, numbers in plain decimal.
func (k *Key) Canonical(value string) string {
	switch k.Type {
	case kmsg.ConfigTypeList:
		if l, err := k.list(value); err == nil {
			return strings.Join(l, ",")
		}
	case kmsg.ConfigTypeDouble:
		if v, err := k.ratio(value); err == nil {
			return JavaDouble(v)
		}
	case kmsg.ConfigTypeString:
	default:
		if n, err := k.number(value, 1); err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	return strings.TrimSpace(value)
}

// Validate checks a topic's own values: every name is in the table and every value allowed. The error is an *Error, of the
// first wrong name in order.
func Validate(own map[string]string) error {
	bad := ""
	var err error
	for name, value := range own {
		if err != nil && name > bad {
			continue
		}
		if k := byName[name]; k == nil {
			bad, err = name, Unknown(name)
		} else if e := k.Check(value); e != nil {
			bad, err = name, e
		}
	}
	if err == nil {
		err = checkLags(own)
	}
	return err
}

// checkLags refuses a min.compaction.lag.ms above the max.compaction.lag.ms, as Kafka does.
func checkLags(own map[string]string) error {
	const least, most = "min.compaction.lag.ms", "max.compaction.lag.ms"
	lag := func(name string) int64 {
		k := byName[name]
		if n, err := k.number(own[name], 1); err == nil {
			return n
		}
		n, _ := k.number(k.Default, 1)
		return n
	}
	if lag(least) > lag(most) {
		return &Error{least, own[least], fmt.Sprintf("it is above %s=%d; allowed is at most that", most, lag(most))}
	}
	return nil
}

// ValidateBroker checks one broker-level value by the broker's name for it; known is false if the name is none of the
// defaults of topics.
func ValidateBroker(name, value string) (known bool, err error) {
	k := byBroker[name]
	if k == nil {
		return false, nil
	}
	for _, s := range k.Broker {
		if s.Name != name {
			continue
		}
		if k.Clamped && s.Unit == 1 {
			_, err = k.clamped(value)
		} else if s.Unit == 1 {
			err = k.Check(value)
		} else {
			_, err = k.number(value, s.Unit)
		}
		if e, ok := err.(*Error); ok {
			e.Name = name
		}
	}
	return true, err
}

// IncrementalList is a list value after APPEND or SUBTRACT of the comma-separated words in change (KIP-339).
func IncrementalList(current, change string, add bool) string {
	var out []string
	for part := range strings.SplitSeq(current, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	for part := range strings.SplitSeq(change, ",") {
		part = strings.TrimSpace(part)
		at := slices.Index(out, part)
		switch {
		case add && at < 0 && part != "":
			out = append(out, part)
		case !add && at >= 0:
			out = slices.Delete(out, at, at+1)
		}
	}
	return strings.Join(out, ",")
}

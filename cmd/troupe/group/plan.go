package group

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/troupe-io/troupe/cmd/troupe/cli"
)

// This file owns where a reset goes to: what was asked for (a target), and the plan that follows from it for each partition.
// The functions are pure. A plan keeps: the new offset lies within start and end of the log, and where that is not what was asked
// for, a note says so.

type targetKind int

const (
	toEarliest targetKind = iota
	toLatest
	toOffset
	toTime
	toShift
	toCurrent
	toFile
)

type target struct {
	kind   targetKind
	number int64 // offset, milliseconds since 1970, or shift
	file   map[cli.Partition]int64
}

// parseTarget reads the value of --to.
func parseTarget(text string, now time.Time) (target, error) {
	switch strings.ToLower(text) {
	case "earliest", "beginning":
		return target{kind: toEarliest}, nil
	case "latest", "end":
		return target{kind: toLatest}, nil
	case "current":
		return target{kind: toCurrent}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if n < 0 {
			return target{}, cli.Usagef("to: %q is not allowed; to go back from the committed offset use --shift-by %d", text, n)
		}
		return target{kind: toOffset, number: n}, nil
	}
	if ms, ok := cli.ParseTime(text, now); ok {
		return target{kind: toTime, number: ms}, nil
	}
	return target{}, cli.Usagef("to: %q is not allowed; allowed: earliest, latest, current, an offset, %s", text, cli.TimeForms)
}

// move is one partition of a plan. null is an offset that is not there or not known.
type move struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Old       *int64 `json:"old_offset"`
	New       *int64 `json:"new_offset"`
	Delta     *int64 `json:"delta"`
	Note      string `json:"note,omitempty"`
	Error     string `json:"error,omitempty"`
}

// planMove decides for one partition. atTime is the first offset at the target's time or later, -1 if there is none.
func planMove(t target, p position, atTime int64) move {
	m := move{Topic: p.Topic, Partition: p.Partition.Partition}
	if p.Committed >= 0 {
		m.Old = &p.Committed
	}
	if p.Err != nil || p.Start < 0 || p.End < 0 {
		m.Error = "start and end of the log are not known"
		if p.Err != nil {
			m.Error += ": " + p.Err.Error()
		}
		return m
	}
	var to int64
	switch t.kind {
	case toEarliest:
		to = p.Start
	case toLatest:
		to = p.End
	case toOffset:
		to = t.number
	case toTime:
		if to = atTime; to < 0 {
			to, m.Note = p.End, "nothing that new: the end"
		}
	case toShift:
		if p.Committed < 0 {
			m.Error = "no committed offset to shift; give --to"
			return m
		}
		to = add(p.Committed, t.number)
	case toCurrent:
		if to = p.Committed; to < 0 {
			to, m.Note = p.End, "no committed offset: the end"
		}
	case toFile:
		to = t.file[p.Partition]
	}
	if to < p.Start {
		m.Note = fmt.Sprintf("%d is before the start", to)
		to = p.Start
	}
	if to > p.End {
		m.Note = fmt.Sprintf("%d is after the end", to)
		to = p.End
	}
	m.New = &to
	if m.Old != nil {
		delta := to - *m.Old
		m.Delta = &delta
	}
	return m
}

// add is a+b, or the nearest that an int64 holds.
func add(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

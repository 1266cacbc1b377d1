package benchmark

import (
	"fmt"
	"io"
	"time"

	"github.com/troupe-io/troupe/bench/load"
	"github.com/troupe-io/troupe/cmd/troupe/progress"
)

// liveLine is the live progress on standard error: a line that is renewed on a terminal and gone at the end, lines at a distance
// elsewhere if asked for.
type liveLine struct {
	w        io.Writer
	terminal bool
	every    float64 // seconds; 0: each interval (terminal) or never
	next     float64
	what     string
	drawn    bool
}

// newLiveLine makes it. people says that the result is for them: programs that read it get no line that they have not asked for.
func newLiveLine(w io.Writer, every time.Duration, people, requests bool) *liveLine {
	l := &liveLine{w: w, every: every.Seconds(), what: "records"}
	if requests {
		l.what = "requests"
	}
	l.terminal = every == 0 && people && progress.Terminal(w)
	return l
}

func (l *liveLine) interval(i load.Interval) {
	at := i.StartS + i.Seconds
	if !l.terminal && (l.every == 0 || at < l.next-0.01) {
		return
	}
	l.next = at + l.every
	text := fmt.Sprintf("%6.1f s  %9.0f %s/s  %8.2f MB/s  p50 %.2f  p99 %.2f  max %.2f ms  %d errors  client %.0f %%",
		at, i.RecordsPerSecond, l.what, i.MBPerSecond, i.Latency.P50, i.Latency.P99, i.Latency.Max, i.Errors, 100*i.ClientCores)
	if l.terminal {
		l.drawn = true
		progress.Draw(l.w, text)
		return
	}
	fmt.Fprintln(l.w, text)
}

func (l *liveLine) note(text string) {
	if !l.terminal && l.every == 0 {
		return
	}
	l.end()
	fmt.Fprintln(l.w, text)
}

// end takes the line away.
func (l *liveLine) end() {
	if l.drawn {
		progress.Erase(l.w)
		l.drawn = false
	}
}

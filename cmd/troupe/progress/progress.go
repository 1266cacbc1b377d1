// Package progress shows that something lasting is alive: one line on standard error, drawn over itself.
//
// It keeps: nothing is written unless the stream is a terminal; nothing in the first second; at most five times a second
// after that; never a line that wraps; and when it ends, the line is gone before anything else is printed.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

const (
	silence = time.Second
	every   = 200 * time.Millisecond
)

// Line is a live line. The zero value and nil show nothing.
type Line struct {
	out    io.Writer
	width  func() int
	render func(elapsed time.Duration) string
	began  time.Time

	stop, done chan struct{}
	once       sync.Once
	drawn      bool // only the drawing goroutine touches it, and Stop after that has ended
}

// Start shows what render says, until Stop. w is where errors go; nothing is shown unless it is a terminal. render is called by
// another goroutine: it reads counters that are safe to read there.
func Start(w io.Writer, render func(elapsed time.Duration) string) *Line {
	f, ok := w.(*os.File)
	if !ok || !Terminal(f) {
		return nil
	}
	l := newLine(w, func() int { return columns(f) }, render, time.Now())
	go l.run(time.NewTicker(every))
	return l
}

// Terminal says whether a person is at the other end of a stream: a terminal that can move its cursor.
func Terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

func newLine(w io.Writer, width func() int, render func(time.Duration) string, now time.Time) *Line {
	return &Line{out: w, width: width, render: render, began: now, stop: make(chan struct{}), done: make(chan struct{})}
}

func (l *Line) run(ticker *time.Ticker) {
	defer close(l.done)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			l.draw(now)
		}
	}
}

// draw writes the line as it is now, if it is time to.
func (l *Line) draw(now time.Time) {
	elapsed := now.Sub(l.began)
	if elapsed < silence {
		return
	}
	draw(l.out, l.width(), l.render(elapsed))
	l.drawn = true
}

// draw writes text over the line that the cursor is in.
func draw(w io.Writer, columns int, text string) {
	if columns <= 0 {
		columns = 80
	}
	// The last column stays free: a terminal would wrap there.
	fmt.Fprintf(w, "\r\x1b[K%s", runewidth.Truncate(text, columns-1, "…"))
}

// Draw writes a live line once, for those that have a clock of their own. w is a Terminal.
func Draw(w io.Writer, text string) { draw(w, columns(w), text) }

// Erase takes a drawn line away.
func Erase(w io.Writer) { fmt.Fprint(w, "\r\x1b[K") }

// columns is how wide a terminal is; 0: not known.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, _ := term.GetSize(int(f.Fd()))
	return n
}

// Stop takes the line away. It may be called more than once, and on a nil line.
func (l *Line) Stop() {
	if l == nil {
		return
	}
	l.once.Do(func() {
		close(l.stop)
		<-l.done
		l.erase()
	})
}

func (l *Line) erase() {
	if l.drawn {
		Erase(l.out)
	}
}

// Waiting renders "what… 3s".
func Waiting(what string) func(time.Duration) string {
	return func(elapsed time.Duration) string {
		return fmt.Sprintf("%s… %s", what, elapsed.Truncate(time.Second))
	}
}

// Count writes a number with a gap between thousands: 1 234 567.
func Count(n int64) string {
	if n < 0 {
		return "-" + Count(-n)
	}
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u2009" + s[i:]
	}
	return s
}

// Bytes writes a number of bytes in a fitting unit: 12.3 MiB.
func Bytes(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if n < 1024 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0") + " " + unit
		}
		n /= 1024
	}
	return fmt.Sprintf("%.1f TiB", n)
}

// Rate is n over elapsed, for one second.
func Rate(n int64, elapsed time.Duration) float64 {
	return float64(n) / max(elapsed.Seconds(), 1e-3)
}

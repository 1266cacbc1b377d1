package progress

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTheLineIsSilentForASecondThenDrawsOverItselfAndLeavesNothing(t *testing.T) {
	var out bytes.Buffer
	began := time.Unix(1000, 0)
	l := newLine(&out, func() int { return 20 }, Waiting("creating a topic with a long name"), began)
	l.draw(began.Add(999 * time.Millisecond))
	if out.Len() != 0 {
		t.Fatalf("drawn within the first second: %q", out.String())
	}
	l.draw(began.Add(1200 * time.Millisecond))
	l.draw(began.Add(1400 * time.Millisecond))
	if want := strings.Repeat("\r\x1b[Kcreating a topic w…", 2); out.String() != want {
		t.Errorf("drawn %q, want %q", out.String(), want)
	}
	l.erase()
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Errorf("the line stays: %q", out.String())
	}
}

func TestNothingIsShownWhereThereIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for _, l := range []*Line{Start(w, Waiting("x")), Start(&bytes.Buffer{}, Waiting("x"))} {
		if l != nil {
			t.Error("a line was started")
		}
		l.Stop()
		l.Stop()
	}
}

func TestStopMayComeTwiceAndFromAnyState(t *testing.T) {
	var out bytes.Buffer
	l := newLine(&out, func() int { return 0 }, Waiting("x"), time.Now())
	go l.run(time.NewTicker(time.Hour))
	l.Stop()
	l.Stop()
	if out.Len() != 0 {
		t.Errorf("%q was written", out.String())
	}
}

func TestNumbersAreReadable(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(999), "999"}, {Count(-1234), "-1\u2009234"}, {Count(1234567), "1\u2009234\u2009567"},
		{Bytes(0), "0 B"}, {Bytes(1000), "1000 B"}, {Bytes(1536), "1.5 KiB"}, {Bytes(3 << 30), "3 GiB"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

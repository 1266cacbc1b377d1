package wire

import (
	"bytes"
	"net"
	"strings"
	"testing"
)

func TestAnAnswerOfAHostileLengthTakesNoMemoryForIt(t *testing.T) {
	for _, b := range [][]byte{{0xff, 0xff, 0xff, 0xff}, {0x7f, 0xff, 0xff, 0xff}, {0x0f, 0, 0, 0, 1}, {0, 0}} {
		if got, err := readFrame(bytes.NewReader(b), nil); err == nil || cap(got) > 4<<20 {
			t.Errorf("%x: %d bytes, %v", b, len(got), err)
		}
	}
}

func TestSomethingThatIsNoBrokerIsSaidToBeNone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	if _, err := Dial(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("%v", err)
	}
}

package connection_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/troupe-io/troupe/actors/connection"
)

// connectionBreaker makes the next message of any connection actor panic.
type connectionBreaker struct{ armed atomic.Bool }

func (c *connectionBreaker) BeforeMessage(kind, _ string, _ uint64, _ any) {
	if kind == "connection" && c.armed.CompareAndSwap(true, false) {
		panic("broken on purpose")
	}
}

func TestAPanicClosesOneConnectionAndReturnsItsCredit(t *testing.T) {
	breaker := &connectionBreaker{}
	d := openBreakableDoor(t, connection.Limits{}, 8<<20, breaker)
	good, bad := d.dial(), d.dial()
	good.ask(versionsRequest(), 3)
	bad.ask(versionsRequest(), 3)
	breaker.armed.Store(true)
	bad.send(versionsRequest(), 3, 1)
	bad.closed()
	good.ask(versionsRequest(), 3)
	d.eventually("its actor is gone", func() bool { return d.kinds("connection") == 1 })
	if !strings.Contains(d.log.String(), "broken on purpose") {
		t.Fatalf("the panic is not in the log:\n%s", d.log)
	}
}

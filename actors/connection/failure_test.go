package connection_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/troupe-io/troupe/actors/connection"
)

// connectionBreaker makes the next message of one connection's actor panic.
type connectionBreaker struct{ client atomic.Pointer[string] }

func (c *connectionBreaker) BeforeMessage(kind, name string, _ uint64, _ any) {
	if client := c.client.Load(); kind == "connection" && client != nil && strings.HasPrefix(name, *client) && c.client.CompareAndSwap(client, nil) {
		panic("broken on purpose")
	}
}

func TestAPanicClosesOneConnectionAndReturnsItsCredit(t *testing.T) {
	breaker := &connectionBreaker{}
	d := openBreakableDoor(t, connection.Limits{}, 8<<20, breaker)
	good, bad := d.dial(), d.dial()
	good.ask(versionsRequest(), 3)
	bad.ask(versionsRequest(), 3)
	client := bad.conn.LocalAddr().String()
	breaker.client.Store(&client)
	for err := error(nil); err == nil; { // a request that comes while the actor still runs needs no message
		_, _ = bad.conn.Write(frameOf(versionsRequest(), 3, 1))
		_, err = bad.frame()
	}
	good.ask(versionsRequest(), 3)
	d.eventually("its actor is gone", func() bool { return d.kinds("connection") == 1 })
	if !strings.Contains(d.log.String(), "broken on purpose") {
		t.Fatalf("the panic is not in the log:\n%s", d.log)
	}
}

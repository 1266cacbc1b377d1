package api

// This file owns asking the leaders of several partitions and gathering their answers into one: DeleteRecords and DescribeProducers.
// Invariant: every partition that was added is settled once, by its leader's answer or by the end of the time, and the call is
// answered when the last is. All of it runs on the connection's actor.

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/troupe-io/troupe/actors/partition"
	"github.com/troupe-io/troupe/protocol"
)

// leaders is one call that asks them.
type leaders struct {
	call    *Call
	resp    kmsg.Response // answered when all partitions of it are settled
	asked   []*askedLeader
	pending int
}

// askedLeader is one partition; it is the Token of the message to it.
type askedLeader struct {
	of      *leaders
	replica *partition.Replica
	message any
	code    *int16 // in resp
	take    func(answer any)
	settled bool
}

// add prepares the question to a partition's leader: message makes it with the token that its answer must carry, take puts the answer
// into resp, code is where resp has the partition's error code.
func (l *leaders) add(r *partition.Replica, code *int16, message func(token any) any, take func(answer any)) {
	a := &askedLeader{of: l, replica: r, code: code, take: take}
	a.message = message(a)
	l.asked = append(l.asked, a)
}

// ask sends the questions and answers the call when all are settled, after timeoutMs at the latest.
func (l *leaders) ask(timeoutMs int64) {
	if l.pending = len(l.asked); l.pending == 0 {
		l.call.Reply(l.resp)
		return
	}
	l.call.OnExpire(l.call.Broker.nowMs()+timeoutMs, false, l)
	for _, a := range l.asked {
		l.call.Broker.System.Send(a.replica.PID, a.message)
	}
}

// Resume implements Resumer.
func (a *askedLeader) Resume(answer any) {
	if !a.settled {
		a.settle(func() { a.take(answer) })
	}
}

func (a *askedLeader) settle(how func()) {
	how()
	a.settled = true
	if a.of.pending--; a.of.pending == 0 {
		a.of.call.Reply(a.of.resp)
	}
}

// Expire implements Expirer.
func (l *leaders) Expire() {
	for _, a := range l.asked {
		if !a.settled {
			a.settle(func() { *a.code = int16(protocol.ErrRequestTimedOut) })
		}
	}
}

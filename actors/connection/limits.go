package connection

// This file owns the listener's settings and their defaults.

import (
	"github.com/rs/zerolog"

	"github.com/troupe-io/troupe/actors/api"
)

// Config is what a listener is made of.
type Config struct {
	// Name is the listener's name, such as "kafka".
	Name   string
	Broker *api.Broker
	// Budget bounds the request memory of all listeners of a broker.
	Budget  *Budget
	Metrics *Metrics
	Limits  Limits
	Log     zerolog.Logger
}

// Limits bound what clients may take. Zero values get the defaults of DefaultLimits, save where 0 says "no limit".
type Limits struct {
	RequestBytesMax       int64 // socket.request.max.bytes
	ControlRequestMax     int64 // bytes; of a request that is not Produce: these are decoded to many times their size
	BytesInFlightMax      int64 // of one connection's unanswered requests; one larger request is let through alone
	RequestsInFlightMax   int   // unanswered requests of one connection
	ConnectionsMax        int   // max.connections before the metadata is current; 0: no limit
	ConnectionsPerIPMax   int   // max.connections.per.ip, the same
	SilentAfterMs         int64 // a connection whose client says nothing for so long has no goroutine and no buffer
	IdleMs                int64 // connections.max.idle.ms; 0: no limit
	WriteStallMs          int64 // a client that takes not one byte of its answers for so long is closed
	TickMs                int64 // how often deadlines are looked at
	SlowFrameUnderPressMs int64 // how long a request may take to arrive while others wait for the budget
}

// DefaultLimits are Kafka's defaults where Kafka has the setting.
func DefaultLimits() Limits {
	return Limits{
		RequestBytesMax:       100 << 20,
		ControlRequestMax:     8 << 20,
		BytesInFlightMax:      4 << 20,
		RequestsInFlightMax:   128,
		SilentAfterMs:         1500,
		IdleMs:                10 * 60 * 1000,
		WriteStallMs:          60 * 1000,
		TickMs:                100,
		SlowFrameUnderPressMs: 30 * 1000,
	}
}

// withDefaults fills what must not be zero, and keeps one request within the broker's budget.
func (l Limits) withDefaults(budget *Budget) Limits {
	d := DefaultLimits()
	set := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&l.RequestBytesMax, d.RequestBytesMax)
	set(&l.ControlRequestMax, d.ControlRequestMax)
	set(&l.BytesInFlightMax, d.BytesInFlightMax)
	set(&l.SilentAfterMs, d.SilentAfterMs)
	set(&l.WriteStallMs, d.WriteStallMs)
	set(&l.TickMs, d.TickMs)
	set(&l.SlowFrameUnderPressMs, d.SlowFrameUnderPressMs)
	if l.RequestsInFlightMax <= 0 {
		l.RequestsInFlightMax = d.RequestsInFlightMax
	}
	l.RequestBytesMax = min(l.RequestBytesMax, budget.Limit())
	l.ControlRequestMax = min(l.ControlRequestMax, l.RequestBytesMax)
	return l
}

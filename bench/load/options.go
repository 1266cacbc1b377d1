// Package load is `troupe bench`: a load generator for any broker that speaks Kafka's protocol.
//
// The native client builds record batches by hand and sends them pipelined on plain sockets; `franz` is a real client (franz-go) for
// comparison. Why a client of its own: through franz-go a record costs the load generator some 1 to 2 µs (an allocation, a promise, and a
// lock each), so that at 500,000 records a second most of a core goes to the client and a small machine measures that. The native
// client pays a copy, a checksum and a histogram entry a record; everything else is paid a batch.
//
// How it is built: schedule says when each record is due, records makes batches, wire speaks to brokers, latency counts, verify
// compares what was acknowledged with what is read; this package joins them: one goroutine a producer, one a consumer and leader.
package load

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/protocol"
)

// The modes.
const (
	Produce   = "produce"
	Consume   = "consume"
	RoundTrip = "round-trip"
	Metadata  = "metadata"
)

// Modes lists them.
var Modes = []string{Produce, Consume, RoundTrip, Metadata}

// The clients.
const (
	Native = "native"
	Franz  = "franz"
)

// Options is what to do. Defaults fills what may be left out.
type Options struct {
	Mode   string
	Client string
	Seeds  []string
	Topic  string

	CreateTopic bool // make it first; it must not exist
	DeleteTopic bool // remove it before (if it exists and CreateTopic is set) and after
	Partitions  int32
	Replication int16
	Configs     map[string]string

	Connections int // producers or consumers; each has a connection of its own to each broker it needs
	Concurrency int // requests in flight on each connection

	Pattern      records.Pattern
	Codec        protocol.Codec
	Acks         int16 // 0, 1 or -1 (all)
	Idempotent   bool
	Linger       time.Duration
	BatchBytes   int
	BatchRecords int // 0: as many as fit

	Rate     float64 // records (or requests) a second of all connections; 0 is a closed loop
	Count    int64   // 0: no limit
	Duration time.Duration
	WarmUp   time.Duration

	FromEnd    bool // consume: new records only
	FetchBytes int
	FetchWait  time.Duration

	Verify          bool
	RequestTimeout  time.Duration
	DeliveryTimeout time.Duration
	Interval        time.Duration // of the series
	Seed            uint64

	Progress func(Interval) // called after each interval, from one goroutine; may be nil
	Note     func(string)   // says what is being done outside of the measured time; may be nil
}

const (
	idempotentInFlightMax = 5
	connectionsMax        = 10_000
	concurrencyMax        = 10_000
	fetchBytes            = 8 << 20
	fetchWait             = 500 * time.Millisecond
	fetchWaitMin          = 10 * time.Millisecond
)

// Check says which options are not allowed.
func (o *Options) Check() error {
	if !slices.Contains(Modes, o.Mode) {
		return fmt.Errorf("mode: %q is not allowed; allowed: %v", o.Mode, Modes)
	}
	produces := o.Mode == Produce || o.Mode == RoundTrip
	if o.FetchBytes == 0 {
		o.FetchBytes = fetchBytes
	}
	if o.FetchWait < fetchWaitMin {
		o.FetchWait = fetchWait
	}
	o.Pattern.Stamped = produces && (o.Verify || o.Mode == RoundTrip)
	switch {
	case o.Client != Native && o.Client != Franz:
		return fmt.Errorf("client: %q is not allowed; allowed: native, franz", o.Client)
	case o.Client == Franz && o.Mode == Metadata:
		return errors.New("client: metadata mode has the native client only")
	case len(o.Seeds) == 0:
		return errors.New("bootstrap: at least one HOST:PORT is needed")
	case o.Topic == "":
		return errors.New("topic: a name is needed")
	case o.Connections < 1 || o.Connections > connectionsMax:
		return fmt.Errorf("connections: %d is not allowed; allowed: 1 to %d", o.Connections, connectionsMax)
	case o.Concurrency < 1 || o.Concurrency > concurrencyMax:
		return fmt.Errorf("concurrency: %d is not allowed; allowed: 1 to %d", o.Concurrency, concurrencyMax)
	case o.Rate < 0 || o.Rate > 1e9:
		return fmt.Errorf("rate: %v is not allowed; allowed: 0 (as fast as it goes) to 1e9", o.Rate)
	case o.Rate > 0 && o.Mode == Consume:
		return errors.New("rate: not allowed with consume, which reads as fast as it can")
	case o.Count < 0 || o.Duration < 0 || o.WarmUp < 0:
		return errors.New("count, duration and warm-up must not be negative")
	case o.Mode != Consume && o.Count == 0 && o.Duration == 0:
		return errors.New("duration: a duration or a count is needed")
	case o.Interval < 10*time.Millisecond:
		return fmt.Errorf("interval: %s is not allowed; at least 10ms", o.Interval)
	case o.CreateTopic && (o.Partitions < 1 || o.Replication < 1):
		return errors.New("partitions and replication-factor must be at least 1")
	case o.CreateTopic && o.Mode == Consume:
		return errors.New("create-topic: not allowed with consume: there would be nothing to read")
	}
	if !produces {
		return nil
	}
	if err := o.Pattern.Check(); err != nil {
		return err
	}
	least := protocol.BatchHeaderSize + records.RecordSizeMax(o.keySize(), o.Pattern.Size)
	switch {
	case o.Acks != 0 && o.Acks != 1 && o.Acks != -1:
		return fmt.Errorf("acks: %d is not allowed; allowed: 0, 1, all", o.Acks)
	case o.Client == Franz && o.Verify && !o.Idempotent:
		return errors.New("verify: with --client franz it needs an idempotent producer: nobody could tell which records were sent twice")
	case o.Idempotent && o.Acks != -1:
		return errors.New("idempotent: not allowed with --acks 0 or 1; allowed: --acks all")
	case o.Idempotent && o.Concurrency > idempotentInFlightMax:
		return fmt.Errorf("concurrency: %d is not allowed with an idempotent producer; allowed: at most %d, or --idempotent=false", o.Concurrency, idempotentInFlightMax)
	case o.BatchBytes < least:
		return fmt.Errorf("batch-size: %d is not allowed; records of this size need at least %d", o.BatchBytes, least)
	case o.BatchRecords < 0 || o.Linger < 0:
		return errors.New("batch-records and linger must not be negative")
	case o.RequestTimeout <= 0 || o.DeliveryTimeout < o.RequestTimeout:
		return errors.New("request-timeout must be above 0, and delivery-timeout not below it")
	case o.Mode == RoundTrip && o.Acks == 0:
		return errors.New("acks: 0 is not allowed with round-trip, which measures acknowledgements too")
	}
	return nil
}

func (o *Options) keySize() int {
	if o.Pattern.Keys == "none" {
		return 0
	}
	return o.Pattern.KeySize
}

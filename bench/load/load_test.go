package load

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/bench/load/verify"
	"github.com/troupe-io/troupe/protocol"
)

// options is a run of a few thousand verified records against a fake broker.
func options(b *fakeBroker) Options {
	return Options{Mode: Produce, Client: Native, Seeds: []string{b.addr()}, Topic: "t", Connections: 2, Concurrency: 3, Acks: -1, Idempotent: true,
		BatchBytes: 4096, Count: 4000, Verify: true, RequestTimeout: 5 * time.Second, DeliveryTimeout: 20 * time.Second, Interval: 100 * time.Millisecond, Seed: 1,
		Pattern: records.Pattern{Keys: "none", Payload: "random", Size: 100}}
}

func mustRun(t *testing.T, o Options) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestARunAgainstAnHonestBrokerFindsNoFault(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"keyless": func(*Options) {},
		"keys and JSON": func(o *Options) {
			o.Pattern.Keys, o.Pattern.Payload, o.Pattern.KeyCount, o.Pattern.KeySize = "zipf", "json", 100, 8
		},
		"zstd":            func(o *Options) { o.Codec = protocol.CodecZstd },
		"open loop":       func(o *Options) { o.Rate, o.Linger = 20_000, time.Millisecond },
		"one at a time":   func(o *Options) { o.BatchRecords, o.Count = 1, 500 },
		"round trip":      func(o *Options) { o.Mode = RoundTrip },
		"acks 1":          func(o *Options) { o.Acks, o.Idempotent = 1, false },
		"a short warm-up": func(o *Options) { o.Rate, o.WarmUp = 10_000, 100*time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(newFakeBroker(t, 3))
			change(&o)
			r := mustRun(t, o)
			if !r.Verify.OK || r.Verify.Acknowledged != o.Count || r.Verify.Read != o.Count {
				t.Errorf("verify: %+v", r.Verify)
			}
			if want := o.Count - int64(o.Rate*o.WarmUp.Seconds()); r.Summary.Records != want {
				t.Errorf("%d records in the summary instead of %d", r.Summary.Records, want)
			}
			var sum int64
			for _, i := range r.Intervals {
				sum += i.Records
			}
			if sum != r.Summary.Records {
				t.Errorf("the series has %d records, the summary %d", sum, r.Summary.Records)
			}
			if f := r.Faults(); len(f) > 0 {
				t.Errorf("faults: %v", f)
			}
		})
	}
}

func TestEachFaultOfABrokerIsFound(t *testing.T) {
	const bad = 20 // the batch that goes wrong
	for _, c := range []struct {
		name string
		want verify.Kind
		then func(b *fakeBroker, p int32, batch []byte) int64
	}{
		{"acknowledged and thrown away", verify.Lost, func(b *fakeBroker, p int32, _ []byte) int64 { return b.ends[p] }},
		{"stored twice", verify.Doubled, func(b *fakeBroker, p int32, batch []byte) int64 { b.store(p, batch); return b.store(p, batch) }},
		{"a bit flipped", verify.Corrupt, func(b *fakeBroker, p int32, batch []byte) int64 {
			at := b.store(p, batch)
			b.logs[p][len(b.logs[p])-20] ^= 1
			return at
		}},
		{"a bit flipped before the checksum was made anew", verify.Corrupt, func(b *fakeBroker, p int32, batch []byte) int64 {
			batch[len(batch)-20] ^= 1
			protocol.SealBatch(batch)
			return b.store(p, batch)
		}},
		{"stored in another partition", verify.Corrupt, func(b *fakeBroker, p int32, batch []byte) int64 { return b.store((p+1)%3, batch) }},
		{"acknowledged without an offset", verify.AckWithoutOffset, func(b *fakeBroker, p int32, batch []byte) int64 { b.store(p, batch); return -1 }},
	} {
		for _, mode := range []string{Produce, RoundTrip} {
			t.Run(mode+": "+c.name, func(t *testing.T) {
				b := newFakeBroker(t, 3)
				b.produce = func(n int, p int32, batch []byte) (protocol.ErrorCode, int64) {
					if n == bad {
						return 0, c.then(b, p, batch)
					}
					return 0, b.store(p, batch)
				}
				o := options(b)
				o.Mode = mode
				r := mustRun(t, o)
				if r.Verify.OK || r.Verify.Faults[c.want] == 0 || len(r.Verify.Examples[c.want]) == 0 {
					t.Errorf("verify: %+v", r.Verify)
				}
				if c.want != verify.Corrupt && len(r.Verify.Faults) != 1 {
					t.Errorf("other faults were found too: %v", r.Verify.Faults)
				}
				if len(r.Faults()) == 0 {
					t.Error("the run counts as a success")
				}
			})
		}
	}
}

func TestReorderedBatchesAreFound(t *testing.T) {
	b := newFakeBroker(t, 1)
	var held []byte
	b.produce = func(n int, p int32, batch []byte) (protocol.ErrorCode, int64) {
		switch {
		case n == 10:
			held = append([]byte(nil), batch...)
			return 0, b.ends[p]
		case held != nil:
			at := b.store(p, batch)
			b.store(p, held)
			held = nil
			return 0, at
		}
		return 0, b.store(p, batch)
	}
	o := options(b)
	o.Connections = 1
	r := mustRun(t, o)
	if r.Verify.Faults[verify.Reordered] == 0 || len(r.Verify.Faults) != 1 {
		t.Errorf("verify: %+v", r.Verify)
	}
}

func TestAnAcknowledgementWithoutAnOffsetIsAFailureEvenWithoutVerify(t *testing.T) {
	b := newFakeBroker(t, 1)
	b.produce = func(_ int, p int32, batch []byte) (protocol.ErrorCode, int64) { return 0, -1 }
	o := options(b)
	o.Verify = false
	if r := mustRun(t, o); r.AckWithoutOffset != o.Count || len(r.Faults()) != 1 {
		t.Errorf("%d without an offset, faults %v", r.AckWithoutOffset, r.Faults())
	}
}

// The broker stops answering for half a second. In an open loop the records that were due meanwhile waited, and must say so.
func TestAStallShowsInTheLatenciesOfAllThatWereDueMeanwhile(t *testing.T) {
	b := newFakeBroker(t, 1)
	const stall = 500 * time.Millisecond
	asked := 0
	b.before = func() {
		if asked++; asked == 20 {
			time.Sleep(stall) // the fault itself, not a wait for something
		}
	}
	o := options(b)
	o.Connections, o.Count, o.Duration, o.Rate, o.Verify = 1, 0, 2*time.Second, 2000, false
	r := mustRun(t, o)
	// A quarter of two seconds stood still: about 1,000 of 4,000 records waited, evenly from 0 to 500 ms.
	if l := r.Summary.Latency; l.P99 < 400 || l.P90 < 200 || l.P50 > 200 {
		t.Errorf("latency: %+v", l)
	}
	if r.Summary.Records != 4000 {
		t.Errorf("%d records instead of 4000", r.Summary.Records)
	}
	if r.LongestGap.Ms < 400 {
		t.Errorf("longest gap: %+v", r.LongestGap)
	}
}

func TestRetriesLoseAndDoubleNothing(t *testing.T) {
	for name, code := range map[string]protocol.ErrorCode{"a retriable error": protocol.ErrNotLeaderForPartition, "a cut connection": cutConnection} {
		t.Run(name, func(t *testing.T) {
			// One partition, so that a request is one batch: this broker stores what comes before the batch it cuts at, and knows no sequences.
			b := newFakeBroker(t, 1)
			b.produce = func(n int, p int32, batch []byte) (protocol.ErrorCode, int64) {
				if n%7 == 3 {
					return code, -1
				}
				return 0, b.store(p, batch)
			}
			o := options(b)
			o.Concurrency = 1
			r := mustRun(t, o)
			if !r.Verify.OK || r.Verify.Read != o.Count || r.Retries == 0 || len(r.Errors) == 0 || r.Failed != 0 {
				t.Errorf("retries %d, errors %v, failed %d, verify %+v", r.Retries, r.Errors, r.Failed, r.Verify)
			}
		})
	}
}

// The broker stores a batch and cuts the connection before it answers: without idempotence the retry doubles it, and that is no fault of the broker.
func TestWhatTheClientItselfDoublesIsExcused(t *testing.T) {
	b := newFakeBroker(t, 2)
	b.produce = func(n int, p int32, batch []byte) (protocol.ErrorCode, int64) {
		at := b.store(p, batch)
		if n == 30 {
			return cutConnection, -1
		}
		return 0, at
	}
	o := options(b)
	o.Idempotent = false
	r := mustRun(t, o)
	if !r.Verify.OK || r.Verify.Excused == 0 {
		t.Errorf("verify: %+v", r.Verify)
	}
}

// A batch that is refused for good is failed, not lost; with idempotence a new producer id follows it.
func TestARefusedBatchFailsAndIsNotLost(t *testing.T) {
	b := newFakeBroker(t, 2)
	b.produce = func(n int, p int32, batch []byte) (protocol.ErrorCode, int64) {
		if n == 15 {
			return protocol.ErrMessageTooLarge, -1
		}
		return 0, b.store(p, batch)
	}
	r := mustRun(t, options(b))
	if !r.Verify.OK || r.Failed == 0 || r.Verify.Acknowledged+r.Failed != 4000 || r.Errors["MESSAGE_TOO_LARGE"] != 1 {
		t.Errorf("failed %d, errors %v, verify %+v", r.Failed, r.Errors, r.Verify)
	}
	if f := strings.Join(r.Faults(), ", "); !strings.Contains(f, "failed") {
		t.Errorf("faults: %q", f)
	}
}

func TestAnInterruptEndsTheLoadAndReports(t *testing.T) {
	b := newFakeBroker(t, 2)
	ctx, interrupt := context.WithCancel(t.Context())
	o := options(b)
	o.Count, o.Duration, o.Rate = 0, time.Hour, 5000
	b.before = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.batches == 50 {
			interrupt()
		}
	}
	r, err := Run(ctx, o)
	if err != nil || !r.Interrupted || r.Summary.Records == 0 || !r.Verify.OK || r.Verify.Acknowledged != r.Summary.Records {
		t.Errorf("%v, interrupted %v, %d records, verify %+v", err, r.Interrupted, r.Summary.Records, r.Verify)
	}
}

func TestConsumeVerifiesWhatEarlierRunsHaveWritten(t *testing.T) {
	b := newFakeBroker(t, 2)
	mustRun(t, options(b))
	o := options(b)
	o.Mode, o.Count = Consume, 0
	if r := mustRun(t, o); !r.Verify.OK || r.Summary.Records != 4000 {
		t.Errorf("%d records, verify %+v", r.Summary.Records, r.Verify)
	}
	// A batch in the middle of the first partition goes.
	b.mu.Lock()
	var kept []byte
	n := 0
	if err := protocol.EachBatch(b.logs[0], func(_ *protocol.BatchHeader, batch []byte) error {
		if n++; n != 5 {
			kept = append(kept, batch...)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b.logs[0] = kept
	b.mu.Unlock()
	if r := mustRun(t, o); r.Verify.Faults[verify.Lost] == 0 {
		t.Errorf("verify: %+v", r.Verify)
	}
}

func TestMetadataModeCountsRequests(t *testing.T) {
	o := options(newFakeBroker(t, 2))
	o.Mode, o.Verify, o.Count, o.Rate = Metadata, false, 500, 5000
	r := mustRun(t, o)
	if r.Summary.Records != 500 || r.Summary.Latency.Max == 0 || len(r.Errors) != 0 {
		t.Errorf("%+v, errors %v", r.Summary, r.Errors)
	}
}

func TestTheReportIsWrittenAsTextJSONAndCSV(t *testing.T) {
	r := mustRun(t, options(newFakeBroker(t, 2)))
	var text, js, table strings.Builder
	r.WriteText(&text)
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteCSV(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"4000 records", "p99.9", "client CPU", "verify: OK: 4000 acknowledged, 4000 read"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, text.String())
		}
	}
	for _, want := range []string{`"p99_9"`, `"intervals"`, `"records_per_s"`, `"client_cores"`, `"ok": true`} {
		if !strings.Contains(js.String(), want) {
			t.Errorf("%s is missing in the JSON", want)
		}
	}
	if lines := strings.Split(strings.TrimSpace(table.String()), "\n"); len(lines) != len(r.Intervals)+2 || !strings.HasPrefix(lines[len(lines)-1], "summary,") {
		t.Errorf("CSV:\n%s", table.String())
	}
}

func TestOptionsThatMakeNoSenseAreRefused(t *testing.T) {
	good := options(&fakeBroker{l: newFakeBroker(t, 1).l})
	for want, change := range map[string]func(*Options){
		"mode":             func(o *Options) { o.Mode = "dance" },
		"record-size":      func(o *Options) { o.Pattern.Size = 10 },
		"batch-size":       func(o *Options) { o.Pattern.Size = 5000 },
		"idempotent":       func(o *Options) { o.Acks = 1 },
		"concurrency":      func(o *Options) { o.Concurrency = 6 },
		"duration":         func(o *Options) { o.Count = 0 },
		"rate":             func(o *Options) { o.Mode, o.Rate = Consume, 5 },
		"key-count":        func(o *Options) { o.Pattern.Keys = "random" },
		"delivery-timeout": func(o *Options) { o.DeliveryTimeout = time.Second },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

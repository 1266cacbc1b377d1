package load

// This file owns what a run reports, and how it is written: for people, as JSON, as CSV.

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/troupe-io/troupe/bench/load/latency"
	"github.com/troupe-io/troupe/bench/load/verify"
)

// Interval is a span of the measured time; Records are requests in metadata mode.
type Interval struct {
	StartS  float64 `json:"start_s"` // since warm-up ended
	Seconds float64 `json:"seconds"`
	latency.Snapshot
	RecordsPerSecond float64 `json:"records_per_s"`
	MBPerSecond      float64 `json:"mb_per_s"` // 10^6 bytes; keys and values, in consume mode whole batches
	Errors           int64   `json:"errors"`
	ClientCores      float64 `json:"client_cores"` // CPU seconds of this process a second
}

func (i *Interval) rates() {
	i.RecordsPerSecond = float64(i.Records) / i.Seconds
	i.MBPerSecond = float64(i.Bytes) / 1e6 / i.Seconds
}

// Report is the result of a run.
type Report struct {
	Mode            string  `json:"mode"`
	Client          string  `json:"client"`
	Topic           string  `json:"topic"`
	Connections     int     `json:"connections"`
	Concurrency     int     `json:"concurrency"`
	TargetPerSecond float64 `json:"target_per_s"` // 0: closed loop
	Seed            uint64  `json:"seed"`
	Interrupted     bool    `json:"interrupted"`

	Summary    Interval         `json:"summary"`
	AckLatency *latency.Summary `json:"ack_latency_ms,omitempty"` // round-trip: until acknowledged

	Errors           map[string]int64 `json:"errors"`             // attempts that failed, by kind; most were tried again
	Retries          int64            `json:"retries"`            // batches sent again
	Failed           int64            `json:"failed"`             // records given up
	Unacknowledged   int64            `json:"unacknowledged"`     // records still unanswered when the run ended
	Unsent           int64            `json:"unsent"`             // records that were due and never sent: their latency is in no histogram
	AckWithoutOffset int64            `json:"ack_without_offset"` // records acknowledged without saying where

	LongestGap    *Gap           `json:"longest_gap,omitempty"`    // without any acknowledgement
	PartitionGaps []Gap          `json:"partition_gaps,omitempty"` // the same for each partition
	Cores         int            `json:"cores"`                    // that this process may use
	Verify        *verify.Report `json:"verify,omitempty"`
	Intervals     []Interval     `json:"intervals"`
}

// Faults says what makes the run a failure; empty if it is none.
func (r *Report) Faults() []string {
	var list []string
	if r.Verify != nil && !r.Verify.OK {
		for _, kind := range verify.Kinds {
			if n := r.Verify.Faults[kind]; n > 0 {
				list = append(list, fmt.Sprintf("%d %s", n, strings.ReplaceAll(string(kind), "_", " ")))
			}
		}
	} else if r.AckWithoutOffset > 0 {
		list = append(list, fmt.Sprintf("%d acknowledged without an offset", r.AckWithoutOffset))
	}
	if r.Failed > 0 {
		list = append(list, fmt.Sprintf("%d failed", r.Failed))
	}
	return list
}

// Starved says whether the client itself was probably the bottleneck.
func (r *Report) Starved() bool { return r.Summary.ClientCores > 0.85*float64(r.Cores) }

// WriteJSON writes all of it.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteCSV writes a row for each interval, and one for the summary.
func (r *Report) WriteCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	rows := [][]string{{"kind", "start_s", "seconds", "records", "bytes", "records_per_s", "mb_per_s", "errors", "client_cores",
		"mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "p99_9_ms", "max_ms"}}
	row := func(kind string, i *Interval) {
		f := func(v float64) string { return strconv.FormatFloat(v, 'f', 3, 64) }
		l := i.Latency
		rows = append(rows, []string{kind, f(i.StartS), f(i.Seconds), strconv.FormatInt(i.Records, 10), strconv.FormatInt(i.Bytes, 10), f(i.RecordsPerSecond),
			f(i.MBPerSecond), strconv.FormatInt(i.Errors, 10), f(i.ClientCores), f(l.Mean), f(l.P50), f(l.P90), f(l.P95), f(l.P99), f(l.P999), f(l.Max)})
	}
	for i := range r.Intervals {
		row("interval", &r.Intervals[i])
	}
	row("summary", &r.Summary)
	return c.WriteAll(rows)
}

// WriteText writes the summary for people.
func (r *Report) WriteText(w io.Writer) {
	s := &r.Summary
	what := "records"
	if r.Mode == Metadata {
		what = "requests"
	}
	target := "as fast as answers came"
	if r.TargetPerSecond > 0 {
		target = fmt.Sprintf("%.0f/s asked for", r.TargetPerSecond)
	}
	fmt.Fprintf(w, "%s, %s client, %d × %d in flight, %s", r.Mode, r.Client, r.Connections, r.Concurrency, target)
	if r.Interrupted {
		fmt.Fprint(w, "; interrupted")
	}
	fmt.Fprintf(w, "\n%d %s in %.2f s: %.0f/s", s.Records, what, s.Seconds, s.RecordsPerSecond)
	if r.Mode != Metadata {
		fmt.Fprintf(w, ", %.2f MB/s", s.MBPerSecond)
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "latency, ms\tmean\tp50\tp90\tp95\tp99\tp99.9\tmax\t")
	line := func(name string, l latency.Summary) {
		fmt.Fprintf(tw, "%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t\n", name, l.Mean, l.P50, l.P90, l.P95, l.P99, l.P999, l.Max)
	}
	switch r.Mode {
	case Produce:
		line("until acknowledged", s.Latency)
	case RoundTrip:
		line("until consumed", s.Latency)
		line("until acknowledged", *r.AckLatency)
	case Consume:
		line("of a fetch", s.Latency)
	case Metadata:
		line("of a request", s.Latency)
	}
	_ = tw.Flush()
	fmt.Fprintf(w, "client CPU: %.0f %% of one core (it may use %d)", 100*s.ClientCores, r.Cores)
	if r.Starved() {
		fmt.Fprint(w, "; the client is probably the bottleneck, not the broker")
	}
	fmt.Fprintln(w)
	if r.LongestGap != nil && r.LongestGap.Ms > 0 {
		fmt.Fprintf(w, "longest time without an acknowledgement: %.1f ms, from second %.2f on\n", r.LongestGap.Ms, r.LongestGap.StartS)
	}
	if len(r.Errors) > 0 {
		fmt.Fprintf(w, "errors: %s; %d batches sent again\n", counts(r.Errors), r.Retries)
	}
	for _, c := range []struct {
		n    int64
		text string
	}{{r.Failed, "%d " + what + " failed for good\n"}, {r.Unacknowledged, "%d " + what + " were not answered when the run ended\n"},
		{r.Unsent, "%d " + what + " were due and never sent: the rate could not be kept, and the latencies above are too good\n"},
		{r.AckWithoutOffset, "%d records were acknowledged without an offset\n"}} {
		if c.n > 0 {
			fmt.Fprintf(w, c.text, c.n)
		}
	}
	if r.Verify != nil {
		r.writeVerdict(w)
	}
}

func (r *Report) writeVerdict(w io.Writer) {
	v := r.Verify
	verdict := "OK"
	if !v.OK {
		verdict = "FAILED"
	}
	fmt.Fprintf(w, "verify: %s: %d acknowledged, %d read", verdict, v.Acknowledged, v.Read)
	if v.Unexpected > 0 {
		fmt.Fprintf(w, ", %d of them not acknowledged (no fault)", v.Unexpected)
	}
	if v.Excused > 0 {
		fmt.Fprintf(w, ", %d repeated or late because the client sent them again (no fault of the broker)", v.Excused)
	}
	if v.Foreign > 0 {
		fmt.Fprintf(w, ", %d of other runs", v.Foreign)
	}
	fmt.Fprintln(w)
	for _, kind := range verify.Kinds {
		n := v.Faults[kind]
		if n == 0 {
			continue
		}
		fmt.Fprintf(w, "  %s: %d\n", strings.ReplaceAll(string(kind), "_", " "), n)
		for _, e := range v.Examples[kind] {
			fmt.Fprintf(w, "    %s\n", e)
		}
	}
}

// counts writes counts by kind, the most frequent first.
func counts(m map[string]int64) string {
	kinds := make([]string, 0, len(m))
	for k := range m {
		kinds = append(kinds, k)
	}
	sort.Slice(kinds, func(i, j int) bool {
		if m[kinds[i]] != m[kinds[j]] {
			return m[kinds[i]] > m[kinds[j]]
		}
		return kinds[i] < kinds[j]
	})
	for i, k := range kinds {
		kinds[i] = fmt.Sprintf("%s %d", k, m[k])
	}
	return strings.Join(kinds, ", ")
}

// Package benchmark is the command line of the load generator; bench/load does the work.
package benchmark

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/troupe-io/troupe/bench/load"
	"github.com/troupe-io/troupe/bench/load/records"
	"github.com/troupe-io/troupe/cmd/troupe/cli"
	"github.com/troupe-io/troupe/protocol"
)

type benchmark struct {
	o load.Options
	cli.Client
	format      string
	acks        string
	compression string
	from        string
	configs     []string
	progress    time.Duration
	jsonFile    string
	csvFile     string
}

// New is `troupe bench`.
func New() *cobra.Command {
	return cli.Group("bench", "Generate load against any Kafka-compatible broker, and measure and verify it",
		newMode(load.Produce, "Produce records; latency is until the acknowledgement",
			`  troupe bench produce -t load --create-topic --partitions 6 --rate 50000 --record-size 512 --duration 30s
  troupe bench produce -t load --connections 8 --compression zstd --payload json --keys zipf --key-count 10000
  troupe bench produce -t load --create-topic --delete-topic --rate 1000 --linger 0 --verify`),
		newMode(load.Consume, "Read a topic as fast as it goes",
			`  troupe bench consume -t load --connections 3
  troupe bench consume -t load --verify             # what earlier runs with --verify have written`),
		newMode(load.RoundTrip, "Produce and consume at the same time; latency is from when a record was due until it is consumed",
			`  troupe bench round-trip -t load --create-topic --delete-topic --rate 5000 --linger 0 --verify`),
		newMode(load.Metadata, "Ask for the topic's metadata",
			`  troupe bench metadata -t load --connections 16 --rate 10000`))
}

// about is what each mode's help says first.
var about = map[string]string{
	load.Produce: `Produce records for a while, and say how many a second got through and how long their acknowledgements took.

Without --rate each connection sends as fast as answers come, which measures throughput. With --rate records are due on a fixed
schedule and latency counts from when a record was due: a broker that stands still cannot hide it. --verify then reads everything
back and says what is lost, doubled, reordered or corrupt. The topic must exist; --create-topic creates it.`,
	load.Consume: `Read a topic as fast as it goes: up to the end that it has now, or for --duration or --count. Latency is that of a fetch.`,
	load.RoundTrip: `Produce and consume at the same time. Latency is from when a record was due until it is consumed; that until it is acknowledged is
shown too. The topic must exist; --create-topic creates it.`,
	load.Metadata: `Ask for the topic's metadata again and again, as clients do when they start. The topic must exist; --create-topic creates it.`,
}

const aboutAll = `

A first interrupt ends the load and shows what was measured until then. Exit code 1: records failed or are at fault. docs/bench.md tells more.`

func newMode(mode, short, example string) *cobra.Command {
	b := &benchmark{format: "table", acks: "all", compression: "none", from: "beginning"}
	b.o.Mode = mode
	b.o.Client = load.Native
	b.o.Pattern.Keys, b.o.Pattern.Payload = "none", "random"
	cmd := &cobra.Command{Use: mode, Short: short, Long: about[mode] + aboutAll, Example: example, Args: cli.Args(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd) }}
	f := cmd.Flags()
	f.SortFlags = false
	b.BootstrapFlag(cmd)
	f.StringVarP(&b.o.Topic, "topic", "t", "bench", "the topic; best one that nothing else uses")
	cli.Complete(cmd, "topic", b.TopicNames(0))
	produces := mode == load.Produce || mode == load.RoundTrip
	if mode != load.Consume {
		f.BoolVar(&b.o.CreateTopic, "create-topic", false, "create the topic first; it must not exist, save with --delete-topic")
		f.Int32Var(&b.o.Partitions, "partitions", 3, "partitions of a topic that is created")
		f.Int16Var(&b.o.Replication, "replication-factor", 1, "replicas of a topic that is created")
		f.StringArrayVar(&b.configs, "topic-config", nil, "NAME=VALUE configuration of a topic that is created (repeatable)")
	}
	f.BoolVar(&b.o.DeleteTopic, "delete-topic", false, "delete the topic at the end, and before it is created if it exists")
	f.IntVar(&b.o.Connections, "connections", 1, "clients (producers, consumers), each with its own connection to each leader")
	if mode != load.Consume {
		f.IntVar(&b.o.Concurrency, "concurrency", 5, "requests in flight on each connection")
		f.Float64Var(&b.o.Rate, "rate", 0, "records (or requests) a second in all, on a fixed schedule: latency counts from when a record was due; 0 sends as fast as answers come")
	} else {
		b.o.Concurrency = 1
	}
	f.DurationVarP(&b.o.Duration, "duration", "d", map[bool]time.Duration{true: 0, false: 10 * time.Second}[mode == load.Consume], "measured time; 0 is no limit (consume: up to the end that the topic has now)")
	f.Int64VarP(&b.o.Count, "count", "n", 0, "records (or requests) in all, warm-up included; 0 is no limit")
	f.DurationVar(&b.o.WarmUp, "warm-up", 0, "time before the measured time, whose records do not count")
	if produces {
		b.produceFlags(cmd)
	}
	if mode == load.Consume {
		cli.ChoiceVar(cmd, &b.from, "from", "", b.from, []string{"beginning", "end"}, "where to begin: beginning, or end (new records only)")
	}
	if mode == load.Consume || mode == load.RoundTrip {
		f.IntVar(&b.o.FetchBytes, "fetch-bytes", 8<<20, "the most that a fetch asks for, bytes")
		f.DurationVar(&b.o.FetchWait, "fetch-wait", 500*time.Millisecond, "how long a fetch waits for records")
	}
	if mode != load.Metadata {
		f.BoolVar(&b.o.Verify, "verify", false, map[bool]string{true: "number and checksum each record and read all of them back: lost, doubled, reordered and corrupt records are failures",
			false: "check numbers and checksums of what a producing run with --verify has written"}[produces])
		cli.ChoiceVar(cmd, &b.o.Client, "client", "", b.o.Client, []string{load.Native, load.Franz}, "native, which costs little, or franz: franz-go, as an application would use it")
	}
	f.DurationVar(&b.o.RequestTimeout, "request-timeout", 30*time.Second, "how long an answer may take before the connection is given up")
	f.Uint64Var(&b.o.Seed, "seed", 0, "seed of random keys and payloads, to repeat a run; 0 draws one")
	f.DurationVar(&b.o.Interval, "interval", time.Second, "time that an entry of the series, or a progress line, covers")
	f.DurationVar(&b.progress, "progress", 0, "print a line this often; 0: on a terminal one line that is renewed, otherwise none")
	cli.ChoiceVar(cmd, &b.format, "output", "o", b.format, []string{"table", "json", "csv"}, "a table for people, or json or csv for programs")
	f.StringVar(&b.jsonFile, "json", "", "also write the result to this file as JSON")
	f.StringVar(&b.csvFile, "csv", "", "also write the result to this file as CSV")
	return cmd
}

func (b *benchmark) produceFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	p := &b.o.Pattern
	f.IntVarP(&p.Size, "record-size", "s", 100, "bytes of a record's value")
	cli.ChoiceVar(cmd, &p.Payload, "payload", "", p.Payload, records.PayloadKinds, "values: random, zero, text or json")
	f.Float64Var(&p.Compressible, "compressible", 0, "share of a random value that is zeros, 0 to 1")
	cli.ChoiceVar(cmd, &p.Keys, "keys", "", p.Keys, records.KeyKinds, "keys: none (partitions in turn, a batch each), sequential, random or zipf; keys decide the partition as in the Java client")
	f.Int64Var(&p.KeyCount, "key-count", 1_000_000, "how many different keys")
	f.IntVar(&p.KeySize, "key-size", 16, "bytes of a key")
	cli.ChoiceVar(cmd, &b.compression, "compression", "z", b.compression, []string{"none", "gzip", "snappy", "lz4", "zstd"}, "codec of the batches: none, gzip, snappy, lz4 or zstd")
	cli.ChoiceVar(cmd, &b.acks, "acks", "", b.acks, []string{"0", "1", "all"}, "who must have the record before it counts as sent: 0, 1 or all")
	f.BoolVar(&b.o.Idempotent, "idempotent", true, "let the broker drop duplicates of retries (needs --acks all; off with other acks)")
	f.DurationVar(&b.o.Linger, "linger", 5*time.Millisecond, "how long a batch that is not full waits for more records")
	f.IntVar(&b.o.BatchBytes, "batch-size", 64<<10, "the largest batch, before compression, bytes")
	f.IntVar(&b.o.BatchRecords, "batch-records", 0, "the most records in a batch; 0: as many as fit")
	f.DurationVar(&b.o.DeliveryTimeout, "delivery-timeout", 2*time.Minute, "how long a batch is tried again before it counts as failed")
}

// options finishes what the flags have set.
func (b *benchmark) options(cmd *cobra.Command) error {
	o := &b.o
	var err error
	if o.Seeds, err = b.Seeds(); err != nil {
		return err
	}
	o.Acks = map[string]int16{"0": 0, "1": 1, "all": -1}[b.acks]
	if o.Acks != -1 && !cmd.Flags().Changed("idempotent") {
		o.Idempotent = false
	}
	o.Codec, _ = protocol.ParseCodec(b.compression)
	o.FromEnd = b.from == "end"
	if o.Mode != load.Consume && o.Count > 0 && !cmd.Flags().Changed("duration") {
		o.Duration = 0
	}
	if o.DeliveryTimeout == 0 {
		o.DeliveryTimeout = o.RequestTimeout
	}
	o.Configs = map[string]string{}
	for _, c := range b.configs {
		name, value, ok := strings.Cut(c, "=")
		if !ok {
			return cli.Usagef("topic-config: %q is not allowed; allowed: NAME=VALUE", c)
		}
		o.Configs[name] = value
	}
	if err := o.Check(); err != nil {
		return cli.UsageError{Err: err}
	}
	return nil
}

func (b *benchmark) run(cmd *cobra.Command) error {
	if err := b.options(cmd); err != nil {
		return err
	}
	ctx, stop := cli.Interruptible(cmd) // the first interrupt ends the load and prints the summary
	defer stop()
	b.Timeout = b.o.RequestTimeout
	if err := b.Reach(ctx); err != nil {
		return cli.Interrupted(ctx, err)
	}
	line := newLiveLine(cmd.ErrOrStderr(), b.progress, b.format == "table", b.o.Mode == load.Metadata)
	b.o.Progress, b.o.Note = line.interval, line.note
	report, err := load.Run(ctx, b.o)
	line.end()
	if report == nil {
		if err == nil {
			err = ctx.Err()
		}
		return b.explain(err)
	}
	if werr := b.write(cmd.OutOrStdout(), report); werr != nil {
		return werr
	}
	if err != nil {
		return b.explain(err)
	}
	if faults := report.Faults(); len(faults) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "troupe: bench %s: records: %s\n", b.o.Mode, strings.Join(faults, ", "))
		return cli.ErrReported
	}
	return nil
}

// explain says what to do about an error of a run.
func (b *benchmark) explain(err error) error {
	if strings.Contains(err.Error(), "UNKNOWN_TOPIC_OR_PARTITION") {
		if b.o.Mode == load.Consume {
			return fmt.Errorf("%w; see `troupe topic list`", err)
		}
		return fmt.Errorf("%w; --create-topic creates it", err)
	}
	return err
}

func (b *benchmark) write(out io.Writer, r *load.Report) error {
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{b.jsonFile, r.WriteJSON}, {b.csvFile, r.WriteCSV}} {
		if f.name == "" {
			continue
		}
		file, err := os.Create(f.name)
		if err != nil {
			return err
		}
		err = f.write(file)
		if cerr := file.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	switch b.format {
	case "json":
		return r.WriteJSON(out)
	case "csv":
		return r.WriteCSV(out)
	}
	r.WriteText(out)
	return nil
}
